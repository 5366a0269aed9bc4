"""How images go into each signature, and how its outputs become comparable.

The gate asks every signature for the same images. Nothing here is shared with what builds the
signatures: what is wrong there must not be wrong here in the same way.
"""

import dataclasses
from collections.abc import Callable, Iterator, Sequence

import numpy as np

from ...base.errors import VerificationError
from ...base.pictures import digits
from ...base.pictures.arrays import NumPy
from ...base.tf import tf
from ...base.tfrecord import image_example
from ...data.pipeline.records import images_at_once
from ...serving.artifacts import Outputs
from .. import signatures
from ..functions import TrainedModel
from .staged import Staged

# Images of a call: the first few numbers show whether a signature takes any number.
_NUMBERS = (1, 2, 3, 257)
_MOST = 250
# PNG files: to decode one takes longer than to classify ten images. The network behind them is that
# of the other signatures, which see every image.
_FILES = 2000
# Between two answers to the same image.
_SAME = 1e-6
# A picture counts as dark on light where its border is brighter than this.
_LIGHT = 127.5


@dataclasses.dataclass(frozen=True)
class Call:
    """A signature as the gate calls it.

    Attributes:
      encode: from images uint8 [N, H, W, C] to the signature's input, [N, …].
      decode: from its outputs and the label names to `probabilities` float32 [N, K] and
        `classes` int64 [N].
      most: how many images of the split it is asked for, evenly spaced; None for all.
    """

    encode: Callable[[np.ndarray, TrainedModel], np.ndarray] = lambda images, _: images
    decode: Callable[[Outputs, Sequence[str]], Outputs] = lambda outputs, _: outputs
    most: int | None = None


def _fractions(images: np.ndarray, _: TrainedModel) -> np.ndarray:
    """As the tutorial's client makes them: byte / 255."""
    return images.reshape(len(images), -1).astype(np.float32) * np.float32(1 / 255)


def _colours(images: np.ndarray, _: TrainedModel) -> np.ndarray:
    """As MediaPipe makes them: grey images in three equal channels."""
    return np.broadcast_to(images, (*images.shape[:3], 3)).astype(np.float32)


def _png_files(images: np.ndarray, _: TrainedModel) -> np.ndarray:
    return np.array([tf.io.encode_png(image).numpy() for image in images], object)


def _examples(images: np.ndarray, trained: TrainedModel) -> np.ndarray:
    """Records as the dataset has them."""
    is_raw = trained.encoding == "raw"
    contents = [image.tobytes() for image in images] if is_raw else _png_files(images, trained)
    return np.array([image_example(content) for content in contents], object)


def mixed_examples(images: np.ndarray, trained: TrainedModel) -> np.ndarray:
    """Records that hold raw bytes and PNG files in turn, and a label that is not to be read."""
    raw = trained.encoding == "raw"
    contents = [
        image.tobytes() if raw and index % 2 else png
        for index, (image, png) in enumerate(zip(images, _png_files(images, trained), strict=True))
    ]
    return np.array([image_example(content, label=0) for content in contents], object)


def of_probabilities(probabilities: np.ndarray) -> Outputs:
    """With the class of each row."""
    return {"probabilities": probabilities, "classes": probabilities.argmax(axis=1)}


def _of_logits(outputs: Outputs, _: Sequence[str]) -> Outputs:
    """The probabilities of the last layer's logits."""
    return of_probabilities(tf.nn.softmax(outputs[max(outputs)]).numpy())


def _of_ranked_scores(outputs: Outputs, label_names: Sequence[str]) -> Outputs:
    """Puts scores that are sorted, best first, back into the order of the classes.

    Raises:
      VerificationError: a name is not one of the dataset's, or they are not sorted.
    """
    numbers = {name.encode(): number for number, name in enumerate(label_names)}
    scores, names = outputs["scores"], outputs["classes"]
    unknown = sorted({name for row in names for name in row} - set(numbers))
    if unknown:
        raise VerificationError(
            f"SavedModel, classify: answers with the label {unknown[0]!r}, which the dataset does "
            "not have; nothing was published"
        )
    if (np.diff(scores, axis=1) > 0).any():
        raise VerificationError(
            "SavedModel, classify: the scores are not sorted; nothing was published"
        )
    classes = np.vectorize(numbers.__getitem__, otypes=[np.int64])(names)
    probabilities = np.full(scores.shape, np.nan, np.float32)  # A class that is missing stays so.
    np.put_along_axis(probabilities, classes, scores, axis=1)
    return {"probabilities": probabilities, "classes": classes[:, 0]}


