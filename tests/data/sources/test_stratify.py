import numpy as np

from digitline.data.sources.stratify import Cut


def test_the_cut_is_exact_and_depends_only_on_the_seed():
    cut = Cut(validation=0.1, test=0.2, seed=3)
    found = cut.splits("seven", 5923, np.arange(5923))
    assert np.bincount(found).tolist() == [5923 - 592 - 1185, 592, 1185]
    # A worker that sees a part of the class decides the same.
    assert np.array_equal(cut.splits("seven", 5923, np.arange(100, 200)), found[100:200])
    assert not np.array_equal(Cut(0.1, 0.2, 4).splits("seven", 5923, np.arange(5923)), found)
    # It is no rule of the order: each tenth of the class has its share.
    tests = (found == 2).reshape(-1)[:5920].reshape(10, -1).mean(1)
    assert tests.min() > 0.14
    assert tests.max() < 0.26


def test_at_least_one_example_is_left_to_train_on():
    assert Cut(0.4, 0.5, 0).sizes(1) == (0, 0)
    assert Cut(0.4, 0.5, 0).sizes(2) == (0, 1)
    assert Cut(0.4, 0.5, 0).sizes(100) == (40, 50)


def test_a_small_class_is_in_every_split():
    assert Cut(0.1, 0.1, 0).sizes(3) == (1, 1)
    assert Cut(0.1, 0.0, 0).sizes(3) == (1, 0)
    assert Cut(0.1, 0.1, 0).sizes(2) == (0, 0)  # Rather more to train on.
