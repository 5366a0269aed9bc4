"""A trained model to a SavedModel with the signatures of the table."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from ..base.tf import keras, tf
from ..data.preprocess import Preprocess
from . import signatures

LABELS = Path("assets") / "labels.txt"
MANIFEST = Path("assets.extra") / "digitline.json"


def write(
    model: keras.Model,
    preprocess: Preprocess,
    label_names: tuple[str, ...],
    folder: Path,
    batch_size: int | None = None,
) -> None:
    """Writes the SavedModel.

    `ExportArchive` tracks the model's variables; a plain `tf.Module` around a
    Keras 3 model does not, and what is converted from it has no weights.

    Args:
      model: float32 [N, height, width, C] to logits float32 [N, K].
      preprocess: from raw pixels to the model's input; goes into the graph.
      label_names: by class number.
      folder: to write; must not exist.
      batch_size: fixes N; None leaves it open.
    """
    archive: Any = keras.export.ExportArchive()
    archive.track(model)
    name = signatures.SERVING_DEFAULT.inputs[0].name
    spec = tf.TensorSpec((batch_size, *preprocess.image_shape), tf.uint8, name=name)
    archive.add_endpoint(
        signatures.SERVING_DEFAULT.name, serving_default(model, preprocess), input_signature=[spec]
    )
    archive.write_out(str(folder), verbose=False)
    write_labels(folder / LABELS, label_names)


def serving_default(
    model: keras.Model, preprocess: Preprocess
) -> Callable[[tf.Tensor], dict[str, tf.Tensor]]:
    """The signature's function: images uint8 [N, H, W, C] to probabilities and classes."""

    def classify(images: tf.Tensor) -> dict[str, tf.Tensor]:
        logits = model(preprocess(images), training=False)
        return {
            "probabilities": tf.nn.softmax(logits),
            "classes": tf.argmax(logits, axis=-1, output_type=tf.int64),
        }

    return classify


def write_labels(path: Path, label_names: tuple[str, ...]) -> None:
    """Writes the label names, one a line, by class number."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{name}\n" for name in label_names), encoding="utf-8")
