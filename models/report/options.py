"""What `digitline report` takes."""

import dataclasses
from pathlib import Path

from ...base.command_flags import flag
from ...data import flags

_WHAT, _RUN = "What to report (at most one of these)", "The report of a run"
_COMPARISON, _TABLE = "The comparison", "The table"


@dataclasses.dataclass(frozen=True, kw_only=True)
class ReportOptions:
    """What to report. The help texts of the flags say what each field means."""

    workdir: Path | None = flag(
        None,
        "A run: report.html and figures/ are written into its folder (default: the newest finished "
        "run in runs). It may be an address.",
        group=_WHAT,
        remote=True,
    )
    compare: tuple[str, ...] = flag(
        (),
        "Run folders, with commas or spaces between them: a page with all side by side.",
        group=_WHAT,
    )
    results: bool = flag(
        False,
        "The table of measured accuracies, from the files of benchmarks/accuracy.py.",
        group=_WHAT,
    )
    split: str | None = flag(
        None,
        "Split to evaluate (default: the run's validation split). The test split is read only if "
        "it is named here.",
        group=_RUN,
    )
    data_dir: Path | None = flag(
        None,
        "Root folder of prepared datasets (default: where the training found it).",
        group=_RUN,
        remote=True,
    )
    export_dir: Path | None = flag(
        None, "Root folder of exports: those of this run are listed.", group=_RUN, remote=True
    )
    benchmark: Path | None = flag(
        None,
        "With --export_dir: file with what digitline benchmark formats --json printed, for "
        "latencies.",
        group=_RUN,
    )
    tensorboard: bool = flag(
        False,
        "For TensorBoard too, into <workdir>/tensorboard: the confusion matrix and the "
        "misclassified images as pictures, and the split's images in the projector.",
        group=_RUN,
    )
    max_corrupt_records: int = flags.max_corrupt_records(group=_RUN)
    output: Path | None = flag(
        None,
        "The page (default: compare.html beside the first run, or here if that is an address).",
        group=_COMPARISON,
    )
    results_dir: Path = flag(
        Path("benchmarks/results"), "Folder of these files, in a checkout.", group=_TABLE
    )
    readme: str = flag(
        "README.md",
        "The table in this file is renewed; empty to print the table only.",
        group=_TABLE,
    )
