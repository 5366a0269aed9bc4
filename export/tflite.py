"""A trained model to TFLite files: float32, and what the quantizer makes of it."""

import dataclasses
import tempfile
from pathlib import Path

import numpy as np

from ..base.errors import UserError, first_line
from ..base.quiet import quiet_stderr
from ..base.tf import tf
from . import quantize, saved_model, signatures
from .functions import Classifier

LABELS = "labels.txt"
MANIFEST = "manifest.json"
CARD = "MODEL_CARD.md"

# LiteRT's CompiledModel and LiteRT.js refuse a batch size that is left open.
BATCH_SIZE = 1


@dataclasses.dataclass(frozen=True)
class Variant:
    """One TFLite file of a model.

    Attributes:
      name: as in `--tflite_variants`.
      file: what it is called.
      what: in words.
      max_accuracy_change: how far its accuracy may be from the model's, 0 to 1; None
        where its probabilities must be the model's.
    """

    name: str
    file: str
    what: str
    max_accuracy_change: float | None


FLOAT32 = Variant("float32", "model.tflite", "float32", None)
FLOAT16 = Variant("float16", "model_float16.tflite", "float16 weights", 0.0005)
DYNAMIC_INT8 = Variant(
    "dynamic_int8", "model_dynamic_int8.tflite", "int8 weights, float32 in and out", 0.0005
)
INT8 = Variant("int8", "model_int8.tflite", "int8 weights and activations", 0.003)
VARIANTS = {each.name: each for each in (FLOAT32, FLOAT16, DYNAMIC_INT8, INT8)}


@dataclasses.dataclass(frozen=True)
class Options:
    """How TFLite files are made.

    Attributes:
      variants: which.
      batch_size: of all of them.
      integer_io: whether int8 takes and gives int8: `images` are pixels - 128, and
        `probabilities` are (p + 128) / 256; there are no `classes`.
      calibration: uint8 [n, H, W, C], training images that int8's ranges are taken from.
    """

    variants: tuple[Variant, ...] = tuple(VARIANTS.values())
    batch_size: int = BATCH_SIZE
    integer_io: bool = False
    calibration: np.ndarray | None = None


def write(subject: Classifier, folder: Path, options: Options) -> None:
    """Writes the variants (built-in ops alone) and the labels.

    Args:
      subject: what to export.
      folder: to write into; made if it is not there.
      options: which variants, and how.

    Raises:
      UserError: the model holds an op that TFLite has not.
    """
    folder.mkdir(parents=True, exist_ok=True)
    content = convert(subject, options.batch_size, "uint8", folder.parent)
    for variant in options.variants:
        if variant is FLOAT32:
            made = content
        elif variant is FLOAT16:
            made = quantize.float16(content)
        elif variant is DYNAMIC_INT8:
            made = quantize.dynamic_int8(content)
        else:
            images = options.calibration
            if images is None:
                raise ValueError("Expected calibration images with int8. Received: None")
            if options.integer_io:
                content_io = convert(subject, options.batch_size, "float32", folder.parent)
                made = quantize.int8(content_io, images, integer_io=True)
            else:
                made = quantize.int8(content, images, integer_io=False)
        (folder / variant.file).write_bytes(made)
    saved_model.write_labels(folder / LABELS, subject.label_names)


def convert(subject: Classifier, batch_size: int, dtype: str, scratch: Path) -> bytes:
    """A float32 TFLite file with the signature `serving_default`.

    Args:
      subject: what to export.
      batch_size: of the file.
      dtype: of `images`: `uint8`; or `float32`, 0 to 255, and then it gives
        `probabilities` alone, for a quantizer to make integers of both.
      scratch: a folder for what goes again; a killed export's leftovers are looked for there.

    Raises:
      UserError: the model holds an op that TFLite has not; names it.
    """
    signature = signatures.TFLITE_DEFAULT if dtype == "uint8" else signatures.INTEGER_IO
    with tempfile.TemporaryDirectory(dir=scratch) as temporary:
        source = Path(temporary) / "saved_model"
        saved_model.write(subject, source, (signature,), batch_size)
        return from_saved_model(source)


def from_saved_model(source: Path) -> bytes:
    """Converts a SavedModel's `serving_default`.

    Raises:
      UserError: it holds an op that TFLite has not; names it.
    """
    converter = tf.lite.TFLiteConverter.from_saved_model(
        str(source), signature_keys=[signatures.SERVING_DEFAULT.name]
    )
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS]
    try:
        with quiet_stderr():
            return converter.convert()
    except Exception as error:  # The converter raises its own kind, or a bare Exception.
        raise UserError(f"the model cannot be converted to TFLite: {_cause(error)}") from error


def _cause(error: Exception) -> str:
    """The converter's errors are long: the line that names the ops is somewhere in them."""
    lines = [line.strip() for line in str(error).splitlines()]
    ops = next((line for line in lines if "ops:" in line.lower()), None)
    return ops or first_line(error)
