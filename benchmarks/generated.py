"""What `large_sets.py` measures, each part in a process of its own."""

import dataclasses
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from digitline.data.preparation.executors.local import executor_for
from digitline.data.sources.slices import Example, num_slices

NAME = "generated"
_SHAPE, _CLASSES = (28, 28, 1), 10
# Images made at a time.
_BLOCK = 10_000


@dataclasses.dataclass(frozen=True)
class Generated:
    """Images of noise, the first 98 % to train on; a `slices.Source`."""

    images: int
    num_slices: int
    label_names: tuple[str, ...] = tuple(map(str, range(_CLASSES)))
    image_shape: tuple[int, int, int] = _SHAPE

    def read(self, index: int) -> Iterator[Example]:
        """The images of a slice."""
        start, end = (self.images * number // self.num_slices for number in (index, index + 1))
        for first in range(start, end, _BLOCK):
            count = min(_BLOCK, end - first)
            pixels = np.random.default_rng(first).integers(0, 256, (count, *_SHAPE), np.uint8)
            for number, image in enumerate(pixels, first):
                split = "validation" if number // 10 % 50 == 0 else "train"
                yield Example(split, image, number % 10)


def prepare(data_dir: Path, images: int) -> None:
    """Writes the images as `digitline prepare` writes those of a table or a folder."""
    from digitline.data.preparation import dataset_writer
    from digitline.data.preparation.folder import making
    from digitline.data.preparation.request import Request

    size = images * int(np.prod(_SHAPE))
    request = Request(dataset="csv", source_file=Path("generated.csv"), data_dir=data_dir)
    executor = executor_for(size)
    source = Generated(images, num_slices(images, size // images))
    with making(data_dir, NAME, request.version, overwrite=True) as root:
        dataset_writer.write(source, request, root, executor, {"origin": "a generator"})


def stream(data_dir: Path, cache: str, seconds: float) -> dict[str, float]:
    """Training batches of 128 images for a time; how many came, and how long the first took."""
    from digitline.data.dataset import open_dataset
    from digitline.data.pipeline.batches import Batching, training_batches
    from digitline.data.pipeline.preprocess import Preprocess

    start = time.monotonic()
    split = open_dataset(data_dir, NAME).split("train")
    preprocess = Preprocess(_SHAPE, 32, 32, "pad")
    batching = Batching(batch_size=128, seed=0, cache=cache, cache_dir=data_dir / "cache")
    batches = iter(training_batches(split, preprocess, batching))
    next(batches)
    ready = time.monotonic()
    count = 0
    while time.monotonic() - ready < seconds:
        for _ in range(100):
            next(batches)
        count += 100 * 128
    return {"first_s": ready - start, "images_per_s": count / (time.monotonic() - ready)}
