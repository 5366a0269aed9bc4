import numpy as np
import pytest

from digitline.models import registry
from digitline.models.report import network


@pytest.mark.parametrize("name", registry.NAMES)
def test_shows_every_network(name):
    module = registry.get(name)
    preprocess = registry.preprocess(module, (28, 28, 3), module.RECIPES["best"])
    model = module.build(preprocess.output_shape, 26)
    rows = network.layers(model)
    assert sum(row.parameters for row in rows) == model.count_params()
    assert rows[-1].output_shape == "26"
    raw = np.zeros((28, 28, 3), np.uint8)
    (drawn,) = network.activations(model, preprocess(raw[None]).numpy(), ["One"], [raw])
    svg = drawn.svg()
    shown = [row for row in rows if f">{row.name}: {row.kind}<" in svg]
    assert len(shown) == min(len(rows), 32)
    assert (shown[0], shown[-1]) == (rows[0], rows[-1])
    assert (f">32 of {len(rows)} layers<" in svg) == (len(rows) > 32)
    convolutions = sum("Conv2D" in row.kind for row in rows)
    kernels = network.kernels(model)
    assert len(kernels) == min(convolutions, 2) or (not convolutions and len(kernels) == 1)
    svg = kernels[0].svg()
    assert all(f">{channel}<" in svg for channel in ("red", "green", "blue"))
