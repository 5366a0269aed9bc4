"""A trained network: what it sees of images, its layers, its kernels, and its layers' outputs."""

import dataclasses
import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from ...base.charts import BLUE, PALE, VERMILION, Chart, visible
from ...base.tables import short
from ...base.tf import keras, tf
from ...data.inspection.charts import WIDTH, thumbnail
from ...data.inspection.samples import Sample
from ...data.pipeline.augment import Augment
from ...data.pipeline.preprocess import Preprocess
from ..run.config import RunConfig

# A chart shows at most this many filters, of this many input channels.
_FILTERS, _INPUTS = 32, 16
_COLUMNS = 16
_MAPS = 8
# Outputs are shown of at most this many layers: of more, of some, evenly spaced.
_SHOWN = 32
# Columns beside the raw image and the network's input: epochs of augmentation.
_EPOCHS = 4
_COLORS = ("red", "green", "blue")


class Layer(NamedTuple):
    """A row of the network's table."""

    name: str
    kind: str
    output_shape: str
    parameters: int


def layers(model: keras.Model) -> list[Layer]:
    """The layers in their order; of a shape, without the batch."""
    return [
        Layer(layer.name, type(layer).__name__, _size(layer.output), layer.count_params())
        for layer in _layers(model)
    ]


def _size(output: Any) -> str:
    return "×".join(map(str, output.shape[1:]))


def kernels(model: keras.Model) -> list[Chart]:
    """The kernels of the first two convolutions; where there is none, of a first dense layer."""
    convolutions = [layer for layer in _layers(model) if _kernel(layer).ndim == 4]
    if convolutions:
        return [
            _kernel_chart(f"{place} convolution, {layer.name}", _kernel(layer), place == "First")
            for place, layer in zip(("First", "Second"), convolutions, strict=False)
        ]
    dense = next((layer for layer in _layers(model) if _kernel(layer).ndim == 2), None)
    height, width, channels = model.input_shape[1:]
    if dense is None or _kernel(dense).shape[0] != height * width * channels:
        return []
    weights = _kernel(dense).reshape(height, width, channels, -1)
    return [_kernel_chart(f"Weights of the first layer, {dense.name}", weights, True)]


def activations(
    model: keras.Model, inputs: np.ndarray, titles: Sequence[str], raw: Sequence[np.ndarray]
) -> list[Chart]:
    """The outputs of each layer, of a deep network of some, for each of a few images.

    Args:
      inputs: preprocessed images float32 [N, H, W, C].
      raw: the same as the dataset has them.
    """
    all_layers = _layers(model)
    indices = np.linspace(0, len(all_layers) - 1, min(_SHOWN, len(all_layers))).astype(int)
    layers_shown = [all_layers[index] for index in map(int, indices)]
    some = f"{_SHOWN} of {len(all_layers)} layers" if len(all_layers) > _SHOWN else ""
    # A list for each layer, also where there is only one.
    network = keras.Model(model.inputs, [[layer.output] for layer in layers_shown])
    outputs = [output.numpy() for (output,) in network(tf.constant(inputs), training=False)]
    return [
        _activation_chart(title, some, image, layers_shown, [output[number] for output in outputs])
        for number, (title, image) in enumerate(zip(titles, raw, strict=True))
    ]


def _layers(model: keras.Model) -> list[keras.Layer]:
    return [layer for layer in model.layers if not isinstance(layer, keras.layers.InputLayer)]


def _kernel(layer: keras.Layer) -> np.ndarray:
    """[height, width, inputs, filters] of a convolution, [inputs, outputs] of a dense layer."""
    for name in ("depthwise_kernel", "kernel"):
        kernel = getattr(layer, name, None)
        if kernel is not None and hasattr(kernel, "numpy"):
            return kernel.numpy()
    return np.zeros(0)