CALLS = {
    signatures.SERVING_DEFAULT.name: Call(),
    signatures.PREDICT_IMAGES.name: Call(
        _fractions, lambda outputs, _: of_probabilities(outputs["scores"])
    ),
    signatures.PREDICT_BYTES.name: Call(_png_files, most=_FILES),
    signatures.CLASSIFY.name: Call(_examples, _of_ranked_scores),
    signatures.ACTIVATIONS.name: Call(decode=_of_logits),
    signatures.CLASSIFY_RGB.name: Call(
        _colours, lambda outputs, _: of_probabilities(outputs["probabilities"])
    ),
}


def ask(staged: Staged, signature: str, images: np.ndarray, trained: TrainedModel) -> Outputs:
    """An artifact's answers to images uint8 [N, H, W, C], `probabilities` and `classes`.

    The images go in by ones, twos, threes, hundreds; then the first go in again, and must get the
    same answers.

    Raises:
      VerificationError: they get others, or none.
    """
    call, where = CALLS[signature], f"{staged.artifact.title}, {signature}"

    def answers(some: np.ndarray) -> Outputs:
        outputs = staged.run(signature, call.encode(some, trained))
        counts = {name: len(value) if np.ndim(value) else None for name, value in outputs.items()}
        if set(counts.values()) != {len(some)}:
            raise VerificationError(
                f"{where}: answers a call with {len(some):,} images by "
                f"{', '.join(f'{count} {name}' for name, count in sorted(counts.items()))}; "
                "nothing was published"
            )
        return call.decode(outputs, trained.label_names)

    parts = [answers(part) for part in _parts(images, images_at_once(trained.image_shape, _MOST))]
    again, first = (part["probabilities"] for part in (answers(images[:1]), parts[0]))
    if not np.allclose(again, first, rtol=0, atol=_SAME, equal_nan=True):
        raise VerificationError(
            f"{where}: the first image got other probabilities when it came again after "
            f"{len(images):,} images, off by {np.abs(again - first).max():.3g}; nothing was "
            "published"
        )
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def _parts(images: np.ndarray, most: int) -> Iterator[np.ndarray]:
    """The images in calls of different numbers; of large images, no more than `most` at once."""
    start = 0
    for number in _NUMBERS:
        number = number if most == _MOST else min(number, most)
        if start < len(images):
            yield images[start : start + number]
        start += number
    for begin in range(start, len(images), most):
        yield images[begin : begin + most]


def as_seen(signature: str, images: np.ndarray, trained: TrainedModel) -> np.ndarray:
    """The images as the network must see them: as files, digits are made light on black.

    `dark_on_light` inverts other images on paper.
    """
    if signature != signatures.PREDICT_BYTES.name:
        return images
    if trained.pictures.digits:
        library, levels = NumPy(), images[..., 0].astype(np.float64)
        light = [digits.light_on_dark(library, image) for image in levels]
        seen = np.stack(light).astype(np.uint8)[..., np.newaxis]
        return np.broadcast_to(seen, images.shape)
    return light_on_dark(images) if trained.dark_on_light else images


def light_on_dark(images: np.ndarray) -> np.ndarray:
    """Images uint8 [N, H, W, C], those with a light border inverted."""
    edges = (images[:, 0], images[:, -1], images[:, :, 0], images[:, :, -1])
    border = np.concatenate(edges, axis=1).mean(axis=(1, 2))
    return np.where((border > _LIGHT)[:, None, None, None], 255 - images, images)
