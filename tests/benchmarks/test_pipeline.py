import json
import statistics

import pytest

from benchmarks import pipeline_command as benchmark
from digitline.base.errors import UsageError

from support import DATASET, call, digitline


def test_rows_and_ratios(data_dir, tmp_path):
    done = digitline(
        "benchmark", "pipeline", f"--data_dir={data_dir}", f"--dataset={DATASET}", "--rounds=2",
        "--json",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    rows = {row["name"]: row for row in found["rows"]}
    assert list(rows)[:4] == ["tutorial", "cold", "warm", "numpy"]
    for row in rows.values():
        assert row["slowest"] <= row["images_per_s"] <= row["fastest"]
        assert row["peak_rss_mb"] > 50
        assert len(row["rounds"]) == 2
    pairs = zip(rows["warm"]["rounds"], rows["numpy"]["rounds"], strict=True)
    expected = statistics.median(ours / theirs for ours, theirs in pairs)
    assert found["ratios"]["warm/numpy"] == pytest.approx(expected)


@pytest.mark.parametrize("arguments", [[], ["pipelin"], ["pipeline", "more"]])
def test_what_is_measured_must_be_said(arguments):
    with pytest.raises(UsageError, match="benchmark what"):
        call(benchmark.COMMAND, arguments)
