import json

import pytest

from digitline.base import command as commands
from digitline.base.errors import DataError, UsageError
from digitline.models.report import command as report
from digitline.models.report import results

from support import call


def write(folder, model, recipe, accuracies, seconds=12.3):
    figures = {
        "model": model,
        "recipe_name": recipe,
        "parameters": 12_345,
        "article_accuracy": "98.7 %",
        "accuracy_mean": sum(accuracies) / len(accuracies),
        "train_seconds_median": seconds,
        "runs": [{"accuracy": accuracy} for accuracy in accuracies],
    }
    (folder / f"accuracy-{model}-{recipe}.json").write_text(json.dumps(figures))


@pytest.fixture
def measured(tmp_path):
    write(tmp_path, "twoconv", "best", [0.993, 0.995])
    write(tmp_path, "twoconv", "article", [0.98, 0.984], 600)
    write(tmp_path, "mlp", "best", [0.9861], 150)
    (tmp_path / "README.md").write_text(
        f"before\n{results.BEGIN}\nold\n{results.END}\nafter\n", encoding="utf-8"
    )
    return tmp_path


def test_the_table_in_the_readme_is_rebuilt(measured):
    readme = measured / "README.md"
    arguments = ["--results", f"--results_dir={measured}", f"--readme={readme}"]
    table = commands.call(report.COMMAND, arguments).text()
    rows = table.splitlines()
    assert rows[2] == (
        "| [`mlp`](models/mlp.py) | 12,345 | 98.7 % |  | **98.61 %** (98.61 to 98.61) | 2 min |"
    )
    assert rows[3] == (
        "| [`twoconv`](models/twoconv.py) | 12,345 | 98.7 % | 98.20 % (98.00 to 98.40) | "
        "**99.40 %** (99.30 to 99.50) | 12 s |"
    )
    expected = f"before\n{results.BEGIN}\n{table}\n{results.END}\nafter\n"
    assert readme.read_text(encoding="utf-8") == expected


def test_json_has_every_seed(measured):
    result = call(report.COMMAND, ["--results", f"--results_dir={measured}", "--readme="])
    assert [(row["model"], row["recipe"]) for row in result["rows"]] == [
        ("mlp", "best"), ("twoconv", "article"), ("twoconv", "best")
    ]  # fmt: skip
    assert result["rows"][1]["accuracies"] == [0.98, 0.984]


def test_rejects_wrong_flags_and_files(measured, tmp_path):
    with pytest.raises(UsageError, match="--workdir and --results: give one of them"):
        call(report.COMMAND, ["--results", f"--workdir={tmp_path}"])
    with pytest.raises(DataError, match=r"no accuracy-….json in it"):
        call(report.COMMAND, ["--results", f"--results_dir={tmp_path / 'none'}"])
    (measured / "README.md").write_text("nothing")
    with pytest.raises(DataError, match="are not in it"):
        call(
            report.COMMAND,
            ["--results", f"--results_dir={measured}", f"--readme={measured / 'README.md'}"],
        )
    (measured / "accuracy-mlp-best.json").write_text('{"model": "mlp"}')
    with pytest.raises(DataError, match="not figures of benchmarks"):
        call(report.COMMAND, ["--results", f"--results_dir={measured}"])
