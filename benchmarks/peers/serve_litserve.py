"""LitServe, with its batching: python benchmarks/peers/serve_litserve.py SAVED_MODEL PORT."""

import sys

import litserve
import numpy as np

from signature import BATCH, WAIT_S, open_signature


class Digits(litserve.LitAPI):
    """One image a request."""

    def setup(self, device):
        self.call = open_signature(sys.argv[1])

    def decode_request(self, request):
        return np.asarray(request["images"], np.uint8)[0]

    def batch(self, inputs):
        return np.stack(inputs)

    def predict(self, images):
        return self.call(images)

    def unbatch(self, output):
        return list(output)

    def encode_response(self, output):
        return {"probabilities": [output.tolist()]}


if __name__ == "__main__":
    api = Digits(max_batch_size=BATCH, batch_timeout=WAIT_S)
    server = litserve.LitServer(api, accelerator="cpu", workers_per_device=1)
    port = int(sys.argv[2])
    server.run(host="127.0.0.1", port=port, generate_client_file=False, log_level="warning")