def _kernel_chart(title: str, weights: np.ndarray, of_pixels: bool) -> Chart:
    """Kernels [height, width, inputs, filters]: a row for each input channel."""
    height, width, all_inputs, all_filters = weights.shape
    weights = weights[:, :, :_INPUTS, :_FILTERS]
    inputs, filters = weights.shape[2:]
    wide = height >= 12  # Of a dense layer: a whole image.
    columns = min(filters, 5 if wide else _COLUMNS)
    left = 44 if inputs > 1 else 10
    tile = min((WIDTH - left - 10) / columns, 64 if wide else 40)
    tall = tile * height / width
    band = inputs * tall + 18
    some = f" of {all_filters}" if filters < all_filters else ""
    note = f"{filters}{some} {'units' if wide else 'filters'} {height}×{width}"
    if all_inputs > 1:
        some = f" of {all_inputs}" if inputs < all_inputs else ""
        note += f", a row for each of {inputs}{some} input channels"
    chart = Chart(WIDTH, 40 + math.ceil(filters / columns) * band + 44, title, note)
    largest = float(np.abs(weights).max()) or 1.0
    pixels = _signed((weights / largest + 1) / 2)
    gap = 0.5 if tile < 12 else 1
    for number in range(filters):
        x, y = left + number % columns * tile, 52 + number // columns * band
        chart.text(x + tile / 2, y - 3, str(number + 1), 8, PALE, "center")
        for channel in range(inputs):
            top = y + channel * tall
            chart.image(x, top, tile - gap, tall - gap, pixels[:, :, channel, number])
            if inputs > 1 and number % columns == 0 and (tall >= 9 or channel % 4 == 0):
                name = _COLORS[channel] if of_pixels and all_inputs == 3 else str(channel + 1)
                chart.text(left - 4, top + tall / 2 + 3, name, 8, PALE, "right")
    y, length = chart.height - 36, WIDTH - left - 10
    chart.image(left, y, length, 8, _signed(np.linspace(0, 1, 128)[None]))
    for share, align in ((0.0, "left"), (0.5, "center"), (1.0, "right")):
        words = f"{(2 * share - 1) * largest:.2g}"
        chart.text(left + share * length, y + 20, words, 9, PALE, align)
    chart.text(left + length / 2, y + 32, "weight", 9, PALE, "center")
    return chart


def _activation_chart(
    title: str,
    note: str,
    image: np.ndarray,
    shown: Sequence[keras.Layer],
    outputs: Sequence[np.ndarray],
) -> Chart:
    from matplotlib import colormaps

    side = 37
    heights = [58 if _is_map(output) else 36 for output in outputs]
    chart = Chart(WIDTH, 112 + sum(heights) + 22, title, note)
    chart.image(10, 34, 64, 64, visible(image))
    y = 112.0
    for layer, output, height in zip(shown, outputs, heights, strict=True):
        low, high = float(output.min()), float(output.max())
        size = "×".join(map(str, output.shape))
        chart.text(10, y + 9, f"{layer.name}: {type(layer).__name__}", 9.5)
        chart.text(WIDTH - 10, y + 9, f"{size}, {low:.2g} to {high:.2g}", 9, PALE, "right")
        # Looks alike to the colour-blind.
        pixels = colormaps["cividis"]((output - low) / max(high - low, 1e-12), bytes=True)[..., :3]
        if _is_map(output):
            for channel in range(min(_MAPS, output.shape[2])):
                chart.image(10 + channel * (side + 3.3), y + 13, side, side, pixels[:, :, channel])
        else:
            chart.image(10, y + 13, WIDTH - 20, 12, pixels.reshape(1, -1, 3))
        y += height
    chart.text(10, y + 4, "each layer from dark (its lowest) to bright (its highest);", 9, PALE)
    chart.text(10, y + 15, f"of maps the first {_MAPS}", 9, PALE)
    return chart


def _is_map(output: np.ndarray) -> bool:
    return output.ndim == 3 and output.shape[0] > 1


def _signed(shares: np.ndarray) -> np.ndarray:
    """From blue (0) over white to vermilion (1), uint8 [..., 3]."""
    from matplotlib.colors import LinearSegmentedColormap

    colors = LinearSegmentedColormap.from_list("signed", [BLUE, "#f7f7f7", VERMILION])
    return colors(shares, bytes=True)[..., :3]


def seen(title: str, samples: Sequence[Sample], config: RunConfig) -> Chart:
    """Images of the training split raw, as the network gets them, and as training changes them."""
    preprocess, names = config.preprocess, [field.name for field in dataclasses.fields(Augment)]
    augment = Augment(**{name: getattr(config.recipe, f"augment_{name}") for name in names})
    raw = np.stack([sample.image for sample in samples])
    columns = [("raw", raw), ("input", _pixels(preprocess(tf.constant(raw)), preprocess))]
    for epoch in range(_EPOCHS if augment.active else 0):
        keys = [[config.seed, epoch, sample.index] for sample in samples]
        changed = augment(tf.constant(raw), tf.constant(keys, tf.int64))
        columns.append((f"epoch {epoch + 1}", _pixels(preprocess(changed), preprocess)))
    side, left = 44, 58
    chart = Chart(WIDTH, 54 + len(samples) * (side + 4), title)
    for row, sample in enumerate(samples):
        y = 48 + row * (side + 4)
        name = short(config.label_names[sample.label], 8)
        chart.text(left - 6, y + side / 2 + 3, name, align="right")
        for column, (_, images) in enumerate(columns):
            chart.image(left + column * (side + 3), y, side, side, thumbnail(images[row]))
    for column, (head, _) in enumerate(columns):
        chart.text(left + column * (side + 3) + side / 2, 42, head, 9, PALE, "center")
    return chart


def _pixels(inputs: tf.Tensor, preprocess: Preprocess) -> np.ndarray:
    """The network's inputs float32 [N, H, W, C] as pixels again, uint8."""
    pixels = (inputs.numpy() * preprocess.std + preprocess.mean) * 255
    return np.clip(np.rint(pixels), 0, 255).astype(np.uint8)
