"""Exports in object stores: what of them is fetched, and how a version appears there.

No reader takes a version without its manifest, which is written last, by a request that fails
where there is one. Until then a mark lies beside it, by which the next export knows what a killed
one left, and removes it.
"""

import re
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path

from ...base import addresses, export_layout
from ...base.storage import staging
from ...base.storage.patience import patiently
from ...base.storage.pushing import push
from ...base.storage.store import Store

# The manifests of all formats, below whatever folder.
_MANIFESTS = (f"*/{export_layout.SAVED_MODEL_MANIFEST}", f"*{export_layout.MANIFEST}")


def fetch(export_dir: Path, model_name: str, whole: bool) -> None:
    """Makes the mirror of an export folder know all versions of a model.

    Args:
      export_dir: the root folder of exports; nothing is done if it is no address.
      model_name: under which they are published.
      whole: brings all that is in them; else each is an empty folder, which shows that its number
        is taken.
    """
    address = addresses.address_of(export_dir)
    if address is None:
        return
    store = Store(address)
    _remove_unfinished(store, model_name)
    listed = staging.visible(store.listing(), wanted(model_name))
    if whole and listed:
        staging.stage(export_dir, wanted(model_name))
    numbers = {version for name in listed if (version := _version(name))}
    for path in _mirrored(export_dir, model_name):  # What a killed export made here.
        if path.relative_to(export_dir).as_posix() not in numbers:
            shutil.rmtree(path)
    for version in numbers:
        (export_dir / version).mkdir(parents=True, exist_ok=True)


def publish(folders: Mapping[str, Path]) -> None:
    """Pushes versions, by their formats, in this order; nothing is done if they are no mirrors.

    Raises:
      TakenError: somebody else has published one of that number meanwhile.
      StoreError: the store does not answer for long.
    """
    for folder in folders.values():
        address = addresses.address_of(folder)
        if address is None:
            continue
        store, manifest = Store(address), export_layout.manifest_of(folder)
        name = manifest.relative_to(folder).as_posix()
        patiently(lambda store=store: store.write(export_layout.UNFINISHED, b""))
        patiently(lambda folder=folder, name=name: push(folder, (name,), once=(name,)))
        patiently(lambda store=store: store.remove([export_layout.UNFINISHED]))


def push_changes(export_dir: Path, model_name: str) -> None:
    """Pushes what happened to a model's versions in the mirror: some are gone, or taken away."""
    patiently(lambda: push(export_dir, _MANIFESTS, wanted=wanted(model_name)))


def wanted(model_name: str) -> staging.Wanted:
    """What is of a model, below the root folder of exports."""
    formats = "|".join(export_layout.FORMATS)
    pattern = re.compile(rf"(\.rolled_back/)?({formats})/{re.escape(model_name)}/[0-9]+/.+")
    return lambda name: bool(pattern.fullmatch(name))


def _version(name: str) -> str:
    """The folder of the version that an object is in, below the root folder of exports."""
    match = re.match(r"(\.rolled_back/)?[^/]+/[^/]+/[0-9]+(?=/)", name)
    return match[0] if match else ""


def _mirrored(export_dir: Path, model_name: str) -> Iterator[Path]:
    for root in (export_dir, export_dir / ".rolled_back"):
        for export_format in export_layout.FORMATS:
            yield from (root / export_format / model_name).glob("[0-9]*")


def _remove_unfinished(store: Store, model_name: str) -> None:
    """Removes what killed exports left of a model's versions, and the marks of finished ones."""
    listed = store.listing()
    is_of_model = wanted(model_name)
    marks = [
        name
        for name in listed
        if name.endswith(f"/{export_layout.UNFINISHED}") and is_of_model(name)
    ]
    for mark in marks:
        folder = mark.removesuffix(export_layout.UNFINISHED)
        inside = [name for name in listed if name.startswith(folder)]
        manifests = {folder + export_layout.MANIFEST}
        manifests.add(f"{folder}{export_layout.EXTRA}/{export_layout.SAVED_MODEL_MANIFEST}")
        left = [] if manifests & set(inside) else [name for name in inside if name != mark]
        store.remove([*left, mark])
