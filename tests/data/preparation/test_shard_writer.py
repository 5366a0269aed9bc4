import numpy as np

from digitline.base.tf import tf
from digitline.data.preparation import shard_writer


def test_the_checksum_of_the_standard():
    # RFC 3720, appendix B.4, and the usual check value.
    assert shard_writer.crc32c(b"123456789") == 0xE3069283
    assert shard_writer.crc32c(bytes(32)) == 0x8A9136AA
    assert shard_writer.crc32c(b"\xff" * 32) == 0x62A8AB43
    assert shard_writer.crc32c(bytes(range(32))) == 0x46DD794E


def test_tensorflow_reads_records_of_any_length(tmp_path):
    generator = np.random.default_rng(0)
    lengths = [*range(4, 40), 1020, 1023, 1024, 1025, 1028, 2047, 2048, 2049, 100_003]
    records = [generator.bytes(length) for length in lengths]
    path = tmp_path / "records"
    path.write_bytes(b"".join(map(shard_writer.framed, records)))
    # It checks both checksums of each record.
    assert list(tf.data.TFRecordDataset(str(path)).as_numpy_iterator()) == records
