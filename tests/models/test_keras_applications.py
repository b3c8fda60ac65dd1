"""The networks of 2020: what they receive, and what each way of freezing keeps while a training step runs."""

import numpy as np
import pytest

from dogbreeds.models import keras_applications, keras_runtime
from dogbreeds.models.names import KERAS_FROZEN

keras = keras_runtime.load_keras()
PIXELS = np.array([0, 127, 255], np.uint8).repeat(3 * 16).reshape(3, 4, 4, 3)


def test_expected_preprocessing_is_that_of_keras_and_rescaled_values_are_between_0_and_1():
    """The means of blue, green and red in ImageNet are 103.939, 116.779 and 123.68 (`preprocess_input` of ResNet50)."""
    resnet50, xception = (keras_applications.inputs(name, PIXELS, "expected") for name in ("resnet50", "xception"))
    np.testing.assert_allclose(resnet50[2, 0, 0], [255 - 103.939, 255 - 116.779, 255 - 123.68], rtol=1e-5)
    np.testing.assert_allclose(xception[:, 0, 0, 0], [-1, 127 / 127.5 - 1, 1], atol=1e-6)
    for name in ("resnet50", "xception"):
        np.testing.assert_allclose(keras_applications.inputs(name, PIXELS, "rescaled"), PIXELS / 255, rtol=1e-6)


@pytest.mark.slow
def test_the_first_seven_layers_are_block_1_of_xception_and_everything_before_the_units_of_resnet50():
    xception, resnet50 = (keras_applications.build(name, 3) for name in ("xception", "resnet50"))
    assert [layer.name for layer in xception.layers[6:8]] == ["block1_conv2_act", "block2_sepconv1"]
    assert resnet50.layers[6].name == "pool1_pool"
    assert resnet50.layers[7].name.startswith("conv2_block1")
    assert resnet50.output_shape == xception.output_shape == (None, 3)


def small_network():
    inputs = outputs = keras.Input((4, 4, 3))
    for _ in range(3):
        outputs = keras.layers.Conv2D(4, 3, padding="same")(outputs)
        outputs = keras.layers.ReLU()(keras.layers.BatchNormalization()(outputs))
    return keras.Model(inputs, keras.layers.Dense(2)(keras.layers.GlobalAveragePooling2D()(outputs)))


@pytest.mark.parametrize("frozen", KERAS_FROZEN)
def test_frozen_layers_keep_weights_and_statistics(frozen):
    model = keras_applications.freeze(small_network(), frozen)
    before = [[np.array(weight) for weight in layer.weights] for layer in model.layers]
    model.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True), jit_compile=False)
    generator = np.random.default_rng(0)
    model.fit(generator.normal(3, 2, (8, 4, 4, 3)), np.arange(8) % 2, epochs=2, verbose=0)
    changed = [
        [not np.array_equal(old, new) for old, new in zip(weights, layer.weights, strict=True)]
        for weights, layer in zip(before, model.layers, strict=True)
    ]
    count = {"nothing": 0, "first 7 layers": 7, "backbone": 11, "backbone, Keras 2.3": 11}[frozen]
    assert not any(map(any, changed[:count]))
    assert all(map(all, changed[count:]))


def test_only_keras_2_3_normalises_frozen_layers_by_the_batch_while_training():
    images = np.random.default_rng(0).normal(3, 2, (8, 4, 4, 3)).astype(np.float32)
    found = {}
    for frozen in ("backbone", "backbone, Keras 2.3"):
        model = keras_applications.freeze(small_network(), frozen)
        found[frozen] = np.array_equal(model(images, training=True), model(images, training=False))
    assert found == {"backbone": True, "backbone, Keras 2.3": False}
