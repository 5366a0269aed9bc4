import numpy as np

from digitline.base.tf import tf
from digitline.data.pipeline import tensors


def own_bytes():
    """The memory of this process that is not of mapped files."""
    with open("/proc/self/statm") as file:
        _, resident, shared, *_ = map(int, file.read().split())
    return (resident - shared) * 4096


def test_a_stream_of_a_file_takes_no_memory(tmp_path):
    shape = (300_000, 1000)
    path = tmp_path / "pixels"
    with open(path, "wb") as file:
        file.truncate(shape[0] * shape[1])
    before = own_bytes()
    images = tensors.of(tensors.mapped(path, shape))
    rows = tf.data.Dataset.range(100).with_options(tensors.AS_IT_IS)
    stream = rows.map(lambda row: tf.gather(images, row)).prefetch(2)
    assert sum(len(image) for image in stream) == 100_000
    assert own_bytes() - before < 100_000_000


def test_a_tensor_is_the_memory_that_was_filled():
    values = tensors.empty((70, 3))
    values[:] = np.arange(210).reshape(70, 3)
    assert (tensors.of(values).numpy() == values).all()
