"""`digitline report`: a run as a page and figures, several runs compared, the README's table."""

from pathlib import Path
from typing import Any

from absl import flags

from ...base import command
from ...base.errors import UsageError, UserError
from ...data.flags import define_max_corrupt_records
from .. import registry
from . import results

FLAGS = command.new_flags()
_WHAT = command.group(FLAGS, "What to report (one of these)")
_HOW = command.group(FLAGS, "The report of a run")
_COMPARING = command.group(FLAGS, "The comparison")
_RESULTS = command.group(FLAGS, "The table")

flags.DEFINE_string(
    "workdir", None, "A run: report.html and figures/ are written into its folder.", **_WHAT
)
flags.DEFINE_list(
    "compare",
    [],
    "Run folders, with commas or spaces between them: a page with all side by side.",
    **_WHAT,
)
flags.DEFINE_bool(
    "results",
    False,
    "The table of measured accuracies, from the files of benchmarks/accuracy.py.",
    **_WHAT,
)
flags.DEFINE_string(
    "split",
    None,
    "Split to look at (default: the run's validation split). The test split is read only if it is "
    "named here.",
    **_HOW,
)
flags.DEFINE_string(
    "data_dir",
    None,
    "Root folder of prepared datasets (default: where the training found it).",
    **_HOW,
)
flags.DEFINE_string(
    "export_dir", None, "Root folder of exports: those of this run are listed.", **_HOW
)
flags.DEFINE_string(
    "benchmark",
    None,
    "With --export_dir: file with what digitline benchmark formats --json printed, for latencies.",
    **_HOW,
)
flags.DEFINE_bool(
    "tensorboard",
    False,
    "For TensorBoard too, into <workdir>/tensorboard: the confusion matrix and the misclassified "
    "images as pictures, and the split's images in the projector.",
    **_HOW,
)
define_max_corrupt_records(**_HOW)
flags.DEFINE_string(
    "output", None, "The page (default: compare.html beside the first run).", **_COMPARING
)
flags.DEFINE_string(
    "results_dir", "benchmarks/results", "Folder of these files, in a checkout.", **_RESULTS
)
flags.DEFINE_string(
    "readme", "README.md", "The table in it is renewed; empty to print it alone.", **_RESULTS
)


def run(values: Any, arguments: list[str]) -> dict[str, Any]:
    """Makes what was asked for."""
    given = [name for name in ("workdir", "compare", "results") if values[name].value]
    if len(given) != 1:
        got = " and ".join(f"--{name}" for name in given) or "none"
        raise UsageError(f"report what? Give one of --workdir, --compare, --results; got {got}")
    if arguments and not values.compare:
        raise UsageError(f"unexpected argument '{arguments[0]}': run folders go with --compare")
    if values.results:
        return _results(values)
    return _compare(values, arguments) if values.compare else _of_run(values)


def _of_run(values: Any) -> dict[str, Any]:
    from ...data.pipeline import salvage  # The imports here load TensorFlow.
    from ..run import Run, open_run_dataset
    from ..training import metrics_log as journal
    from . import exports as report_exports
    from . import facts as report_facts
    from . import text as report_text
    from . import write as report_write
    from .tensorboard import boards as report_boards

    if values.benchmark and not values.export_dir:
        raise UsageError("--benchmark goes with --export_dir")
    folder, board = Run(Path(values.workdir)), None
    if values.tensorboard:
        journal.board(folder)  # Is it installed?
    facts = report_facts.of_run(folder)
    if facts.record is not None:
        config, model = folder.load()
        split = values.split or config.dataset["validation_split"]
        dataset = open_run_dataset(config, values.data_dir)
        splits = report_facts.sources(config, dataset, split)
        with salvage.sound(splits, values.max_corrupt_records) as ((train, evaluated), _):
            facts = report_facts.looked_at(facts, model, train, evaluated)
            if values.tensorboard:
                board = report_boards.write(facts, evaluated)
    elif values.split or values.tensorboard:
        flag = f"--split={values.split}" if values.split else "--tensorboard"
        raise UserError(
            f"{flag}: the run in {folder.workdir} is not finished: the same "
            "digitline train command again resumes it"
        )
    if values.export_dir:
        benchmark = Path(values.benchmark) if values.benchmark else None
        facts = report_facts.with_exports(
            facts, report_exports.of_run(Path(values.export_dir), facts.recorded, benchmark)
        )
    written = report_write.write(facts)
    result = {
        "workdir": str(folder.workdir),
        "model": facts.config.model,
        "dataset": facts.config.dataset["name"],
        "finished": facts.record is not None,
        "report": str(written.page),
        "figures": [str(path) for path in written.figures],
        "tensorboard": None if board is None else str(board),
        "notes": list(facts.notes),
        **report_write.figures(facts),
        "artifacts": list(facts.exports),
    }
    if not values.json:  # Charts made of characters are for people.
        result["preview"] = report_text.of_run(facts)
    return result


def _compare(values: Any, arguments: list[str]) -> dict[str, Any]:
    from ...base import files  # The imports here load TensorFlow.
    from . import compare as report_compare

    workdirs = [Path(each) for each in (*values.compare, *arguments)]
    if len(workdirs) < 2:
        raise UsageError(f"--compare={workdirs[0]}: give two runs or more")
    runs = report_compare.read(workdirs, values.split)
    output = Path(values.output) if values.output else workdirs[0].parent / "compare.html"
    files.write_text(output, report_compare.page(runs))
    return {
        "report": str(output),
        "runs": report_compare.to_json(runs),
        "differences": {
            name: dict(zip((each.name for each in runs), found, strict=True))
            for name, found in report_compare.differences(runs)
        },
        **({} if values.json else {"preview": report_compare.text(runs)}),
    }


def _results(values: Any) -> dict[str, Any]:
    found = results.read(Path(values.results_dir))
    made = results.table(found, registry.NAMES)
    if values.readme:
        results.write_into(Path(values.readme), made)
    rows = [
        {
            "model": name,
            "recipe": recipe,
            "parameters": figures["parameters"],
            "accuracy_mean": figures["accuracy_mean"],
            "accuracies": [each["accuracy"] for each in figures["runs"]],
            "train_seconds_median": figures["train_seconds_median"],
        }
        for name in registry.NAMES
        for recipe, figures in sorted(found.get(name, {}).items())
    ]
    return {"rows": rows, "table": made, "readme": values.readme or None}


def text(result: dict[str, Any]) -> str:
    """The table, or charts made of characters and where the page is."""
    if "table" in result:
        return result["table"]
    lines = [*result.get("preview", []), ""]
    if result.get("figures"):
        lines.append(f"drawn   {len(result['figures'])} files in {_folder(result)}")
    if result.get("tensorboard"):
        lines.append(f"boards  tensorboard --logdir={result['tensorboard']}")
    return "\n".join([*lines, f"report  {result['report']}"])


def _folder(result: dict[str, Any]) -> str:
    return str(Path(result["figures"][0]).parent)


COMMAND = command.from_values(
    name="report",
    summary="Shows a run: one page with its data, curves, mistakes and layers, the figures as PNG "
    "and SVG, and short charts in the terminal. Or compares several runs. Or rebuilds the "
    "README's table of accuracies from what was measured.",
    flags=FLAGS,
    run=run,
    text=text,
    arguments="[run …]",
)

if __name__ == "__main__":
    command.main(COMMAND)
