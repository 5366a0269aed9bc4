import numpy as np
import pytest

from digitline.data.permutation import permuted


@pytest.mark.parametrize("count", [1, 2, 3, 5, 64, 1000, 12345])
def test_a_permutation_of_any_size(count):
    assert sorted(permuted(np.arange(count), count, "key")) == list(range(count))
