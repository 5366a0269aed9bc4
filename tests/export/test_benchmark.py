import json

import numpy as np
import pytest

from digitline.base.errors import UsageError, UserError
from digitline.export import benchmark, exporter, latency

from support import call, digitline


def test_rows_of_what_was_exported(well_trained, tmp_path):
    exports = f"--export_dir={tmp_path}"
    call(
        exporter.COMMAND,
        [f"--workdir={well_trained.workdir}", exports, "--tflite_variants=float32"],
    )
    done = digitline("benchmark", "formats", f"--workdir={well_trained.workdir}", exports, "--json")
    assert done.returncode == 0, done.stderr
    rows = {row["name"]: row for row in json.loads(done.stdout)["rows"]}
    assert list(rows) == ["Keras", "SavedModel", "TFLite float32"]
    lite = tmp_path / "tflite/lenet5/1/model.tflite"
    assert rows["TFLite float32"]["bytes"] == lite.stat().st_size
    for row in rows.values():
        assert row["accuracy"] == rows["Keras"]["accuracy"] > 0.7
        assert row["agreement"] == 1
        for timed in (row, row["all_threads"]):
            assert 1 < timed["p50_us"] <= timed["p99_us"] < 1e6
            assert timed["images_per_s"] > 100
    result = {"model_name": "m", "version": 1, "split": "test", "threads": 2, "rows": [row]}
    assert "TFLite float32" in benchmark.text(result)


def test_times_are_those_of_the_calls():
    calls = []
    images = np.zeros((3, 4, 4, 1), np.uint8)
    found = latency.measure(lambda image: calls.append(image.shape), None, images)
    assert set(calls) == {(1, 4, 4, 1)}
    assert len(calls) > 200
    assert 0 < found["p50_us"] < 1000
    found = latency.measure(calls.append, lambda batch: calls.append(batch.shape), images)
    assert (256, 4, 4, 1) in calls[-5:]


def test_mistakes(well_trained, tmp_path):
    arguments = [f"--workdir={well_trained.workdir}", f"--export_dir={tmp_path}"]
    with pytest.raises(UserError, match="lenet5 is not exported in"):
        call(benchmark.COMMAND, ["formats", *arguments])
    with pytest.raises(UsageError, match="benchmark what"):
        call(benchmark.COMMAND, arguments)
    for words, message in (
        ([], "Got nothing; there are: pipeline, formats"),
        (["format"], "Got 'format'; did you mean formats?"),
    ):
        done = digitline("benchmark", *words)
        assert (done.returncode, message in done.stderr) == (2, True)
    for words in (["--help"], ["formats", "--help"], ["pipeline", "--help"]):
        done = digitline("benchmark", *words)
        assert done.returncode == 0
        assert "formats" in done.stdout or "pipeline" in done.stdout
