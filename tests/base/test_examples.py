import pytest

from digitline.base.examples import image_example
from digitline.base.tf import tf


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
