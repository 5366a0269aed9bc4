"""digitline for Python: the stages of the line as functions, and models that classify.

    import digitline

    digitline.prepare(dataset="mnist")
    run = digitline.train(model="lenet5", epochs=5, workdir="runs/mine")
    print(digitline.evaluate(workdir=run.workdir).figures.accuracy)
    exported = digitline.export(workdir=run.workdir)
    answers = digitline.load(exported.artifacts["tflite"]).predict(["picture.png"])

A function does what the command of its name does and returns the command's result. Its keywords are
the command's flags; it takes the frozen dataclass of the options instead, too. What is wrong is an
exception of `base/errors.py`, whose message names options as flags: `--workdir` is `workdir`.
Nothing is parsed, printed on standard output or exited. Ctrl-C in a training saves it first.
"""

from ..data.preparation.request import Request
from ..export.options import ExportOptions
from ..models.evaluation.options import EvaluateOptions
from ..models.training.options import TrainOptions
from .line import evaluate, export, prepare, train
from .loaded import Loaded, load

__all__ = [
    "EvaluateOptions",
    "ExportOptions",
    "Loaded",
    "Request",
    "TrainOptions",
    "evaluate",
    "export",
    "load",
    "prepare",
    "train",
]
