"""`digitline predict`: the class of a picture, by an exported model."""

from pathlib import Path
from typing import Any

from absl import flags

from ..base import command
from ..base.errors import UsageError, UserError

FLAGS = command.new_flags()
_MODEL = command.group(FLAGS, "Model (by default, a small one of digits that comes with digitline)")

# The trained model in the box; `export/box.py` builds it.
BOXED = Path(__file__).parent / "boxed"

flags.DEFINE_string(
    "saved_model", None, "Folder of a SavedModel, or of its versions: the newest counts.", **_MODEL
)
flags.DEFINE_string(
    "tflite", None, "TFLite file; labels.txt beside it names the classes.", **_MODEL
)


def run(values: Any, arguments: list[str]) -> dict[str, Any]:
    """Classifies the picture files; those that cannot be read are listed under `errors`."""
    if values.saved_model is not None and values.tflite is not None:
        raise UsageError("give one of --saved_model=DIR and --tflite=FILE, or none")
    if not arguments:
        raise UsageError("which picture? digitline predict … picture.png")
    from . import picture, runtime  # Pillow and the runtimes take their time to load.

    if values.saved_model is not None:
        classifier = runtime.open_saved_model(Path(values.saved_model))
    else:
        classifier = runtime.open_tflite(Path(values.tflite or BOXED / "model.tflite"))
    predictions, errors = [], []
    for name in arguments:
        try:
            pixels = picture.load(Path(name), classifier.image_shape, classifier.labels)
        except UserError as error:
            errors.append(str(error))
            continue
        answer = runtime.classify(classifier, pixels)
        if pixels.min() == pixels.max():
            answer["note"] = "the picture is blank: nothing to tell the class by"
        predictions.append({"file": name, **answer})
    return {"model": str(classifier.path), "predictions": predictions, "errors": errors}


def text(result: dict[str, Any]) -> str:
    """The result for a person."""
    return "\n".join(
        f"{each['file']}: {each['label']} ({each['probability']:.2%})"
        + (f"; {each['note']}" if "note" in each else "")
        for each in result["predictions"]
    )


COMMAND = command.Command(
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
