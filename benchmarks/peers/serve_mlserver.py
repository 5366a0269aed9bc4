"""MLServer (the Open Inference Protocol), with its adaptive batching.

python benchmarks/peers/serve_mlserver.py SAVED_MODEL PORT
"""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from mlserver import MLModel
from mlserver.codecs import NumpyCodec
from mlserver.types import InferenceResponse

from signature import BATCH, WAIT_S, open_signature


class Digits(MLModel):
    """Runs in a process that MLServer starts, so the model's folder comes by the environment."""

    async def load(self):
        self.call = open_signature(os.environ["SAVED_MODEL"])
        return True

    async def predict(self, payload):
        images = NumpyCodec.decode_input(payload.inputs[0]).astype(np.uint8)
        output = NumpyCodec.encode_output("probabilities", self.call(images))
        return InferenceResponse(model_name=self.name, outputs=[output])


def main(saved_model: str, port: int) -> None:
    """Starts MLServer on a folder of its settings."""
    settings = {"host": "127.0.0.1", "http_port": port, "grpc_port": port + 1,
                "metrics_port": port + 2, "parallel_workers": 0, "debug": False}  # fmt: skip
    model = {"name": "digits", "implementation": "serve_mlserver.Digits",
             "max_batch_size": BATCH, "max_batch_time": WAIT_S}  # fmt: skip
    with tempfile.TemporaryDirectory(prefix="digitline-") as folder:
        Path(folder, "settings.json").write_text(json.dumps(settings))
        Path(folder, "model-settings.json").write_text(json.dumps(model))
        path = os.pathsep.join([str(Path(__file__).parent), os.environ.get("PYTHONPATH", "")])
        environment = {**os.environ, "SAVED_MODEL": saved_model, "PYTHONPATH": path}
        words = [sys.executable, "-m", "mlserver.cli.main", "start", folder]
        subprocess.run(words, env=environment, check=True)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
