"""The flags of `digitline export`."""

import dataclasses
import re
from pathlib import Path

from ..base.command_flags import flag
from ..base.errors import UsageError
from ..base.export_layout import FORMATS, ONNX, SAVED_MODEL, TFLITE, TFLITE_FILE
from ..data import flags
from .runtimes import catalog

_WHAT = "What to export"
_TFLITE = "TFLite"
_GATE = "Verification"
_AFTER = "Published versions"
# No limit: JSON has no infinity.
_ANY = 1e30


@dataclasses.dataclass(frozen=True)
class Limits:
    """How far a file of rounded weights may be from its model.

    Attributes:
      accuracy: by how much its accuracy may be off, 0 to 1.
      typical: root mean square of how far margins are off: logarithms of the best class's
        probability over another's.
      largest: how far the logarithm of a probability may be off; those below 1/64 count as that.
      slope: how far the slope from the model's margins to the file's may be from 1.
    """

    accuracy: float
    typical: float
    largest: float
    slope: float

    @property
    def of_one_image(self) -> "Limits":
        """Of images that have no class and few margins: how far a probability may be off."""
        return Limits(1.0, _ANY, self.largest, _ANY)


@dataclasses.dataclass(frozen=True)
class Variant:
    """One TFLite file of a model.

    Attributes:
      name: as in `--tflite_variants`.
      meaning: in words.
      limits: how far it may be from the model; None where its probabilities must be the model's.
    """

    name: str
    meaning: str
    limits: Limits | None

    @property
    def file(self) -> str:
        """What its file is called."""
        return TFLITE_FILE if self is FLOAT32 else f"model_{self.name}.tflite"


FLOAT32 = Variant("float32", "float32", None)
FLOAT16 = Variant("float16", "float16 weights", Limits(0.0005, 0.03, 0.1, 0.005))
DYNAMIC_INT8 = Variant(
    "dynamic_int8", "int8 weights, float32 in and out", Limits(0.0005, 0.35, 1.2, 0.03)
)
INT8 = Variant("int8", "int8 weights and activations", Limits(0.003, 0.5, 1.8, 0.04))
MEDIAPIPE = Variant("mediapipe", "float32, for MediaPipe's Image Classifier", None)
USUAL = (FLOAT32, FLOAT16, DYNAMIC_INT8, INT8)
VARIANTS = {variant.name: variant for variant in (*USUAL, MEDIAPIPE)}


