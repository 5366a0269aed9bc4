"""A server under a mixed load at 60 % of what it can do, with all attacks once a minute.

  SOAK_SECONDS=600 python tests/faults/server/soak.py [--num_servers=2 …]

Prints failed requests, times and memory by minute; ends with status 1 if a request of the healthy
crowd failed, or a swap was late. Writes benchmarks/results/soak.json and soak.png. The environment
states SOAK_SECONDS (default: 3600), SOAK_SCALE, the size of the attacks (default: 0.2; 1 is whole,
more than two cores bear beside the load), and SOAK_NAME, of the files. Other arguments are flags of
`digitline serve`.

What the server can do is measured for a minute of attacks: attackers, the trials of versions and
the crowd share its processors. Attackers, and what makes versions, give way to the server and the
crowd: they stand for other machines, and what they take to make megabytes of attacks is not the
server's. What they ask of it is judged as before.
"""

import contextlib
import datetime
import json
import os
import platform
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parents[1])]

import hostile_models  # noqa: E402
import matplotlib.pyplot as plt  # noqa: E402
import psutil  # noqa: E402
from healthy import resident  # noqa: E402
from served import serving_process  # noqa: E402
from soak_events import Events  # noqa: E402

from digitline.base import files  # noqa: E402

RESULTS = HERE.parents[2] / "benchmarks" / "results"
_SHARE, _UNDISTURBED_S, _ATTACKED_S, _LOOK_S = 0.6, 15, 60, 2
_NICE = 10  # Of attackers.


class Watch(threading.Thread):
    """Memory, files and threads of the server, sampled."""

    def __init__(self, process_id):
        super().__init__(daemon=True)
        self._process = psutil.Process(process_id)
        self._sizes = []

    def run(self):
        while True:
            self._sizes.append(resident(self._process.pid) >> 20)
            time.sleep(_LOOK_S)

    def told(self):
        """Since the last time. The least is without what is there for a moment, as trials are."""
        sizes, self._sizes = self._sizes or [0], []
        files = threads = 0
        for process in (self._process, *self._process.children(recursive=True)):
            with contextlib.suppress(psutil.Error):  # A trial that has ended.
                files, threads = files + process.num_fds(), threads + process.num_threads()
        least, most = min(sizes), max(sizes)
        return {"least_mb": least, "most_mb": most, "files": files, "threads": threads}


def load(server, rate, seconds):
    """The crowd: a process that prints what came of it."""
    words = [sys.executable, str(HERE / "soak_load.py"), server.port, server.rest, rate, seconds]
    return subprocess.Popen(list(map(str, words)), stdout=subprocess.PIPE, text=True)


def capacity(server, seconds):
    """Requests answered in a second, 16 at once."""
    out, _ = load(server, 0, seconds).communicate()
    return json.loads(out)["answered"] / seconds


def attacked(events, seconds):
    """Starts a thread of attackers, which gives way, as all threads that it starts."""

    def run():
        os.nice(_NICE)
        events.run(seconds)

    thread = threading.Thread(target=run)
    thread.start()
    return thread


def soaked(folder, seconds, scale, flags):
    """The figures."""
    config = hostile_models.save(folder)
    flags = (f"--model_config_file={config}", "--trial=auto", *flags)
    with serving_process(folder, *flags) as server:
        idle = resident(server.process.pid) >> 20
        undisturbed = capacity(server, _UNDISTURBED_S)
        events = Events(server, folder, scale)
        attacking = attacked(events, _ATTACKED_S)
        beside_attacks = capacity(server, _ATTACKED_S)
        attacking.join()
        rate = _SHARE * beside_attacks
        print(f"idle {idle} MB; capacity {undisturbed:.0f} requests/s, with attacks "
              f"{beside_attacks:.0f}; load {rate:.0f}", flush=True)  # fmt: skip
        crowd, watch = load(server, rate, seconds), Watch(server.process.pid)
        watch.start()
        attacking = attacked(events, seconds - 30)
        minutes = []
        for line in crowd.stdout:
            minutes.append(json.loads(line) | watch.told())
            print(row(len(minutes), minutes[-1]), flush=True)
        attacking.join()
        time.sleep(10)
        after = resident(server.process.pid) >> 20
        begun = time.monotonic()
        status, _ = server.stop()
        return {
            "idle_mb": idle,
            "after_mb": after,
            "capacity_per_s": round(undisturbed),
            "capacity_with_attacks_per_s": round(beside_attacks),
            "rate_per_s": round(rate),
            "minutes": minutes,
            "events": {name: dict(codes) for name, codes in sorted(events.outcomes.items())},
            "times_s": sorted(events.times, key=lambda each: each[1]),
            "log_lines": len(server.said().splitlines()),
            "end": {"status": status, "seconds": round(time.monotonic() - begun, 1)},
        }


def row(number, minute):
    """A minute as text."""
    return (
        f"minute {number}: answered {minute['answered']:,}, failed {minute['failed'] or 0}, p50 "
        f"{minute['p50_ms']} ms, p99 {minute['p99_ms']}, max {minute['max_ms']}; RSS "
        f"{minute['least_mb']} to {minute['most_mb']} MB, {minute['files']} files, "
        f"{minute['threads']} threads"
    )


def plotted(result, path):
    """Times, memory and failures by minute."""
    minutes = result["minutes"]
    x = range(1, len(minutes) + 1)
    figure, (times, memory, failed) = plt.subplots(3, 1, figsize=(9, 9), sharex=True)
    for name in ("p50_ms", "p99_ms"):
        times.plot(x, [minute[name] for minute in minutes], label=name[:3])
    times.set(ylabel="ms", yscale="log")
    for name in ("least_mb", "most_mb"):
        memory.plot(x, [minute[name] for minute in minutes], label=name[:-3])
    memory.set(ylabel="RSS of all processes, MB", ylim=(0, None))
    counts = [sum(minute["failed"].values()) for minute in minutes]
    failed.bar(x, counts)
    failed.set(ylabel="failed requests", xlabel="minute", ylim=(0, max(1, *counts)))
    for axes in (times, memory):
        axes.legend()
    figure.tight_layout()
    figure.savefig(path, dpi=100)


def main():
    """Soaks, prints, writes."""
    seconds = float(os.environ.get("SOAK_SECONDS", "3600"))
    scale = float(os.environ.get("SOAK_SCALE", "0.2"))
    name = os.environ.get("SOAK_NAME", "soak")
    with tempfile.TemporaryDirectory(prefix="digitline-soak-") as folder:
        result = soaked(Path(folder), seconds, scale, sys.argv[1:])
    words = [f"SOAK_SECONDS={seconds:g} SOAK_SCALE={scale:g}", "python", *sys.argv]
    words[2] = "tests/faults/server/soak.py"
    result = {
        "command": " ".join(words),
        "date": datetime.date.today().isoformat(),
        "machine": f"{os.cpu_count()} cores, {platform.machine()}; server, load and attacks share "
        f"them; load average {os.getloadavg()[2]:.1f}",
        **result,
    }
    files.write_json(RESULTS / f"{name}.json", result)
    plotted(result, RESULTS / f"{name}.png")
    print(json.dumps(result["events"], indent=1))
    failed = sum(sum(minute["failed"].values()) for minute in result["minutes"])
    late = [code for code in result["events"]["swap"] if code != "swapped"]
    print(f"failed: {failed}; RSS {result['idle_mb']} MB idle, {result['after_mb']} MB after")
    sys.exit(bool(failed or late or result["end"]["status"]))


if __name__ == "__main__":
    main()
