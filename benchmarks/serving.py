"""`digitline benchmark serving`: our server beside those that people use instead."""

import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from absl import flags

from digitline.base import command, progress
from digitline.base.errors import UsageError, UserError

FLAGS = command.new_flags()
_WHAT = command.group(FLAGS, "What to measure")

flags.DEFINE_string(
    "saved_model",
    "exports/saved_model/lenet5",
    "Folder of a SavedModel of ours, or of its versions: the newest counts.",
    **_WHAT,
)
flags.DEFINE_list(
    "servers",
    "digitline,plain_grpc,fastapi,litserve,bentoml,mlserver",
    "Servers. Those whose packages are not there are listed as such.",
    **_WHAT,
)
flags.DEFINE_list(
    "peer_python",
    [],
    "NAME=PATH of the Python that has a peer's packages, where it is not this one; it must have "
    "digitline too.",
    **_WHAT,
)
flags.DEFINE_list("in_flight", "1,8,32,128", "Requests in flight.", **_WHAT)
flags.DEFINE_float("seconds", 4, "Seconds of load for each row.", lower_bound=0.1, **_WHAT)
flags.DEFINE_integer("rounds", 1, "Starts of each server; medians count.", lower_bound=1, **_WHAT)

_KIND = "serving"
_NAMES = ("digitline", "plain_grpc", "fastapi", "litserve", "bentoml", "mlserver")
_MODEL = "benchmarked"
# One thread runs batches: TensorFlow uses all cores for each. A batch is what came in while
# the one before was run.
BATCHING = "num_batch_threads { value: 1 } max_batch_size { value: 64 }\n"


def run(values: Any, arguments: list[str]) -> dict[str, Any]:
    """Starts each server in turn, and drives each with the same load."""
    if arguments != [_KIND]:
        raise UsageError(f"benchmark what? Here: {_KIND}; got {' '.join(arguments) or 'nothing'}")
    for name in values.servers:
        if name not in _NAMES:
            raise UsageError(
                f"--servers: unknown word '{name}'{command.nearest(name, _NAMES)} "
                f"(there are: {', '.join(_NAMES)})"
            )
    levels = [_whole(word) for word in values.in_flight]
    pythons = _pythons(values.peer_python)
    import numpy as np  # The imports here load TensorFlow.

    from digitline.serving import artifacts as runtime

    classifier = runtime.open_saved_model(Path(values.saved_model))
    image = np.random.default_rng(0).integers(0, 256, (1, *classifier.image_shape), np.uint8)
    expected = classifier.run(image)["probabilities"][0]
    rows, ready, missing = [], {}, {}
    with tempfile.TemporaryDirectory(prefix="digitline-") as folder:
        listed = _servers(values.servers, pythons, classifier.path, Path(folder))
        for server in listed:
            why = _why_missing(server)
            if why:
                missing[server.name] = why
                progress.say(f"{server.name}: not measured: {why}")
                continue
            progress.say(f"{server.name}, {server.protocol}")
            try:
                found, ready_s = _measured(server, image, expected, levels, values)
            except UserError as error:  # The others are measured all the same.
                missing[server.name] = str(error)
                continue
            rows += found
            ready.setdefault(server.name, ready_s)
    return {
        "saved_model": str(classifier.path),
        "rows": rows,
        "ready_s": ready,
        "missing": missing,
        **(_references(classifier, image, values) if rows else {}),
    }


def _why_missing(server: Any) -> str:
    """Why a peer cannot be started; empty where it can."""
    if not server.package:
        return ""
    from benchmarks.serving.servers import last_line

    python = server.command(0)[0]
    code = f"import digitline, {server.package}"
    try:
        done = subprocess.run([python, "-c", code], capture_output=True, text=True, check=False)
    except OSError as error:
        return f"{python}: {error.strerror}"
    if not done.returncode:
        return ""
    return last_line(done.stderr) or f"{python}: exit status {done.returncode}"


