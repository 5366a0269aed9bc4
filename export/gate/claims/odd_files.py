"""What people send that is no image of the dataset: picture files of all kinds, and records."""

from pathlib import Path

import numpy as np

from ....base.errors import VerificationError
from ....base.pictures import decode
from ....base.tf import tf
from ...formats.artifact import Opened
from ...signatures import CLASSIFY, PREDICT_BYTES
from .. import awkward
from ..calls import CALLS, light_on_dark, mixed_examples
from ..comparison import TOLERANCE
from ..reference import Reference

# Records of a request.
_RECORDS = 12


def require_predict_bytes(opened: Opened, reference: Reference) -> None:
    """Compares `predict_bytes` with what `digitline predict` does with the same files.

    Raises:
      VerificationError: names the kind of file, and both answers.
    """
    trained = reference.trained
    files = awkward.picture_files(reference.split.images)
    images = np.stack(
        [decode.load(Path(name), trained.pictures, file) for name, file in files.items()]
    )
    if trained.dark_on_light and not trained.pictures.digits:
        images = light_on_dark(images)
    expected = reference.probabilities(images)
    outputs = opened.run(PREDICT_BYTES.name, np.array(list(files.values()), object))
    _require_rows(f"SavedModel, {PREDICT_BYTES.name}", list(files), outputs, expected)


def require_classify(opened: Opened, reference: Reference) -> None:
    """Compares `classify` of records that hold raw bytes and picture files in turn.

    Raises:
      VerificationError: names the record, and both answers.
    """
    split, trained = reference.split, reference.trained
    images = split.images[:_RECORDS]
    outputs = opened.run(CLASSIFY.name, mixed_examples(images, trained))
    outputs = CALLS[CLASSIFY.name].decode(outputs, trained.label_names)
    names = [f"record {index}" for index in range(len(images))]
    _require_rows(f"SavedModel, {CLASSIFY.name}", names, outputs, split.probabilities[:_RECORDS])


def _require_rows(
    where: str, names: list[str], outputs: dict[str, np.ndarray], expected: np.ndarray
) -> None:
    found, classes = outputs["probabilities"], outputs["classes"]
    off = np.abs(found.astype(np.float64) - expected).max(axis=1)
    sure = tf.math.top_k(expected, 2).values.numpy()
    clear = sure[:, 0] - sure[:, 1] > TOLERANCE
    wrong = ~(off <= TOLERANCE) | (clear & (classes != expected.argmax(axis=1)))
    if wrong.any():
        index = int(wrong.argmax())
        raise VerificationError(
            f"{where}: {names[index]}: answers class {classes[index]} with probability "
            f"{found[index].max():.4g}, the trained model {expected[index].argmax()} with "
            f"{expected[index].max():.4g}; {int(wrong.sum())} of {len(names)} such files are "
            "answered otherwise; nothing was published"
        )
