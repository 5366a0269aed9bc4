"""The table of claims: what must hold of an artifact, and who checks it.

Each check reads the bytes that are to be published, in a process that shares nothing with the one
that wrote them (`verifier`), and holds them against the trained model, the dataset and the
signature table.
"""

import concurrent.futures
import contextlib
import dataclasses
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from ...base import export_layout, progress
from ...base.errors import UserError, VerificationError, first_line
from ...serving.artifacts import open_saved_model
from ..formats.artifact import Artifact
from ..options import ExportOptions
from .claims import answers, beside, description, layers, odd_files, session, warmup_requests
from .claims.files import contents, object_graph, onnx, tflite, tflite_structure
from .comparison import Comparison
from .reference import Reference
from .staged import Staged


@dataclasses.dataclass(frozen=True)
class Claim:
    """Something that must hold.

    Attributes:
      formats: of which artifacts.
      text: as people read it.
      check: raises a `VerificationError` where it does not hold; gives the comparisons that it
        made.
    """

    formats: tuple[str, ...]
    text: str
    check: Callable[[Staged, Reference], tuple[Comparison, ...] | None]


_READERS: Mapping[str, Callable[[Path], dict[str, contents.Found]]] = {
    export_layout.SAVED_MODEL: contents.of_saved_model,
    export_layout.TFLITE: contents.of_tflite,
    export_layout.ONNX: contents.of_onnx,
}


def _signatures(staged: Staged, reference: Reference) -> None:
    found = _READERS[staged.artifact.format](staged.path)
    contents.require_signatures(staged.artifact, found, reference.trained)


# Claims at once: the other process soon has nothing left to write.
_POOL = concurrent.futures.ThreadPoolExecutor(2)
_ALL, _SAVED_MODEL = export_layout.FORMATS, (export_layout.SAVED_MODEL,)
_TFLITE = (export_layout.TFLITE,)
CLAIMS = (
    Claim(
        _ALL,
        "Its labels and its record of pictures are the dataset's, inside it and beside it.",
        description.require,
    ),
    Claim(
        _ALL,
        "Its signatures, their inputs, outputs, dtypes, shapes and methods are those of the table; "
        "nothing in its graph keeps state, draws numbers or reads files.",
        _signatures,
    ),
    Claim(
        _ALL,
        "Its folder holds the files of its format and of the flags, and no others.",
        beside.require_files,
    ),
    Claim(
        _ALL,
        "Its files are plain ones of its own, which all may read whom the umask lets.",
        beside.require_plain,
    ),
    Claim(
        _SAVED_MODEL,
        "Its fingerprint is that of its files.",
        beside.require_fingerprint,
    ),
    Claim(
        _SAVED_MODEL,
        "Its warm-up requests are the first image of the split, one for each signature.",
        warmup_requests.require,
    ),
    Claim(
        _SAVED_MODEL,
        "Its samples are the first images of each class of the split, to the pixel.",
        beside.require_samples,
    ),
    Claim(
        _TFLITE,
        "Its metadata name its tensors, its labels, and how pixels become its input.",
        tflite.require_metadata,
    ),
    Claim(
        _TFLITE,
        "It is the same for readers that know no signatures, and for old ones: one graph, fixed "
        "sizes, raw pixels, true codes and versions of operators; three files in its archive.",
        tflite_structure.require,
    ),
    Claim(
        (export_layout.ONNX,),
        "All of it is in one file, in ONNX's own operators of set 18.",
        onnx.require,
    ),
    Claim(
        _TFLITE,
        "What it takes and gives as int8 is pixels - 128, and 256 p - 128.",
        tflite.require_integers,
    ),
    Claim(
        _TFLITE,
        "Its C header holds its bytes, its scales and its labels.",
        tflite.require_header,
    ),
    Claim(
        _SAVED_MODEL,
        "`activations` gives every layer of the trained model.",
        layers.require,
    ),
    Claim(
        _ALL,
        "Each signature gives the model's probabilities and classes, for every image of the split "
        "(`predict_bytes`: 2,000 of them as PNG files) and for awkward ones, for 1, 2, 3 and "
        "hundreds at once, and again later.",
        answers.require,
    ),
    Claim(
        _TFLITE,
        "Its range of logits, if they are int8, is the model's on the calibration images.",
        tflite_structure.require_ranges,
    ),
    Claim(
        _SAVED_MODEL,
        "`predict_bytes` gives what `digitline predict` does, for picture files of every format, "
        "depth, size and polarity, turned and transparent ones too.",
        odd_files.require_predict_bytes,
    ),
    Claim(
        _SAVED_MODEL,
        "`predict_bytes` refuses damaged files, and `classify` images of another size.",
        odd_files.require_refusals,
    ),
    Claim(
        _SAVED_MODEL,
        "`classify` takes raw bytes and picture files in one request, and reads no label.",
        odd_files.require_classify,
    ),
    Claim(
        (export_layout.SAVED_MODEL, export_layout.TFLITE),
        "Signatures that take float32 take pixels between whole numbers too, and colours.",
        odd_files.require_float_pixels,
    ),
    Claim(
        _SAVED_MODEL,
        "A session on its SignatureDefs, as TF Serving has one, gives what its functions give; "
        "both refuse images of another shape.",
        session.require,
    ),
    Claim(
        _SAVED_MODEL,
        "The functions of its object, as Keras calls them, are those that its signatures call.",
        object_graph.require,
    ),
)