def _pythons(words: list[str]) -> dict[str, str]:
    """The Python of each peer that has one of its own.

    Raises:
      UsageError: a word is not NAME=PATH, or names no peer.
    """
    peers = [name for name in _NAMES if name != "digitline"]
    found = {}
    for word in words:
        name, _, path = word.partition("=")
        if not path:
            raise UsageError(f"--peer_python: expected NAME=PATH, got '{word}'")
        if name not in peers:
            raise UsageError(
                f"--peer_python: unknown peer '{name}'{command.nearest(name, peers)} "
                f"(there are: {', '.join(peers)})"
            )
        found[name] = path
    return found


def _whole(word: str) -> int:
    if not word.isdecimal() or int(word) < 1:
        raise UsageError(f"--in_flight: '{word}' is no positive number")
    return int(word)


def _servers(
    names: list[str], pythons: dict[str, str], saved_model: Path, folder: Path
) -> list[Any]:
    """Those that were asked for; ours over both protocols."""
    from benchmarks.serving import servers
    from benchmarks.serving.servers import GRPC, REST, Server

    base = folder / _MODEL
    base.mkdir()
    (base / "1").symlink_to(saved_model.resolve())
    batching = folder / "batching.config"
    batching.write_text(BATCHING)

    def ours(port_flag: str, other: str) -> Any:
        return lambda port: [
            *(sys.executable, "-m", "digitline.cli", "serve", f"--{port_flag}={port}", other),
            *(f"--model_name={_MODEL}", f"--model_base_path={base}"),
            *("--enable_batching", f"--batching_parameters_file={batching}"),
        ]

    def peer(name: str) -> Any:
        start = [pythons.get(name, sys.executable), "-m", f"{__package__}.peers", name]
        return lambda port: [*start, str(saved_model.resolve()), str(port)]

    def as_json(name: str) -> Any:
        return lambda image: json.dumps({name: image.tolist()}).encode()

    def from_json(name: str) -> Any:
        return lambda answer: json.loads(answer)[name]

    def tf_body(model: str) -> Any:
        return lambda image: servers.tf_request(image, model)

    path = servers.PREDICT
    known = {
        "digitline": [
            Server("digitline", GRPC, ours("port", "--rest_api_port=0"), path,
                   tf_body(_MODEL), servers.tf_probabilities),
            Server("digitline", REST, ours("rest_api_port", "--port=0"),
                   f"/v1/models/{_MODEL}:predict", as_json("instances"),
                   lambda answer: json.loads(answer)["predictions"][0]["probabilities"]),
        ],
        "plain_grpc": [
            Server("plain_grpc", GRPC, peer("plain_grpc"), path, tf_body(_MODEL),
                   servers.tf_probabilities),
        ],
        "mlserver": [
            Server("mlserver", REST, peer("mlserver"), "/v2/models/digits/infer", _v2_body,
                   lambda answer: json.loads(answer)["outputs"][0]["data"], "mlserver"),
        ],
    }  # fmt: skip
    for name in ("fastapi", "litserve", "bentoml"):
        read = from_json("probabilities") if name != "bentoml" else json.loads
        known[name] = [Server(name, REST, peer(name), "/predict", as_json("images"), read, name)]
    return [each for name in names for each in known[name]]


def _v2_body(image: Any) -> bytes:
    """Of the Open Inference Protocol."""
    given = {"name": "images", "shape": list(image.shape), "datatype": "UINT8"}
    return json.dumps({"inputs": [{**given, "data": image.ravel().tolist()}]}).encode()


def _measured(
    server: Any, image: Any, expected: Any, levels: list[int], values: Any
) -> tuple[list[dict[str, Any]], float]:
    from benchmarks.serving import servers

    taken: dict[int, list[dict[str, Any]]] = {level: [] for level in levels}
    ready = []
    for _ in range(values.rounds):
        with servers.running(server, image, expected) as found:
            ready.append(found.ready_s)
            for level in levels:
                body = server.body(image)
                figures = servers.loaded(server, found.address, body, level, values.seconds)
                taken[level].append({**figures, "rss_mb": found.rss_mb()})
    rows = []
    for level, all_figures in taken.items():
        row: dict[str, Any] = {
            "server": server.name,
            "protocol": server.protocol,
            "in_flight": level,
        }
        for name in ("requests_per_s", "p50_ms", "p99_ms"):
            # A round without good answers has no times.
            found = [each[name] for each in all_figures if each[name] is not None]
            row[name] = round(statistics.median(found), 3) if found else None
        row["errors"] = sum(each["errors"] for each in all_figures)
        memory = [each["rss_mb"] for each in all_figures if each["rss_mb"] is not None]
        row["rss_mb"] = round(max(memory)) if memory else None
        rows.append(row)
    return rows, round(statistics.median(ready), 2)


