"""The small files that flags of `digitline serve` name: batching, TLS and monitoring.

Each is one of TF Serving's messages in text format.
"""

import ssl
from pathlib import Path
from typing import Any

import grpc
from google.protobuf import text_format

from ..base.errors import UserError
from ..base.process import temporary
from .core import config
from .core.batch_queue import Parameters
from .protocol import messages

# Where TF Serving answers Prometheus.
METRICS_PATH = "/monitoring/prometheus/metrics"
_PEM = "-----BEGIN"
# OpenSSL's names: a key of the same type, or of another.
_MISMATCHES = ("KEY_VALUES_MISMATCH", "KEY_TYPE_MISMATCH", "NO_CERTIFICATE_ASSIGNED")


def batching(file: str) -> Parameters:
    """The parameters in a file; TF Serving's defaults if no file is named.

    Raises:
      UserError: the file holds no BatchingParameters, or impossible ones.
    """
    if not file:
        return Parameters()
    message = _read(file, messages.BatchingParameters)
    names = ("max_batch_size", "batch_timeout_micros", "max_enqueued_batches", "num_batch_threads")
    numbers = {name: getattr(message, name).value for name in names if message.HasField(name)}
    for name, number in numbers.items():
        if number < (0 if name == "batch_timeout_micros" else 1):
            raise UserError(f"{file}: {name} {number}: a positive number was expected")
    split_large = message.enable_large_batch_splitting.value
    if split_large and message.max_execution_batch_size.value > 0:
        # Then max_batch_size limits requests, which are cut without a limit here.
        numbers["max_batch_size"] = message.max_execution_batch_size.value
    sizes = tuple(message.allowed_batch_sizes)
    parameters = Parameters(
        allowed_batch_sizes=sizes,
        pad_variable_length_inputs=message.pad_variable_length_inputs,
        split_large=split_large,
        **numbers,
    )
    if list(sizes) != sorted(set(sizes)):
        raise UserError(f"{file}: allowed_batch_sizes must be ascending: {list(sizes)}")
    if sizes and sizes[-1] != parameters.max_batch_size:
        raise UserError(
            f"{file}: the last of allowed_batch_sizes, {sizes[-1]}, must be max_batch_size, "
            f"{parameters.max_batch_size}"
        )
    return parameters


def tls(file: str) -> grpc.ServerCredentials | None:
    """The credentials that a file of SSLConfig states; None if no file is named.

    Raises:
      UserError: the file holds no SSLConfig, or an incomplete one.
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
            raise UserError(f"{file}: {name} is not PEM text, which begins with {_PEM} …")
    _check_tls(file, message.server_key, message.server_cert, message.custom_ca)
    return grpc.ssl_server_credentials(
        [(message.server_key.encode(), message.server_cert.encode())],
        message.custom_ca.encode() or None,
        message.client_verify,
    )


def _check_tls(file: str, key: str, certificate: str, authority: str) -> None:
    """Refuses what gRPC would take and then answer no client with, or only say in its own log.

    Raises:
      UserError: says which of the three is wrong.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.set_ciphers("DEFAULT:@SECLEVEL=0")  # Weak ones are for gRPC to judge.
    with temporary.folder() as folder:  # Only this user's; ssl reads files.
        paths = folder / "certificate", folder / "key"
        for path, text in zip(paths, (certificate, key), strict=True):
            path.write_text(text, encoding="utf-8")
        try:
            context.load_verify_locations(cadata=certificate)
        except (ssl.SSLError, ValueError):
            raise UserError(f"{file}: server_cert is not a certificate that can be read") from None
        try:
            context.load_cert_chain(*paths, password=lambda: "")
        except ssl.SSLError as error:
            if error.reason in _MISMATCHES:
                what = "server_key is not the key of server_cert: the two do not fit"
            elif "ENCRYPTED" in key:
                what = "server_key is encrypted: it must be stated without a passphrase"
            else:
                what = "server_key is not a private key that can be read"
            raise UserError(f"{file}: {what}") from None
    try:
        if authority:
            context.load_verify_locations(cadata=authority)
    except (ssl.SSLError, ValueError):
        raise UserError(f"{file}: custom_ca is not a certificate that can be read") from None


def metrics_path(file: str) -> str:
    """Where Prometheus is answered; empty unless a file of MonitoringConfig enables it.

    Raises:
      UserError: the file holds no MonitoringConfig, or a path that cannot be.
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
    """The message in a text file."""
    try:
        text = config.read(Path(file)).decode()
        return text_format.Parse(text, message_class())
    except (UnicodeDecodeError, text_format.ParseError) as error:
        name = message_class.DESCRIPTOR.full_name
        raise UserError(f"{file}: Error parsing text-format {name}: {error}") from error
