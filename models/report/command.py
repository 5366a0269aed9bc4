"""`digitline report`: a run as a page and figures, several runs compared, the README's table."""

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING

from absl.flags import FlagValues

from ...base import addresses, catalog, command
from ...base.command_flags import flag_values, read
from ...base.errors import UsageError, UserError
from . import results
from .options import ReportOptions

if TYPE_CHECKING:  # At run time these load TensorFlow.
    from .compare import Comparison
    from .facts import Facts
    from .results import ResultsTable
    from .write import RunReport


def options_of(values: FlagValues, arguments: list[str]) -> ReportOptions:
    """The options that the flags state; arguments are more runs to compare.

    Raises:
      UsageError: several things are to be reported.
    """
    options = read(ReportOptions, values)
    named = [name for name in ("workdir", "compare", "results") if getattr(options, name)]
    if len(named) > 1:
        raise UsageError(f"{' and '.join(f'--{name}' for name in named)}: give one of them")
    if arguments and not options.compare:
        raise UsageError(f"unexpected argument '{arguments[0]}': run folders go with --compare")
    if options.benchmark and not options.export_dir:
        raise UsageError("--benchmark goes with --export_dir")
    return dataclasses.replace(options, compare=(*options.compare, *arguments))


def run(options: ReportOptions) -> "RunReport | Comparison | ResultsTable":
    """Makes the report of a run, the comparison, or the table."""
    if options.compare:
        from . import compare  # Loads TensorFlow.

        return compare.write(
            [catalog.fetched(addresses.local(name)) for name in options.compare],
            options.split,
            options.output,
        )
    if options.results:
        return results.write(options.results_dir, options.readme)
    return _report(options, options.workdir or catalog.newest_run())


def _report(options: ReportOptions, workdir: Path) -> "RunReport":
    from ..run.folder import Run  # The imports here load TensorFlow.
    from ..training import metrics_log
    from . import exports, facts, write

    folder = Run(catalog.fetched(workdir))
    if options.tensorboard:
        metrics_log.board(folder)  # Is it installed?
    known, board = facts.of_run(folder), None
    if options.export_dir:
        artifacts = exports.of_run(options.export_dir, known.recorded, options.benchmark)
        note = () if artifacts else ("There is no export of this run in the folder of exports.",)
        known = dataclasses.replace(known, exports=artifacts, notes=(*known.notes, *note))
    if known.record is not None:
        known, board = _evaluated(options, known)
    elif options.split or options.tensorboard:
        name = f"--split={options.split}" if options.split else "--tensorboard"
        raise UserError(
            f"{name}: the run in {folder.workdir} is not finished: the same digitline train "
            "command again resumes it"
        )
    written = write.write(known, board)
    catalog.push_part(workdir, "report.html", "figures/*", "tensorboard/*")
    return written


def _evaluated(options: ReportOptions, known: "Facts") -> "tuple[Facts, Path | None]":
    """The facts with the figures of a split, and the folder for TensorBoard where it is wanted."""
    from ...data.pipeline import salvage
    from ..run.config import open_run_dataset
    from . import boards, facts

    config, model = known.run.load()
    dataset = open_run_dataset(config, options.data_dir and str(options.data_dir))
    splits = facts.splits(config, dataset, options.split or config.dataset.validation_split)
    with salvage.sound(splits, options.max_corrupt_records) as ((train, evaluated), lost):
        if dataset.fingerprint == config.dataset.fingerprint:
            known.run.require_same_data(splits, lost)
        known = facts.with_result(known, model, train, evaluated)
        return known, boards.write(known, evaluated) if options.tensorboard else None


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
