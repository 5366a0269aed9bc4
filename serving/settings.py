"""What the flags and the small files of `digitline serve` state, read and checked.

Batching, TLS and monitoring are text-format files of TF Serving's messages.
"""

import dataclasses
import ipaddress
from pathlib import Path
from typing import Any

from google.protobuf import text_format

from ..base.errors import UsageError, UserError
from .core.batching import Parameters
from .page import litert_js
from .protocol import messages

# Where TF Serving answers Prometheus.
METRICS_PATH = "/monitoring/prometheus/metrics"
_PEM = "-----BEGIN"


@dataclasses.dataclass(frozen=True)
class Tls:
    """Of the gRPC port.

    Attributes:
      key: private, PEM.
      certificates: of this server, PEM.
      clients_authority: certificates that clients' are checked with, PEM; or None.
      verify_clients: whether a client must show one.
    """

    key: bytes
    certificates: bytes
    clients_authority: bytes | None
    verify_clients: bool


def check(values: Any) -> None:
    """Refuses flags that do not go together, before anything heavy is loaded.

    Raises:
      UsageError: says which.
    """
    if not values.model_config_file and not values.model_base_path:
        raise UsageError(
            "which model? --model_base_path=exports/saved_model/NAME --model_name=NAME, or "
            "--model_config_file=FILE"
        )
    if values.batching_parameters_file and not values.enable_batching:
        raise UsageError("--batching_parameters_file needs --enable_batching")
    if not (values.port or values.rest_api_port or values.grpc_socket_path):
        raise UsageError("nothing to listen at: --port, --rest_api_port, --grpc_socket_path")
    if values.page and not values.rest_api_port:
        raise UsageError("--page needs --rest_api_port")
    if values.litertjs and not litert_js.is_whole(Path(values.litertjs)):
        raise UsageError(f"--litertjs={values.litertjs}: LiteRT.js is not there, or not whole")
    if values.port and values.port == values.rest_api_port:
        raise UsageError(f"--port and --rest_api_port are both {values.port}")


def page(values: Any) -> bool:
    """Whether `/` is answered with the page: if not stated, on loopback addresses."""
    if not values.rest_api_port:
        return False
    return is_loopback(values.host) if values.page is None else values.page


def is_loopback(host: str) -> bool:
    """Whether only this machine itself reaches a server at that address."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def litertjs(values: Any) -> Path:
    """The folder of LiteRT.js."""
    return Path(values.litertjs) if values.litertjs else litert_js.default_folder()


def batching(file: str) -> Parameters:
    """The parameters in a file; TF Serving's defaults where there is none.

    Raises:
      UserError: the file is not one of BatchingParameters, or states what cannot be.
    """
    if not file:
        return Parameters()
    message = _read(file, messages.BatchingParameters)
    given: dict[str, Any] = {
        name: getattr(message, name).value
        for name in (
            "max_batch_size",
            "batch_timeout_micros",
            "max_enqueued_batches",
            "num_batch_threads",
        )
        if message.HasField(name)
    }
    for name, value in given.items():
        if value < (0 if name == "batch_timeout_micros" else 1):
            raise UserError(f"{file}: {name} {value}: a positive number was expected")
    split_large = message.enable_large_batch_splitting.value
    if split_large and message.max_execution_batch_size.value > 0:
        # Then max_batch_size limits requests, which are cut without a limit here.
        given["max_batch_size"] = message.max_execution_batch_size.value
    allowed = tuple(message.allowed_batch_sizes)
    parameters = Parameters(
        **given,
        allowed_batch_sizes=allowed,
        pad_variable_length_inputs=message.pad_variable_length_inputs,
        split_large=split_large,
    )
    if list(allowed) != sorted(set(allowed)):
        raise UserError(f"{file}: allowed_batch_sizes must be ascending: {list(allowed)}")
    if allowed and allowed[-1] != parameters.max_batch_size:
        raise UserError(
            f"{file}: the last of allowed_batch_sizes, {allowed[-1]}, must be max_batch_size, "
            f"{parameters.max_batch_size}"
        )
    return parameters


def tls(file: str) -> Tls | None:
    """What a file of SSLConfig states.

    Raises:
      UserError: the file is none of that kind.
    """
    if not file:
        return None
    message = _read(file, messages.SSLConfig)
    if not message.server_key or not message.server_cert:
        raise UserError(f"{file}: server_key and server_cert are needed, both as PEM text")
    if message.client_verify and not message.custom_ca:
        raise UserError(f"{file}: client_verify needs custom_ca, the clients' authority")
    for name in ("server_key", "server_cert", "custom_ca"):
        text = getattr(message, name)
        if text and _PEM not in text:
            raise UserError(f"{file}: {name} is no PEM text; it begins with {_PEM} …")
    return Tls(
        message.server_key.encode(),
        message.server_cert.encode(),
        message.custom_ca.encode() or None,
        message.client_verify,
    )


def metrics_path(file: str) -> str:
    """Where Prometheus is answered; empty where a file of MonitoringConfig does not ask for it.

    Raises:
      UserError: the file is none of that kind.
    """
    if not file:
        return ""
    prometheus = _read(file, messages.MonitoringConfig).prometheus_config
    if not prometheus.enable:
        return ""
    path = prometheus.path or METRICS_PATH
    if not path.startswith("/"):
        raise UserError(f"{file}: the path {path} must begin with /")
    return path


def _read(file: str, message_class: Any) -> Any:
    try:
        text = Path(file).read_text(encoding="utf-8")
        return text_format.Parse(text, message_class())
    except (UnicodeDecodeError, text_format.ParseError) as error:
        name = message_class.DESCRIPTOR.full_name
        raise UserError(f"{file}: Error parsing text-format {name}: {error}") from error
