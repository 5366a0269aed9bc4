"""`digitline report`: a run as a page and figures, several runs compared, the README's table."""

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING

from absl.flags import FlagValues

from ...base import command, files
from ...base.command_flags import flag_values, read
from ...base.errors import UsageError, UserError
from ...base.files import JsonObject
from .. import registry
from . import results
from .options import ReportOptions

if TYPE_CHECKING:  # At run time these load TensorFlow.
    from .compare import Compared
    from .facts import Facts
    from .write import Written


@dataclasses.dataclass(frozen=True)
class RunReport:
    """The report of a run: what it says, and where it was written."""

    facts: "Facts"
    written: "Written"
    board: Path | None

    def to_json(self) -> JsonObject:
        facts, result = self.facts, self.facts.result
        evaluated = {}
        if result is not None:
            evaluated = {
                "split": result.split,
                **result.evaluation.figures().to_config(),
                "misclassified": [
                    {
                        "index": mistake.index,
                        "label": mistake.label,
                        "predicted": mistake.predicted,
                        "confidence": mistake.confidence,
                    }
                    for mistake in result.mistakes
                ],
            }
        return {
            "workdir": str(facts.run.workdir),
            "model": facts.config.model,
            "dataset": facts.config.dataset.name,
            "finished": facts.record is not None,
            "report": str(self.written.page),
            "figures": [str(path) for path in self.written.figures],
            "tensorboard": None if self.board is None else str(self.board),
            "notes": list(facts.notes),
            **evaluated,
            "artifacts": [dataclasses.asdict(artifact) for artifact in facts.exports],
        }

    def text(self) -> str:
        from .text import of_run

        lines = [*of_run(self.facts), ""]
        if self.written.figures:
            folder = self.written.figures[0].parent
            lines.append(f"drawn   {len(self.written.figures)} files in {folder}")
        if self.board is not None:
            lines.append(f"boards  tensorboard --logdir={self.board}")
        return "\n".join([*lines, f"report  {self.written.page}"])


@dataclasses.dataclass(frozen=True)
class Comparison:
    """Several runs, the most accurate first, and the page that shows them."""

    runs: "tuple[Compared, ...]"
    page: Path

    def to_json(self) -> JsonObject:
        from . import compare

        names = [run.name for run in self.runs]
        return {
            "report": str(self.page),
            "runs": compare.to_json(self.runs),
            "differences": {
                name: dict(zip(names, values, strict=True))
                for name, values in compare.differences(self.runs).items()
            },
        }

    def text(self) -> str:
        from . import compare

        return f"{compare.text(self.runs)}\n\nreport  {self.page}"


@dataclasses.dataclass(frozen=True)
class ResultsTable:
    """The measured accuracies, and the file whose table was renewed."""

    measured: tuple[results.Measured, ...]
    readme: str

    def to_json(self) -> JsonObject:
        rows = [
            {
                "model": figures.model,
                "recipe": figures.recipe,
                "parameters": figures.parameters,
                "accuracy_mean": figures.accuracy_mean,
                "accuracies": list(figures.accuracies),
                "train_seconds_median": figures.train_seconds_median,
            }
            for figures in self.measured
        ]
        return {"rows": rows, "table": self.text(), "readme": self.readme or None}

    def text(self) -> str:
        return results.table(self.measured)


Report = RunReport | Comparison | ResultsTable


def options_of(values: FlagValues, arguments: list[str]) -> ReportOptions:
    """The options that the flags state; arguments are more runs to compare.

    Raises:
      UsageError: not exactly one thing is to be reported.
    """
    options = read(ReportOptions, values)
    named = [name for name in ("workdir", "compare", "results") if getattr(options, name)]
    if len(named) != 1:
        got = " and ".join(f"--{name}" for name in named) or "none"
        raise UsageError(f"report what? Give one of --workdir, --compare, --results; got {got}")
    if arguments and not options.compare:
        raise UsageError(f"unexpected argument '{arguments[0]}': run folders go with --compare")
    if options.benchmark and not options.export_dir:
        raise UsageError("--benchmark goes with --export_dir")
    return dataclasses.replace(options, compare=(*options.compare, *arguments))


def run(options: ReportOptions) -> Report:
    """Makes the report of a run, the comparison, or the table."""
    if options.workdir is not None:
        return _report(options, options.workdir)
    return _compare(options) if options.compare else _results(options)


def _report(options: ReportOptions, workdir: Path) -> RunReport:
    from ..run.folder import Run  # The imports here load TensorFlow.
    from ..training import metrics_log
    from . import exports, facts, write

    folder, board = Run(workdir), None
    if options.tensorboard:
        metrics_log.board(folder)  # Is it installed?
    known = facts.of_run(folder)
    if options.export_dir:
        artifacts = exports.of_run(options.export_dir, known.recorded, options.benchmark)
        known = facts.with_exports(known, artifacts)
    if known.record is not None:
        known, board = _evaluated(options, known)
    elif options.split or options.tensorboard:
        name = f"--split={options.split}" if options.split else "--tensorboard"
        raise UserError(
            f"{name}: the run in {folder.workdir} is not finished: the same digitline train "
            "command again resumes it"
        )
    return RunReport(known, write.write(known), board)


def _evaluated(options: ReportOptions, known: "Facts") -> "tuple[Facts, Path | None]":
    """The facts with the figures of a split, and the folder for TensorBoard where it is wanted."""
    from ...data.pipeline import salvage
    from ..run.config import open_run_dataset
    from . import boards, facts

    config, model = known.run.load()
    data_dir = None if options.data_dir is None else str(options.data_dir)
    dataset = open_run_dataset(config, data_dir)
    split = options.split or config.dataset.validation_split
    splits = facts.splits(config, dataset, split)
    with salvage.sound(splits, options.max_corrupt_records) as ((train, evaluated), _):
        known = facts.with_result(known, model, train, evaluated)
        return known, boards.write(known, evaluated) if options.tensorboard else None


def _compare(options: ReportOptions) -> Comparison:
    from . import compare  # Loads TensorFlow.

    workdirs = [Path(name) for name in options.compare]
    if len(workdirs) < 2:
        raise UsageError(f"--compare={workdirs[0]}: give two runs or more")
    runs = compare.read(workdirs, options.split)
    output = options.output or workdirs[0].parent / "compare.html"
    files.write_text(output, compare.page(runs))
    return Comparison(runs, output)


def _results(options: ReportOptions) -> ResultsTable:
    measured = [
        figures for figures in results.read(options.results_dir) if figures.model in registry.NAMES
    ]
    measured.sort(key=lambda figures: registry.NAMES.index(figures.model))
    table = ResultsTable(tuple(measured), options.readme)
    if options.readme:
        results.write_into(Path(options.readme), table.text())
    return table


FLAGS = flag_values(ReportOptions)
COMMAND = command.Command(
    name="report",
    summary="Shows a run: one page with its data, curves, mistakes and layers, the figures as PNG "
    "and SVG, and short charts in the terminal. Or compares several runs. Or rebuilds the "
    "README's table of accuracies from what was measured.",
    flags=FLAGS,
    options=options_of,
    run=run,
    text=lambda report: report.text(),
    to_json=lambda report: report.to_json(),
    arguments="[run …]",
)

if __name__ == "__main__":
    command.main(COMMAND)
