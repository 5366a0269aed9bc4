import numpy as np
import pytest

from digitline.models.evaluation.corruptions import CORRUPTIONS, STRENGTHS, corrupted

RANDOM = {
    *("shot_noise", "gaussian_noise", "impulse_noise", "motion_blur", "glass_blur", "rotate"),
    *("shear", "translate", "fog", "dotted_line"),
}


@pytest.fixture(scope="module")
def images(test_images):
    return test_images[0][:8]


@pytest.fixture(scope="module")
def pictures():
    """Two in colour, wider than high: a bright shape on dark green paper."""
    pixels = np.full((2, 60, 90, 3), (10, 60, 20), np.uint8)
    pixels[:, 20:40, 30:50] = 250, 200, 90
    return pixels


def test_there_are_fifteen_at_five_strengths():
    assert len(CORRUPTIONS) == 15
    assert STRENGTHS == (1, 2, 3, 4, 5)


@pytest.mark.parametrize("name", CORRUPTIONS)
def test_depends_only_on_seed_strength_and_index(name, images):
    indices = np.arange(8)
    whole = corrupted(images, name, 3, indices)
    assert (whole.dtype, whole.shape) == (images.dtype, images.shape)
    np.testing.assert_array_equal(corrupted(images[5:], name, 3, indices[5:]), whole[5:])
    changed = [corrupted(images, name, 3, indices, seed=1), corrupted(images, name, 3, indices + 8)]
    for other in changed:
        assert (other != whole).any() == (name in RANDOM)


@pytest.mark.parametrize("name", CORRUPTIONS)
def test_each_strength_changes_more_and_leaves_the_picture(name, images, pictures):
    for raw in (images, pictures):
        indices, before = np.arange(len(raw)), raw.astype(float)
        changes = []
        for strength in STRENGTHS:
            after = corrupted(raw, name, strength, indices).astype(float)
            changes.append(np.abs(after - before).mean())
            # What was bright is still brighter than the rest.
            bright = before > before.max() / 2
            assert after[bright].mean() > after[~bright].mean() + 3
        assert changes[0] > 0.2
        assert changes[-1] > 1.5 * changes[0]
        assert np.diff(changes).min() > -0.15 * changes[-1]


@pytest.mark.parametrize("name", ["rotate", "shear", "scale", "translate"])
def test_what_comes_from_outside_has_the_borders_colour(name, pictures):
    after = corrupted(pictures, name, 5, np.arange(2))
    np.testing.assert_array_equal(after[:, [0, -1], ::5], np.full((2, 2, 18, 3), (10, 60, 20)))


def test_amounts_are_as_they_are_said(pictures):
    dots = np.zeros((50, 56, 84, 1), np.uint8)
    dots[:, 27:29, 41:43] = 255
    rows, columns = np.arange(56.0), np.arange(84.0)

    def centres(after):
        mass = after.sum(axis=(1, 2, 3), dtype=float)
        return (
            (after.sum((2, 3)) * rows).sum(1) / mass - 27.5,
            (after.sum((1, 3)) * columns).sum(1) / mass - 41.5,
        )

    moved = np.hypot(*centres(corrupted(dots, "translate", 5, np.arange(50))))
    np.testing.assert_allclose(moved, 0.15 * 56, atol=0.1)
    smaller = corrupted(pictures, "scale", 5, np.arange(2))[..., 0] > 130
    assert smaller.sum() / 2 == pytest.approx(20 * 20 / 4, rel=0.1)
    grey = np.full((20, 28, 28, 1), 128, np.uint8)
    noisy = corrupted(grey, "gaussian_noise", 2, np.arange(20)) / 255
    assert noisy.std() == pytest.approx(0.12, rel=0.05)
    flipped = corrupted(grey, "impulse_noise", 5, np.arange(20))
    assert (flipped == 0).mean() == pytest.approx((flipped == 255).mean(), rel=0.1)
    assert (flipped != 128).mean() == pytest.approx(0.27, rel=0.05)


def test_takes_one_pixel_and_two_channels():
    for shape in ((1, 1, 1, 1), (2, 5, 3, 2)):
        raw = np.full(shape, 77, np.uint8)
        for name in CORRUPTIONS:
            assert corrupted(raw, name, 5, np.arange(shape[0])).shape == shape
