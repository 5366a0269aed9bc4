"""The flags of `digitline serve`: TF Serving's, with its defaults, and a few of our own."""

from absl import flags

from ..base import command

FLAGS = command.new_flags()
_PORTS = command.group(FLAGS, "Where it listens (TF Serving's flags)")
_MODELS = command.group(FLAGS, "Models (TF Serving's flags)")
_BATCHING = command.group(FLAGS, "Batching (TF Serving's flags)")
_RUNTIME = command.group(FLAGS, "Runtime (TF Serving's flags)")
_OTHER = command.group(FLAGS, "Other flags of TF Serving")
_OURS = command.group(FLAGS, "Beyond TF Serving")


def _port(name: str, default: int, text: str) -> None:
    flags.DEFINE_integer(name, default, text, lower_bound=0, upper_bound=65535, **_PORTS)


_port("port", 8500, "TCP port of the gRPC interface; 0 for none.")
flags.DEFINE_string(
    "grpc_socket_path", "", "Unix socket of the gRPC interface; empty for none.", **_PORTS
)
_port("rest_api_port", 0, "TCP port of the REST interface; 0 for none.")
flags.DEFINE_integer(
    "rest_api_timeout_in_ms", 30000, "Longest time of a REST request.", lower_bound=1, **_PORTS
)
flags.DEFINE_bool(
    "rest_api_enable_cors_support", False, "Let pages of other hosts use REST.", **_PORTS
)
flags.DEFINE_string(
    "grpc_channel_arguments", "", "Arguments of gRPC's server: key=value,key=value.", **_PORTS
)
flags.DEFINE_bool(
    "enable_grpc_healthcheck_service", False, "Answer gRPC's standard health checks.", **_PORTS
)
flags.DEFINE_string("ssl_config_file", "", "Text-format SSLConfig: TLS on the gRPC port.", **_PORTS)

flags.DEFINE_string("model_name", "default", "Name of the model.", **_MODELS)
flags.DEFINE_string(
    "model_base_path", "", "Folder whose numbered folders are the model's versions.", **_MODELS
)
flags.DEFINE_string(
    "model_config_file",
    "",
    "Text-format ModelServerConfig: several models, version policies, labels. Instead of "
    "--model_name and --model_base_path.",
    **_MODELS,
)
flags.DEFINE_float(
    "model_config_file_poll_wait_seconds",
    0,
    "Seconds between two looks at the config file; 0 for the one at the start.",
    **_MODELS,
)
flags.DEFINE_float(
    "file_system_poll_wait_seconds",
    1,
    "Seconds between two looks for new versions; 0 for one at the start, below 0 for none.",
    **_MODELS,
)
flags.DEFINE_integer(
    "num_load_threads", 0, "Threads that load; 0 for up to 4.", lower_bound=0, **_MODELS
)
flags.DEFINE_integer(
    "num_unload_threads", 0, "Threads that unload; 0 for one.", lower_bound=0, **_MODELS
)
flags.DEFINE_integer(
    "max_num_load_retries",
    5,
    "How often a version that fails to load is tried again.",
    lower_bound=0,
    **_MODELS,
)
flags.DEFINE_integer(
    "load_retry_interval_micros",
    60 * 1000 * 1000,
    "Microseconds between two tries.",
    lower_bound=0,
    **_MODELS,
)
flags.DEFINE_bool(
    "allow_version_labels_for_unavailable_models",
    False,
    "Let labels name versions that are not loaded yet.",
    **_MODELS,
)
flags.DEFINE_list("saved_model_tags", ["serve"], "Tags of the graph in a SavedModel.", **_MODELS)
flags.DEFINE_bool(
    "prefer_tflite_model", False, "Serve model.tflite of a version that holds one.", **_MODELS
)
flags.DEFINE_integer(
    "num_tflite_pools", 1, "Pools of interpreters of a version.", lower_bound=1, **_MODELS
)
flags.DEFINE_integer(
    "num_tflite_interpreters_per_pool",
    1,
    "Interpreters in a pool: calls at once of a version, for each of its pools.",
    lower_bound=1,
    **_MODELS,
)
flags.DEFINE_bool(
    "enable_model_warmup",
    True,
    "Send a new version the requests in its assets.extra before it answers.",
    **_MODELS,
)
flags.DEFINE_integer(
    "num_request_iterations_for_warmup",
    0,
    "How often each of them is sent; 0 for once.",
    lower_bound=0,
    **_MODELS,
)

