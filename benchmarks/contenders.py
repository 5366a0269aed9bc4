"""The servers that are compared: how each is started, asked and understood."""

import json
import subprocess
import sys
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np

from digitline.base.errors import UserError
from digitline.base.export_layout import DEFAULT_SIGNATURE
from digitline.serving.protocol import messages, tensors

from servers import GRPC, REST, Server, last_line

PEERS = ("plain_grpc", "fastapi", "litserve", "bentoml", "mlserver")
NAMES = ("digitline", *PEERS)
PREDICT = "/tensorflow.serving.PredictionService/Predict"

_MODEL = "benchmarked"
# One thread runs batches: TensorFlow uses all cores for each. A batch is what came in while
# the one before was run.
_BATCHING = "num_batch_threads { value: 1 } max_batch_size { value: 64 }\n"
_PEERS_FOLDER = Path(__file__).parent / "peers"


def contenders(
    names: Iterable[str], pythons: dict[str, str], saved_model: Path, folder: Path
) -> list[Server]:
    """The servers of `names`; ours over both protocols.

    Args:
      names: of NAMES.
      pythons: the Python of each peer that has one of its own.
      saved_model: the folder that all of them serve.
      folder: for what they need on disk; it must outlive them.
    """
    saved_model = saved_model.resolve()
    base = folder / _MODEL
    base.mkdir()
    (base / "1").symlink_to(saved_model)
    batching = folder / "batching.config"
    batching.write_text(_BATCHING)

    def ours(port_flag: str, other: str) -> Callable[[int], list[str]]:
        return lambda port: [
            *(sys.executable, "-m", "digitline.cli", "serve", f"--{port_flag}={port}", other),
            *(f"--model_name={_MODEL}", f"--model_base_path={base}"),
            *("--enable_batching", f"--batching_parameters_file={batching}"),
        ]

    def peer(name: str) -> Callable[[int], list[str]]:
        return _start_of(name, pythons.get(name, sys.executable), saved_model)

    def rest(name: str, read: Callable[[bytes], object]) -> Server:
        return Server(name, REST, peer(name), "/predict", as_json("images"), read, name)

    def as_json(name: str) -> Callable[[np.ndarray], bytes]:
        return lambda image: json.dumps({name: image.tolist()}).encode()

    def probabilities(answer: bytes) -> object:
        return json.loads(answer)["probabilities"]

    servers = [
        Server("digitline", GRPC, ours("port", "--rest_api_port=0"), PREDICT, request, response),
        Server("digitline", REST, ours("rest_api_port", "--port=0"),
               f"/v1/models/{_MODEL}:predict", as_json("instances"),
               lambda answer: json.loads(answer)["predictions"][0]["probabilities"]),
        Server("plain_grpc", GRPC, peer("plain_grpc"), PREDICT, request, response),
        rest("fastapi", probabilities),
        rest("litserve", probabilities),
        rest("bentoml", json.loads),
        Server("mlserver", REST, peer("mlserver"), "/v2/models/digits/infer", _v2_request,
               lambda answer: json.loads(answer)["outputs"][0]["data"], "mlserver"),
    ]  # fmt: skip
    return [server for name in names for server in servers if server.name == name]


def empty_grpc() -> Server:
    """Answers with nothing: what a gRPC round trip takes by itself."""
    start = _start_of("empty_grpc", sys.executable, Path("-"))
    return Server("empty_grpc", GRPC, start, PREDICT, request, None)


def _start_of(name: str, python: str, saved_model: Path) -> Callable[[int], list[str]]:
    """Makes the command line that starts a peer on a port."""
    words = [python, str(_PEERS_FOLDER / f"serve_{name}.py"), str(saved_model)]
    return lambda port: [*words, str(port)]


def request(image: np.ndarray) -> bytes:
    """A PredictRequest of one image, uint8 [1, H, W, C]."""
    message = messages.PredictRequest()
    message.model_spec.name = _MODEL
    message.model_spec.signature_name = DEFAULT_SIGNATURE
    tensors.encode(image, message.inputs["images"])
    return message.SerializeToString()


def response(answer: bytes) -> np.ndarray:
    """The probabilities of a PredictResponse."""
    return tensors.decode(messages.PredictResponse.FromString(answer).outputs["probabilities"])


def _v2_request(image: np.ndarray) -> bytes:
    """Of the Open Inference Protocol."""
    tensor = {"name": "images", "shape": list(image.shape), "datatype": "UINT8"}
    return json.dumps({"inputs": [{**tensor, "data": image.ravel().tolist()}]}).encode()


def missing_package(server: Server) -> None:
    """Checks that a peer's packages are there.

    Raises:
      UserError: they are not, or its Python is not there.
    """
    if not server.package:
        return
    python = server.command(0)[0]
    code = f"import digitline, {server.package}"
    try:
        done = subprocess.run([python, "-c", code], capture_output=True, text=True, check=False)
    except OSError as error:
        raise UserError(f"{python}: {error.strerror}") from None
    if done.returncode:
        raise UserError(last_line(done.stderr) or f"{python}: exit status {done.returncode}")
