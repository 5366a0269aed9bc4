"""The table of runtimes: one that answers otherwise is refused, one that cannot is noted."""

import dataclasses

import numpy as np
import pytest

from digitline.base.errors import VerificationError
from digitline.export.gate.claims.runtimes import Runs
from digitline.export.runtimes import catalog
from digitline.export.runtimes.adapters import interpreter
from digitline.export.runtimes.catalog import Chosen


@pytest.fixture
def ran(benches, monkeypatch, tmp_path):
    """What becomes of a file in LiteRT, here, with something between: `around(run)`."""
    here = dataclasses.replace(catalog.RUNTIMES["litert"], in_verifier=True)
    monkeypatch.setitem(catalog.RUNTIMES, "litert", here)
    load = interpreter.load_with

    def run(around, name="tflite"):
        from digitline.export.runtimes.adapters import litert

        monkeypatch.setattr(litert, "load_with", lambda *arguments: around(load(*arguments)))
        bench = benches("digits")
        artifacts = {bench.folder / "tflite": (bench.artifact(name),)}
        reference, folder = bench.service.reference, tmp_path / "scratch"
        (result,) = Runs([Chosen("litert")], artifacts, reference, folder).results()
        return result

    return run


def _on_outputs(change):
    return lambda run: lambda values: change(dict(run(values)))


def _on_probabilities(change):
    return _on_outputs(
        lambda outputs: {**outputs, "probabilities": change(outputs["probabilities"])}
    )


def _from_the_41st_image_on(run):
    seen = []

    def call(values):
        seen.append(None)
        outputs = dict(run(values))
        return {**outputs, "probabilities": np.roll(outputs["probabilities"], len(seen) > 40, -1)}

    return call


def _one_image(run):
    seen = []

    def call(values):
        seen.append(None)
        outputs = dict(run(values))
        return {**outputs, "probabilities": np.roll(outputs["probabilities"], len(seen) == 100, -1)}

    return call


_OFF = r"disagrees with the trained model: on \d+ of 210 images and blends a probability is off"
_CLASS = r"disagrees with the trained model: \d+ of 210 images and blends get another class"
_GOT = r"expected the outputs probabilities float32 \[210, 10\], got probabilities float32"
DISAGREE = {
    "the other order": (_on_probabilities(lambda p: p[:, ::-1]), _OFF),
    "from 0 to 255": (_on_probabilities(lambda p: p * 255), _OFF),
    "half of it": (_on_probabilities(lambda p: p / 2), _OFF),
    "warmer": (_on_probabilities(lambda p: p**0.8 / (p**0.8).sum()), _OFF),
    "logarithms": (_on_probabilities(lambda p: np.log(p + 1e-9)), _OFF),
    "nothing": (_on_probabilities(np.zeros_like), _OFF),
    "not a number": (_on_probabilities(lambda p: p * np.float32(np.nan)), _OFF),
    "infinite": (_on_probabilities(lambda p: p + np.float32(np.inf)), _OFF),
    "one image": (_one_image, r"on 1 of 210 images and blends a probability is off"),
    "from the 41st image on": (_from_the_41st_image_on, r"on \d+ of 210 images and blends a"),
    "a class too few": (_on_probabilities(lambda p: p[:, :9]), r"float32 \[210, 9\]"),
    "a class too many": (_on_probabilities(lambda p: np.pad(p, [(0, 0), (0, 1)])), r"\[210, 11\]"),
    "a column": (_on_probabilities(lambda p: p[..., None]), r"float32 \[210, 10, 1\]"),
    "no rows": (_on_outputs(lambda outputs: {k: v[:0] for k, v in outputs.items()}), r"\[0, 10\]"),
    "other classes": (_on_outputs(lambda o: {**o, "classes": (o["classes"] + 1) % 10}), _CLASS),
    "always class 0": (_on_outputs(lambda o: {**o, "classes": o["classes"] * 0}), _CLASS),
    "pixels turned": (lambda run: lambda values: run(values.transpose(0, 2, 1, 3)), _OFF),
    "pixels inverted": (lambda run: lambda values: run(255 - values), _OFF),
    "pixels halved": (lambda run: lambda values: run(values // 2), _OFF),
}  # fmt: skip


@pytest.mark.parametrize("name", DISAGREE)
def test_refuses_a_runtime_that_answers_otherwise(name, ran):
    around, message = DISAGREE[name]
    with pytest.raises(VerificationError, match=message) as caught:
        ran(around)
    text = str(caught.value)
    assert text.startswith("TFLite float32 in LiteRT ")
    assert "nothing was published" in text
    assert "\n" not in text


@pytest.mark.parametrize("variant", ["float16", "dynamic_int8", "int8"])
def test_refuses_other_answers_of_rounded_files(variant, ran):
    warmer = _on_probabilities(
        lambda p: (
            np.clip((p + 128.0) ** 0.7 * 256**0.3 - 128, -128, 127).astype(np.int8)
            if p.dtype == np.int8
            else p**0.7 / (p**0.7).sum()
        )
    )
    with pytest.raises(VerificationError, match=rf"^TFLite {variant} in LiteRT .*margins are 0\."):
        ran(warmer, f"tflite_{variant}")


def _raising(error):
    def around(run):
        def call(values):
            raise error

        return call

    return around


@pytest.mark.parametrize(
    ("around", "refusal"),
    [
        (_raising(RuntimeError("no  such\nop")), "no such op"),
        (_raising(MemoryError()), "MemoryError"),
        (_on_outputs(lambda outputs: {}), "'probabilities'"),
        (_on_outputs(lambda outputs: {"classes": outputs["classes"]}), "'probabilities'"),
    ],
)
def test_notes_a_runtime_that_gives_no_answer(around, refusal, ran):
    result = ran(around)
    assert result.refusal == refusal
    assert result.images == 210
