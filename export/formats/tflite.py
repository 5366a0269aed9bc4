"""A trained model to TFLite files: float32, and what the quantizer makes of it."""

import dataclasses
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np

from ...base import export_layout
from ...base.errors import UserError, first_line
from ...base.quiet import quiet_stderr
from ...base.tf import tf
from ...serving.artifacts import Outputs, open_tflite
from .. import signatures
from ..functions import TrainedModel
from ..options import DYNAMIC_INT8, FLOAT16, FLOAT32, INT8, MEDIAPIPE, Variant
from . import c_header, mediapipe, metadata, quantize, saved_model
from .artifact import Artifact, Opened


@dataclasses.dataclass(frozen=True)
class Options:
    """How TFLite files are made.

    Attributes:
      batch_size: of all of them but MediaPipe's, which takes one image. LiteRT's CompiledModel
        and LiteRT.js refuse a batch size that is left open.
      integer_io: whether int8 takes and gives int8: `images` are pixels - 128, and
        `probabilities` are (p + 128) / 256; there are no `classes`.
      calibration: uint8 [n, H, W, C], training images that int8's ranges are taken from.
      c_header: the name of the model in a C header of int8; None where there is to be none.
    """

    variants: tuple[Variant, ...]
    batch_size: int = 1
    integer_io: bool = False
    calibration: np.ndarray | None = None
    c_header: str | None = None

    def converted(self, variant: Variant) -> signatures.Signature:
        """The signature of a variant's float32 file, before int8 makes integers of it."""
        if variant is MEDIAPIPE:
            return signatures.CLASSIFY_RGB
        if variant is INT8 and self.integer_io:
            return signatures.INTEGER_IO
        return signatures.TFLITE_DEFAULT

    def published(self, variant: Variant) -> signatures.Signature:
        """The signature of a variant's file."""
        signature = self.converted(variant)
        return signatures.INT8_IO if signature is signatures.INTEGER_IO else signature

    def batch_size_of(self, variant: Variant) -> int:
        """Images that a variant takes at once."""
        return 1 if variant is MEDIAPIPE else self.batch_size


def artifacts(options: Options) -> tuple[Artifact, ...]:
    """The variants' files."""
    return tuple(
        Artifact(
            name="tflite" if variant is FLOAT32 else f"tflite_{variant.name}",
            title=f"TFLite {variant.name}",
            path=variant.file,
            signatures=(options.published(variant),),
            batch_size=options.batch_size_of(variant),
            max_accuracy_change=variant.max_accuracy_change,
            open=mediapipe.open_file if variant is MEDIAPIPE else _open,
        )
        for variant in options.variants
    )


def _open(path: Path) -> Opened:
    classifier = open_tflite(path)

    def run(_: str, values: np.ndarray) -> Outputs:  # There is one signature.
        outputs = classifier.run(values)
        if outputs["classes"].dtype == np.int32:  # As the signature has it.
            outputs["classes"] = outputs["classes"].astype(np.int64)
        return outputs

    return Opened(metadata.labels(path), run)


def write(trained: TrainedModel, folder: Path, options: Options) -> None:
    """Writes the variants (built-in ops only) and the labels into a folder, made if need be.

    Raises:
      UserError: the model holds an op that TFLite has not.
    """
    saved_model.write_labels(folder, trained.label_names)
    quantizers: dict[str, Callable[[bytes], bytes]] = {
        FLOAT16.name: quantize.float16,
        DYNAMIC_INT8.name: quantize.dynamic_int8,
        INT8.name: lambda content: _int8(content, options),
    }
    height, width, channels = trained.image_shape
    images = f"Raw {height}x{width}x{channels} images to {len(trained.label_names)} classes"
    converted: dict[signatures.Signature, bytes] = {}
    for variant in options.variants:
        signature = options.converted(variant)
        if signature not in converted:
            batch_size = options.batch_size_of(variant)
            # A killed export's leftovers are looked for there.
            with tempfile.TemporaryDirectory(dir=folder.parent) as temporary:
                source = Path(temporary) / export_layout.SAVED_MODEL
                saved_model.write_signatures(trained, source, (signature,), batch_size)
                converted[signature] = from_saved_model(source, signature.name)
        content = quantizers.get(variant.name, bytes)(converted[signature])
        description = f"{images}; {variant.meaning}"
        content = metadata.add(content, signature, trained.label_names, description)
        (folder / variant.file).write_bytes(content)
        if variant is INT8 and options.c_header:
            header = c_header.render(content, options.c_header, trained.label_names)
            (folder / export_layout.C_HEADER_FILE).write_text(header, encoding="ascii")


def _int8(content: bytes, options: Options) -> bytes:
    if options.calibration is None:
        raise ValueError("Expected calibration images with int8. Received: None")
    return quantize.int8(content, options.calibration, options.integer_io)


def from_saved_model(source: Path, name: str = signatures.SERVING_DEFAULT.name) -> bytes:
    """Converts a SavedModel's signature.

    Raises:
      UserError: it holds an op that TFLite has not; names it.
    """
    converter = tf.lite.TFLiteConverter.from_saved_model(str(source), signature_keys=[name])
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS]
    try:
        with quiet_stderr():
            return converter.convert()
    except Exception as error:  # The converter raises its own kind, or a bare Exception.
        raise UserError(f"the model cannot be converted to TFLite: {_cause(error)}") from error


def _cause(error: Exception) -> str:
    """The converter's errors are long: the line that names the ops is somewhere in them."""
    lines = [line.strip() for line in str(error).splitlines()]
    ops = [line for line in lines if line.lower().startswith(("custom ops:", "flex ops:"))]
    return f"it has no operation for {ops[0]}" if ops else first_line(error)
