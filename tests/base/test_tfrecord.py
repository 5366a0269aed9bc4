import numpy as np
import pytest

from digitline.base.tf import tf
from digitline.base.tfrecord import checksum, framed, image_example, overlong


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


def test_a_record_that_states_more_than_its_file_has_is_found(tmp_path):
    path = tmp_path / "records"
    length = (1 << 50).to_bytes(8, "little")
    for end, number in ((length + checksum(length), 2), (length + b"\0" * 4, None), (b"", None)):
        path.write_bytes(framed(b"one") + framed(b"another") + end)
        assert overlong(path) == number
    path.write_bytes(b"")
    assert overlong(path) is None
