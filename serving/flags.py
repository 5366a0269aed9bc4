"""The flags of `digitline serve`: TF Serving's, with its defaults, and a few of our own."""

import contextlib
import dataclasses
import functools
import ipaddress
import math
import os
import re
import sys
from pathlib import Path

from ..base import addresses
from ..base.command_flags import flag, flag_values
from ..base.errors import UsageError
from ..base.manifests import AUTO, TRIAL_HELP, TRIALS

_MOST_SERVERS = 256

_ports = functools.partial(flag, group="Where it listens (TF Serving's flags)")
_models = functools.partial(flag, group="Models (TF Serving's flags)")
_batching = functools.partial(flag, group="Batching (TF Serving's flags)")
_runtime = functools.partial(flag, group="Runtime (TF Serving's flags)")
_other = functools.partial(flag, group="Other flags of TF Serving")
_ours = functools.partial(flag, group="Beyond TF Serving")


@dataclasses.dataclass(frozen=True, kw_only=True)
class ServeOptions:
    """What `digitline serve` is asked to do; the help texts say what each means."""

    port: int = _ports(
        8500, "TCP port of the gRPC interface; 0 for none.", at_least=0, at_most=65535
    )
    grpc_socket_path: str = _ports("", "Unix socket of the gRPC interface; empty for none.")
    rest_api_port: int = _ports(
        0, "TCP port of the REST interface; 0 for none.", at_least=0, at_most=65535
    )
    rest_api_timeout_in_ms: int = _ports(30000, "Longest time of a REST request.", at_least=1)
    rest_api_enable_cors_support: bool = _ports(False, "Let pages of other hosts use REST.")
    grpc_channel_arguments: str = _ports("", "Arguments of gRPC's server: key=value,key=value.")
    enable_grpc_healthcheck_service: bool = _ports(False, "Answer gRPC's standard health checks.")
    enable_profiler: bool = _ports(True, "Answer TensorFlow's profiler on the gRPC port.")
    ssl_config_file: str = _ports("", "Text-format SSLConfig: TLS on the gRPC port.")

    model_name: str = _models("default", "Name of the model.")
    model_base_path: str = _models(
        "",
        "Folder whose numbered folders are the model's versions, or its address, such as "
        "s3://bucket/exports/saved_model/NAME.",
    )
    model_config_file: str = _models(
        "",
        "Text-format ModelServerConfig: several models, version policies, labels. Instead of "
        "--model_name and --model_base_path.",
    )
    model_config_file_poll_wait_seconds: float = _models(
        0, "Seconds between two reads of the config file; 0 to read it only once."
    )
    file_system_poll_wait_seconds: float = _models(
        1, "Seconds between two looks for new versions; 0 to look only at the start, below 0 never."
    )
    num_load_threads: int = _models(0, "Threads that load; 0 for up to 4.", at_least=0)
    num_unload_threads: int = _models(0, "Threads that unload; 0 for one.", at_least=0)
    max_num_load_retries: int = _models(
        5, "How often a version that fails to load is tried again.", at_least=0
    )
    load_retry_interval_micros: int = _models(
        60 * 1000 * 1000, "Microseconds between two tries.", at_least=0
    )
    allow_version_labels_for_unavailable_models: bool = _models(
        False, "Let labels name versions that are not loaded yet."
    )
    saved_model_tags: tuple[str, ...] = _models(("serve",), "Tags of the graph in a SavedModel.")
    prefer_tflite_model: bool = _models(False, "Serve model.tflite of a version that holds one.")
    num_tflite_pools: int = _models(1, "Pools of interpreters of a version.", at_least=1)
    num_tflite_interpreters_per_pool: int = _models(
        1,
        "Interpreters in a pool; a version runs as many calls at once as its pools hold.",
        at_least=1,
    )
    enable_model_warmup: bool = _models(
        True, "Send a new version the requests in its assets.extra before it answers."
    )
    num_request_iterations_for_warmup: int = _models(
        0, "How often each of them is sent; 0 for once.", at_least=0
    )

    enable_batching: bool = _batching(False, "Join requests into batches.")
    batching_parameters_file: str = _batching("", "Text-format BatchingParameters.")

    tensorflow_intra_op_parallelism: int = _runtime(0, "Threads inside an op; 0 for all cores.")
    tensorflow_inter_op_parallelism: int = _runtime(0, "Ops that run at once; 0 for all cores.")
    tensorflow_session_parallelism: int = _runtime(0, "Both of these.")
    xla_cpu_compilation_enabled: bool = _runtime(False, "Compile what XLA can, on the processor.")
    mixed_precision: str = _runtime(
        "", "Compute in this type where TensorFlow deems it safe.", words=("", "bfloat16")
    )

    monitoring_config_file: str = _other(
        "", "Text-format MonitoringConfig: metrics for Prometheus."
    )
    enable_signature_method_name_check: bool = _other(
        False, "Classify and Regress take only signatures of their own method."
    )
    enable_serialization_as_tensor_content: bool = _other(
        False, "Answer with tensors as bytes instead of typed fields: faster for large ones."
    )
    version: bool = _other(False, "Print the versions and exit.")
    rest_api_num_threads: int | None = _other(None, "Not used: one event loop.")
    grpc_max_threads: int | None = _other(None, "Not used: one event loop.")

    host: str = _ours(
        "127.0.0.1",
        "Address of the ports. 0.0.0.0 is all of this machine's: whoever reaches it can use the "
        "models.",
    )
    verify: bool = _ours(
        True,
        "Refuse a version of digitline whose files are not those in its manifest: the one before "
        "goes on answering.",
    )
    trial: str = _ours(AUTO, TRIAL_HELP, words=TRIALS)
    trial_seconds: float = _ours(
        120, "Longest time of a trial: load, warm-up and calls.", at_least=0.1
    )
    trial_megabytes: int = _ours(
        0,
        "Most memory of the trial's process, TensorFlow's own 400 MB included; 0 for four fifths "
        "of what is free.",
        at_least=0,
    )
    check_host: bool = _ours(
        True,
        "Where --host is a loopback address, answer REST only to who asks by an address or as "
        "localhost: else a web page whose name was made to lead here could use the models. Off "
        "behind a proxy that hands on the name by which it was asked.",
    )
    page: bool | None = _ours(
        None,
        "Answer / of the REST port with a page where one draws a digit and sees what the models "
        "make of it (default: where --host is a loopback address, as 127.0.0.1 is).",
    )
    litertjs: Path | None = _ours(
        None,
        "Folder of LiteRT.js, with which the page runs the model in the browser too (default: "
        "where digitline litertjs puts it).",
    )
    max_request_bytes: int = _ours(2**27, "Largest request, also when unpacked.", at_least=1)
    max_request_rows: int = _ours(
        100_000, "Most examples of a request, or rows of a batch; also in warm-up.", at_least=1
    )
    max_filled_bytes: int = _ours(
        2**24,
        "Largest tensor that is stated by its shape and filled with the last of fewer values; "
        "also in warm-up.",
        at_least=1,
    )
    max_json_depth: int = _ours(
        64,
        "Deepest nesting of a REST request.",
        at_least=1,
        at_most=64,  # No tensor has more dimensions.
    )
    max_concurrent_requests: int = _ours(
        1000,
        "Requests that each interface of a process answers at once; more are refused.",
        at_least=1,
    )
    shutdown_grace_seconds: float = _ours(
        20, "How long running requests may take to finish after SIGTERM.", at_least=0
    )
    load_library: tuple[str, ...] = _ours(
        (), "Libraries of custom ops (.so) that SavedModels need, separated by commas."
    )
    enable_config_reload: bool = _ours(
        True,
        "Answer HandleReloadConfigRequest, with which whoever reaches the gRPC port says what is "
        "served; --noenable_config_reload refuses it.",
    )
    num_servers: str = _ours(
        "1",
        "Processes that share the ports, where one Python interpreter is the limit: a number, or "
        "auto for as many as there are cores.",
    )
    access_log: str = _ours(
        "", "File that gets a JSON line for each request; - for standard error."
    )

    @property
    def is_local(self) -> bool:
        """Whether only this machine itself reaches the ports."""
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return self.host == "localhost"

    @property
    def has_page(self) -> bool:
        """Whether `/` is answered with the page: if not stated, on loopback addresses."""
        if not self.rest_api_port:
            return False
        return self.is_local if self.page is None else self.page

    @property
    def servers(self) -> int:
        """How many processes share the ports; raises UsageError."""
        if self.num_servers == "auto":
            return cores() if sys.platform == "linux" else 1
        number = int(self.num_servers) if re.fullmatch("[0-9]{1,4}", self.num_servers) else 0
        if not 1 <= number <= _MOST_SERVERS:
            raise UsageError(
                f"--num_servers={self.num_servers}: expected a number from 1 to {_MOST_SERVERS}, "
                "or auto"
            )
        if number > 1 and sys.platform != "linux":
            raise UsageError("--num_servers: only Linux spreads connections over processes")
        return number

    def check(self) -> None:
        """Refuses flags that do not go together, before anything heavy is loaded.

        Raises:
          UsageError: says which.
        """
        if not self.model_config_file and not self.model_base_path:
            raise UsageError(
                "which model? --model_base_path=exports/saved_model/NAME --model_name=NAME, or "
                "--model_config_file=FILE"
            )
        files = (
            *("model_config_file", "batching_parameters_file", "ssl_config_file"),
            *("monitoring_config_file", "access_log", "grpc_socket_path"),
        )
        for name in files:
            if addresses.is_address(getattr(self, name)):
                raise UsageError(
                    f"--{name}={getattr(self, name)}: a file of this machine was expected, not an "
                    "address"
                )
        if self.batching_parameters_file and not self.enable_batching:
            raise UsageError("--batching_parameters_file needs --enable_batching")
        if not (self.port or self.rest_api_port or self.grpc_socket_path):
            raise UsageError("nothing to listen at: --port, --rest_api_port, --grpc_socket_path")
        if self.servers > 1 and not (self.port or self.rest_api_port):
            raise UsageError(
                "--num_servers: several processes share ports, and there is none: a Unix socket is "
                "of one process"
            )
        if self.page and not self.rest_api_port:
            raise UsageError("--page needs --rest_api_port")
        if self.port and self.port == self.rest_api_port:
            raise UsageError(f"--port and --rest_api_port are both {self.port}")

    def notices(self) -> list[str]:
        """A line for each flag that changes nothing."""
        lines = []
        if self.model_config_file and self.model_base_path:
            lines.append("--model_config_file states the models: --model_base_path is not used")
        if self.rest_api_num_threads is not None:
            lines.append("--rest_api_num_threads has no meaning here: REST uses one event loop")
        if self.grpc_max_threads is not None:
            lines.append("--grpc_max_threads has no meaning here: gRPC uses one event loop")
        return lines


def cores() -> int:
    """Cores that this process may use; a container's share of them, rounded up."""
    count = len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1
    with contextlib.suppress(OSError, ValueError):  # No container, or none with a limit.
        most, period = Path("/sys/fs/cgroup/cpu.max").read_text().split()
        count = min(count, math.ceil(int(most) / int(period)))
    return count


FLAGS = flag_values(ServeOptions)
