"""A trained model to a TFLite file."""

import tempfile
from pathlib import Path

from ..base.errors import UserError, first_line
from ..base.quiet import quiet_stderr
from ..base.tf import keras, tf
from ..data.preprocess import Preprocess
from . import saved_model, signatures

FLOAT32 = "model.tflite"
LABELS = "labels.txt"
MANIFEST = "manifest.json"
CARD = "MODEL_CARD.md"

# LiteRT's CompiledModel and LiteRT.js refuse a batch size that is left open.
BATCH_SIZE = 1


def write(
    model: keras.Model, preprocess: Preprocess, label_names: tuple[str, ...], folder: Path
) -> None:
    """Writes `model.tflite` (float32, batch 1, built-in ops alone) and its labels.

    Args:
      model: float32 [N, height, width, C] to logits float32 [N, K].
      preprocess: from raw pixels to the model's input; goes into the graph.
      label_names: by class number.
      folder: to write into; made if it is not there.

    Raises:
      UserError: the model holds an op that TFLite has not.
    """
    folder.mkdir(parents=True, exist_ok=True)
    # Beside the result, where a killed export's leftovers are looked for.
    with tempfile.TemporaryDirectory(dir=folder.parent) as temporary:
        source = Path(temporary) / "saved_model"
        saved_model.write(model, preprocess, label_names, source, batch_size=BATCH_SIZE)
        content = _convert(source)
    (folder / FLOAT32).write_bytes(content)
    saved_model.write_labels(folder / LABELS, label_names)


def _convert(source: Path) -> bytes:
    converter = tf.lite.TFLiteConverter.from_saved_model(
        str(source), signature_keys=[signature.name for signature in signatures.TFLITE]
    )
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS]
    try:
        with quiet_stderr():
            return converter.convert()
    except Exception as error:  # The converter raises its own kind, or a bare Exception.
        raise UserError(f"the model cannot be converted to TFLite: {first_line(error)}") from error
