"""A trained model to TFLite files: float32, and what the quantizer makes of it."""

from collections.abc import Callable
from pathlib import Path

import numpy as np

from ...base import export_layout, files, refused
from ...base.errors import UserError, first_line
from ...base.process import temporary
from ...base.process.quiet import quiet_stderr
from ...base.tf import tf
from ...serving.artifacts import Outputs, open_tflite
from .. import signatures
from ..functions import TrainedModel
from ..options import (
    DYNAMIC_INT8,
    FLOAT16,
    FLOAT32,
    INT8,
    MEDIAPIPE,
    ExportOptions,
    Variant,
)
from . import c_header, mediapipe, metadata, quantize, saved_model
from .artifact import Artifact, Opened


def _converted(variant: Variant, options: ExportOptions) -> signatures.Signature:
    """The signature of a variant's float32 file, before int8 makes integers of it."""
    if variant is MEDIAPIPE:
        return signatures.CLASSIFY_RGB
    is_integer = variant is INT8 and options.has_int8_io
    return signatures.INTEGER_IO if is_integer else signatures.TFLITE_DEFAULT


def _batch_size(variant: Variant, options: ExportOptions) -> int:
    """LiteRT's CompiledModel and LiteRT.js refuse one that is left open."""
    return 1 if variant is MEDIAPIPE else options.tflite_batch_size


def artifacts(options: ExportOptions) -> tuple[Artifact, ...]:
    """The variants' files."""
    published = {signatures.INTEGER_IO: signatures.INT8_IO}
    return tuple(
        Artifact(
            name="tflite" if variant is FLOAT32 else f"tflite_{variant.name}",
            title=f"TFLite {variant.name}",
            path=variant.file,
            signatures=(published.get(signature, signature),),
            batch_size=_batch_size(variant, options),
            limits=variant.limits,
            open=mediapipe.open_file if variant is MEDIAPIPE else _open,
        )
        for variant in options.variants
        for signature in (_converted(variant, options),)
    )


def _open(path: Path) -> Opened:
    classifier = open_tflite(path, verify=False)

    def run(_: str, values: np.ndarray) -> Outputs:  # There is one signature.
        outputs = classifier.run(values)
        if outputs["classes"].dtype == np.int32:  # As the signature has it.
            outputs["classes"] = outputs["classes"].astype(np.int64)
        return outputs

    return Opened(metadata.labels(path), metadata.pictures(path), run)


def write(
    trained: TrainedModel,
    folder: Path,
    options: ExportOptions,
    calibration: np.ndarray | None = None,
    threshold: Callable[[], float] | None = None,
) -> None:
    """Writes the variants (built-in ops only) and the labels into a folder, made if need be.

    Args:
      trained: the model.
      folder: of the version.
      options: of the export.
      calibration: training images uint8 [n, H, W, C], which int8 files are rounded by.
      threshold: gives the probability below which the model is not sure; it is asked late, since
        that takes its time.

    Raises:
      UserError: the model holds an op that TFLite has not.
    """
    saved_model.write_description(folder, trained)
    quantizers: dict[Variant, Callable[[bytes], bytes]] = {
        FLOAT16: quantize.float16,
        DYNAMIC_INT8: lambda content: quantize.dynamic_int8(content, calibration),
        INT8: lambda content: quantize.int8(content, calibration, options.has_int8_io),
    }
    height, width, channels = trained.image_shape
    images = f"Raw {height}x{width}x{channels} images to {len(trained.label_names)} classes"
    converted: dict[signatures.Signature, bytes] = {}
    for variant in options.variants:
        signature = _converted(variant, options)
        if signature not in converted:
            batch_size = _batch_size(variant, options)
            # A killed export's leftovers are looked for there.
            with temporary.folder(folder.parent) as place:
                source = place / export_layout.SAVED_MODEL
                saved_model.write_signatures(trained, source, (signature,), batch_size)
                converted[signature] = from_saved_model(source, signature.name)
        content = quantizers.get(variant, bytes)(converted[signature])
        description = f"{images}; {variant.meaning}"
        sure = threshold() if threshold else None
        content = metadata.add(content, signature, trained, description, sure)
        (folder / variant.file).write_bytes(content)
        if variant is INT8 and options.c_header:
            header = c_header.render(content, trained.name, trained.label_names)
            (folder / export_layout.C_HEADER_FILE).write_text(header, encoding="ascii")


def from_saved_model(source: Path, name: str = signatures.SERVING_DEFAULT.name) -> bytes:
    """Converts a SavedModel's signature.

    Raises:
      UserError: it holds an op that TFLite has not; names it.
    """
    try:
        with files.literal(source) as place, quiet_stderr():
            converter = tf.lite.TFLiteConverter.from_saved_model(str(place), signature_keys=[name])
            converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS]
            return converter.convert()
    except Exception as error:  # The converter raises its own kind, or a bare Exception.
        known = refused.user_error(error)
        trouble = known or f"the model cannot be converted to TFLite: {_cause(error)}"
        raise UserError(str(trouble)) from error


def _cause(error: Exception) -> str:
    """The converter's errors are long: the line that names the ops is somewhere in them."""
    lines = [line.strip() for line in str(error).splitlines()]
    ops = [line for line in lines if line.lower().startswith(("custom ops:", "flex ops:"))]
    return f"it has no operation for {ops[0]}" if ops else first_line(error)
