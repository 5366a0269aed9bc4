"""Images that no split holds, and picture files of all kinds: what people send all the same."""

import io
from collections.abc import Iterator
from typing import Any

import numpy as np
import PIL.Image

# Of the generator: the same images for the same split.
_SEED = 0
# Blends of two images; images of noise; images of the split that are inverted.
_BLENDS, _NOISE, _INVERTED = 256, 8, 8
# (width, height) of a picture as a camera or a scanner makes it.
_LARGE = 1205, 903
# EXIF's number of how a picture is turned.
_ORIENTATION = 0x0112


def images(split: np.ndarray) -> np.ndarray:
    """Black, white, single pixels, edges, ramps, noise and inverted images, uint8 [n, H, W, C].

    Args:
      split: uint8 [N, H, W, C], that artifacts are compared on.
    """
    shape = split.shape[1:]
    noise = np.random.default_rng(_SEED).integers(0, 256, (_NOISE, *shape), np.uint8)
    return np.concatenate([np.stack(list(_drawn(*shape))), noise, 255 - split[:_INVERTED]])


def blends(split: np.ndarray, more: np.ndarray) -> np.ndarray:
    """Images that are two of others at once, uint8 [n, H, W, C].

    They show whether a rounded file's probabilities are the model's: of the images of a split a
    good model is so sure that most are 0 or 1.

    Args:
      split: uint8 [N, H, W, C], that artifacts are compared on.
      more: uint8 [n, H, W, C], of another split, for where that is small.
    """
    pool = np.concatenate([split[:_BLENDS], more[:_BLENDS]])
    one, other = np.random.default_rng(_SEED).integers(0, len(pool), (2, _BLENDS))
    return ((pool[one].astype(np.uint16) + pool[other]) // 2).astype(np.uint8)


def _drawn(height: int, width: int, channels: int) -> Iterator[np.ndarray]:
    shape = height, width, channels
    for level in (0, 1, 127, 128, 254, 255):
        yield np.full(shape, level, np.uint8)
    middle = height // 2, width // 2
    for row, column in ((0, 0), (0, -1), (-1, 0), (-1, -1), middle):
        for ground, level in ((0, 255), (255, 0)):
            image = np.full(shape, ground, np.uint8)
            image[row, column] = level
            yield image
    for channel in range(channels if channels > 1 else 0):
        image = np.zeros(shape, np.uint8)
        image[..., channel] = 255
        yield image
    rows, columns, _ = np.indices(shape)
    yield ((rows + columns) % 2 * 255).astype(np.uint8)
    yield (rows * 255 // max(height - 1, 1)).astype(np.uint8)
    yield (columns * 255 // max(width - 1, 1)).astype(np.uint8)


def picture_files(split: np.ndarray) -> dict[str, bytes]:
    """Picture files by what is awkward about each.

    Made of an image of the split and of a drawn scene: formats, depths, transparency, palettes,
    sizes, EXIF's turns, dark on light and light on dark.

    Args:
      split: uint8 [N, H, W, C].
    """
    grey = split[0].mean(axis=-1).astype(np.uint8)
    height, width = grey.shape
    files = {}
    for ground, levels in (("light on dark", grey), ("dark on light", 255 - grey)):
        ink, large = PIL.Image.fromarray(levels), _scene(levels)
        scene = PIL.Image.fromarray(large)
        for name, picture in (("", ink.convert("RGB")), ("larger ", scene)):
            files[f"{name}PNG, {ground}"] = _file(picture, "PNG")
            files[f"{name}grey PNG, {ground}"] = _file(picture.convert("L"), "PNG")
            files[f"{name}JPEG, {ground}"] = _file(picture, "JPEG", quality=90)
            files[f"{name}WebP, {ground}"] = _file(picture, "WEBP", lossless=True)
            files[f"{name}BMP, {ground}"] = _file(picture, "BMP")
            files[f"{name}GIF, {ground}"] = _file(picture.convert("L"), "GIF")
        files[f"grey JPEG, {ground}"] = _file(scene.convert("L"), "JPEG", quality=90)
        files[f"PNG with a palette, {ground}"] = _file(scene.convert("P"), "PNG")
        deep = PIL.Image.fromarray(large.mean(axis=2).astype(np.uint16) * 257)
        files[f"PNG of 16 bits, {ground}"] = _file(deep, "PNG")
        opacity = np.where(large.mean(axis=2) > 127, 255, 40).astype(np.uint8)
        clear = PIL.Image.fromarray(np.dstack([large, opacity]))
        files[f"transparent PNG, {ground}"] = _file(clear, "PNG")
        opaque = scene.convert("L"), PIL.Image.fromarray(opacity)
        files[f"PNG of grey and opacity, {ground}"] = _file(PIL.Image.merge("LA", opaque), "PNG")
        files[f"PNG of one bit, {ground}"] = _file(scene.convert("1"), "PNG")
        palette = scene.convert("P")
        files[f"PNG with a clear colour, {ground}"] = _file(palette, "PNG", transparency=0)
        files[f"BMP with a palette, {ground}"] = _file(palette, "BMP")
        files[f"progressive JPEG, {ground}"] = _file(scene, "JPEG", progressive=True)
        files[f"JPEG of one size of colours, {ground}"] = _file(scene, "JPEG", subsampling=0)
        files[f"lossy WebP, {ground}"] = _file(scene, "WEBP", quality=60)
        files[f"transparent WebP, {ground}"] = _file(clear, "WEBP", lossless=True)
        for turn in range(2, 9):
            exif = PIL.Image.Exif()
            exif[_ORIENTATION] = turn
            files[f"JPEG turned by {turn}, {ground}"] = _file(scene, "JPEG", exif=exif)
    ink = PIL.Image.fromarray(grey).convert("RGB")
    photo = PIL.Image.fromarray(_scene(grey)).resize(_LARGE)
    files["large PNG"] = _file(photo, "PNG", compress_level=1)
    files["large JPEG"] = _file(photo, "JPEG")
    for name, size in (("one pixel", (1, 1)), ("a row", (9, 1)), ("tall", (width, 7 * height))):
        files[f"PNG, {name}"] = _file(ink.resize(size), "PNG")
    return files


def damaged_files(split: np.ndarray) -> dict[str, bytes]:
    """What is no picture file, by what it is.

    Args:
      split: uint8 [N, H, W, C].
    """
    scene = PIL.Image.fromarray(_scene(split[0].mean(axis=-1).astype(np.uint8)))
    png, jpeg = _file(scene, "PNG"), _file(scene, "JPEG")
    return {
        "nothing": b"",
        "words": b"no picture",
        "half a PNG": png[: len(png) // 2],
        "half a JPEG": jpeg[: len(jpeg) // 2],
        "a PNG's first bytes": png[:20],
        "a JPEG's first bytes": jpeg[:20],
    }


def _scene(levels: np.ndarray) -> np.ndarray:
    """A larger picture in colour, uint8 [h, w, 3], with levels [H, W] on it off its middle."""
    height, width = levels.shape
    top, left = height // 5, width // 3
    scene = np.full((2 * height + 9, 3 * width + 5, 3), levels[0, 0], np.uint8)
    for channel, strength in enumerate((1.0, 0.9, 0.75)):
        scene[..., channel] = (scene[..., channel] * strength).astype(np.uint8)
        scene[top : top + height, left : left + width, channel] = levels * strength
    return scene


def _file(picture: PIL.Image.Image, kind: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, kind, **options)
    return buffer.getvalue()
