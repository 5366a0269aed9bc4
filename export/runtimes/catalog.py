"""The runtimes of `--runtimes`: which there are, and which of them are installed."""

import dataclasses
import importlib.util
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from ...base import progress
from ...base.errors import UsageError, UserError
from ...base.export_layout import ONNX, SAVED_MODEL, TFLITE
from . import host
from .adapters import litert_js

QUICK, ALL, NONE = "quick", "all", "none"


@dataclasses.dataclass(frozen=True)
class Runtime:
    """Something that people run artifacts in.

    Attributes:
      name: as in --runtimes, and that of its adapter.
      title: as people call it.
      reads: the format that it is for.
      module: that is there where it is installed.
      needs: what installs it.
      is_quick: it starts within a second.
      in_verifier: it runs in the process that verifies, which has TensorFlow loaded.
      is_there: whether what it needs beside the module is there.
    """

    name: str
    title: str
    reads: str
    module: str
    needs: str = "pip install 'digitline[runtimes]'"
    is_quick: bool = True
    in_verifier: bool = False
    is_there: Callable[[], bool] = lambda: True

    def is_installed(self) -> bool:
        """In the Python that runs digitline."""
        return importlib.util.find_spec(self.module) is not None and self.is_there()


@dataclasses.dataclass(frozen=True)
class Chosen:
    """The name of a runtime, and the Python that it runs in; None for the one of digitline."""

    name: str
    python: Path | None = None

    @property
    def runtime(self) -> Runtime:
        return RUNTIMES[self.name]


_OTHER_PYTHON = "--runtime_python=tflite_runtime=PATH, a Python 3.9 to 3.11 that has it"
RUNTIMES = {
    runtime.name: runtime
    for runtime in (
        Runtime("litert", "LiteRT", TFLITE, "ai_edge_litert"),
        Runtime("litert_compiled", "LiteRT CompiledModel", TFLITE, "ai_edge_litert"),
        Runtime("tensorflow_lite", "tf.lite.Interpreter", TFLITE, "tensorflow", in_verifier=True),
        Runtime("tflite_runtime", "tflite-runtime", TFLITE, "tflite_runtime", _OTHER_PYTHON),
        Runtime("openvino", "OpenVINO", TFLITE, "openvino"),
        Runtime("opencv", "OpenCV DNN", TFLITE, "cv2"),
        Runtime("tflite_micro", "TensorFlow Lite Micro", TFLITE, "tflite_micro"),
        Runtime("mediapipe", "MediaPipe", TFLITE, "mediapipe", is_quick=False),
        Runtime(
            "litert_js",
            "LiteRT.js",
            TFLITE,
            "playwright",
            "pip install 'digitline[runtimes]', Chromium, and: digitline litertjs",
            is_quick=False,
            is_there=litert_js.is_there,
        ),
        Runtime("tfsm_layer", "Keras TFSMLayer", SAVED_MODEL, "keras", in_verifier=True),
        Runtime("tensorflow_c", "TensorFlow C API", SAVED_MODEL, "tensorflow", is_quick=False),
        Runtime("onnxruntime", "ONNX Runtime", ONNX, "onnxruntime"),
    )
}
WORDS = (QUICK, ALL, NONE, *RUNTIMES)


def pythons(stated: Iterable[str]) -> tuple[Chosen, ...]:
    """What --runtime_python states.

    Raises:
      UsageError: it is not NAME=PATH, or there is no such runtime.
    """
    chosen = []
    for text in stated:
        name, _, path = text.partition("=")
        if name not in RUNTIMES or not path:
            raise UsageError(
                f"--runtime_python={text}: expected NAME=PATH, a runtime "
                f"({', '.join(RUNTIMES)}) and a Python that has it"
            )
        if any(other.name == name for other in chosen):
            raise UsageError(f"--runtime_python: {name} is named twice")
        chosen.append(Chosen(name, Path(path)))
    return tuple(chosen)


def choose(
    names: Sequence[str], stated: Sequence[str], formats: Sequence[str]
) -> tuple[Chosen, ...]:
    """The runtimes to run what is exported in; of quick and others, says what is left out.

    Args:
      names: of --runtimes.
      stated: --runtime_python.
      formats: that are exported.

    Raises:
      UsageError: a runtime that is named reads none of the formats.
      UserError: one that is named is not installed.
    """
    others = pythons(stated)
    for chosen in others:
        _require_in(chosen)
    elsewhere = {chosen.name for chosen in others}
    usable = [
        runtime
        for runtime in RUNTIMES.values()
        if runtime.reads in formats and runtime.name not in elsewhere
    ]
    here = []
    for runtime in usable:
        if runtime.name in names and not runtime.is_installed():
            raise UserError(
                f"--runtimes={runtime.name}: {runtime.title} is not installed; it needs: "
                f"{runtime.needs}"
            )
        asked = ALL in names or (QUICK in names and runtime.is_quick) or runtime.name in names
        if asked and runtime.is_installed():
            here.append(Chosen(runtime.name))
    for name in names:
        if name in RUNTIMES and RUNTIMES[name].reads not in formats:
            raise UsageError(
                f"--runtimes={name}: {RUNTIMES[name].title} is for {RUNTIMES[name].reads}, which "
                "is not in --formats"
            )
    if QUICK in names and len(names) > 1:  # Asked for; of the default, --help says it.
        slow = [each for each in usable if Chosen(each.name) not in here and each.is_installed()]
        if slow:
            progress.say(f"slow to start, not run: {', '.join(each.title for each in slow)}")
    return (*here, *(chosen for chosen in others if chosen.runtime.reads in formats))


def _require_in(chosen: Chosen) -> None:
    runtime, python = chosen.runtime, chosen.python
    assert python is not None
    try:
        there = host.has_module(python, runtime.module)
    except ValueError as error:
        raise UserError(
            f"--runtime_python={runtime.name}={python}: it cannot be used: {error}"
        ) from None
    if not there:
        raise UserError(
            f"--runtime_python={runtime.name}={python}: that Python has no module {runtime.module}"
        )
