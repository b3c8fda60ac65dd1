"""The networks match the published ones; `test_parity` compares the two frameworks on the same weights."""

import keras
import numpy as np
import pytest
import torch

from dogbreeds import models
from dogbreeds.errors import StudyError
from dogbreeds.models.se_resnet import SEModule
from dogbreeds.models.xception import max_pool_same

PARAMETERS = {"xception": 22_855_952, "resnet50": 25_557_032, "se_resnet50": 28_071_976}


@pytest.mark.parametrize("framework", models.FRAMEWORKS)
@pytest.mark.parametrize("architecture", models.ARCHITECTURES)
def test_parameter_counts_match_published_values(architecture, framework):
    assert models.count_parameters(models.build(architecture, framework, 1000)) == PARAMETERS[architecture]


@pytest.mark.parametrize("framework", models.FRAMEWORKS)
@pytest.mark.parametrize("architecture", models.ARCHITECTURES)
def test_networks_return_logits_for_any_image_size(architecture, framework):
    model = models.build(architecture, framework, 7)
    photos = np.random.default_rng(0).normal(size=(2, 49, 38, 3)).astype(np.float32)
    if framework == "keras":
        logits = keras.ops.convert_to_numpy(model(photos, training=False))
    else:
        logits = model.eval()(torch.from_numpy(photos.transpose(0, 3, 1, 2))).detach().numpy()
    assert logits.shape == (2, 7)
    assert np.isfinite(logits).all()
    assert not np.isclose(logits.sum(axis=1), 1).any()  # no softmax


@pytest.mark.parametrize("size", [(8, 8), (7, 9), (6, 5), (1, 2)])
def test_max_pool_same_pads_as_in_tensorflow(size):
    maps = np.random.default_rng(0).normal(size=(1, 2, *size)).astype(np.float32)
    pooled = max_pool_same(torch.from_numpy(maps)).numpy()
    expected = keras.ops.max_pool(maps.transpose(0, 2, 3, 1), 3, 2, padding="same")
    np.testing.assert_array_equal(pooled, keras.ops.convert_to_numpy(expected).transpose(0, 3, 1, 2))


def test_squeeze_and_excitation_scales_whole_channels():
    maps = torch.randn(2, 32, 5, 4)
    scaled = SEModule(32)(maps)
    factors = (scaled / maps).mean(dim=(2, 3), keepdim=True)
    torch.testing.assert_close(scaled, maps * factors)
    assert ((factors > 0) & (factors < 1)).all()


def test_se_resnet50_keys_match_the_published_checkpoint():
    keys = models.build("se_resnet50", "pytorch", 1000).state_dict().keys()
    extra = keys - models.build("resnet50", "pytorch", 1000).state_dict().keys()
    blocks = [(layer, block) for layer, blocks in enumerate((3, 4, 6, 3), 1) for block in range(blocks)]
    assert extra == {f"layer{layer}.{block}.se.fc.{n}.weight" for layer, block in blocks for n in (0, 2)}


def test_batch_norm_settings_are_equal_in_both_frameworks():
    for architecture in models.ARCHITECTURES:
        pytorch = [m for m in models.build(architecture, "pytorch", 2).modules() if isinstance(m, torch.nn.BatchNorm2d)]
        keras_layers = models.build(architecture, "keras", 2).layers
        keras_batch_norms = [layer for layer in keras_layers if isinstance(layer, keras.layers.BatchNormalization)]
        assert len(pytorch) == len(keras_batch_norms)
        assert {round(1 - m.momentum, 6) for m in pytorch} == {layer.momentum for layer in keras_batch_norms} == {0.9}
        assert {m.eps for m in pytorch} == {layer.epsilon for layer in keras_batch_norms}


@pytest.mark.parametrize(("architecture", "framework"), [("vgg16", "keras"), ("xception", "caffe")])
def test_an_unknown_name_is_refused(architecture, framework):
    with pytest.raises(StudyError, match=r"unknown (network 'vgg16'|framework 'caffe'): choose one of"):
        models.build(architecture, framework, 2)
