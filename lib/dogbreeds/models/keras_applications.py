"""ResNet50 and Xception of `keras.applications`, called as they are: the networks that were used in 2020.

They answer one question, why ResNet50 failed in 2020, and never enter the comparison of the study. This ResNet50 is
another network than that of `keras_networks`: its stride is in the first 1x1 convolution of a unit, its convolutions
have biases, and it expects blue, green and red in 0 to 255 minus their means. Xception expects -1 to 1.
"""

import numpy as np
from jaxtyping import Float, UInt8

from dogbreeds.models import keras_runtime

keras = keras_runtime.load_keras()

IMAGE_SIZES = {"resnet50": 48, "xception": 71}  # pixels per side: small, but Xception accepts no less than 71


def build(network: str, num_classes: int):
    """Returns a Keras model with random weights that maps images to logits of shape `[batch, num_classes]`.

    `network` is one of `names.KERAS_APPLICATIONS`. The input shape is `[batch, size, size, 3]` with the network's size
    of IMAGE_SIZES.
    """
    size = IMAGE_SIZES[network]
    function = {"resnet50": keras.applications.ResNet50, "xception": keras.applications.Xception}[network]
    backbone = function(include_top=False, weights=None, input_shape=(size, size, 3), pooling="avg")
    return keras.Model(backbone.input, keras.layers.Dense(num_classes)(backbone.output))


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
