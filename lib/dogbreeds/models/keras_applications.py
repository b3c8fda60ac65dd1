"""ResNet50 and Xception of `keras.applications`, called as they are: the networks that were used in 2020.

They answer one question, why ResNet50 failed in 2020, and never enter the comparison of the study. This ResNet50 is
another network than that of `keras_networks`: its stride is in the first 1x1 convolution of a unit, its convolutions
have biases, and it expects blue, green and red in 0 to 255 minus their means. Xception expects -1 to 1.
"""

from pathlib import Path

import numpy as np
from jaxtyping import Float, UInt8

from dogbreeds.errors import StudyError
from dogbreeds.models import keras_runtime
from dogbreeds.models.names import TITLES

keras = keras_runtime.load_keras()


def build(network: str, num_classes: int, size: int, weights: Path | None = None):
    """Returns a Keras model that maps images of shape `[batch, size, size, 3]` to logits `[batch, num_classes]`.

    `network` is one of `names.KERAS_APPLICATIONS`. `weights` is its file of `pretrained.OF_KERAS_APPLICATIONS`; without
    it, the weights are random. The classifier is always random. Raises StudyError if the file is broken or does not
    match.
    """
    function = {"resnet50": keras.applications.ResNet50, "xception": keras.applications.Xception}[network]
    backbone = function(include_top=False, weights=None, input_shape=(size, size, 3), pooling="avg")
    if weights:
        _load(backbone, network, weights)
    return keras.Model(backbone.input, keras.layers.Dense(num_classes)(backbone.output))


def _load(backbone, network: str, file: Path) -> None:
    """Lets Keras read its own file, as `keras.applications` does after its download."""
    try:
        backbone.load_weights(file)
    except (OSError, ValueError, KeyError) as error:
        reason = str(error).splitlines()[0]
        title = f"{TITLES[network]} of keras.applications"
        raise StudyError(
            f"{file} does not match {title}, or is broken ({reason}): use the pinned Keras, or another file"
        ) from error


def inputs(
    network: str, images: UInt8[np.ndarray, "photos height width 3"], preprocessing: str
) -> Float[np.ndarray, "photos height width 3"]:
    """Returns the input of a network: `preprocess_input` of Keras ("expected") or a division by 255 ("rescaled")."""
    values = images.astype(np.float32)
    preprocess_input = getattr(keras.applications, network).preprocess_input
    return {"rescaled": lambda: values / 255, "expected": lambda: preprocess_input(values)}[preprocessing]()


def freeze(model, frozen: str):
    """Freezes layers of a model in one of the ways of `names.KERAS_FROZEN`, and returns the model.

    "first 7 layers" is what the deck froze: in Xception both convolutions of block 1, in ResNet50 all layers before the
    first residual unit. "backbone" freezes everything but the classifier; batch normalisation then uses its running
    statistics also in training. "backbone, Keras 2.3" does the same as Keras did up to version 2.3: such a layer kept
    its running statistics for ever, but normalised by the statistics of the batch while training
    (https://github.com/keras-team/keras/pull/9965).
    """
    backbone = model.layers[:-1]
    layers = {"nothing": [], "first 7 layers": backbone[:7], "backbone": backbone, "backbone, Keras 2.3": backbone}
    for layer in layers[frozen]:
        if frozen == "backbone, Keras 2.3" and isinstance(layer, keras.layers.BatchNormalization):
            layer.momentum = 1.0
            layer.gamma.trainable = layer.beta.trainable = False
        else:
            layer.trainable = False
    return model
