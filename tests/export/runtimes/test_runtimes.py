"""Exports in other runtimes than LiteRT: they agree, refuse, or refuse publication."""

import json
import re
import sys

import numpy as np
import pytest

from digitline.base.errors import UsageError, UserError, VerificationError
from digitline.export.runtimes import host
from digitline.export.runtimes.process import Job

from support import export

# Another tflite-runtime: LiteRT, but for what stands in its place.
INTERPRETER = """
import os, signal, time
import numpy as np
from ai_edge_litert import interpreter

class Interpreter(interpreter.Interpreter):
    def __init__(self, model_path):
        {before}
        super().__init__(model_path=model_path)

    def get_signature_runner(self):
        run = super().get_signature_runner()
        def changed(**inputs):
            outputs = run(**inputs)
            {after}
            return outputs
        changed.get_input_details = run.get_input_details
        return changed
"""


@pytest.fixture
def python_with(tmp_path):
    """Makes a Python that has a tflite-runtime of ours, and returns its path."""

    def make(before="", after=""):
        folder = tmp_path / "packages"
        (folder / "tflite_runtime").mkdir(parents=True)
        code = INTERPRETER.format(before=before or "pass", after=after or "pass")
        (folder / "tflite_runtime/interpreter.py").write_text(code)
        about = folder / "tflite_runtime-2.99.0.dist-info/METADATA"
        about.parent.mkdir()
        about.write_text("Metadata-Version: 2.1\nName: tflite-runtime\nVersion: 2.99.0\n")
        script = tmp_path / "python"
        script.write_text(f'#!/bin/sh\nPYTHONPATH="{folder}" exec "{sys.executable}" "$@"\n')
        script.chmod(0o755)
        return script

    return make


def test_manifest_and_card_say_what_runs_what(well_trained, python_with, tmp_path):
    crashes = 'os.kill(os.getpid(), signal.SIGSEGV) if "float16" in model_path else None'
    result = export(
        well_trained, tmp_path, "--formats=tflite", "--tflite_variants=float16,mediapipe",
        "--runtimes=quick", f"--runtime_python=tflite_runtime={python_with(crashes)}",
    )  # fmt: skip
    cells = {(row["runtime"].rsplit(" ", 1)[0], row["artifact"]): row for row in result["runtimes"]}
    for runtime in ("LiteRT", "LiteRT CompiledModel", "tf.lite.Interpreter"):
        for artifact in ("TFLite float16", "TFLite mediapipe"):
            row = cells[runtime, artifact]
            assert (row["refusal"], row["agreement"]) == (None, 1.0)
            assert row["max_difference"] < 0.01
            assert row["images"] == 210  # Those of the split, and 150 blends.
    crash = cells["tflite-runtime", "TFLite float16"]
    assert crash["refusal"] == "ended by SIGSEGV"
    assert cells["tflite-runtime", "TFLite mediapipe"]["refusal"] is None
    folder = tmp_path / "tflite/lenet5/1"
    manifest = json.loads((folder / "manifest.json").read_text())
    assert manifest["verified_on"]["runtimes"] == result["runtimes"]
    card = (folder / "MODEL_CARD.md").read_text()
    assert "| tflite-runtime 2.99.0 | refuses | agrees |\n" in card
    assert "- tflite-runtime 2.99.0 refuses TFLite float16: ended by SIGSEGV\n" in card
    if micro := cells.get(("TensorFlow Lite Micro", "TFLite float16")):
        assert micro["refusal"] == "TFLM failed to allocate tensors"
        assert cells["TensorFlow Lite Micro", "TFLite mediapipe"]["refusal"] is None


@pytest.mark.parametrize(
    ("after", "message"),
    [
        (
            "outputs = {k: np.roll(v, 1, -1) for k, v in outputs.items()}",
            r"disagrees with the trained model: on \d+ of 210 images and blends a probability is",
        ),
        (
            'outputs["classes"] = outputs["classes"] * 0',
            r"disagrees with the trained model: \d+ of 210 images and blends get another class",
        ),
        (
            'outputs["probabilities"] = outputs["probabilities"][:, 1:]',
            r"expected the outputs classes int64 \[210\], probabilities float32 \[210, 10\], got",
        ),
    ],
)
def test_a_runtime_that_gives_other_answers_refuses_publication(
    after, message, well_trained, python_with, tmp_path
):
    python = python_with(after=after)
    with pytest.raises(VerificationError, match=message) as caught:
        export(
            well_trained, tmp_path / "exports", "--formats=tflite",
            f"--runtime_python=tflite_runtime={python}",
        )  # fmt: skip
    text = str(caught.value)
    assert text.startswith("TFLite float32 in tflite-runtime 2.99.0, serving_default: ")
    assert "nothing was published" in text
    assert not list((tmp_path / "exports").glob("tflite/*"))


@pytest.mark.parametrize(
    ("before", "refusal"),
    [
        ('raise ValueError("no  such\\nop")', "no such op"),
        ("raise AssertionError", "AssertionError"),
        ("print('a line')", None),
        ("os._exit(3)", "ended with status 3: from the file"),
        ("time.sleep(60)", "gave no answer within 2 s"),
    ],
)
def test_what_becomes_of_a_file(
    before, refusal, exported, python_with, test_images, tmp_path, monkeypatch
):
    monkeypatch.setattr(host, "_LIMIT_S", 2 if "sleep" in before else 60)
    if "exit" in before:
        before = f'os.write(2, b"from the file\\n"); {before}'
    np.save(tmp_path / "images.npy", test_images[0][:3])
    answer = tmp_path / "answer.npz"
    job = Job("tflite_runtime", str(exported.tflite), "uint8", (1, 28, 28, 1), str(answer))
    (outcome,) = host.run([job], tmp_path / "images.npy", python_with(before))
    assert outcome.refusal == refusal
    assert answer.exists() == (refusal is None)


@pytest.mark.parametrize(
    ("flag", "error", "message"),
    [
        ("--runtimes=onnxrt", UsageError, "unknown runtimes 'onnxrt'; did you mean onnxruntime?"),
        ("--runtimes=none,litert", UsageError, "--runtimes: none goes with no other"),
        ("--runtimes=onnxruntime", UsageError, "ONNX Runtime is for onnx, which is not in"),
        ("--runtimes=tflite_runtime", UserError, "it needs: --runtime_python=tflite_runtime=PATH"),
        ("--runtime_python=PATH", UsageError, "--runtime_python=PATH: expected NAME=PATH"),
        ("--runtime_python=litert=/no", UserError, "cannot be used: No such file or directory"),
        ("--runtime_python=litert=/bin/true", UserError, "it does not answer as a Python does"),
        (
            f"--runtime_python=tflite_runtime={sys.executable}",
            UserError,
            "that Python has no module tflite_runtime",
        ),
    ],
)  # fmt: skip
def test_rejects(flag, error, message, well_trained, tmp_path):
    with pytest.raises(error, match=re.escape(message)):
        export(well_trained, tmp_path, flag)
