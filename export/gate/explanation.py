"""Where a file is off: how far each layer's output is from the trained model's, in words."""

import dataclasses

from ...base.tables import table

# Of a rounded file: how many of the layers that lose most are named.
_MOST = 5


@dataclasses.dataclass(frozen=True)
class LayerDifference:
    """How far the output of a layer is from the trained model's.

    Attributes:
      layer: its name in the trained model, or `preprocessing`.
      largest: the largest difference of two numbers; this and the others are None where no tensor
        of the file is the layer's output.
      image: index of the image that it is on.
      relative: root mean square of the differences, as a part of that of the output; of the
        channel that is off most.
    """

    layer: str
    largest: float | None = None
    image: int | None = None
    relative: float | None = None


@dataclasses.dataclass(frozen=True)
class Explanation:
    """How far each layer of a TFLite or ONNX file is from the trained model's.

    Attributes:
      artifact: the file, as people call it.
      images: what it was asked for, in words; of which `LayerDifference.image` is an index.
      examples: number of images.
      rounded: whether its weights are.
      limit: of `LayerDifference.relative`; a layer beyond it differs.
      layers: the preprocessing and each layer, from the image to the logits.
      problem: why there are none; empty if there are.
    """

    artifact: str
    images: str
    examples: int
    rounded: bool
    limit: float
    layers: tuple[LayerDifference, ...] = ()
    problem: str = ""

    @property
    def lose_most(self) -> tuple[LayerDifference, ...]:
        """The five layers of a rounded file that are off by most, in order; none of others."""
        known = [layer for layer in self.layers if layer.relative is not None]
        worst = sorted(known, key=lambda layer: layer.relative or 0, reverse=True)
        return tuple(worst[:_MOST]) if self.rounded else ()

    @property
    def sentence(self) -> str:
        """Of a file that is refused: the first layer that differs, by how much, on which image."""
        if self.problem:
            return f"its layers cannot be compared: {self.problem}"
        than = " by more than rounding does" if self.rounded else ""
        parts = [f"no layer up to {self.layers[-1].layer} differs{than} on these images"]
        missing: list[str] = []
        for layer in self.layers:
            if layer.relative is None:
                missing.append(layer.layer)
            elif layer.relative <= self.limit:
                missing = []
            else:
                before = f", or {' or '.join(missing)} before it" if missing else ""
                parts = [
                    f"the first layer that differs{than} is {layer.layer}{before}: off by up to "
                    f"{layer.largest:.3g} on number {layer.image} of the {self.images}, a "
                    f"channel by {_percent(layer)} of its output, root mean square"
                ]
                break
        if self.rounded:
            worst = (f"{layer.layer} ({_percent(layer)})" for layer in self.lose_most)
            parts.append(f"the layers that lose most are {', '.join(worst)}")
        return "; ".join(parts)

    def __str__(self) -> str:
        """A table of all layers."""
        title = f"{self.artifact}: each layer beside the trained model's"
        if self.problem:
            return f"{self.artifact}: its layers cannot be compared: {self.problem}"
        ranks = {layer.layer: str(rank) for rank, layer in enumerate(self.lose_most, 1)}
        rows = [
            (layer.layer, "no such tensor", "", "", "")
            if layer.relative is None
            else (
                layer.layer,
                f"{layer.largest:.1e}",
                str(layer.image),
                f"{layer.relative:.1e}",
                ranks.get(layer.layer, ""),
            )
            for layer in self.layers
        ]
        headers = ("layer", "largest difference", "image", "relative error", "loses most")
        columns = len(headers) - (not self.rounded)
        shown = table(headers[:columns], [row[:columns] for row in rows], numbers=(1, 2, 3, 4))
        return f"{title}, on {self.examples} {self.images}:\n{shown}"


def _percent(layer: LayerDifference) -> str:
    return f"{100 * (layer.relative or 0):.3g} %"
