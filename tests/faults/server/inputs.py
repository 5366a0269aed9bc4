"""REST and gRPC requests made at random out of good ones, with a seed: what becomes of them.

  python tests/faults/server/inputs.py [COUNT [SEED]]

Asks a server COUNT times (default: a million), half by REST and half by gRPC, 16 at once; prints
the answers by code, and ends with status 1 where one was the server's fault, or the server grew or
ended. Writes benchmarks/results/inputs.json. Of a fault its seed and number are printed, which make
it again.
"""

import asyncio
import collections
import datetime
import json
import os
import platform
import random
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parents[1])]

import aiohttp  # noqa: E402
import grpc  # noqa: E402
import odd_messages  # noqa: E402
import odd_rest  # noqa: E402
import yarl  # noqa: E402
from half_models import save_counter, save_tf1, save_tf2, tflite  # noqa: E402
from healthy import resident  # noqa: E402
from hostile_models import Digits  # noqa: E402
from served import serving_process  # noqa: E402

from digitline.base import files  # noqa: E402
from digitline.base.tf import tf  # noqa: E402

RESULTS = HERE.parents[2] / "benchmarks" / "results"
FLAGS = (
    "--noenable_config_reload",
    "--enable_grpc_healthcheck_service",
    "--max_num_load_retries=0",
)
_AT_ONCE, _LONGEST_S, _SHOWN = 16, 60, 20
# Mistakes of the client, or what TF Serving answers to them too; 501 is an unknown encoding.
_GRPC_WELL = {
    "OK", "INVALID_ARGUMENT", "NOT_FOUND", "FAILED_PRECONDITION", "UNIMPLEMENTED", "OUT_OF_RANGE",
    "ALREADY_EXISTS", "PERMISSION_DENIED", "RESOURCE_EXHAUSTED",
}  # fmt: skip
_GROWTH = 1.5


def save(folder):
    """Models of all kinds; gives the flag that serves them."""
    module = Digits()
    signatures = {"serving_default": module.predict, "classify": module.classify}
    tf.saved_model.save(module, str(folder / "m" / "1"), signatures)
    save_tf1(folder / "tf1" / "1")
    save_tf2(folder / "tf2" / "1")
    save_counter(folder / "counter" / "1")
    (folder / "lite" / "1").mkdir(parents=True)
    (folder / "lite" / "1" / "model.tflite").write_bytes(tflite(True))
    entries = "".join(
        f'config {{ name: "{name}" base_path: "{folder / name}" model_platform: "tensorflow" }}\n'
        for name in odd_rest.MODELS
    )
    (folder / "config").write_text(f"model_config_list {{ {entries} }}")
    return f"--model_config_file={folder / 'config'}"


class Asker:
    """Sends cases, and counts what comes of them.

    Attributes:
      codes: answers by interface and code.
      faults: the number of each case that was the server's fault, and what it answered.
    """

    def __init__(self, server, session, channel, seed):
        self.codes, self.faults = collections.Counter(), []
        self._url, self._session, self._channel = (
            f"http://127.0.0.1:{server.rest}", session, channel
        )  # fmt: skip
        self._seed = seed

    async def ask(self, number):
        """One case: the same one for the same seed and number."""
        generator = random.Random(f"{self._seed} {number}")
        try:
            code, words, is_well = await (self._grpc if number % 2 else self._rest)(generator)
        except (OSError, aiohttp.ClientError, TimeoutError) as error:
            code, words, is_well = type(error).__name__, str(error), False
        self.codes["gRPC" if number % 2 else "REST", code] += 1
        if not is_well:
            self.faults.append((self._seed, number, code, words[:200]))

    async def _rest(self, generator):
        method, path, headers, body = odd_rest.request(generator)
        url = yarl.URL(self._url + path, encoded=True)
        async with self._session.request(method, url, data=body, headers=headers) as answer:
            text = await answer.text(errors="replace")
            return str(answer.status), text, answer.status < 500 or answer.status == 501

    async def _grpc(self, generator):
        path, content = odd_messages.request(generator)
        call = self._channel.unary_unary(path)
        try:
            await call(content, timeout=_LONGEST_S)
        except grpc.aio.AioRpcError as error:
            code = error.code().name
            return code, error.details() or "", code in _GRPC_WELL
        return "OK", "", True


async def ask(server, count, seed):
    """Asks so often; gives the `Asker`."""
    timeout = aiohttp.ClientTimeout(total=_LONGEST_S)
    options = [("grpc.use_local_subchannel_pool", 1), ("grpc.enable_http_proxy", 0)]
    async with (
        aiohttp.ClientSession(timeout=timeout, auto_decompress=False) as session,
        grpc.aio.insecure_channel(f"127.0.0.1:{server.port}", options) as channel,
    ):
        asker, numbers = Asker(server, session, channel, seed), iter(range(count))

        async def work():
            for number in numbers:
                await asker.ask(number)
                if number and number % 50_000 == 0:
                    print(f"{number:,}: {len(asker.faults)} faults", flush=True)

        await asyncio.gather(*(work() for _ in range(_AT_ONCE)))
    return asker


def main():
    """Asks, prints, writes."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    seed = int(sys.argv[2]) if len(sys.argv) > 2 else 1
    with tempfile.TemporaryDirectory(prefix="digitline-inputs-") as name:
        folder = Path(name)
        with serving_process(folder, save(folder), *FLAGS) as server:
            asyncio.run(ask(server, 2000, seed - 1))  # What is made once is made.
            before, begun = resident(server.process.pid), time.monotonic()
            asker = asyncio.run(ask(server, count, seed))
            seconds, after = time.monotonic() - begun, resident(server.process.pid)
            status, _ = server.stop()
    result = {
        "command": f"python tests/faults/server/inputs.py {count} {seed}",
        "date": datetime.date.today().isoformat(),
        "machine": f"{os.cpu_count()} cores, {platform.machine()}",
        "inputs": count,
        "answers": {" ".join(key): number for key, number in sorted(asker.codes.items())},
        "faults": len(asker.faults),
        "seconds": round(seconds),
        "before_mb": before >> 20,
        "after_mb": after >> 20,
        "end": status,
    }
    files.write_json(RESULTS / "inputs.json", result)
    print(json.dumps(result, indent=1))
    for fault in asker.faults[:_SHOWN]:
        print(*fault)
    sys.exit(bool(asker.faults or status or after > _GROWTH * before))


if __name__ == "__main__":
    main()
