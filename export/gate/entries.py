"""How a test image goes into each signature, and what comes out, made comparable.

The gate sends the same images through every way in.
"""

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ...base.errors import VerificationError
from ...base.examples import image_example
from ...base.tf import tf
from .. import signatures
from ..formats.artifact import Outputs
from ..functions import LIGHT, Classifier


@dataclasses.dataclass(frozen=True)
class Entry:
    """A way in.

    Attributes:
      encode: from images uint8 [N, H, W, C] to what the signature takes, [N, …].
      decode: from its outputs to `probabilities` float32 [N, K] and `classes` int64 [N].
    """

    encode: Callable[[np.ndarray, Classifier], np.ndarray]
    decode: Callable[[Outputs, Sequence[str]], Outputs]


def _pixels(images: np.ndarray, subject: Classifier) -> np.ndarray:
    del subject
    return images


def _fractions(images: np.ndarray, subject: Classifier) -> np.ndarray:
    """As the tutorial's client makes them: byte / 255."""
    del subject
    return images.reshape(len(images), -1).astype(np.float32) * np.float32(1 / 255)


def _colours(images: np.ndarray, subject: Classifier) -> np.ndarray:
    """As MediaPipe shows them: grey ones in three equal channels."""
    del subject
    return np.broadcast_to(images, (*images.shape[:3], 3)).astype(np.float32)


def _png_files(images: np.ndarray, subject: Classifier) -> np.ndarray:
    del subject
    return np.array([tf.io.encode_png(image).numpy() for image in images], object)


def _examples(images: np.ndarray, subject: Classifier) -> np.ndarray:
    """Records as the dataset has them."""
    is_raw = subject.encoding == "raw"
    contents = [image.tobytes() for image in images] if is_raw else _png_files(images, subject)
    return np.array([image_example(content) for content in contents], object)


def _as_they_are(outputs: Outputs, label_names: Sequence[str]) -> Outputs:
    del label_names
    return outputs


def _best(outputs: Outputs, label_names: Sequence[str]) -> Outputs:
    del label_names
    return {**outputs, "classes": outputs["probabilities"].argmax(axis=1)}


def _scores(outputs: Outputs, label_names: Sequence[str]) -> Outputs:
    del label_names
    scores = outputs["scores"]
    return {"probabilities": scores, "classes": scores.argmax(axis=1)}


def _last(outputs: Outputs, label_names: Sequence[str]) -> Outputs:
    """The class probabilities of the last layer's logits."""
    return _best({"probabilities": tf.nn.softmax(outputs[max(outputs)]).numpy()}, label_names)


def _ranked(outputs: Outputs, label_names: Sequence[str]) -> Outputs:
    """Puts scores that are sorted, best first, back into the order of the classes.

    Raises:
      VerificationError: a name is none of the dataset's, or they are not sorted.
    """
    numbers = {name.encode(): number for number, name in enumerate(label_names)}
    scores, names = outputs["scores"], outputs["classes"]
    unknown = sorted({each for row in names for each in row} - set(numbers))
    if unknown:
        raise VerificationError(
            f"classify: answers with the label {unknown[0]!r}, which the dataset does not have; "
            "nothing was published"
        )
    if (np.diff(scores, axis=1) > 0).any():
        raise VerificationError("classify: the scores are not sorted; nothing was published")
    places = np.vectorize(numbers.__getitem__, otypes=[np.int64])(names)
    probabilities = np.full(scores.shape, np.nan, np.float32)  # A class that is missing stays so.
    np.put_along_axis(probabilities, places, scores, axis=1)
    return {"probabilities": probabilities, "classes": places[:, 0]}


ENTRIES = {
    signatures.SERVING_DEFAULT.name: Entry(_pixels, _as_they_are),
    signatures.PREDICT_IMAGES.name: Entry(_fractions, _scores),
    signatures.PREDICT_BYTES.name: Entry(_png_files, _as_they_are),
    signatures.CLASSIFY.name: Entry(_examples, _ranked),
    signatures.ACTIVATIONS.name: Entry(_pixels, _last),
    signatures.CLASSIFY_RGB.name: Entry(_colours, _best),
}


def as_seen(signature: str, images: np.ndarray, subject: Classifier) -> np.ndarray:
    """The images that the network is to see: inverted, where the signature recognizes paper."""
    if signature != signatures.PREDICT_BYTES.name or not subject.dark_on_light:
        return images
    edges: list[Any] = [images[:, 0], images[:, -1], images[:, :, 0], images[:, :, -1]]
    border = np.concatenate(edges, axis=1).mean(axis=(1, 2))
    return np.where((border > LIGHT)[:, None, None, None], 255 - images, images)
