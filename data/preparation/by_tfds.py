"""Any image-classification dataset of TFDS, by TFDS's own preparation."""

import contextlib
import io
import os
from pathlib import Path
from typing import Any

from ...base import progress
from ...base.command_flags import nearest
from ...base.errors import DataError, UsageError, first_line
from ...base.tf import tfds
from ..sources import known
from ..sources.fetch import probe
from . import folder
from .request import OWN_FILES


def prepare(
    name: str, data_dir: Path, num_shards: int, overwrite: bool, any_size: bool = False
) -> str:
    """Lets TFDS download and prepare a dataset, into the same place as ours.

    Args:
      name: TFDS's, `<name>` or `<name>/<config>`.
      data_dir: the root of all datasets.
      num_shards: the number of files of each split.
      overwrite: replaces what is there.
      any_size: admits pictures that differ in size.

    Returns:
      Where it came from, in words.

    Raises:
      UsageError: TFDS has no such dataset, or it is not one of images and labels.
      DataError: TFDS's source cannot be reached, or TFDS failed.
    """
    builder = _builder(name, data_dir)
    _refuse_others(name, builder, any_size)
    config = tfds.download.DownloadConfig(num_shards=num_shards, try_download_gcs=False)
    with folder.making(data_dir, name, str(builder.version), overwrite) as root:
        for url in list(builder.url_infos or ())[:1]:
            trouble = probe(url)
            if trouble:  # TFDS itself would try again for minutes.
                raise _failed(name, trouble)
        progress.say(f"{name}: TFDS downloads and prepares it")
        try:
            with contextlib.redirect_stdout(io.StringIO()):
                _builder(name, root).download_and_prepare(
                    download_dir=str(root / "downloads"), download_config=config
                )
        except Exception as error:  # TFDS and its builders raise whatever they like.
            if isinstance(error, OSError) and error.errno:
                raise  # A full disk, for one, has a message of its own.
            raise _failed(name, first_line(error)) from error
    return f"TFDS's {name} {builder.version}"


def _builder(name: str, data_dir: Path) -> Any:
    short, _, config = name.partition("/")
    # By this list first: an unknown name would be looked for on the network.
    names = tfds.list_builders(with_community_datasets=False)
    if short not in names:
        ours = [*known.DATASETS, *OWN_FILES]
        raise UsageError(
            f"--dataset={name} is not known{nearest(name, [*ours, *names])} (there are "
            f"{', '.join(ours)}, TFDS's other datasets, and IDX files of any dataset with "
            "--source=local --source_dir=DIR)"
        )
    builder_class: Any = tfds.builder_cls(short)
    try:
        return builder_class(data_dir=os.fspath(data_dir), config=config or None)
    except Exception as error:  # A configuration that is not there; a library that is missing.
        configs = [entry.name for entry in builder_class.BUILDER_CONFIGS]
        there = f" (configurations: {', '.join(configs[:20])})" if configs else ""
        raise UsageError(f"--dataset={name}: {first_line(error)}{there}") from error


def _refuse_others(name: str, builder: Any, any_size: bool) -> None:
    """Refuses what is not of images and labels, before anything is downloaded."""
    features: Any = builder.info.features
    parts: dict[str, Any] = {}
    if isinstance(features, tfds.features.FeaturesDict):
        parts = dict(features.items())
    image, label = parts.get("image"), parts.get("label")
    if not isinstance(label, tfds.features.ClassLabel) or image is None:
        raise UsageError(
            f"--dataset={name}: expected the features image and label of an image-classification "
            f"dataset, got {', '.join(parts) or features}"
        )
    if len(image.shape) != 3:
        raise UsageError(f"--dataset={name}: expected images [H, W, C], got {list(image.shape)}")
    if None in image.shape and not any_size:
        raise UsageError(
            f"--dataset={name}: its pictures differ in size: give them all one size with "
            "--image_size=HxW, such as --image_size=64x64"
        )


def _failed(name: str, cause: str) -> DataError:
    return DataError(
        f"TFDS could not prepare {name}: {cause}. Behind a firewall prepare it elsewhere with "
        "TFDS, and copy its folder into --data_dir: it is used as it is"
    )
