"""What is left of damaged TFRecord files, for those who would rather lose a few images.

A record of a TFRecord file is its length (8 bytes, little-endian), a masked
CRC-32C of those bytes, the content, and a masked CRC-32C of the content
(tensorflow/core/lib/io/record_writer.h). Where a content is damaged, the next
record is still found by the length; where a length is damaged, the rest of the
file is lost. TensorFlow's reader stops at either, and skipping its errors can
go on forever.
"""

import contextlib
import struct
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from ...base import files, progress
from ...base.errors import DataError, first_line
from ...base.tf import tf
from ..dataset import Dataset
from ..shards import Shard
from . import records


def _crc_table() -> list[int]:
    """CRC-32C (Castagnoli), reflected polynomial 0x82F63B78 (RFC 3720, appendix B.4)."""
    table = []
    for byte in range(256):
        for _ in range(8):
            byte = byte >> 1 ^ (0x82F63B78 if byte & 1 else 0)
        table.append(byte)
    return table


_TABLE = _crc_table()


def masked_crc(content: bytes) -> int:
    """The checksum of a TFRecord: CRC-32C, rotated and offset."""
    crc = 0xFFFFFFFF
    for byte in content:
        crc = crc >> 8 ^ _TABLE[(crc ^ byte) & 0xFF]
    crc ^= 0xFFFFFFFF
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF


def usable(
    dataset: Dataset,
    shards: tuple[Shard, ...],
    max_corrupt: int,
    folder: Path,
    before: Sequence[str] = (),
) -> tuple[tuple[Shard, ...], list[str]]:
    """The shards with the damaged records left out.

    A damaged shard is replaced by a copy of its sound records in `folder`; the
    others stay where they are.

    Args:
      dataset: whose shards they are.
      shards: to check; every record is read once.
      max_corrupt: how many records may be lost, over all shards.
      folder: of the copies.
      before: what is lost already elsewhere, and counts.

    Returns:
      The shards to read, and a line for each lost record.

    Raises:
      DataError: more are lost than may be.
    """
    lost = list(before)
    found: list[Shard] = []
    for number, shard in enumerate(shards):
        if records.diagnose(dataset, (shard,)) is None:
            found.append(shard)
            continue
        copy = folder / f"{number:05d}-{Path(shard.path).name}"
        kept = _copy_sound_records(dataset, shard, copy, lost, max_corrupt)
        if kept:
            found.append(Shard(str(copy), 0, kept, shard.first))
    return tuple(found), lost[len(before) :]


@contextlib.contextmanager
def sound(
    dataset: Dataset, splits: Sequence[str], max_corrupt: int
) -> Iterator[tuple[dict[str, tuple[Shard, ...]], list[str]]]:
    """The shards of splits to read, while the block lasts, without damaged records.

    Args:
      dataset: a prepared dataset.
      splits: in TFDS's split syntax.
      max_corrupt: how many records may be lost in all; if none, nothing is checked.

    Yields:
      The shards by split, and a line for each lost record; they are reported
      now, and again at the end.

    Raises:
      DataError: more are lost than may be.
    """
    if not max_corrupt:
        yield {split: dataset.shards(split) for split in splits}, []
        return
    found: dict[str, tuple[Shard, ...]] = {}
    lost: list[str] = []
    with tempfile.TemporaryDirectory(prefix="digitline-") as folder:
        for number, split in enumerate(splits):
            found[split], more = usable(
                dataset, dataset.shards(split), max_corrupt, Path(folder, str(number)), lost
            )
            lost += more
        report(lost)
        yield found, lost
    report(lost)


def _copy_sound_records(
    dataset: Dataset, shard: Shard, copy: Path, lost: list[str], max_corrupt: int
) -> int:
    """Writes a shard's sound records to `copy`; returns how many, and adds the others to `lost`."""
    kept = 0

    def lose(record: int, cause: str) -> None:
        lost.append(f"{shard.path}, record {record}: {cause}")
        if len(lost) > max_corrupt:
            raise DataError(
                f"more than --max_corrupt_records={max_corrupt} records are damaged; the last: "
                f"{lost[-1]}"
            )

    files.ensure_folder(copy.parent)
    with files.replacing(copy) as temporary, tf.io.TFRecordWriter(str(temporary)) as writer:
        for index, content in _contents(shard, lose):
            try:
                records.parse(dataset, tf.constant([content]))
            except tf.errors.OpError as error:
                lose(index, first_line(error))
                continue
            writer.write(content)
            kept += 1
    return kept


def _contents(shard: Shard, lose: Callable[[int, str], None]) -> Iterator[tuple[int, bytes]]:
    """(number, content) of each record whose checksums hold; the others are given to `lose`."""
    path = Path(shard.path)
    stop = shard.skip + shard.take
    content = path.read_bytes() if path.is_file() else b""
    at = 0
    for index in range(stop):
        head = content[at : at + 12]
        if len(head) < 12 or struct.unpack("<I", head[8:])[0] != masked_crc(head[:8]):
            cause = "the file is missing" if not path.is_file() else "damaged length or end of file"
            for rest in range(max(index, shard.skip), stop):
                lose(rest, cause)
            return
        length = struct.unpack("<Q", head[:8])[0]
        body, tail = content[at + 12 : at + 12 + length], content[at + 12 + length :][:4]
        at += 16 + length
        if index < shard.skip:
            continue
        if len(tail) < 4 or struct.unpack("<I", tail)[0] != masked_crc(body):
            lose(index, "damaged content")
        else:
            yield index, body


def report(lost: list[str]) -> None:
    """Says what was lost."""
    for line in lost:
        progress.say(f"skipped {line}")
    if lost:
        progress.say(f"{len(lost):,} damaged records are left out")
