"""Input pipelines of other libraries, to be measured where they are installed.

They are no dependencies; the type checker does not find them, so they are
imported by name.
"""

import importlib
import importlib.util
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

# Runs one epoch and returns the number of images.
Epoch = Callable[[], int]


def installed(images: np.ndarray, labels: np.ndarray, padding: int, batch_size: int) -> Any:
    """The pipelines of what is installed.

    Args:
      images: uint8 [N, H, W, C].
      labels: int64 [N].
      padding: black pixels on each side.
      batch_size: images in a batch.

    Returns:
      By name: (what it is, a function that runs one epoch).
    """
    found: dict[str, tuple[str, Epoch]] = {}
    if importlib.util.find_spec("grain") and importlib.util.find_spec("array_record"):
        found["grain"] = (
            "grain, one image per map call, from ArrayRecord",
            _grain(images, labels, padding, batch_size),
        )
    if importlib.util.find_spec("torch"):
        found["torch"] = (
            "PyTorch's DataLoader, no workers, from memory",
            _torch(images, labels, padding, batch_size),
        )
    return found


def _grain(images: np.ndarray, labels: np.ndarray, padding: int, batch_size: int) -> Epoch:
    """Grain's lazy dataset over an ArrayRecord file, shuffled as a whole."""
    grain: Any = importlib.import_module("grain")
    array_record: Any = importlib.import_module("array_record.python.array_record_module")
    folder = tempfile.TemporaryDirectory(prefix="digitline-")
    path = str(Path(folder.name) / "images.array_record")
    writer = array_record.ArrayRecordWriter(path, "group_size:1")
    for image, label in zip(images, labels, strict=True):
        writer.write(image.tobytes() + int(label).to_bytes(8, "little"))
    writer.close()
    shape = images.shape[1:]
    margins = ((padding, padding), (padding, padding), (0, 0))

    def decode(record: bytes) -> tuple[np.ndarray, int]:
        image = np.frombuffer(record, np.uint8, count=len(record) - 8).reshape(shape)
        image = np.pad(image, margins).astype(np.float32) * np.float32(1 / 255)
        return image, int.from_bytes(record[-8:], "little")

    source = grain.sources.ArrayRecordDataSource(path)
    batches = grain.MapDataset.source(source).shuffle(seed=0).map(decode).batch(batch_size)

    def epoch() -> int:
        assert folder  # The file goes with it.
        for _ in batches.to_iter_dataset():
            pass
        return len(labels)

    return epoch


def _torch(images: np.ndarray, labels: np.ndarray, padding: int, batch_size: int) -> Epoch:
    """A DataLoader over arrays in memory, one image per call of the dataset."""
    torch: Any = importlib.import_module("torch")
    data: Any = importlib.import_module("torch.utils.data")

    def collate(items: list[Any]) -> Any:
        batch = torch.stack([image for image, _ in items]).float() / 255
        margins = (0, 0, padding, padding, padding, padding)
        return torch.nn.functional.pad(batch, margins), torch.stack([label for _, label in items])

    loader = data.DataLoader(
        data.TensorDataset(torch.from_numpy(images), torch.from_numpy(labels)),
        batch_size,
        shuffle=True,
        collate_fn=collate,
    )

    def epoch() -> int:
        for _ in loader:
            pass
        return len(labels)

    return epoch