def _references(classifier: Any, image: Any, values: Any) -> dict[str, Any]:
    """What a lone request takes without a server, and a server without a model."""
    from benchmarks.serving import servers

    for _ in range(50):
        classifier.run(image)
    times = []
    for _ in range(500):
        start = time.perf_counter()
        classifier.run(image)
        times.append(time.perf_counter() - start)
    empty = servers.Server(
        "empty_grpc",
        servers.GRPC,
        lambda port: [sys.executable, "-m", f"{__package__}.peers", "empty_grpc", "-", str(port)],
        servers.PREDICT,
        lambda image: servers.tf_request(image, _MODEL),
        None,
    )
    rows, _ = _measured(empty, image, None, [1], values)
    imports = []
    for _ in range(values.rounds):
        start = time.monotonic()
        subprocess.run([sys.executable, "-c", "import tensorflow"], capture_output=True, check=True)
        imports.append(time.monotonic() - start)
    return {
        "in_process_p50_ms": round(statistics.median(times) * 1000, 3),
        "empty_grpc_p50_ms": rows[0]["p50_ms"],
        "import_tensorflow_s": round(statistics.median(imports), 2),
    }


def text(result: dict[str, Any]) -> str:
    """The table, and what is set beside goals."""
    lines = [
        f"{'server':<12}{'protocol':<10}{'in flight':>9}{'requests/s':>12}{'p50 ms':>9}"
        f"{'p99 ms':>9}{'errors':>8}{'MB':>7}"
    ]
    for row in result["rows"]:
        lines.append(
            f"{row['server']:<12}{row['protocol']:<10}{row['in_flight']:>9}"
            f"{row['requests_per_s']:>12,.0f}{_ms(row['p50_ms']):>9}{_ms(row['p99_ms']):>9}"
            f"{row['errors']:>8}{row['rss_mb'] or 0:>7,}"
        )
    lines += [f"{name}: not measured: {why}" for name, why in result["missing"].items()]
    if not result["rows"]:
        return "\n".join(lines[1:])
    ready = ", ".join(f"{name} {seconds} s" for name, seconds in result["ready_s"].items())
    lines += [
        "",
        f"ready: {ready}; import tensorflow alone {result['import_tensorflow_s']} s",
        f"one call in the process {result['in_process_p50_ms']} ms, an empty gRPC round trip "
        f"{_ms(result['empty_grpc_p50_ms'], 3)} ms (medians)",
    ]
    found = {
        (row["server"], row["protocol"], row["in_flight"]): row["requests_per_s"]
        for row in result["rows"]
    }
    for level in sorted({row["in_flight"] for row in result["rows"]}):
        mine, plain = (found.get((name, "gRPC", level)) for name in ("digitline", "plain_grpc"))
        if mine and plain:
            lines.append(
                f"gRPC, {level} in flight: {mine / plain:.1f} times as many requests/s as the "
                "plain server"
            )
    return "\n".join(lines)


def _ms(value: float | None, digits: int = 2) -> str:
    return "-" if value is None else f"{value:.{digits}f}"


COMMAND = command.from_values(
    name="benchmark serving",
    summary="Starts servers in turn with the same SavedModel, and drives each with the same load: "
    "requests of one image, so many in flight, in a closed loop. Ours, a plain gRPC server around "
    "the signature, FastAPI with uvicorn, LitServe, BentoML and MLServer.",
    flags=FLAGS,
    run=run,
    text=text,
    arguments=_KIND,
)

if __name__ == "__main__":
    command.main(COMMAND)
