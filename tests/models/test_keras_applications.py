"""The networks of 2020: what they receive, and what each way of freezing keeps while a training step runs."""

import numpy as np
import pytest
import small_applications
from published_files import save_legacy

from dogbreeds.errors import StudyError
from dogbreeds.models import keras_applications, keras_runtime, pretrained
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
    xception, resnet50 = (keras_applications.build(name, 3, 71) for name in ("xception", "resnet50"))
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


@pytest.mark.slow
def test_resnet50_has_every_weight_of_the_published_file(mirror, checksums):
    """The layout is that of the file without the classifier; the size of the images does not change the weights."""
    source = keras.applications.ResNet50(include_top=False, weights=None, input_shape=(224, 224, 3))
    generator = np.random.default_rng(0)
    source.set_weights([generator.normal(size=weight.shape).astype(np.float32) for weight in source.weights])
    entry = pretrained.OF_KERAS_APPLICATIONS["resnet50"]
    save_legacy(source, mirror / entry.file.name)
    checksums(mirror / entry.file.name)
    model = keras_applications.build("resnet50", 3, 48, pretrained.fetch(entry))
    layers = {layer.name: layer.get_weights() for layer in model.layers if layer.weights}
    compared = [
        np.array_equal(*pair)
        for layer in source.layers
        if layer.weights
        for pair in zip(layer.get_weights(), layers.pop(layer.name), strict=True)
    ]
    assert len(compared) == 318
    assert all(compared)
    assert [layer[0].shape for layer in layers.values()] == [(2048, 3)]  # the classifier


@pytest.mark.parametrize("damage", ["truncated", "empty", "fewer layers", "other shapes", "not HDF5"])
def test_a_file_that_does_not_match_is_refused_in_one_line(tmp_path, monkeypatch, damage):
    small_applications.replace(monkeypatch.setattr)
    file, model = tmp_path / "notop.h5", small_applications.random_backbone()
    if damage == "fewer layers":
        model = keras.Model(model.input, model.layers[1].output)
    if damage == "other shapes":
        model = keras.Sequential(
            [keras.Input((32, 32, 3)), keras.layers.Conv2D(5, 3), keras.layers.BatchNormalization()]
        )
    save_legacy(model, file)
    content = file.read_bytes()
    cut = {"truncated": content[: len(content) // 2], "empty": b"", "not HDF5": b"<html>not found</html>"}
    file.write_bytes(cut.get(damage, content))
    with pytest.raises(StudyError) as refusal:
        keras_applications.build("resnet50", 2, 32, file)
    assert str(refusal.value).startswith(f"{file} does not match ResNet50 of keras.applications, or is broken (")
    assert str(refusal.value).endswith("): use the pinned Keras, or another file")
    assert "\n" not in str(refusal.value)
