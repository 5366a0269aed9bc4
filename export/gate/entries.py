"""How a test image goes into each signature, and how the outputs become comparable.

The gate sends the same images through every signature.
"""

import dataclasses
from collections.abc import Callable, Sequence

import numpy as np

from ...base.errors import VerificationError
from ...base.examples import image_example
from ...base.pictures import digits
from ...base.pictures.arrays import NumPy
from ...base.tf import tf
from ...serving.artifacts import Outputs
from .. import signatures
from ..functions import TrainedModel
from ..pictures.picture import LIGHT


@dataclasses.dataclass(frozen=True)
class Entry:
    """A signature as the gate calls it.

    Attributes:
      encode: from images uint8 [N, H, W, C] to the signature's input, [N, …].
      decode: from its outputs and the label names to `probabilities` float32 [N, K] and
        `classes` int64 [N].
    """

    encode: Callable[[np.ndarray, TrainedModel], np.ndarray] = lambda images, _: images
    decode: Callable[[Outputs, Sequence[str]], Outputs] = lambda outputs, _: outputs


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


def _of_probabilities(probabilities: np.ndarray) -> Outputs:
    return {"probabilities": probabilities, "classes": probabilities.argmax(axis=1)}


def _of_logits(outputs: Outputs, _: Sequence[str]) -> Outputs:
    """The probabilities of the last layer's logits."""
    return _of_probabilities(tf.nn.softmax(outputs[max(outputs)]).numpy())


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
            f"classify: answers with the label {unknown[0]!r}, which the dataset does not have; "
            "nothing was published"
        )
    if (np.diff(scores, axis=1) > 0).any():
        raise VerificationError("classify: the scores are not sorted; nothing was published")
    classes = np.vectorize(numbers.__getitem__, otypes=[np.int64])(names)
    probabilities = np.full(scores.shape, np.nan, np.float32)  # A class that is missing stays so.
    np.put_along_axis(probabilities, classes, scores, axis=1)
    return {"probabilities": probabilities, "classes": classes[:, 0]}


ENTRIES = {
    signatures.SERVING_DEFAULT.name: Entry(),
    signatures.PREDICT_IMAGES.name: Entry(
        _fractions, lambda outputs, _: _of_probabilities(outputs["scores"])
    ),
    signatures.PREDICT_BYTES.name: Entry(_png_files),
    signatures.CLASSIFY.name: Entry(_examples, _of_ranked_scores),
    signatures.ACTIVATIONS.name: Entry(decode=_of_logits),
    signatures.CLASSIFY_RGB.name: Entry(
        _colours, lambda outputs, _: _of_probabilities(outputs["probabilities"])
    ),
}


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
    if not trained.dark_on_light:
        return images
    edges = (images[:, 0], images[:, -1], images[:, :, 0], images[:, :, -1])
    border = np.concatenate(edges, axis=1).mean(axis=(1, 2))
    return np.where((border > LIGHT)[:, None, None, None], 255 - images, images)
