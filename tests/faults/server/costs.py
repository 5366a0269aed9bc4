"""What each attack costs a healthy client and the server, as a table.

python tests/faults/server/costs.py [ATTACK …]
"""

import concurrent.futures
import contextlib
import dataclasses
import multiprocessing
import sys
import tempfile
import time
from pathlib import Path

import grpc
import numpy as np

sys.path.insert(0, str(Path(__file__).parents[2]))  # Where `served` is.

import attacks
from healthy import Healthy, Peak, resident


@dataclasses.dataclass(frozen=True)
class Ports:
    """Where a server is, for another process."""

    port: int
    rest: int

    def channel(self):
        return grpc.insecure_channel(f"127.0.0.1:{self.port}")


@dataclasses.dataclass(frozen=True)
class Cost:
    """What came of an attack.

    Attributes:
      code, words: what its first request was answered.
      healthy: the client beside it.
      before, peak, after: megabytes of the server.
    """

    code: int | str
    words: str
    healthy: Healthy
    before: int
    peak: int
    after: int

    def row(self):
        """Of a table: p50 and p99 by gRPC and REST in milliseconds, failures, megabytes."""
        times = [
            f"{1000 * np.percentile(self.healthy.seconds[name], percent):.1f}"
            for name in ("grpc", "rest")
            for percent in (50, 99)
        ]
        return [self.code, *times, len(self.healthy.failures), self.before, self.peak, self.after]


HEADERS = ["attack", "answer", "gRPC p50 ms", "p99", "REST p50 ms", "p99", "failed",
           "MB before", "at most", "after"]  # fmt: skip


class Attacker:
    """A process that attacks: in this one it would hold up the healthy client itself."""

    def __init__(self):
        context = multiprocessing.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(target=attack, args=(theirs,), daemon=True)
        self._process.start()

    def cost(self, server, name, scale=1.0):
        """Attacks a server, and looks at what that does to it."""
        before = resident(server.process.pid)
        self._pipe.send((name, Ports(server.port, server.rest), scale))
        self._pipe.recv()  # It is ready.
        with Peak(server.process.pid) as peak, Healthy(server) as healthy:
            time.sleep(0.2)
            self._pipe.send("go")
            outcomes = self._pipe.recv()
            time.sleep(0.5)
        after = resident(server.process.pid)
        sizes = [size >> 20 for size in (before, peak.bytes, after)]
        return Cost(*outcomes[0], healthy, *sizes)

    def close(self):
        self._process.kill()
        self._process.join()


def attack(pipe):
    """In the other process."""
    while True:
        name, ports, scale = pipe.recv()
        work = getattr(attacks, name)(ports, scale)
        pipe.send("ready")
        pipe.recv()
        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            pipe.send([job.result() for job in [pool.submit(each) for each in work]])


def main(names):
    import hostile_models
    import tabulate
    from served import serving_process

    with tempfile.TemporaryDirectory() as folder, contextlib.closing(Attacker()) as attacker:
        path = Path(folder)
        hostile_models.save(path)
        with serving_process(path, f"--model_config_file={path / 'config'}") as server:
            with Healthy(server):
                time.sleep(1)
            rows = [
                [name, *attacker.cost(server, name).row()]
                for name in names or ["nothing", *(each.__name__ for each in attacks.ALL)]
            ]
    print(tabulate.tabulate(rows, HEADERS))


if __name__ == "__main__":
    main(sys.argv[1:])
