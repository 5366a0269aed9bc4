import dataclasses

import numpy as np
import pytest

from digitline.data.pipeline.augment import Augment

ALL = Augment(shift=2, rotate=15, scale=0.2, shear=10, elastic=1.5, erase=0.4, stroke=0.6)


def keys(count, seed=0, epoch=0):
    return np.stack([np.full(count, seed), np.full(count, epoch), np.arange(count)], 1)


@pytest.fixture
def images(test_images):
    return test_images[0][:60]


def test_none_changes_nothing(images):
    assert not Augment().active
    np.testing.assert_array_equal(Augment()(images, keys(60)), images)


def test_depends_only_on_seed_epoch_and_index(images):
    whole = ALL(images, keys(60)).numpy()
    np.testing.assert_array_equal(ALL(images, keys(60)), whole)
    part = ALL(images[[5, 40]], keys(60)[[5, 40]]).numpy()
    np.testing.assert_allclose(part, whole[[5, 40]], atol=1e-3)
    for other in (keys(60, seed=1), keys(60, epoch=1), keys(60)[::-1]):
        changed = np.abs(ALL(images, other).numpy() - whole).mean(axis=(1, 2, 3))
        assert (changed > 1).mean() > 0.9


def test_photometric_changes_are_the_same_bits_in_whatever_batch(images):
    augment = Augment(blur=1.2, contrast=0.6, noise=0.3)
    whole = augment(images, keys(60)).numpy()
    for part in (slice(57, 60), slice(3, 10), slice(0, 1)):
        found = augment(images[part], keys(60)[part]).numpy()
        np.testing.assert_array_equal(found, whole[part])


def test_recipes_of_earlier_releases_keep_their_images():
    """Runs are resumed by later versions: new random numbers come after the old ones."""
    dot = np.zeros((3, 28, 28, 1), np.uint8)
    dot[:, 9:12, 6:10] = 255
    for augment in (ALL, dataclasses.replace(ALL, erase=0.0, flip=True)):
        found = centre(augment(dot, keys(3, seed=5, epoch=2)).numpy())
        np.testing.assert_allclose(np.transpose(found), EARLIER[augment.flip], atol=0.01)


@pytest.mark.parametrize(
    "augment",
    [Augment(shift=2), Augment(rotate=15), Augment(scale=0.2), Augment(shear=10),
     Augment(elastic=1.5), Augment(erase=0.4), Augment(stroke=0.6), Augment(blur=1.2),
     Augment(noise=0.3), Augment(blur=1.2, noise=0.1, stroke=0.5), ALL],
)  # fmt: skip
def test_each_changes_images_and_keeps_them_images(augment, images):
    found = augment(images, keys(60)).numpy()
    assert found.dtype == np.float32
    assert found.shape == images.shape
    assert found.min() >= 0
    assert found.max() <= 255 + 1e-3
    changed = np.abs(found - images).mean(axis=(1, 2, 3))
    assert (changed > 0.5).mean() > 0.3  # Many an erased rectangle lies beside the digit.
    # Still the digit: as bright, but for what is erased or moved out.
    assert 0.6 < found.mean() / images.mean() < 1.4


def test_flips_half_of_the_images_and_the_same_ones_each_time(images):
    found = Augment(flip=True)(images, keys(60)).numpy()
    is_flipped = (found == images[:, :, ::-1]).all(axis=(1, 2, 3))
    assert 20 < is_flipped.sum() < 40
    np.testing.assert_array_equal(found[~is_flipped], images[~is_flipped])
    part = Augment(flip=True)(images[20:], keys(60)[20:]).numpy()
    np.testing.assert_array_equal(part, found[20:])
    # The other changes are drawn as if there were no flips.
    flipped_first = ALL(
        np.where(is_flipped[:, None, None, None], images[:, :, ::-1], images), keys(60)
    )
    both = dataclasses.replace(ALL, flip=True)(images, keys(60))
    np.testing.assert_array_equal(both, flipped_first)


# The centres of mass, y and x, of the dots below.
EARLIER = {
    False: [[9.61, 5.92], [9.85, 8.1], [8.44, 7.64]],
    True: [[8.63, 20.25], [9.66, 7.94], [12.58, 21.46]],
}


