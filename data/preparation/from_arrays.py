"""Arrays in memory to a dataset: what public datasets, IDX files and NumPy files become."""

from collections.abc import Mapping

from ...base.errors import UsageError
from ..dataset import FINGERPRINT
from ..sources import known
from ..sources.raw import RawDataset, RawSlices
from . import dataset_writer, folder
from .local import LocalExecutor
from .request import Request


def write(
    raw: RawDataset,
    request: Request,
    num_shards: int,
    metadata: Mapping[str, object] | None = None,
) -> None:
    """Writes a dataset.

    Args:
      raw: its content.
      request: where to.
      num_shards: the number of files of each split.
      metadata: what goes into its metadata beside origin and fingerprint.

    Raises:
      UserError: something else is in its place, or there are fewer images than shards.
    """
    for name, split in raw.splits.items():
        if num_shards > len(split.images):
            raise UsageError(
                f"--num_shards={num_shards} is more than the {len(split.images):,} {name} images"
            )
    fact = known.DATASETS.get(raw.name)
    facts = dataset_writer.Facts(
        name=raw.name,
        version=raw.version,
        description=fact.description if fact else f"{raw.name}, from {raw.origin}",
        homepage=fact.homepage if fact else None,
        citation=fact.citation if fact else None,
        metadata={"origin": raw.origin, FINGERPRINT: raw.fingerprint, **(metadata or {})},
    )
    with folder.making(request.data_dir, raw.name, raw.version, request.overwrite) as root:
        # In this process, where the arrays are: to send them to others would take longer.
        dataset_writer.write(
            RawSlices(raw, num_shards), facts, root / raw.name / raw.version, LocalExecutor(1)
        )