def start(
    artifact: Artifact, options: ExportOptions, folder: Path, reference: Reference
) -> Callable[[], tuple[Comparison, ...]]:
    """Begins to check every claim that is made of an artifact.

    Args:
      artifact: that was written.
      options: of the export.
      folder: of the version.
      reference: the trained model's answers.

    Returns:
      What waits for the comparisons; it raises a `VerificationError` where a claim does not hold,
      the first in the order of the table, that names the artifact and what is wrong.
    """
    count = len(reference.split.images)
    progress.say(f"comparing {artifact.title} with the trained model on {count:,} images")
    with _refused(artifact):
        staged = Staged(artifact, options, folder, artifact.open(folder / artifact.path))
    claims = [claim for claim in CLAIMS if artifact.format in claim.formats]
    # An interpreter of TFLite answers one thread at a time.
    is_saved_model = artifact.format == export_layout.SAVED_MODEL
    groups = [[claim] for claim in claims] if is_saved_model else [claims]
    checks = [_POOL.submit(_check, group, staged, reference) for group in groups]

    def finish() -> tuple[Comparison, ...]:
        try:
            with _refused(artifact):
                return tuple(each for check in checks for each in check.result())
        finally:
            for check in checks:
                check.cancel()

    return finish


def _check(claims: Sequence[Claim], staged: Staged, reference: Reference) -> tuple[Comparison, ...]:
    return tuple(each for claim in claims for each in claim.check(staged, reference) or ())


@contextlib.contextmanager
def _refused(artifact: Artifact) -> Iterator[None]:
    """Makes a refusal of whatever a runtime raises on what it cannot run."""
    try:
        yield
    except VerificationError:
        raise
    except Exception as error:
        text = str(error) if isinstance(error, UserError) else first_line(error)
        raise VerificationError(
            f"{artifact.title}: it cannot be checked: {text}; nothing was published"
        ) from error


def require_accuracy(reference: Reference, min_accuracy: float) -> None:
    """Refuses a model whose accuracy is below `min_accuracy`.

    Raises:
      VerificationError: it is.
    """
    accuracy, count = reference.split.accuracy, len(reference.split.labels)
    if accuracy < min_accuracy:
        raise VerificationError(
            f"the model's accuracy is {accuracy:.2%} on {count:,} images, below "
            f"--min_accuracy={min_accuracy:g}; nothing was published"
        )


def require_better(reference: Reference, folder: Path) -> None:
    """Refuses a model that is worse than a published version.

    Raises:
      VerificationError: its accuracy is lower.
      UserError: there is no such version.
    """
    if not folder.is_dir():
        raise UserError(f"--must_beat: there is no version {folder}")
    published = open_saved_model(folder)
    trained, split = reference.trained, reference.split
    if (published.image_shape, published.labels) != (trained.image_shape, trained.label_names):
        raise UserError(f"--must_beat: {folder} takes other images, or has other labels")
    accuracy = float((published.run(split.images)["classes"] == split.labels).mean())
    if split.accuracy < accuracy:
        raise VerificationError(
            f"the model's accuracy is {split.accuracy:.2%} on {len(split.labels):,} images, that "
            f"of {folder} {accuracy:.2%}; nothing was published"
        )
