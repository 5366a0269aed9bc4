"""What people send that is no image of the dataset: picture files of all kinds, and records."""

from pathlib import Path

import numpy as np

from ....base.errors import VerificationError
from ....base.pictures import decode
from ....base.process.quiet import quiet_stderr
from ....base.tfrecord import image_example
from ....serving.artifacts import Outputs
from ...signatures import CLASSIFY, PREDICT_BYTES, PREDICT_IMAGES
from .. import awkward
from ..calls import CALLS, light_on_dark, mixed_examples, of_probabilities
from ..compare import compare
from ..reference import Question, Reference
from ..staged import Staged

# Records of a request.
_RECORDS = 12
# How much red, green and blue there is in odd colours, and in grey (ITU-R BT.601).
_TINTS, _GREY = (0.9, 0.55, 0.2), (0.299, 0.587, 0.114)


def require_predict_bytes(staged: Staged, reference: Reference) -> None:
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
    outputs = staged.run(PREDICT_BYTES.name, np.array(list(files.values()), object))
    _require(staged.artifact.title, PREDICT_BYTES.name, list(files), outputs, expected)


def require_refusals(staged: Staged, reference: Reference) -> None:
    """Tries files that are damaged, and records of images of another size.

    Raises:
      VerificationError: one is answered.
    """
    split = reference.split.images
    whole = CALLS[PREDICT_BYTES.name].encode(split[:1], reference.trained)[0]
    larger = np.pad(split[0], [(0, 2), (0, 2), (0, 0)])
    png = CALLS[PREDICT_BYTES.name].encode(larger[np.newaxis], reference.trained)[0]
    asked = [
        (PREDICT_BYTES.name, name, content)
        for name, content in awkward.damaged_files(split).items()
    ]
    asked += [
        (CLASSIFY.name, f"a record of {name}", image_example(content))
        for name, content in (
            ("a byte too few", split[0].tobytes()[:-1]),
            ("a byte too many", split[0].tobytes() + b"0"),
            ("two images", 2 * split[0].tobytes()),
            ("a larger PNG", png),
            ("half a PNG", whole[: len(whole) // 2]),
        )
    ]
    asked += [(CLASSIFY.name, "no record", b"?"), (CLASSIFY.name, "an empty record", b"")]
    with quiet_stderr():  # libjpeg says there what is wrong with them.
        answers = [_answer(staged, signature, content) for signature, _, content in asked]
    for (signature, name, content), answer in zip(asked, answers, strict=True):
        if answer:
            raise VerificationError(
                f"SavedModel, {signature}: answers {name}, {len(content)} bytes, by {answer}; "
                "expected a refusal; nothing was published"
            )


def _answer(staged: Staged, signature: str, content: bytes) -> str:
    """What a file or record is answered, in words; empty if it is refused."""
    try:
        outputs = staged.opened.run(signature, np.array([content], object))
    except Exception:  # Whatever a runtime raises.
        return ""
    return ", ".join(f"{key} {value[:1].tolist()}" for key, value in sorted(outputs.items()))


def require_classify(staged: Staged, reference: Reference) -> None:
    """Compares `classify` of records that hold raw bytes and picture files in turn.

    Raises:
      VerificationError: names the record, and both answers.
    """
    split, trained = reference.split, reference.trained
    images = split.images[:_RECORDS]
    outputs = staged.run(CLASSIFY.name, mixed_examples(images, trained))
    outputs = CALLS[CLASSIFY.name].decode(outputs, trained.label_names)
    names = [f"record {index}" for index in range(len(images))]
    expected = split.probabilities[:_RECORDS]
    _require(staged.artifact.title, CLASSIFY.name, names, outputs, expected)


def require_float_pixels(staged: Staged, reference: Reference) -> None:
    """Compares signatures that take float32 on blends with pixels between whole numbers.

    One that takes colours for a network that sees grey is shown other colours than grey ones.

    Raises:
      VerificationError: names the image, and both answers.
    """
    trained = reference.trained
    images = reference.blends.images[:_RECORDS].astype(np.float32) * np.float32(0.731)
    names = [f"image {index} between whole numbers" for index in range(len(images))]
    for signature in staged.artifact.signatures:
        if signature.input.dtype != "float32":
            continue
        if signature.name == PREDICT_IMAGES.name:
            shown, values = images, images.reshape(len(images), -1) / np.float32(255)
        else:
            shown = values = images * np.array(_TINTS, np.float32)
            if trained.image_shape[2] == 1:
                shown = (values @ np.array(_GREY, np.float32))[..., np.newaxis]
        outputs = staged.run(signature.name, values)
        found = of_probabilities(outputs[signature.outputs[0].name])
        expected = reference.probabilities(shown)
        _require(staged.artifact.title, signature.name, names, found, expected)


def _require(
    artifact: str, signature: str, names: list[str], outputs: Outputs, expected: np.ndarray
) -> None:
    answers = expected.argmax(axis=1)
    question = Question("of them", np.zeros((len(names), 0)), answers, expected)
    comparison = compare(artifact, signature, outputs, question)
    wrong = {*comparison.far, *comparison.wrong_class}
    if wrong:
        index, found = min(wrong), outputs["probabilities"]
        raise VerificationError(
            f"{artifact}, {signature}: {names[index]}: answers class {outputs['classes'][index]} "
            f"with probability {found[index].max():.4g}, the trained model {answers[index]} with "
            f"{expected[index].max():.4g}; {len(wrong)} of {len(names)} such files are answered "
            "otherwise; nothing was published"
        )
