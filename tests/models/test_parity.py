"""The same weights give the same logits and feature maps in both frameworks; conversion preserves every bit."""

import os
import subprocess
import sys

import keras
import networks
import numpy as np
import pytest
import torch
from networks import channels_last, photos, random_network, twin

from dogbreeds import models
from dogbreeds.analysis import activation_maps
from dogbreeds.models import freezing, weight_conversion

TOLERANCE = 1e-4  # relative to the standard deviation of the compared values


@pytest.fixture(scope="module", params=models.ARCHITECTURES)
def pair(request):
    """One architecture in both frameworks, with the same weights from `random_network`."""
    model = random_network(request.param)
    return request.param, model, twin(model, request.param)


@pytest.mark.parametrize("size", [224, 299, 97, 96])
def test_logits_are_equal_in_both_frameworks(pair, size):
    """97 gives odd feature maps in every stage; 96 gives even ones, which TensorFlow's SAME pads on one side only."""
    _, model, other = pair
    batch = photos(2, size)
    with torch.inference_mode():
        logits = model(batch).numpy()
    others = keras.ops.convert_to_numpy(other(channels_last(batch), training=False))
    assert np.abs(logits - others).max() < TOLERANCE * logits.std()


def test_feature_maps_of_every_stage_are_equal_in_both_frameworks(pair):
    architecture, model, other = pair
    batch = photos(2, 96)
    modules = {stage: "maxpool" if stage == "stem" else stage for stage in freezing.STAGES[architecture]}
    seen = activation_maps.activations(model, batch, list(modules.values()))
    kept = {stage: seen[name] for stage, name in modules.items()}
    outputs = keras_stage_outputs(other, architecture)
    maps = keras.Model(other.inputs[0], list(outputs.values()))(channels_last(batch), training=False)
    assert list(outputs) == list(kept)
    for (stage, expected), found in zip(kept.items(), maps, strict=True):
        found = keras.ops.convert_to_numpy(found).transpose(0, 3, 1, 2)
        assert found.shape == expected.shape, stage
        assert np.abs(found - expected.numpy()).max() < TOLERANCE * expected.std().item(), stage


def keras_stage_outputs(model, architecture):
    """Returns the output of the last layer of each stage."""
    if architecture != "xception":
        ends = {"stem": "maxpool", "layer1": "layer1_2_relu", "layer2": "layer2_3_relu"}
        ends |= {"layer3": "layer3_5_relu", "layer4": "layer4_2_relu"}
        return {stage: model.get_layer(layer).output for stage, layer in ends.items()}
    sums = [layer.output for layer in model.layers if isinstance(layer, keras.layers.Add)]
    first, last = model.get_layer("block1_conv2_act").output, model.get_layer("block14_sepconv2_act").output
    return dict(zip(freezing.STAGES["xception"], [first, *sums, last], strict=True))


def test_weight_conversion_round_trip_is_exact(pair):
    architecture, model, other = pair
    state = weight_conversion.read(model)
    back = weight_conversion.read(other)
    assert back.keys() == state.keys()
    assert all(torch.equal(back[key], value) for key, value in state.items())
    empty = models.build(architecture, "pytorch", 7)
    weight_conversion.fill(empty, back)
    returned = weight_conversion.read(empty)
    assert all(torch.equal(returned[key], value) for key, value in state.items())


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["torch", "jax"])
def test_networks_run_on_the_other_keras_backends(backend, tmp_path):
    """In a separate process without TensorFlow, the same weights give the same logits in both frameworks."""
    script = tmp_path / "backend.py"
    script.write_text(
        "import sys, keras, torch\n"
        "from dogbreeds import models\n"
        "from networks import channels_last, random_network, photos, twin\n"
        "for architecture in models.ARCHITECTURES:\n"
        "    model, batch = random_network(architecture), photos(2, 64)\n"
        "    others = keras.ops.convert_to_numpy(twin(model, architecture)(channels_last(batch), training=False))\n"
        "    logits = model(batch).detach().numpy()\n"
        "    assert abs(logits - others).max() < 1e-4 * logits.std(), architecture\n"
        f"assert keras.backend.backend() == {backend!r} and 'tensorflow' not in sys.modules\n"
    )
    environment = os.environ | {"KERAS_BACKEND": backend, "PYTHONPATH": os.path.dirname(networks.__file__)}
    subprocess.run([sys.executable, script], env=environment, check=True)
