"""The flags of `digitline export`."""

from absl import flags

from ..base import command
from ..base.export_layout import FORMATS
from ..data.flags import define_max_corrupt_records

FLAGS = command.new_flags()
_WHAT = command.group(FLAGS, "What to export")
_TFLITE = command.group(FLAGS, "TFLite")
_GATE = command.group(FLAGS, "Verification")
_AFTER = command.group(FLAGS, "Published versions")
# The names in formats.py and tflite.py, which load TensorFlow.
VARIANTS = ("float32", "float16", "dynamic_int8", "int8", "mediapipe")

flags.DEFINE_string("workdir", "runs/lenet5", "Run folder of a finished training.", **_WHAT)
flags.DEFINE_string("export_dir", "exports", "Root folder of exports.", **_WHAT)
flags.DEFINE_string(
    "model_name", None, "Name to publish under (default: the network's name).", **_WHAT
)
flags.DEFINE_integer("version", None, "Version number (default: the next).", lower_bound=1, **_WHAT)
flags.DEFINE_list(
    "formats", "saved_model,tflite", f"Formats to write, of {', '.join(FORMATS)}.", **_WHAT
)
flags.DEFINE_bool(
    "dark_on_light",
    False,
    "SavedModel's predict_bytes inverts pictures with a light border, as of digits on paper.",
    **_WHAT,
)
flags.DEFINE_list(
    "tflite_variants",
    ",".join(VARIANTS[:-1]),
    f"TFLite files to write, of {', '.join(VARIANTS)}.",
    **_TFLITE,
)
flags.DEFINE_integer(
    "tflite_batch_size", 1, "Images that a TFLite file takes at once.", lower_bound=1, **_TFLITE
)
command.define_one_of(
    "tflite_io",
    "uint8",
    ("uint8", "int8"),
    "What the int8 file takes and gives. uint8: raw pixels, and float32 probabilities, as the "
    "others. int8: pixels - 128, and 256 p - 128: integers throughout, for microcontrollers.",
    **_TFLITE,
)
flags.DEFINE_integer(
    "calibration_images",
    500,
    "Images that int8's ranges are taken from: the first of the training split.",
    lower_bound=1,
    **_TFLITE,
)
flags.DEFINE_bool(
    "c_header", False, "Write the int8 file as a C header too, for microcontrollers.", **_TFLITE
)
flags.DEFINE_string(
    "split", "test", "Split to compare every artifact and the trained model on.", **_GATE
)
flags.DEFINE_string(
    "data_dir", None, "Root folder of prepared datasets (default: where the run found it).", **_GATE
)
flags.DEFINE_float(
    "min_accuracy",
    0.0,
    "Refuse a model whose accuracy on --split is below, 0 to 1.",
    lower_bound=0.0,
    upper_bound=1.0,
    **_GATE,
)
flags.DEFINE_integer(
    "must_beat",
    None,
    "Refuse a model whose accuracy on --split is below that of this published version.",
    lower_bound=1,
    **_GATE,
)
flags.DEFINE_integer(
    "samples",
    10,
    "Images of each class of --split that go along with the SavedModel, for people to pick from "
    "on the page of digitline serve; 0 for none.",
    lower_bound=0,
    **_WHAT,
)
define_max_corrupt_records(**_GATE)
flags.DEFINE_integer(
    "keep_versions",
    0,
    "After the export, delete all versions of the model but so many, the newest; 0 keeps all.",
    lower_bound=0,
    **_AFTER,
)
flags.DEFINE_bool(
    "rollback",
    False,
    "Instead of an export: take the newest version of --model_name away, into "
    "<export_dir>/.rolled_back; the one before is served again.",
    **_AFTER,
)
flags.DEFINE_string(
    "verify_only",
    None,
    "Instead of an export: check the files of all versions in this folder against their manifests.",
    **_AFTER,
)
