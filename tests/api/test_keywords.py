import dataclasses
from pathlib import Path

import numpy as np
import pytest

from digitline.api import keywords
from digitline.base.command_flags import flag
from digitline.base.errors import UsageError


@dataclasses.dataclass(frozen=True, kw_only=True)
class Options:
    folder: Path | None = flag(None, "A folder.", group="")
    steps: int = flag(1, "Steps.", group="", at_least=1)
    rate: float = flag(0.5, "A rate.", group="", at_least=0, at_most=1)
    report: bool = flag(True, "Whether.", group="")
    size: str | None = flag(None, "A size.", group="")
    model: str = flag("lenet5", "A model.", group="", words=("lenet5", "mlp"))
    formats: tuple[str, ...] = flag(("tflite",), "Some.", group="", words=("tflite", "onnx"))
    runs: tuple[str, ...] = flag((), "Any.", group="")
    more: int = 0


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("folder", "runs/mine", Path("runs/mine")),
        ("folder", "~/runs", Path.home() / "runs"),
        ("folder", None, None),
        ("steps", np.int64(3), 3),
        ("steps", 3.0, 3),
        ("rate", 1, 1.0),
        ("rate", np.float32(0.25), 0.25),
        ("report", np.False_, False),
        ("size", 28, "28"),
        ("size", (28, 32), "28x32"),
        ("formats", "onnx", ("onnx",)),
        ("formats", ["onnx", "tflite"], ("onnx", "tflite")),
        ("runs", Path("a,b"), ("a,b",)),
        ("runs", [Path("a"), "b"], ("a", "b")),
        ("runs", [], ()),
    ],
)
def test_takes_values_as_people_write_them(name, value, expected):
    read = getattr(keywords.read(Options, {name: value}), name)
    assert (read, type(read)) == (expected, type(expected))
    options = keywords.checked(Options(**{name: value}))
    assert getattr(options, name) == expected


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("folder", "", "folder='': expected a path"),
        ("folder", 3, "folder=3: expected a path"),
        ("steps", 0, "steps=0: expected at least 1"),
        ("steps", 2.5, "expected a whole number"),
        ("steps", True, "steps=True: expected a finite number"),
        ("steps", "3", "steps='3': expected a finite number"),
        ("steps", None, "steps=None: expected a finite number"),
        ("rate", float("nan"), "expected a finite number"),
        ("rate", 2, "rate=2: expected at least 0 and at most 1"),
        ("report", 1, "report=1: expected True or False"),
        ("model", "lenet", "unknown model 'lenet'; did you mean lenet5"),
        ("model", 1.5, "model=1.5: expected a word"),
        ("formats", ["tflit"], "unknown formats 'tflit'; did you mean tflite"),
        ("formats", [], "at least one was expected of tflite, onnx"),
        ("runs", 3, "runs=3: expected a list of words"),
    ],
)
def test_refuses_what_a_flag_would_refuse(name, value, message):
    for make in (lambda: keywords.read(Options, {name: value}),
                 lambda: keywords.checked(Options(**{name: value}))):  # fmt: skip
        with pytest.raises(UsageError) as caught:
            make()
        assert message in str(caught.value)


def test_names_the_nearest_option():
    with pytest.raises(UsageError, match=r"f\(\) has no option step; did you mean steps"):
        keywords.require_known("f", {"step": 1}, Options)
    with pytest.raises(UsageError, match="no option more"):  # It is no flag.
        keywords.require_known("f", {"more": 1}, Options)
