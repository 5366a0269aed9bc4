"""Clients of TF Serving's interfaces, for `digitline serve` and the real one; no TensorFlow.

    from digitline.serving.client import Client

    with Client("grpc://127.0.0.1:8500") as client:
        client.predict(images, model="lenet5")["probabilities"]

`AsyncClient` has the same methods, to be awaited.
"""

from .blocking import Client
from .calls import ServerError, VersionStatus
from .clients import AsyncClient
from .images import Classified

__all__ = ["AsyncClient", "Classified", "Client", "ServerError", "VersionStatus"]
