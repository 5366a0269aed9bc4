"""Whether a server answers, found out within seconds."""

import http.client
import queue
import threading
import urllib.error
import urllib.parse
import urllib.request

# How long TFDS's host may take to answer before another source is tried, in seconds.
PROBE_TIMEOUT_S = 4.0


def probe(url: str, timeout_s: float = PROBE_TIMEOUT_S) -> str | None:
    """Asks whether a server answers; None if it does, else why not.

    The whole attempt is bounded, name look-up included: where a firewall drops
    packets, each step would otherwise wait for minutes.
    """
    host = urllib.parse.urlsplit(url).netloc
    answer: queue.Queue[str | None] = queue.Queue()

    def ask() -> None:
        try:
            request = urllib.request.Request(url, method="HEAD")
            with urllib.request.urlopen(request, timeout=timeout_s):
                answer.put(None)
        except urllib.error.HTTPError as error:
            answer.put(f"{host} answers {error.code} {error.reason}")
        except (OSError, ValueError, http.client.HTTPException) as error:
            answer.put(f"{host} cannot be reached: {getattr(error, 'reason', error)}")

    # A daemon thread, since a name look-up that hangs must not hold up the exit.
    threading.Thread(target=ask, daemon=True).start()
    try:
        return answer.get(timeout=timeout_s)
    except queue.Empty:
        return f"{host} did not answer within {timeout_s:g} s"
