"""Inside a trained network: its kernels, its layers, and what they answer to an image."""

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np

from ...base.tf import keras, tf
from .canvas import Canvas, visible
from .figures import WIDTH

# Kernels that a chart shows: so many filters, of so many input channels.
_FILTERS, _INPUTS = 32, 16
_COLUMNS = 16
_MAPS = 8
_COLOURS = ("red", "green", "blue")
# From the largest negative weight over 0 to the largest positive one.
_DIVERGING = ((0, 114, 178), (247, 247, 247), (213, 94, 0))
# Cividis, made to look alike to the colour-blind (Nuñez, Anderton, Renslow, PLoS ONE 13, 2018).
_CIVIDIS = ((0, 34, 78), (53, 69, 109), (102, 105, 112), (148, 142, 119), (200, 184, 102),
            (254, 232, 56))  # fmt: skip


@dataclasses.dataclass(frozen=True)
class Layer:
    """A row of the network's table."""

    name: str
    kind: str
    output_shape: str
    parameters: int


def layers(model: keras.Model) -> list[Layer]:
    """The layers in their order; of a shape, without the batch."""
    return [
        Layer(
            layer.name,
            type(layer).__name__,
            "×".join(map(str, _shape(layer))),
            layer.count_params(),
        )
        for layer in _layers(model)
    ]


def kernels(model: keras.Model) -> list[Canvas]:
    """The kernels of the first two convolutions; where there is none, of a first dense layer."""
    convolutions = [layer for layer in _layers(model) if _kernel(layer).ndim == 4]
    if convolutions:
        return [
            _kernel_chart(f"{place} convolution, {layer.name}", _kernel(layer), number == 0)
            for number, (place, layer) in enumerate(
                zip(("First", "Second"), convolutions, strict=False)
            )
        ]
    dense = next((layer for layer in _layers(model) if _kernel(layer).ndim == 2), None)
    height, width, channels = model.input_shape[1:]
    if dense is None or _kernel(dense).shape[0] != height * width * channels:
        return []
    weights = _kernel(dense).reshape(height, width, channels, -1)
    return [_kernel_chart(f"Weights of the first layer, {dense.name}", weights, True)]


def activations(
    model: keras.Model, inputs: np.ndarray, titles: Sequence[str], raw: Sequence[np.ndarray]
) -> list[Canvas]:
    """What each layer answers to each of a few images.

    Args:
      model: the network.
      inputs: preprocessed images float32 [N, H, W, C].
      titles: of the images.
      raw: the images as the dataset has them.
    """
    shown = _layers(model)
    outputs = keras.Model(model.inputs, [layer.output for layer in shown])(
        tf.constant(inputs), training=False
    )
    if len(shown) == 1:
        outputs = [outputs] if not isinstance(outputs, list) else outputs
    found: Any = [each.numpy() for each in outputs]
    return [
        _activation_chart(title, image, shown, [each[at] for each in found])
        for at, (title, image) in enumerate(zip(titles, raw, strict=True))
    ]


def _layers(model: keras.Model) -> list[Any]:
    return [layer for layer in model.layers if not isinstance(layer, keras.layers.InputLayer)]


def _shape(layer: Any) -> tuple[int, ...]:
    return tuple(layer.output.shape[1:])


def _kernel(layer: Any) -> np.ndarray:
    """[height, width, inputs, filters] of a convolution, [inputs, outputs] of a dense layer."""
    for name in ("depthwise_kernel", "kernel"):
        kernel = getattr(layer, name, None)
        if kernel is not None and hasattr(kernel, "numpy"):
            return kernel.numpy()
    return np.zeros(0)


