"""How long one image and a batch take: one artifact, in a process of its own.

  python -m digitline.export.latency KIND PATH THREADS IMAGES.npy

Prints a JSON object. A process of its own, since TensorFlow's number of threads is
set once, and since runtimes disturb each other.
"""

import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from ..base.export_layout import DEFAULT_SIGNATURE
from ..serving import artifacts

# Calls whose time does not count, then those that do, at least and for so many seconds.
_WARM_UP, _CALLS, _SECONDS = 30, 200, 1.5
_BATCH, _BATCHES = 256, 10

# From one image or a batch, uint8 [N, H, W, C]; what it answers is not looked at.
Call = Callable[[np.ndarray], Any]


def measure(one: Call, many: Call | None, images: np.ndarray) -> dict[str, float]:
    """Times an artifact.

    Args:
      one: takes one image.
      many: takes a batch; None where one image at a time is all that it takes.
      images: uint8 [N, H, W, C].

    Returns:
      `p50_us` and `p99_us` of one image, in microseconds, and `images_per_s` of batches.
    """
    singles = [images[at : at + 1] for at in range(len(images))]
    for at in range(_WARM_UP):
        one(singles[at % len(singles)])
    times = []
    end = time.perf_counter() + _SECONDS
    while len(times) < _CALLS or time.perf_counter() < end:
        image = singles[len(times) % len(singles)]
        start = time.perf_counter_ns()
        one(image)
        times.append(time.perf_counter_ns() - start)
    p50, p99 = np.percentile(times, [50, 99]) / 1000
    if many is None:
        return {"p50_us": p50, "p99_us": p99, "images_per_s": 1e9 / float(np.mean(times))}
    batch = np.resize(images, (_BATCH, *images.shape[1:]))
    many(batch)
    start = time.perf_counter()
    for _ in range(_BATCHES):
        many(batch)
    seconds = time.perf_counter() - start
    return {"p50_us": p50, "p99_us": p99, "images_per_s": _BATCH * _BATCHES / seconds}


def _tflite(path: Path, threads: int) -> tuple[Call, None]:
    interpreter = artifacts.interpreter(path, threads)
    detail = interpreter.get_input_details()[0]
    given, gives = detail["index"], interpreter.get_output_details()[0]["index"]
    batch, is_integer = int(detail["shape"][0]), detail["dtype"] == np.int8

    def one(image: np.ndarray) -> Any:
        values = (image.astype(np.int16) - 128).astype(np.int8) if is_integer else image
        interpreter.set_tensor(given, np.repeat(values, batch, 0) if batch > 1 else values)
        interpreter.invoke()
        return interpreter.get_tensor(gives)

    return one, None


def _tensorflow_threads(threads: int) -> Any:
    from ..base.tf import tf

    tf.config.threading.set_intra_op_parallelism_threads(threads)
    tf.config.threading.set_inter_op_parallelism_threads(threads)
    return tf


def _saved_model(path: Path, threads: int) -> tuple[Call, Call]:
    _tensorflow_threads(threads)
    model = artifacts.SavedModel(path)

    def call(images: np.ndarray) -> Any:
        return model.run(DEFAULT_SIGNATURE, {"images": images})

    return call, call


def _keras(workdir: Path, threads: int) -> tuple[Call, Call]:
    """The trained model as a graph function: as fast as Keras gets."""
    tf = _tensorflow_threads(threads)
    from ..models.run import Run

    config, model = Run(workdir).load()
    function = tf.function(
        lambda images: tf.nn.softmax(model(config.preprocess(images), training=False)),
        reduce_retracing=True,
    )

    def call(images: np.ndarray) -> Any:
        return function(tf.constant(images)).numpy()

    return call, call


def _onnx(path: Path, threads: int) -> tuple[Call, Call]:
    import onnxruntime  # pyright: ignore[reportMissingImports] (an extra)

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = threads
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])

    def call(images: np.ndarray) -> Any:
        return session.run(["probabilities"], {"images": images})

    return call, call


KINDS = {"keras": _keras, "saved_model": _saved_model, "tflite": _tflite, "onnx": _onnx}


def main(arguments: list[str]) -> None:
    """Measures what the arguments name."""
    kind, path, threads, images = arguments
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    one, many = KINDS[kind](Path(path), int(threads))
    print(json.dumps(measure(one, many, np.load(images))))


if __name__ == "__main__":
    main(sys.argv[1:])
