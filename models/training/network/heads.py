"""The two parts of a pretrained network: its body, up to the layer `features`, and its head."""

import numpy as np

from ....base.tf import keras
from ....data.pipeline import features

LAYER = "features"


def body_of(model: keras.Model) -> features.Body:
    """The body, which shares its weights with the model; it is called as when it is not trained."""
    part = keras.Model(model.inputs, model.get_layer(LAYER).output)
    weights = [np.asarray(variable) for variable in part.variables]
    return features.Body(
        lambda images: part(images, training=False),
        part.output_shape[-1],
        features.digest(weights),
    )


def head_of(model: keras.Model) -> keras.Model:
    """The head, from features float32 [N, F] to logits; it shares its weights with the model."""
    place = model.layers.index(model.get_layer(LAYER))
    inputs = x = keras.Input(model.layers[place].output.shape[1:], name=LAYER)
    for layer in model.layers[place + 1 :]:
        x = layer(x)
    return keras.Model(inputs, x, name=f"{model.name}_head")
