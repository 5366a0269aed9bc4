"""`digitline evaluate`: the figures of a trained model, or of an exported one, on a split."""

from pathlib import Path

from ..base import addresses, catalog, command, command_flags
from ..base.errors import UsageError
from ..base.export_layout import SAVED_MODEL, TFLITE
from .evaluation.options import EvaluateOptions
from .evaluation.result import Result, text

FLAGS = command_flags.flag_values(EvaluateOptions)


def run(options: EvaluateOptions) -> Result:
    """Evaluates; the figures of a run are added to its `evaluation.json`."""
    from .evaluation import artifacts, runs  # They load TensorFlow.

    names = [name for name in ("workdir", SAVED_MODEL, TFLITE) if getattr(options, name)]
    if len(names) > 1:
        raise UsageError(f"--{names[0]} and --{names[1]}: give one of them")
    if options.saved_model:
        return artifacts.evaluate(SAVED_MODEL, options.saved_model, options)
    if options.tflite:
        return artifacts.evaluate(TFLITE, options.tflite, options)
    if options.dataset:
        raise UsageError(
            "--dataset goes with --saved_model and --tflite; a run has its own dataset"
        )
    if len(options.workdir) > 1:
        return runs.evaluate_ensemble([_fetched(folder) for folder in options.workdir], options)
    workdir = _fetched(*options.workdir) if options.workdir else catalog.newest_run()
    return runs.evaluate(workdir, options)


def _fetched(workdir: str) -> Path:
    return catalog.fetched(addresses.local(workdir))


COMMAND = command.Command(
    name="evaluate",
    summary="Evaluates a trained or an exported model: every example of the split exactly once. "
    "The figures of a run are added to its evaluation.json.",
    flags=FLAGS,
    options=lambda flags, _: command_flags.read(EvaluateOptions, flags),
    run=run,
    text=text,
    to_json=Result.to_json,
)

if __name__ == "__main__":
    command.main(COMMAND)
