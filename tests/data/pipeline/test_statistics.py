import numpy as np
import pytest

from digitline.data.dataset import open_dataset
from digitline.data.pipeline import records, statistics

from support import DATASET


@pytest.fixture(scope="module")
def split(data_dir):
    return open_dataset(data_dir, DATASET).split("train[100:]")


def test_mean_and_deviation_against_numpy(split):
    pixels = records.load(split)[0].numpy() / 255
    mean, deviation = statistics.mean_and_deviation(split)
    assert mean == pytest.approx(pixels.mean(), abs=5.1e-5)
    assert deviation == pytest.approx(pixels.std(), abs=5.1e-5)


def test_a_sample_is_spread_over_the_split(split):
    sample = statistics.sample(split, 640)
    assert sample.examples == 640
    images, whole = records.load(sample)[0].numpy(), records.load(split)[0].numpy()
    starts = np.arange(64) * 1100 // 64
    expected = np.concatenate([whole[start : start + 10] for start in starts])
    np.testing.assert_array_equal(images, expected)
    assert statistics.sample(split, 1100) is split
