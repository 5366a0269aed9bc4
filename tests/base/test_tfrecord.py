import numpy as np

from digitline.base.tf import tf
from digitline.base.tfrecord import framed


def test_tensorflow_reads_records_of_any_length(tmp_path):
    generator = np.random.default_rng(0)
    lengths = [*range(4, 40), 1020, 1023, 1024, 1025, 1028, 2047, 2048, 2049, 100_003]
    records = [generator.bytes(length) for length in lengths]
    path = tmp_path / "records"
    path.write_bytes(b"".join(map(framed, records)))
    # It checks both checksums of each record.
    assert list(tf.data.TFRecordDataset(str(path)).as_numpy_iterator()) == records