flags.DEFINE_bool("enable_batching", False, "Join requests into batches.", **_BATCHING)
flags.DEFINE_string("batching_parameters_file", "", "Text-format BatchingParameters.", **_BATCHING)

flags.DEFINE_integer(
    "tensorflow_intra_op_parallelism", 0, "Threads inside an op; 0 for all cores.", **_RUNTIME
)
flags.DEFINE_integer(
    "tensorflow_inter_op_parallelism", 0, "Ops at once; 0 for all cores.", **_RUNTIME
)
flags.DEFINE_integer("tensorflow_session_parallelism", 0, "Both of these.", **_RUNTIME)
flags.DEFINE_bool(
    "xla_cpu_compilation_enabled", False, "Compile what XLA can, on the processor.", **_RUNTIME
)
command.define_one_of(
    "mixed_precision",
    "",
    ("", "bfloat16"),
    "Compute in this type where TensorFlow deems it safe.",
    **_RUNTIME,
)

flags.DEFINE_string(
    "monitoring_config_file", "", "Text-format MonitoringConfig: figures for Prometheus.", **_OTHER
)
flags.DEFINE_bool(
    "enable_signature_method_name_check",
    False,
    "Classify and Regress take signatures of their own method only.",
    **_OTHER,
)
flags.DEFINE_bool(
    "enable_serialization_as_tensor_content",
    False,
    "Answer with tensors as bytes instead of typed fields: larger ones faster.",
    **_OTHER,
)
flags.DEFINE_bool("version", False, "Print the versions and end.", **_OTHER)

# Of TF Serving's ways of working, which this server does not have.
MEANINGLESS = {
    "rest_api_num_threads": "REST requests are answered on one event loop",
    "grpc_max_threads": "gRPC calls are answered on one event loop",
}
flags.DEFINE_integer("rest_api_num_threads", None, "Not used: one event loop.", **_OTHER)
flags.DEFINE_integer("grpc_max_threads", None, "Not used: one event loop.", **_OTHER)

flags.DEFINE_string(
    "host",
    "127.0.0.1",
    "Address that the ports are opened at. 0.0.0.0 is all of this machine's: whoever reaches it "
    "can use the models.",
    **_OURS,
)
flags.DEFINE_bool(
    "page",
    None,
    "Answer / of the REST port with a page where one draws a digit and sees what the models make "
    "of it (default: where --host is a loopback address, as 127.0.0.1 is).",
    **_OURS,
)
flags.DEFINE_string(
    "litertjs",
    None,
    "Folder of LiteRT.js, with which the page runs the model in the browser too (default: where "
    "digitline litertjs puts it).",
    **_OURS,
)
flags.DEFINE_integer(
    "max_request_bytes", 2**27, "Largest request, also when unpacked.", lower_bound=1, **_OURS
)
flags.DEFINE_integer(
    "max_json_depth",
    64,
    "Deepest nesting of a REST request.",
    lower_bound=1,
    upper_bound=64,  # There is no tensor of more dimensions.
    **_OURS,
)
flags.DEFINE_integer(
    "max_concurrent_requests",
    1000,
    "Requests at once of each interface; more are refused.",
    lower_bound=1,
    **_OURS,
)
flags.DEFINE_float(
    "shutdown_grace_seconds",
    20,
    "After SIGTERM: how long requests that run may take to end.",
    lower_bound=0,
    **_OURS,
)
flags.DEFINE_string(
    "access_log",
    "",
    "File of a JSON line for each request to a model; - for standard error.",
    **_OURS,
)
