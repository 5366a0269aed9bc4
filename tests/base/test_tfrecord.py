import numpy as np
import pytest

from digitline.base.tf import tf
from digitline.base.tfrecord import framed, image_example


def test_tensorflow_reads_records_of_any_length(tmp_path):
    generator = np.random.default_rng(0)
    lengths = [*range(4, 40), 1020, 1023, 1024, 1025, 1028, 2047, 2048, 2049, 100_003]
    records = [generator.bytes(length) for length in lengths]
    path = tmp_path / "records"
    path.write_bytes(b"".join(map(framed, records)))
    # It checks both checksums of each record.
    assert list(tf.data.TFRecordDataset(str(path)).as_numpy_iterator()) == records


@pytest.mark.parametrize("label", [None, 0, 9, 127, 128, 300, 2**31])
@pytest.mark.parametrize("size", [0, 1, 784, 20_000])
def test_records_are_those_that_tensorflow_writes(label, size):
    image = bytes(index % 256 for index in range(size))
    example = tf.train.Example()
    example.features.feature["image"].bytes_list.value.append(image)
    if label is not None:
        example.features.feature["label"].int64_list.value.append(label)
    record = image_example(image, label)
    assert tf.train.Example.FromString(record) == example
    assert record == example.SerializeToString(deterministic=True)
