"""`digitline predict`: the class of a picture, by an exported model or by a server."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from absl import flags

from ..base import command, export_layout
from ..base.errors import UsageError, UserError

FLAGS = command.new_flags()
_MODEL = command.group(FLAGS, "Model (by default, a small one of digits that comes with digitline)")
_SERVER = command.group(FLAGS, "Server (digitline serve or TF Serving)")

# The trained model in the box; `export/box.py` builds it.
BOXED = Path(__file__).parent / "boxed"
# Pictures that are asked of a server at once.
_BATCH = 32

flags.DEFINE_string(
    "saved_model", None, "Folder of a SavedModel, or of its versions: the newest counts.", **_MODEL
)
flags.DEFINE_string(
    "tflite", None, "TFLite file; labels.txt beside it names the classes.", **_MODEL
)
flags.DEFINE_string(
    "server",
    None,
    "Where a server listens: grpc://host:port or http://host:port, with TLS grpcs:// or "
    "https://, or unix:///path.",
    **_SERVER,
)
flags.DEFINE_string("model_name", "default", "Name of the model on the server.", **_SERVER)
flags.DEFINE_integer(
    "version", None, "Its version; the latest counts if there is none.", lower_bound=0, **_SERVER
)
flags.DEFINE_string("label", None, "Its version's label, instead.", **_SERVER)
flags.DEFINE_string(
    "signature",
    export_layout.DEFAULT_SIGNATURE,
    "Signature that is asked: one of raw images or image files, or classify, which names classes.",
    **_SERVER,
)
flags.DEFINE_float(
    "timeout", 30.0, "Seconds for each request, retries included.", lower_bound=0.001, **_SERVER
)
flags.DEFINE_string("tls_ca", None, "Who signs the server's certificate: PEM file.", **_SERVER)
flags.DEFINE_string("tls_cert", None, "The client's certificate: PEM file.", **_SERVER)
flags.DEFINE_string("tls_key", None, "Its key: PEM file.", **_SERVER)

# Pictures to what is said of each.
_Answer = Callable[[list[np.ndarray]], list[dict[str, Any]]]


def run(values: Any, arguments: list[str]) -> dict[str, Any]:
    """Classifies the picture files; those that cannot be read are listed under `errors`."""
    given = [name for name in ("saved_model", "tflite", "server") if values[name].value is not None]
    if len(given) > 1:
        raise UsageError("give one of --saved_model=DIR, --tflite=FILE and --server=URL, or none")
    if not arguments:
        raise UsageError("which picture? digitline predict … picture.png")
    if given == ["server"]:
        return _by_server(values, arguments)
    if asked := [name for name in ("version", "label") if values[name].value not in (None, "")]:
        raise UsageError(f"--{asked[0]} is of a model on a server: --server=URL says where")
    from . import artifacts as runtime  # The runtimes take their time to load.

    if values.saved_model is not None:
        classifier = runtime.open_saved_model(Path(values.saved_model))
    else:
        classifier = runtime.open_tflite(Path(values.tflite or BOXED / export_layout.TFLITE_FILE))

    def answer(pictures: list[np.ndarray]) -> list[dict[str, Any]]:
        return [runtime.classify(classifier, pixels) for pixels in pictures]

    found = _each(arguments, classifier.image_shape, classifier.labels, answer)
    return {"model": str(classifier.path), **found}


def _by_server(values: Any, names: list[str]) -> dict[str, Any]:
    from .client import Client
    from .client.images import class_count, image_shape

    label = values.label or None  # `--label=` of a script asks for none.
    model = {"model": values.model_name, "version": values.version, "label": label}
    tls = [
        None if file is None else Path(file)
        for file in (values.tls_ca, values.tls_cert, values.tls_key)
    ]
    with Client(values.server, values.timeout, 3, *tls) as client:
        signatures = client.metadata(**model)
        shape = image_shape(signatures, values.signature, values.server)
        asked = signatures.get(values.signature)
        count = None if asked is None else class_count(asked)

        def answer(pictures: list[np.ndarray]) -> list[dict[str, Any]]:
            found = client.classify_images(np.stack(pictures), signature=values.signature, **model)
            return [_as_local(found, index) for index in range(len(pictures))]

        labels = tuple(str(number) for number in range(count or 0))
        found = _each(names, shape, labels, answer)
    where = f"{values.server} {values.model_name}"
    if values.version is not None or label is not None:
        where += f"/{label if values.version is None else values.version}"
    return {"model": where, **found}


def _as_local(found: Any, index: int) -> dict[str, Any]:
    """One of a server's answers in the form of `runtime.classify`.

    Where the server names the classes, their numbers are not known: `class` is None, and
    `labels` names the classes of `probabilities`.
    """
    probabilities = [float(value) for value in found.probabilities[index]]
    answer = {
        "class": None if found.classes is None else int(found.classes[index]),
        "label": found.labels[index],
        "probability": max(probabilities),
        "probabilities": probabilities,
    }
    return answer if found.names is None else {**answer, "labels": found.names[index]}


def _each(
    names: list[str], image_shape: Any, labels: tuple[str, ...], answer: _Answer
) -> dict[str, Any]:
    """The predictions and the errors, in the order of the files."""
    from . import picture  # So does Pillow.

    predictions, errors = [], []
    for start in range(0, len(names), _BATCH):
        read, pictures = [], []
        for name in names[start : start + _BATCH]:
            try:
                pictures.append(picture.load(Path(name), image_shape, labels))
            except UserError as error:
                errors.append(str(error))
                continue
            read.append(name)
        for name, pixels, found in zip(
            read, pictures, answer(pictures) if pictures else [], strict=True
        ):
            if pixels.min() == pixels.max():
                found["note"] = "the picture is blank: nothing to tell the class by"
            predictions.append({"file": name, **found})
    return {"predictions": predictions, "errors": errors}


def text(result: dict[str, Any]) -> str:
    """The result for a person."""
    return "\n".join(
        f"{each['file']}: {each['label']} ({each['probability']:.2%})"
        + (f"; {each['note']}" if "note" in each else "")
        for each in result["predictions"]
    )


COMMAND = command.from_values(
    name="predict",
    summary="Prints the class and the probability of each picture: PNG or JPEG, grey or colour, "
    "of any size. A digit drawn dark on light is recognized and inverted.",
    flags=FLAGS,
    run=run,
    text=text,
    arguments="picture.png …",
)

if __name__ == "__main__":
    command.main(COMMAND)
