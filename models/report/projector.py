"""A split's images as TensorBoard's projector shows them.

    projector_config.pbtxt     what there is: the files that follow
    projector/tensors.bytes    float32 [N, D], what goes into the network's last layer
    projector/metadata.tsv     what each of the N images is, and what it was taken for
    projector/sprites.png      the images, small, in rows

Formats: TensorBoard's tensorboard/plugins/projector, `projector_config.proto` and
`projector_plugin.py`; how its page reads them, projector_binary.js there.
"""

import dataclasses
import math
from pathlib import Path

import numpy as np

from ...base import files
from ...base.charts import png_file, tiled, visible
from ...base.tables import short
from ...base.tf import keras, tf
from ...data.dataset import Split
from ...data.pipeline.preprocess import Preprocess
from ...data.pipeline.records import decoded
from .facts import Result

CONFIG, _FOLDER = "projector_config.pbtxt", "projector"
# At most this many images, and numbers (64 MB): a browser holds them all.
_IMAGES, _NUMBERS = 10_000, 2**24
# Pixels of a side of all sprites. The projector takes 8,192; not every graphics processor does.
_SPRITES = 4096
_BATCH = 500


@dataclasses.dataclass(frozen=True)
class Embedded:
    """Images as the projector has them.

    Attributes:
      layer: the network's last, which the vectors go into.
      indices: int64 [N], in the split, ascending.
      vectors: float32 [N, D].
      sprites: uint8 [N, h, w, 3], the images, small.
    """

    layer: str
    indices: np.ndarray
    vectors: np.ndarray
    sprites: np.ndarray


def before_last(model: keras.Model) -> keras.Model:
    """The network up to what goes into its last layer: float32 [N, H, W, C] to [N, D].

    That is what its last hidden layer gives. Softmax regression has none: there it is
    the preprocessed image, flattened.
    """
    return keras.Model(model.input, model.layers[-1].input)


def of_split(model: keras.Model, preprocess: Preprocess, evaluated: Split) -> Embedded:
    """The images of a split: all, or where these are too many some, evenly spread."""
    network, examples = before_last(model), evaluated.examples
    count = min(examples, _IMAGES, max(1, _NUMBERS // network.output_shape[1]))
    indices = np.arange(count, dtype=np.int64) * examples // count
    room = _SPRITES // math.ceil(math.sqrt(count))
    vectors, sprites, start = [], [], 0
    for images, labels in decoded(evaluated):
        here = indices[(indices >= start) & (indices < start + len(labels))] - start
        start += len(labels)
        for first in range(0, len(here), _BATCH):
            raw = tf.gather(images, here[first : first + _BATCH])
            vectors.append(network(preprocess(raw), training=False).numpy())
            step = math.ceil(max(raw.shape[1:3]) / room)
            sprites += [visible(image[::step, ::step]) for image in raw.numpy()]
    stacked = np.concatenate(vectors).astype(np.float32)
    return Embedded(model.layers[-1].name, indices, stacked, np.stack(sprites))


def write(folder: Path, embedded: Embedded, names: tuple[str, ...], result: Result) -> None:
    """Writes the files for TensorBoard; `result` is of the network on the images' split."""
    from google.protobuf import text_format
    from tensorboard.plugins import projector  # pyright: ignore[reportMissingImports]

    height, width = embedded.sprites.shape[1:3]
    info = projector.EmbeddingInfo(
        # The page puts it into addresses as it is: a split's name, with % or +, would not do.
        tensor_name=f"input of {embedded.layer}",
        tensor_path=f"{_FOLDER}/tensors.bytes",
        tensor_shape=embedded.vectors.shape,
        metadata_path=f"{_FOLDER}/metadata.tsv",
        sprite=projector.SpriteMetadata(
            image_path=f"{_FOLDER}/sprites.png", single_image_dim=(width, height)
        ),
    )
    # The first to go and the last to come: it never names files of two reports.
    (folder / CONFIG).unlink(missing_ok=True)
    (folder / _FOLDER).mkdir(exist_ok=True)
    for path, content in (
        (info.tensor_path, tensor_file(embedded.vectors)),
        (info.metadata_path, metadata(names, result, embedded.indices).encode()),
        (info.sprite.image_path, png_file(tiled(embedded.sprites))),
    ):
        with files.replacing(folder / path) as temporary:
            temporary.write_bytes(content)
    config = projector.ProjectorConfig(embeddings=[info])
    files.write_text(folder / CONFIG, text_format.MessageToString(config))


def tensor_file(vectors: np.ndarray) -> bytes:
    """Vectors float32 [N, D] as TensorBoard reads them: row by row, the lowest byte first.

    It reads a file as text, and as numbers only where that fails; but numbers may be valid
    UTF-8, as zeros are. So the file begins with a byte that UTF-8 never begins with, 0x80 to
    0xBF: the lowest bits of the first number, which changes by 4e-5 of itself at most.
    """
    content = bytearray(vectors.astype("<f4").tobytes())
    content[0] = 0x80 | content[0] & 0x3F
    return bytes(content)


def metadata(names: tuple[str, ...], result: Result, indices: np.ndarray) -> str:
    """A head and a line for each image, with tabs between the cells; a name stays on its line."""
    evaluation, cells = result.evaluation, [short(name, 60) or "–" for name in names]
    confidence = evaluation.confidence
    labels, predicted = evaluation.labels.tolist(), evaluation.predicted.tolist()
    # The projector writes at a point the first column that is not a number, as digits are.
    head = ("classes", "label", "predicted", "result", "confidence")
    rows: list[tuple[str, ...]] = [(*head, f"index in {result.split}")]
    for index in indices.tolist():
        true, taken = cells[labels[index]], cells[predicted[index]]
        right = "right" if labels[index] == predicted[index] else "wrong"
        sure = f"{confidence[index]:.4f}"
        rows.append((f"{true} → {taken}", true, taken, right, sure, str(index)))
    return "".join("\t".join(row) + "\n" for row in rows)
