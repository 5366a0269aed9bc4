"""What befalls a server in each minute of a soak: attacks, new and bad versions, bad clients."""

import collections
import concurrent.futures
import contextlib
import functools
import json
import shutil
import socket
import struct
import threading
import time

import attacks
import grpc
import hostile_models
import silent
from healthy import PREDICT, predict_request

from digitline.serving.protocol import messages

_RELOAD = "/tensorflow.serving.ModelService/HandleReloadConfigRequest"
_SWAP_S, _STAY_S = 60, 50  # To load a version; that a bad one lies there, unless it is refused.
_KEPT = 3  # Versions on the disk.


class Events:
    """Each event once a minute, spread over it, each on a thread of its own."""

    def __init__(self, server, folder, scale):
        """Begins with `start`.

        Args:
          server: that is attacked.
          folder: of its models.
          scale: of the attacks: 1 is whole.
        """
        self._server, self._folder, self._scale = server, folder, scale
        self.outcomes = collections.defaultdict(collections.Counter)
        self.times = []  # Of each event: name, and seconds from its start and to its end.
        self._begun = time.monotonic()
        self._newest = 1
        self._swapping, self._lying = threading.Lock(), threading.Lock()
        self._pool = concurrent.futures.ThreadPoolExecutor(32)
        self._all = [
            self.swap, self.broken_version, self.hostile_version, self.reload, self.storm,
            self.slow_clients, self.vanished_clients,
            *(functools.partial(self.attack, each) for each in attacks.ALL),
        ]  # fmt: skip

    def run(self, seconds):
        """So long; returns when what began by then is over."""
        begun, jobs = time.monotonic(), []
        for number in range(int(seconds * len(self._all) / 60)):
            time.sleep(max(0, begun + number * 60 / len(self._all) - time.monotonic()))
            jobs.append(self._pool.submit(self._one, self._all[number % len(self._all)]))
        for job in jobs:
            job.result()

    def _one(self, event):
        name = event.args[0] if isinstance(event, functools.partial) else event
        start = time.monotonic() - self._begun
        try:
            outcome = event()
        except Exception as error:
            outcome = f"{type(error).__name__}: {error}"[:100]
        self.outcomes[name.__name__][outcome] += 1
        end = time.monotonic() - self._begun
        self.times.append((name.__name__, round(start, 1), round(end, 1)))

    def attack(self, attack):
        """One of `attacks.py`."""
        work = attack(self._server, self._scale)
        with concurrent.futures.ThreadPoolExecutor(len(work)) as pool:
            return ", ".join(sorted({str(job.result()[0]) for job in
                                     [pool.submit(each) for each in work]}))  # fmt: skip

    def swap(self):
        """A new version, which must answer soon; old ones are removed."""
        with self._swapping:
            self._newest += 1
            base = self._folder / "m"
            hostile_models.copied(base / "1", base / str(self._newest))
            end, state = time.monotonic() + _SWAP_S, ""
            while state != "AVAILABLE":
                if time.monotonic() > end:
                    return f"late: {state}"
                time.sleep(0.5)
                with contextlib.suppress(OSError, ValueError, KeyError):
                    _, text = self._server.get("/v1/models/m")
                    states = {int(each["version"]): each["state"]
                              for each in json.loads(text)["model_version_status"]}  # fmt: skip
                    state = states.get(self._newest, "")
            for number in range(2, self._newest - _KEPT):
                shutil.rmtree(base / str(number), ignore_errors=True)
            return "swapped"

    def broken_version(self):
        """Half of a version."""
        return self._bad(hostile_models.broken, 10**6)

    def hostile_version(self):
        """One that crashes whoever opens it."""
        return self._bad(hostile_models.crashing, 2 * 10**6)

    def _bad(self, make, number):
        # Of the other model: while it lies there, it is the latest, so there is one at a time.
        with self._lying:
            folder = self._folder / "slow" / str(number + int(time.time()) % 10**6)
            make(folder)
            end, outcome = time.monotonic() + _STAY_S, "not seen"
            while outcome == "not seen" and time.monotonic() < end:
                time.sleep(1)
                if f"version: {folder.name}}} failed" in self._server.said():
                    outcome = "refused"
            shutil.rmtree(folder)
            return outcome

    def reload(self):
        """A further model, and without it again."""
        codes = []
        for names in (("m", "slow", "again"), ("m", "slow")):
            request = messages.ReloadConfigRequest()
            for name in names:
                base = self._folder / ("m" if name == "m" else "slow")
                request.config.model_config_list.config.add(
                    name=name, base_path=str(base), model_platform="tensorflow"
                )
            codes.append(attacks.call(self._server, _RELOAD, request.SerializeToString())[0])
        return ", ".join(codes)

    def storm(self):
        """More calls at once than are answered: those are refused."""
        request, codes = predict_request((1, 28, 28, 1)), set()
        with self._server.channel() as channel:
            predict = channel.unary_unary(PREDICT)
            for call in [
                predict.future(request, timeout=60) for _ in range(int(5000 * self._scale))
            ]:
                code = call.code()
                codes.add(code.name if isinstance(code, grpc.StatusCode) else str(code))
        return ", ".join(sorted(codes))

    def slow_clients(self):
        """Requests that come byte by byte."""
        sockets = silent.connected(self._server.rest, 20)
        for byte in b"POST /v1/models/m:predict HTTP/1.1\r\nHost: ":
            for each in sockets:
                with contextlib.suppress(OSError):
                    each.send(bytes([byte]))
            time.sleep(0.2)
        for each in sockets:
            each.close()
        return "closed"

    def vanished_clients(self):
        """Requests whose clients are gone before the answer."""
        body = json.dumps({"instances": [[[[0]] * 28] * 28] * 100})
        head = "POST /v1/models/slow:predict HTTP/1.1\r\nHost: a\r\n"
        request = f"{head}Content-Length: {len(body)}\r\n\r\n{body}".encode()
        for each in silent.connected(self._server.rest, int(50 * self._scale) + 1):
            each.sendall(request)
            each.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            each.close()  # A reset.
        return "closed"