def _kernel_chart(title: str, weights: np.ndarray, of_pixels: bool) -> Canvas:
    """Kernels [height, width, inputs, filters]: a row for each input channel."""
    height, width, all_inputs, all_filters = weights.shape
    weights = weights[:, :, :_INPUTS, :_FILTERS]
    inputs, filters = weights.shape[2:]
    columns = min(filters, _COLUMNS if height < 12 else 5)
    bands = -(-filters // columns)
    left = 44 if inputs > 1 else 10
    tile = min((WIDTH - left - 10) / columns, 40 if height < 12 else 64)
    tall = tile * height / width
    band = inputs * tall + 18
    canvas = Canvas(WIDTH, 40 + bands * band + 44, title)
    canvas.text(8, 16, title, 12, bold=True)
    part = f"{filters} of {all_filters}" if filters < all_filters else f"{filters}"
    note = f"{part} {'filters' if height < 12 else 'units'} {height}×{width}"
    if all_inputs > 1:
        cut = f"{inputs} of {all_inputs}" if inputs < all_inputs else f"{inputs}"
        note += f", a row for each of {cut} input channels"
    canvas.text(8, 31, note, 10, "pale")
    most = float(np.abs(weights).max()) or 1.0
    pixels = _coloured((weights / most + 1) / 2, _DIVERGING)
    gap = 0.5 if tile < 12 else 1
    for number in range(filters):
        x = left + number % columns * tile
        y = 52 + number // columns * band
        canvas.text(x + tile / 2, y - 3, str(number + 1), 8, "pale", "middle")
        for channel in range(inputs):
            place = (x, y + channel * tall, tile - gap, tall - gap)
            canvas.image(*place, pixels[:, :, channel, number])
            if inputs > 1 and number % columns == 0 and (tall >= 9 or channel % 4 == 0):
                name = str(channel + 1)
                if of_pixels and all_inputs == 3:
                    name = _COLOURS[channel]
                canvas.text(left - 4, place[1] + tall / 2 + 3, name, 8, "pale", "end")
    y = canvas.height - 36
    ramp = _coloured(np.linspace(0, 1, 128)[None], _DIVERGING)
    canvas.image(left, y, WIDTH - left - 10, 8, ramp)
    for share, value, anchor in ((0, -most, "start"), (0.5, 0, "middle"), (1, most, "end")):
        x = left + share * (WIDTH - left - 10)
        canvas.text(x, y + 20, f"{value:.2g}", 9, "pale", anchor)
    canvas.text(left + (WIDTH - left - 10) / 2, y + 32, "weight", 9, "pale", "middle")
    return canvas


def _activation_chart(
    title: str, image: np.ndarray, shown: Sequence[Any], answers: Sequence[np.ndarray]
) -> Canvas:
    side, row = 37, 58
    heights = [row if each.ndim == 3 and each.shape[0] > 1 else 36 for each in answers]
    canvas = Canvas(WIDTH, 106 + sum(heights) + 22, title)
    canvas.text(8, 16, title, 12, bold=True)
    canvas.image(10, 28, 64, 64, visible(image))
    y = 106.0
    for layer, answer, tall in zip(shown, answers, heights, strict=True):
        shape = "×".join(map(str, answer.shape))
        low, high = float(answer.min()), float(answer.max())
        canvas.text(10, y + 9, f"{layer.name}: {type(layer).__name__}", 9.5)
        canvas.text(WIDTH - 10, y + 9, f"{shape}, {low:.2g} to {high:.2g}", 9, "pale", "end")
        pixels = _coloured((answer - low) / max(high - low, 1e-12), _CIVIDIS)
        if answer.ndim == 3 and answer.shape[0] > 1:
            for channel in range(min(_MAPS, answer.shape[2])):
                canvas.image(10 + channel * (side + 3.3), y + 13, side, side, pixels[:, :, channel])
        else:
            canvas.image(10, y + 13, WIDTH - 20, 12, pixels.reshape(1, -1, 3))
        y += tall
    canvas.text(10, y + 4, "each layer from dark (its lowest) to bright (its highest);", 9, "pale")
    canvas.text(10, y + 15, f"of maps the first {_MAPS}", 9, "pale")
    return canvas


def _coloured(shares: np.ndarray, anchors: Sequence[tuple[int, int, int]]) -> np.ndarray:
    """Shares 0 to 1 of any shape as colours uint8 [..., 3]."""
    at = np.linspace(0, 1, len(anchors))
    parts = [np.interp(shares, at, [each[part] for each in anchors]) for part in range(3)]
    return np.rint(np.stack(parts, axis=-1)).astype(np.uint8)