def centre(found):
    mass = found.sum(axis=(1, 2, 3))
    rows, columns = np.arange(found.shape[1]), np.arange(found.shape[2])
    return (
        (found.sum((2, 3)) * rows).sum(1) / mass,
        (found.sum((1, 3)) * columns).sum(1) / mass,
    )


def test_shift_moves_the_centre_of_mass_within_its_bounds():
    dot = np.zeros((500, 21, 31, 1), np.uint8)
    dot[:, 10, 15] = 255
    rows, columns = centre(Augment(shift=3)(dot, keys(500)).numpy())
    for found, middle in ((rows, 10), (columns, 15)):
        assert np.abs(found - middle).max() <= 3
        assert np.abs(found - middle).max() > 2.8
        assert abs(found.mean() - middle) < 0.25


def test_rotation_and_scale_are_about_the_centre():
    dot = np.zeros((300, 21, 21, 3), np.uint8)
    dot[:, 9:12, 9:12] = 200
    for augment in (Augment(rotate=40), Augment(scale=0.3), Augment(shear=20)):
        rows, columns = centre(augment(dot, keys(300)).numpy())
        np.testing.assert_allclose(rows, 10, atol=0.05)
        np.testing.assert_allclose(columns, 10, atol=0.05)


def test_rotates_up_to_its_angle():
    bar = np.zeros((1000, 41, 41, 1), np.uint8)
    bar[:, 20, 5:36] = 255
    found = Augment(rotate=30)(bar, keys(1000)).numpy()[..., 0]
    x = np.arange(41) - 20.0
    mass = found.sum((1, 2))
    covariance = (found * np.outer(x, x)).sum((1, 2)) / mass
    variance = (found.sum(1) * x**2).sum(1) / mass - (found.sum(2) * x**2).sum(1) / mass
    angles = np.degrees(0.5 * np.arctan2(2 * covariance, variance))
    assert np.abs(angles).max() <= 30.5
    assert np.abs(angles).max() > 28
    assert abs(angles.mean()) < 2


def test_elastic_and_affine_changes_share_one_interpolation():
    dot = np.zeros((500, 21, 21, 1), np.uint8)
    dot[:, 10, 10] = 255
    both = Augment(shift=2, elastic=1e-6)(dot, keys(500)).numpy()
    np.testing.assert_allclose(both, Augment(shift=2)(dot, keys(500)), atol=1e-2)
    # Every interpolation blurs: two of them leave lower peaks than one.
    peaks = Augment(shift=2, elastic=1.0)(dot, keys(500)).numpy().max((1, 2, 3))
    once = Augment(elastic=1.0)(dot, keys(500)).numpy()
    twice = Augment(shift=2)(once, keys(500, seed=1)).numpy().max((1, 2, 3))
    assert np.median(peaks) > 1.2 * np.median(twice)


def test_erased_rectangles_stay_within_their_size():
    white = np.zeros((500, 22, 32, 1), np.uint8)  # Its border is black.
    white[:, 1:-1, 1:-1] = 255
    holes = (Augment(erase=0.5)(white, keys(500)).numpy() < white)[..., 0]
    assert holes.any(2).sum(1).max() in (10, 11)
    assert holes.any(1).sum(1).max() in (15, 16)
    for hole in holes:
        rows, columns = hole.any(1).sum(), hole.any(0).sum()
        assert hole.sum() == rows * columns  # A rectangle.


COLOURED = [
    Augment(shift=6), Augment(rotate=40), Augment(scale=0.3), Augment(elastic=3), Augment(erase=0.5)
]  # fmt: skip


@pytest.mark.parametrize("augment", COLOURED)
@pytest.mark.parametrize("size", [(21, 33), (120, 70)])
def test_what_comes_from_outside_has_the_borders_colour(augment, size):
    paper = np.array([250, 240, 60], np.uint8)
    images = np.tile(paper, (40, *size, 1))
    images[1::2] = 255 - paper  # Each image's own.
    images[:, 5:8, :3] = 128  # A stroke that touches the border.
    changed = augment(images, keys(40)).numpy()
    for number, image in enumerate(changed):
        colour = images[number, 0, 0].astype(float)
        between = np.abs(image - colour) <= np.abs(128 - colour) + 1e-3
        assert between.all()  # Nothing but the paper, the stroke and what lies between them.
        assert (np.abs(image - colour).max(-1) < 1e-3).mean() > 0.9


