"""The flags of `digitline predict`."""

import dataclasses
from pathlib import Path

from ...base import catalog
from ...base.command_flags import flag
from ...base.errors import UsageError
from ...base.manifests import AUTO, TRIAL_HELP, TRIALS

_MODEL = (
    "Model (by default the newest export of the newest run here, or else the small one of digits "
    "that comes with digitline)"
)
_SERVER = "Server (digitline serve or TF Serving)"
_PICTURES = "Pictures"
_ANSWERS = "Answers"

TEXT, CSV = "text", "csv"


@dataclasses.dataclass(frozen=True, kw_only=True)
class PredictOptions:
    """What to classify, by which model, and how to answer.

    Attributes:
      pictures: what the arguments name.
    """

    saved_model: Path | None = flag(
        None,
        "Folder of a SavedModel, or of its versions: the newest counts.",
        group=_MODEL,
        remote=True,
    )
    tflite: Path | None = flag(
        None,
        "TFLite file; labels.txt beside it or inside names the classes.",
        group=_MODEL,
        remote=True,
    )
    workdir: Path | None = flag(
        None, "Run folder: its newest export answers.", group=_MODEL, remote=True
    )
    export_dir: Path = flag(
        catalog.EXPORTS,
        "Root folder of exports, where those of a run are.",
        group=_MODEL,
        remote=True,
    )
    verify: bool = flag(
        True,
        "Refuse an export of digitline whose files are not those in its manifest.",
        group=_MODEL,
    )
    trial: str = flag(AUTO, TRIAL_HELP, group=_MODEL, words=TRIALS)
    server: str | None = flag(
        None,
        "Where a server listens: grpc://host:port or http://host:port, with TLS grpcs:// or "
        "https://, or unix:///path.",
        group=_SERVER,
    )
    model_name: str = flag("default", "Name of the model on the server.", group=_SERVER)
    version: int | None = flag(
        None, "Its version; the latest by default.", group=_SERVER, at_least=0
    )
    label: str | None = flag(None, "The label of its version, instead.", group=_SERVER)
    signature: str | None = flag(
        None,
        "Signature to call: one of image files or raw images, or classify, which names classes "
        "(default: predict_bytes where the model has it, else serving_default).",
        group=_SERVER,
    )
    timeout: float = flag(
        30.0, "Seconds for each request, retries included.", group=_SERVER, at_least=0.001
    )
    tls_ca: Path | None = flag(None, "Who signs the server's certificate: PEM file.", group=_SERVER)
    tls_cert: Path | None = flag(None, "The client's certificate: PEM file.", group=_SERVER)
    tls_key: Path | None = flag(None, "Its key: PEM file.", group=_SERVER)
    digits: bool | None = flag(
        None,
        "Each picture holds one digit, to be cut out and made as MNIST's are; or none does "
        "(default: as the model's training images were made).",
        group=_PICTURES,
    )
    top_k: int = flag(1, "How many classes to show of each picture.", group=_ANSWERS, at_least=1)
    output: str = flag(
        TEXT,
        "Lines for people, or a CSV table: file,label for pictures, and for the rows of a CSV "
        "file or array Kaggle's ImageId,Label.",
        group=_ANSWERS,
        words=(TEXT, CSV),
    )
    pictures: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        models = (self.saved_model, self.tflite, self.workdir, self.server)
        if sum(model is not None for model in models) > 1:
            raise UsageError(
                "give one of --saved_model=DIR, --tflite=FILE, --workdir=RUN and --server=URL, "
                "or none"
            )
        if not self.pictures:
            raise UsageError("which picture? digitline predict … picture.png")
        for name, value in (("version", self.version), ("label", self.label)):
            if self.server is None and value not in (None, ""):
                raise UsageError(f"--{name} is of a model on a server: --server=URL says where")
        if self.signature and self.server is None:
            raise UsageError("--signature is of a model on a server: --server=URL says where")
