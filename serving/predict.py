"""`digitline predict`: the class of a picture, by an exported model or by a server."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..base import command, export_layout
from ..base.command_flags import flag, flag_values, read
from ..base.errors import UsageError, UserError
from ..base.files import JsonObject
from ..base.pictures.config import PictureConfig

if TYPE_CHECKING:
    from .client import Classified

# The trained model in the box; `make boxed` builds it.
BOXED = Path(__file__).parent / "boxed"
# Pictures in one call of the model.
_BATCH = 32
_BLANK = "the picture is blank: nothing to tell the class by"

_MODEL = "Model (by default, a small one of digits that comes with digitline)"
_SERVER = "Server (digitline serve or TF Serving)"


@dataclasses.dataclass(frozen=True, kw_only=True)
class PredictOptions:
    """What to classify, and by which model."""

    saved_model: Path | None = flag(
        None, "Folder of a SavedModel, or of its versions: the newest counts.", group=_MODEL
    )
    tflite: Path | None = flag(
        None, "TFLite file; labels.txt beside it names the classes.", group=_MODEL
    )
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
    signature: str = flag(
        export_layout.DEFAULT_SIGNATURE,
        "Signature to call: one of raw images or image files, or classify, which names classes.",
        group=_SERVER,
    )
    timeout: float = flag(
        30.0, "Seconds for each request, retries included.", group=_SERVER, at_least=0.001
    )
    tls_ca: Path | None = flag(None, "Who signs the server's certificate: PEM file.", group=_SERVER)
    tls_cert: Path | None = flag(None, "The client's certificate: PEM file.", group=_SERVER)
    tls_key: Path | None = flag(None, "Its key: PEM file.", group=_SERVER)
    pictures: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if sum(model is not None for model in (self.saved_model, self.tflite, self.server)) > 1:
            raise UsageError(
                "give one of --saved_model=DIR, --tflite=FILE and --server=URL, or none"
            )
        if not self.pictures:
            raise UsageError("which picture? digitline predict … picture.png")
        for name, value in (("version", self.version), ("label", self.label)):
            if self.server is None and value not in (None, ""):
                raise UsageError(f"--{name} is of a model on a server: --server=URL says where")


FLAGS = flag_values(PredictOptions)


@dataclasses.dataclass(frozen=True)
class Prediction:
    """The answer for one picture.

    Attributes:
      number: of the class; None where a server names the classes and does not number them.
      label: the class's name, or its number as text.
      probabilities: of all classes, by number, or in the order of `labels`.
      labels: names of all classes where `number` is None.
      is_blank: whether all pixels are alike.
    """

    file: str
    number: int | None
    label: str
    probability: float
    probabilities: tuple[float, ...]
    labels: tuple[str, ...] | None
    is_blank: bool


@dataclasses.dataclass(frozen=True)
class Predictions:
    """The answers for all pictures.

    Attributes:
      model: the artifact, or the server and the model on it.
      predictions: of the pictures that could be read, in their order.
      errors: what is wrong with the others.
    """

    model: str
    predictions: tuple[Prediction, ...]
    errors: tuple[str, ...]


@dataclasses.dataclass(frozen=True)
class _Model:
    """A model that classifies, wherever it runs.

    Attributes:
      pictures: how a picture file becomes its input.
      classify: from uint8 [N, H, W, C] to the classes.
    """

    name: str
    pictures: PictureConfig
    classify: Callable[[np.ndarray], Classified]


def run(options: PredictOptions) -> Predictions:
    """Classifies the picture files; those that cannot be read are listed as errors.

    Raises:
      UserError: the model cannot be opened or asked.
    """
    from ..base.pictures import decode  # Pillow takes its time to load.

    predictions, errors = [], []
    server = options.server
    with _local(options) if server is None else _on_server(options, server) as model:
        for start in range(0, len(options.pictures), _BATCH):
            files, images = [], []
            for file in options.pictures[start : start + _BATCH]:
                try:
                    images.append(decode.load(Path(file), model.pictures))
                    files.append(file)
                except UserError as error:
                    errors.append(str(error))
            if images:
                predictions += _predictions(files, images, model.classify(np.stack(images)))
    return Predictions(model.name, tuple(predictions), tuple(errors))


def _local(options: PredictOptions) -> contextlib.nullcontext[_Model]:
    from . import artifacts  # The runtimes take their time to load.
    from .client import Classified

    if options.saved_model is not None:
        classifier = artifacts.open_saved_model(options.saved_model)
    else:
        classifier = artifacts.open_tflite(options.tflite or BOXED / export_layout.TFLITE_FILE)

    def classify(images: np.ndarray) -> Classified:
        outputs = classifier.run(images)
        if "probabilities" not in outputs:
            raise UserError(f"{classifier.path}: it gives {sorted(outputs)}, no probabilities")
        classes = outputs["probabilities"].argmax(axis=1)
        names = dict(enumerate(classifier.labels))
        labels = [names.get(number, str(number)) for number in classes.tolist()]
        return Classified(labels, classes, outputs["probabilities"], None)

    return contextlib.nullcontext(_Model(str(classifier.path), classifier.pictures, classify))


@contextlib.contextmanager
def _on_server(options: PredictOptions, server: str) -> Iterator[_Model]:
    from .client import Client
    from .client.images import image_shape

    # `--label=` of a script states none.
    name, version, label = options.model_name, options.version, options.label or None
    certificates = (options.tls_ca, options.tls_cert, options.tls_key)
    stated = label if version is None else version
    shown = f"{server} {name}" + ("" if stated is None else f"/{stated}")
    with Client(server, options.timeout, 3, *certificates) as client:
        signatures = client.metadata(name, version, label)
        shape = image_shape(signatures, options.signature, server)

        def classify(images: np.ndarray) -> Classified:
            return client.classify_images(images, name, options.signature, version, label)

        yield _Model(shown, PictureConfig(shape), classify)


def _predictions(
    files: Sequence[str], images: Sequence[np.ndarray], classified: Classified
) -> Iterator[Prediction]:
    for index, (file, pixels) in enumerate(zip(files, images, strict=True)):
        probabilities = tuple(classified.probabilities[index].tolist())
        yield Prediction(
            file,
            None if classified.classes is None else int(classified.classes[index]),
            classified.labels[index],
            max(probabilities),
            probabilities,
            None if classified.names is None else tuple(classified.names[index]),
            bool(pixels.min() == pixels.max()),
        )


def _to_json(result: Predictions) -> JsonObject:
    return {
        "model": result.model,
        "predictions": [
            {
                "file": prediction.file,
                "class": prediction.number,
                "label": prediction.label,
                "probability": prediction.probability,
                "probabilities": list(prediction.probabilities),
                **({} if prediction.labels is None else {"labels": list(prediction.labels)}),
                **({"note": _BLANK} if prediction.is_blank else {}),
            }
            for prediction in result.predictions
        ],
        "errors": list(result.errors),
    }


def text(result: Predictions) -> str:
    """The result for a person."""
    return "\n".join(
        f"{prediction.file}: {prediction.label} ({prediction.probability:.2%})"
        + (f"; {_BLANK}" if prediction.is_blank else "")
        for prediction in result.predictions
    )


COMMAND = command.Command(
    name="predict",
    summary="Prints the class and the probability of each picture: PNG or JPEG, grey or colour, "
    "of any size. A digit drawn dark on light is recognized and inverted.",
    flags=FLAGS,
    options=lambda values, pictures: read(PredictOptions, values, pictures=tuple(pictures)),
    run=run,
    text=text,
    to_json=_to_json,
    errors=lambda result: result.errors,
    arguments="picture.png …",
)

if __name__ == "__main__":
    command.main(COMMAND)
