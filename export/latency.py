"""How long one image and a batch take: one artifact, in a process of its own.

  python -m digitline.export.latency KIND PATH THREADS IMAGES.npy SECONDS

Prints a JSON object. A process of its own, since TensorFlow's number of threads can be
set only once, and since runtimes disturb each other.
"""

import dataclasses
import importlib
import itertools
import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from ..base import export_layout
from ..serving import artifacts

# Calls with one image: those that are not timed, then the timed ones, at least this many and
# for this many seconds.
_WARM_UP, _CALLS, SECONDS = 30, 200, 1.5
_BATCH, _BATCHES = 256, 10

# Takes one image or a batch, uint8 [N, H, W, C]; its result is not looked at.
Call = Callable[[np.ndarray], object]


@dataclasses.dataclass(frozen=True)
class Timing:
    """How fast an artifact is.

    Attributes:
      p50_us, p99_us: median and 99th percentile of the time of one image, in microseconds.
      images_per_s: of batches; of single images where it takes no batches.
    """

    p50_us: float
    p99_us: float
    images_per_s: float


def measure(one: Call, many: Call | None, images: np.ndarray, seconds: float = SECONDS) -> Timing:
    """Times an artifact.

    Args:
      one: takes one image.
      many: takes a batch; None where it takes no more than one image at a time.
      images: uint8 [N, H, W, C].
      seconds: of calls with one image.
    """
    singles = itertools.cycle(np.split(images, len(images)))
    for image in itertools.islice(singles, _WARM_UP):
        one(image)
    times = []
    end = time.perf_counter() + seconds
    while len(times) < _CALLS or time.perf_counter() < end:
        image = next(singles)
        start = time.perf_counter_ns()
        one(image)
        times.append(time.perf_counter_ns() - start)
    p50, p99 = (float(time_us) for time_us in np.percentile(times, [50, 99]) / 1000)
    if many is None:
        return Timing(p50, p99, 1e9 / float(np.mean(times)))
    batch = np.resize(images, (_BATCH, *images.shape[1:]))
    many(batch)
    start = time.perf_counter()
    for _ in range(_BATCHES):
        many(batch)
    return Timing(p50, p99, _BATCH * _BATCHES / (time.perf_counter() - start))


def _tflite(path: Path, threads: int) -> Call:
    """Takes one image; a file of a larger batch takes it as often."""
    interpreter = artifacts.interpreter(path, threads)
    (images,) = interpreter.get_input_details()
    output = interpreter.get_output_details()[0]["index"]
    batch, is_integer = int(images["shape"][0]), images["dtype"] == np.int8

    def call(image: np.ndarray) -> object:
        values = (image.astype(np.int16) - 128).astype(np.int8) if is_integer else image
        values = np.repeat(values, batch, 0) if batch > 1 else values
        interpreter.set_tensor(images["index"], values)
        interpreter.invoke()
        return interpreter.get_tensor(output)

    return call


def _limit_threads(threads: int) -> None:
    """Of TensorFlow, before it is used."""
    from ..base.tf import tf

    tf.config.threading.set_intra_op_parallelism_threads(threads)
    tf.config.threading.set_inter_op_parallelism_threads(threads)


def _saved_model(path: Path, threads: int) -> Call:
    _limit_threads(threads)
    model = artifacts.SavedModel(path)
    return lambda images: model.run(export_layout.DEFAULT_SIGNATURE, {"images": images})


def _keras(path: Path, threads: int) -> Call:
    """The trained model of a run folder as a graph function: as fast as Keras gets."""
    _limit_threads(threads)
    from ..base.tf import tf
    from ..models.run.folder import Run

    config, model = Run(path.parent).load()
    function = tf.function(
        lambda images: tf.nn.softmax(model(config.preprocess(images), training=False)),
        reduce_retracing=True,
    )
    return lambda images: function(tf.constant(images)).numpy()


def _onnx(path: Path, threads: int) -> Call:
    runtime = importlib.import_module("onnxruntime")  # By name, since it is an extra.
    options = runtime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = threads
    session = runtime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    return lambda images: session.run(["probabilities"], {"images": images})


KERAS = "keras"
KINDS = {
    KERAS: _keras,
    export_layout.SAVED_MODEL: _saved_model,
    export_layout.TFLITE: _tflite,
    export_layout.ONNX: _onnx,
}


def main(arguments: list[str]) -> None:
    """Measures the artifact that the arguments name."""
    kind, path, threads, images, seconds = arguments
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    call = KINDS[kind](Path(path), int(threads))
    many = None if kind == export_layout.TFLITE else call
    timing = measure(call, many, np.load(images), float(seconds))
    print(json.dumps(dataclasses.asdict(timing)))


if __name__ == "__main__":
    main(sys.argv[1:])
