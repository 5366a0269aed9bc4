"""BentoML, with its adaptive batching.

python benchmarks/peers/serve_bentoml.py SAVED_MODEL PORT
"""

import os
import sys
from pathlib import Path

import bentoml
import numpy as np

from signature import BATCH, open_signature


@bentoml.service(workers=1)
class Digits:
    """Runs in processes that BentoML starts, so the model's folder comes by the environment."""

    def __init__(self):
        self.call = open_signature(os.environ["SAVED_MODEL"])

    @bentoml.api(batchable=True, max_batch_size=BATCH, max_latency_ms=1000)
    def predict(self, images: np.ndarray) -> np.ndarray:
        """Images uint8 [N, H, W, C] to probabilities float32 [N, K]."""
        return self.call(images.astype(np.uint8))


if __name__ == "__main__":
    os.environ["SAVED_MODEL"] = sys.argv[1]
    os.chdir(Path(__file__).parent)
    words = ["-m", "bentoml", "serve", "serve_bentoml:Digits", "--port", sys.argv[2]]
    os.execv(sys.executable, [sys.executable, *words])