def test_on_a_black_border_all_stays_black(images):
    padded = np.pad(images, [(0, 0), (9, 9), (9, 9), (0, 0)])
    assert ALL(padded, keys(60)).numpy()[:, [0, -1]].max() == 0


@pytest.mark.parametrize(
    "wrong", [{"shift": -1}, {"scale": 1.0}, {"erase": 2}, {"contrast": 1.0}, {"blur": -0.1}]
)
def test_rejects_amounts_out_of_range(wrong):
    with pytest.raises(ValueError, match="Expected 0 <= "):
        Augment(**wrong)


def test_strokes_get_wider_and_thinner_by_a_pixel_at_most():
    bar = np.zeros((400, 15, 15, 1), np.float32)
    bar[:, 3:12, 6:9] = 255
    width = Augment(stroke=0.8)(bar, keys(400)).numpy()[:, 7, :, 0].sum(1) / 255
    assert width.min() == pytest.approx(3 - 2 * 0.8, abs=0.05)
    assert width.max() == pytest.approx(3 + 2 * 0.8, abs=0.05)
    assert width.mean() == pytest.approx(3, abs=0.15)


def test_blur_keeps_the_ink_and_spreads_it_as_far_as_it_says():
    dot = np.zeros((2000, 21, 21, 1), np.float32)
    dot[:, 10, 10] = 255
    found = Augment(blur=2.5)(dot, keys(2000)).numpy()[..., 0]
    np.testing.assert_allclose(found.sum((1, 2)), 255, rtol=1e-4)
    np.testing.assert_allclose(found, np.transpose(found, (0, 2, 1)), atol=1e-4)
    widths = (found[:, 10] > 1e-3).sum(1)
    # Not spread; by up to 1, up to 2 and up to 2.5 pixels.
    for width, share in ((1, 0.5), (3, 0.2), (5, 0.2), (7, 0.1)):
        assert (widths == width).mean() == pytest.approx(share, abs=0.05)
    assert found[:, 10, 10].max() > 250


def test_lost_contrast_leaves_black_and_white_in_order_and_in_range(images):
    whole = images.astype(float)
    found = Augment(contrast=0.6)(images, keys(60)).numpy()
    low, high = found.min((1, 2, 3)), found.max((1, 2, 3))
    assert low.min() >= 0
    assert high.max() <= 255 + 1e-3
    kept = (high - low) / np.ptp(whole, (1, 2, 3))
    assert kept.min() == pytest.approx(0.4, abs=0.05)
    assert 20 < (kept == 1).sum() < 40
    assert low.max() > 80
    # Nothing else is changed: each image is the old one, on another scale.
    np.testing.assert_allclose(
        found, whole * kept[:, None, None, None] + low[:, None, None, None], atol=0.1
    )
    both = dataclasses.replace(ALL, contrast=0.6)(images, keys(60))
    np.testing.assert_array_equal(both.shape, images.shape)
    moved = ALL(images, keys(60)).numpy()
    np.testing.assert_allclose(
        both, moved * kept[:, None, None, None] + low[:, None, None, None], atol=0.3
    )


def test_noise_is_even_and_each_images_own():
    grey = np.full((100, 28, 28, 1), 128, np.uint8)
    found = Augment(noise=0.4)(grey, keys(100)).numpy() - 128.0
    largest = np.abs(found).max((1, 2, 3)) / 255
    assert largest.max() == pytest.approx(0.4, abs=0.02)
    is_changed = largest > 0
    assert 35 < is_changed.sum() < 65
    assert largest[is_changed].min() < 0.03
    assert abs(found.mean()) < 0.5
    alike = np.corrcoef(found[is_changed].reshape(is_changed.sum(), -1))
    assert np.abs(alike - np.eye(len(alike))).max() < 0.2
    assert Augment(noise=0.9)(grey, keys(100)).numpy().min() == 0
