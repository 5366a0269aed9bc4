import os
from pathlib import Path

import numpy as np
import pytest

from digitline.base.errors import UsageError, UserError
from digitline.export import benchmark, latency

from support import call


def test_rows_of_what_was_exported(exported, well_trained, tmp_path, monkeypatch):
    timed = benchmark._timed

    def timed_here(subject, threads, images, seconds):
        """The SavedModel in this process: a process of its own is tested with the others."""
        if subject.kind != "saved_model":
            return timed(subject, threads, images, seconds)
        one = latency.KINDS[subject.kind](subject.path, threads)
        return latency.measure(one, one, np.load(images), seconds)

    monkeypatch.setattr(os, "cpu_count", lambda: 1)
    monkeypatch.setattr(benchmark, "_timed", timed_here)
    monkeypatch.setattr(latency, "_limit_threads", lambda threads: None)
    for folder, file in (("tflite", "model.tflite"), ("saved_model", "")):
        version = Path(folder, "lenet5", "1")
        (tmp_path / version).parent.mkdir(parents=True)
        if file:
            (tmp_path / version).mkdir()
        (tmp_path / version / file).symlink_to(exported.export_dir / version / file)
    options = benchmark.FormatsOptions(
        workdir=well_trained.workdir, export_dir=tmp_path, split="test[:100]"
    )
    measured = benchmark.run(options, seconds=0.01)
    rows = {row["name"]: row for row in benchmark.COMMAND.to_json(measured)["rows"]}
    assert list(rows) == ["Keras", "SavedModel", "TFLite float32"]
    assert rows["TFLite float32"]["bytes"] == exported.tflite.stat().st_size
    for row in rows.values():
        assert row["accuracy"] == rows["Keras"]["accuracy"] > 0.7
        assert row["agreement"] == 1
        assert "one_thread" not in row  # Its figures are the row's own.
        for timed in (row, row["all_threads"]):
            assert 1 < timed["p50_us"] <= timed["p99_us"] < 1e6
            assert timed["images_per_s"] > 100
        assert row["name"] in benchmark.text(measured)


def test_times_are_those_of_the_calls():
    calls = []
    images = np.zeros((3, 4, 4, 1), np.uint8)
    timing = latency.measure(lambda image: calls.append(image.shape), None, images, seconds=0)
    assert set(calls) == {(1, 4, 4, 1)}
    assert len(calls) >= 200
    assert 0 < timing.p50_us < 1000
    latency.measure(calls.append, lambda batch: calls.append(batch.shape), images, seconds=0)
    assert (256, 4, 4, 1) in calls[-5:]


def test_rejects_a_version_or_a_word_that_does_not_exist(well_trained, tmp_path):
    arguments = [f"--workdir={well_trained.workdir}", f"--export_dir={tmp_path}"]
    with pytest.raises(UserError, match="lenet5 is not exported in"):
        call(benchmark.COMMAND, ["formats", *arguments])
    (tmp_path / "saved_model" / "lenet5" / "3").mkdir(parents=True)
    with pytest.raises(UserError, match=r"--version=2: lenet5 has no such version .*from: 3\)"):
        call(benchmark.COMMAND, ["formats", *arguments, "--version=2"])
    for words in ([], ["format"], ["formats", "more"]):
        with pytest.raises(UsageError, match=r"benchmark what.* formats; got "):
            call(benchmark.COMMAND, [*words, *arguments])
