"""What TensorBoard shows of a finished run beside its curves.

In `<workdir>/tensorboard`:

    events.out.tfevents.*.digitline-report   the confusion matrix and the misclassified images
    projector_config.pbtxt, projector/       a split's images in the projector (see projector.py)
"""

import shutil
from collections.abc import Iterator
from pathlib import Path

from ...base import files
from ...base.charts import Chart
from ...base.process import temporary
from ...base.tables import short
from ...base.tf import tf
from ...data.dataset import Split
from ...data.inspection import charts
from ..run.folder import Run
from ..training import metrics_log
from . import figures, projector, run_figures
from .facts import Facts, Result

# How the name of our event file ends; that of the curves ends otherwise.
_SUFFIX = ".digitline-report"
# Mistakes that are shown, and those on a sheet: TensorBoard's cards are narrow. The page has all.
_MISTAKES, _SHEET, _COLUMNS = 500, 25, 5


def write(facts: Facts, evaluated: Split) -> Path:
    """Writes it for a finished run, in the place of an earlier report; returns the folder.

    Args:
      evaluated: the split that `facts.result` is of.

    Raises:
      UsageError: TensorBoard is not installed.
      UserError: another process writes there.
    """
    folder = metrics_log.board(facts.run)
    assert facts.record is not None
    assert facts.model is not None
    assert facts.result is not None
    names = facts.config.label_names
    with files.owned(folder, "writing for TensorBoard"):
        _write_pictures(folder, names, facts.result, facts.record.steps)
        embedded = projector.of_split(facts.model, facts.config.preprocess, evaluated)
        projector.write(folder, embedded, names, facts.result)
    return folder


def seal(run: Run) -> Path:
    """The file that is written last, and is there if and only if the rest is."""
    return run.workdir / metrics_log.BOARD / projector.CONFIG


def _write_pictures(folder: Path, names: tuple[str, ...], result: Result, step: int) -> None:
    count = len(result.mistakes)
    description = (
        f"{result.evaluation.examples:,} images of `{result.split}`, {count:,} of them "
        "misclassified, the surest mistakes first: above an image its class, below the predicted "
        "class"
    )
    if count > _MISTAKES:
        description += f". The first {_MISTAKES} are here, all in `report.html`"
    # Elsewhere first, since TensorFlow chooses the file's name: here it appears whole.
    with temporary.folder() as elsewhere:
        writer = tf.summary.create_file_writer(str(elsewhere), filename_suffix=_SUFFIX)
        with writer.as_default(step):
            for tag, chart in _pictures(names, result):
                pixels = tf.io.decode_png(chart.png(), channels=3)
                tf.summary.image(tag, pixels[tf.newaxis], description=description)
        writer.close()
        (written,) = elsewhere.iterdir()
        path = folder / written.name
        with files.replacing(path) as aside:
            shutil.copyfile(written, aside)
    # The new one has another name, so that a running TensorBoard reads it.
    for earlier in folder.glob(f"*{_SUFFIX}"):
        if earlier != path:
            earlier.unlink()


def _pictures(names: tuple[str, ...], result: Result) -> Iterator[tuple[str, Chart]]:
    """TensorBoard's tags, and the picture of each."""
    matrix, split = result.evaluation.confusion, short(result.split, 20)
    for tag, title in (("rates", "per cent of each true class"), ("counts", "images by class")):
        chart = figures.confusion(f"{split}: {title}", names, matrix, rates=tag == "rates")
        yield f"confusion/{tag}", chart
    shown = run_figures.captioned(names, result.mistakes[:_MISTAKES])
    for page, first in enumerate(range(0, len(shown), _SHEET), start=1):
        images = shown[first : first + _SHEET]
        title = f"Mistakes {first + 1} to {first + len(images)} of {len(result.mistakes):,}"
        yield f"mistakes/{page}", charts.sheet(title, images, _COLUMNS)
