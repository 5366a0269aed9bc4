import json
import statistics

import pipeline
import pytest

from support import DATASET, call


@pytest.mark.long
def test_rows_ratios_and_the_results_file(data_dir, tmp_path):
    output = tmp_path / "pipeline.json"
    result = call(
        pipeline.COMMAND,
        [f"--data_dir={data_dir}", f"--dataset={DATASET}", "--rounds=1", f"--output={output}"],
    )
    rows = {row["name"]: row for row in result["rows"]}
    assert list(rows)[:4] == ["tutorial", "cold", "warm", "numpy"]
    for row in rows.values():
        assert row["slowest"] <= row["images_per_s"] <= row["fastest"]
        assert row["peak_rss_mb"] > 50
        assert len(row["rounds"]) == 1
    pairs = zip(rows["warm"]["rounds"], rows["numpy"]["rounds"], strict=True)
    expected = statistics.median(ours / theirs for ours, theirs in pairs)
    assert result["ratios"]["warm/numpy"] == pytest.approx(expected)
    assert result["profile_ms"]["batch: gather"] > 0
    assert json.loads(output.read_text()) == result
    assert "later epochs, in memory" in pipeline.COMMAND.text(result)