@dataclasses.dataclass(frozen=True, kw_only=True)
class ExportOptions:
    """What to export, how to verify it, and what to do with published versions.

    Raises:
      UsageError: the options do not go together.
    """

    workdir: Path | None = flag(
        None,
        "Run folder of a finished training, or its address (default: the newest finished run in "
        "runs).",
        group=_WHAT,
        remote=True,
    )
    export_dir: Path = flag(
        Path("exports"),
        "Root folder of exports, or its address, such as s3://bucket/folder.",
        group=_WHAT,
        remote=True,
    )
    model_name: str | None = flag(
        None, "Name to publish under (default: the network's name).", group=_WHAT
    )
    version: int | None = flag(None, "Version number (default: the next).", group=_WHAT, at_least=1)
    formats: tuple[str, ...] = flag(
        (SAVED_MODEL, TFLITE), "Formats to write.", group=_WHAT, words=FORMATS
    )
    dark_on_light: bool = flag(
        False,
        "SavedModel's predict_bytes inverts pictures with a light border. A model of digits needs "
        "no flag (prepare --digits, and MNIST's family): it finds the digit, as predict does.",
        group=_WHAT,
    )
    samples: int = flag(
        10,
        "Images of each class of --split that go along with the SavedModel, for people to pick "
        "from on the page of digitline serve; 0 for none.",
        group=_WHAT,
        at_least=0,
    )
    tflite_variants: tuple[str, ...] = flag(
        tuple(variant.name for variant in USUAL),
        "TFLite files to write.",
        group=_TFLITE,
        words=VARIANTS,
    )
    tflite_batch_size: int = flag(
        1, "Images that a TFLite file takes at once.", group=_TFLITE, at_least=1
    )
    tflite_io: str = flag(
        "uint8",
        "What the int8 file takes and gives. uint8: raw pixels, and float32 probabilities, as the "
        "others. int8: pixels - 128, and 256 p - 128: integers throughout, for microcontrollers.",
        group=_TFLITE,
        words=("uint8", "int8"),
    )
    calibration_images: int | None = flag(
        None,
        "Images that int8 files are rounded by, evenly spaced over the training split (default: "
        "500; of images larger than 64x64 fewer, by their pixels, at least 100).",
        group=_TFLITE,
        at_least=1,
    )
    c_header: bool = flag(
        False,
        "Write the int8 file as a C header too, for microcontrollers. TensorFlow Lite Micro runs "
        "it with --tflite_io=int8 only.",
        group=_TFLITE,
    )
    split: str | None = flag(
        None,
        "Split to compare every artifact and the trained model on (default: test, or where the "
        "dataset has none, the run's validation split).",
        group=_GATE,
    )
    data_dir: Path | None = flag(
        None,
        "Root folder of prepared datasets (default: where the run found it).",
        group=_GATE,
        remote=True,
    )
    explain: bool = flag(
        False,
        "Show how far each layer of each TFLite and ONNX file is from the trained model's, and "
        "which lose most by rounding. Of a file that is refused, the error says it anyway.",
        group=_GATE,
    )
    min_accuracy: float = flag(
        0.0,
        "Refuse a model whose accuracy on --split is below this, 0 to 1.",
        group=_GATE,
        at_least=0.0,
        at_most=1.0,
    )
    must_beat: int | None = flag(
        None,
        "Refuse a model whose accuracy on --split is below that of this published version.",
        group=_GATE,
        at_least=1,
    )
    runtimes: tuple[str, ...] = flag(
        (catalog.QUICK,),
        "Runtimes to run each artifact in; one that gives other answers than the model is refused. "
        "quick: those installed that start within a second; all: those installed; none; or names.",
        group=_GATE,
        words=catalog.WORDS,
    )
    runtime_python: tuple[str, ...] = flag(
        (),
        "Runtimes to run in other Pythons that have them, NAME=PATH each: "
        "tflite_runtime=/path/to/bin/python.",
        group=_GATE,
    )
    max_corrupt_records: int = flags.max_corrupt_records(_GATE)
    keep_versions: int = flag(
        0,
        "After the export, keep only the newest versions of the model, this many of each format; "
        "0 keeps all.",
        group=_AFTER,
        at_least=0,
    )
    rollback: bool = flag(
        False,
        "Instead of an export: take the newest version of --model_name away, into "
        "<export_dir>/.rolled_back; the one before is served again.",
        group=_AFTER,
    )
    verify_only: Path | None = flag(
        None,
        "Instead of an export: check all versions in this folder: their files against their "
        "manifests, and that labels and records of pictures agree, inside files and beside them.",
        group=_AFTER,
        remote=True,
    )

    def __post_init__(self) -> None:
        if self.model_name and not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]*", self.model_name):
            raise UsageError(
                f"--model_name={self.model_name}: it is a folder's name and part of URLs; use only "
                "letters, digits and _ . -"
            )
        if self.c_header and not self.has_int8:
            raise UsageError("--c_header needs tflite in --formats and int8 in --tflite_variants")
        if self.c_header and not self.has_int8_io:
            raise UsageError(
                "--c_header needs --tflite_io=int8: TensorFlow Lite Micro runs no file that takes "
                f"{self.tflite_io}"
            )
        catalog.pythons(self.runtime_python)
        if self.explain and not {TFLITE, ONNX} & {*self.formats}:
            raise UsageError("--explain needs tflite or onnx in --formats")
        if catalog.NONE in self.runtimes and len(self.runtimes) > 1:
            raise UsageError("--runtimes: none goes with no other")
        if self.rollback and not self.model_name:
            raise UsageError("--rollback needs --model_name")

    @property
    def variants(self) -> tuple[Variant, ...]:
        """Those of --tflite_variants, each once."""
        return tuple(VARIANTS[name] for name in dict.fromkeys(self.tflite_variants))

    @property
    def has_int8(self) -> bool:
        """Whether an int8 TFLite file is to be written."""
        return TFLITE in self.formats and INT8 in self.variants

    @property
    def takes_calibration(self) -> bool:
        """Whether weights are rounded to int8, which training images are looked at for."""
        return TFLITE in self.formats and bool({INT8, DYNAMIC_INT8} & {*self.variants})

    @property
    def has_int8_io(self) -> bool:
        """Whether that file takes and gives int8: pixels - 128, and 256 p - 128; no classes."""
        return self.tflite_io == "int8"
