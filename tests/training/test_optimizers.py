"""The recipe's optimisers update weights equally in both frameworks: rates, multipliers and decay."""

import os
import subprocess
import sys
from itertools import product
from pathlib import Path

import keras
import numpy as np
import pytest
import torch
from torch import nn

from dogbreeds.training import keras_trainer, pytorch_trainer
from dogbreeds.training.recipe import Recipe

STEPS = 7


class Network(nn.Module):
    """One backbone layer and the head."""

    def __init__(self):
        super().__init__()
        self.conv, self.fc = nn.Linear(3, 4), nn.Linear(4, 2)


def weights():
    generator = np.random.default_rng(0)
    shapes = {"conv.weight": (4, 3), "conv.bias": (4,), "fc.weight": (2, 4), "fc.bias": (2,)}
    return {name: generator.normal(size=shape).astype(np.float32) for name, shape in shapes.items()}


def gradients(step):
    generator = np.random.default_rng(step + 1)
    return {name: generator.normal(size=value.shape).astype(np.float32) for name, value in weights().items()}


def after_pytorch(recipe):
    network = Network()
    network.load_state_dict({name: torch.from_numpy(value) for name, value in weights().items()})
    module = pytorch_trainer.Classifier(network, recipe, STEPS, 0, {})
    optimizer = module.configure_optimizers()
    for step in range(STEPS):
        for name, parameter in network.named_parameters():
            parameter.grad = torch.from_numpy(gradients(step)[name])
        module.on_before_optimizer_step(optimizer)
        optimizer.step()
    return {name: parameter.detach().numpy() for name, parameter in network.named_parameters()}


def after_keras(recipe):
    names = {"conv.weight": "conv/kernel", "conv.bias": "conv/bias", "fc.weight": "fc/kernel", "fc.bias": "fc/bias"}
    layers = [keras.layers.Dense(4, name="conv"), keras.layers.Dense(2, name="fc")]
    model = keras.Sequential([keras.Input((3,)), *layers])
    variables = {"/".join(variable.path.split("/")[-2:]): variable for variable in model.trainable_variables}
    variables = {name: variables[path] for name, path in names.items()}
    for name, value in weights().items():
        variables[name].assign(value.T)
    optimizer = keras_trainer.optimizer(recipe, list(variables.values()), STEPS)
    for step in range(STEPS):
        optimizer.apply([keras.ops.convert_to_tensor(gradients(step)[name].T) for name in variables])
    return {name: variable.numpy().T for name, variable in variables.items()}


RECIPES = list(product(["adamw", "sgd"], [1.0, 0.1, 0.0], [0.0, 0.5]))


@pytest.mark.parametrize(("optimizer", "backbone_multiplier", "weight_decay"), RECIPES)
def test_both_frameworks_update_weights_equally(optimizer, backbone_multiplier, weight_decay):
    recipe = Recipe(
        optimizer=optimizer, backbone_multiplier=backbone_multiplier, weight_decay=weight_decay, learning_rate=0.1
    )
    pytorch, in_keras = after_pytorch(recipe), after_keras(recipe)
    for name, initial in weights().items():
        np.testing.assert_allclose(in_keras[name], pytorch[name], rtol=2e-5, atol=2e-6)
        assert np.array_equal(initial, pytorch[name]) == (backbone_multiplier == 0 and name.startswith("conv"))


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["torch", "jax"])
def test_both_frameworks_update_weights_equally_on_the_other_keras_backends(backend):
    """Runs the test above in a separate process. On PyTorch, Keras updates all variables at once."""
    script = f"import keras, test_optimizers as these; assert keras.backend.backend() == {backend!r}\n"
    script += "for recipe in these.RECIPES: these.test_both_frameworks_update_weights_equally(*recipe)"
    environment = os.environ | {"KERAS_BACKEND": backend}
    subprocess.run([sys.executable, "-c", script], cwd=Path(__file__).parent, env=environment, check=True)


@pytest.mark.parametrize("optimizer", ["adamw", "sgd"])
def test_weight_decay_excludes_biases(optimizer):
    plain, decayed = (after_pytorch(Recipe(optimizer=optimizer, weight_decay=decay)) for decay in (0.0, 0.5))
    same = {name: np.array_equal(plain[name], decayed[name]) for name in plain}
    assert same == {"conv.weight": False, "conv.bias": True, "fc.weight": False, "fc.bias": True}


def test_weight_decay_is_decoupled_for_adamw_and_not_for_sgd():
    """Without gradients, AdamW shrinks weights by rate times decay; in SGD the decay enters the momentum."""
    one = torch.ones(4, 3)
    for optimizer, expected in (("adamw", (1 - 0.01) ** 2), ("sgd", 0.99 - 0.1 * (0.9 * 0.1 + 0.1 * 0.99))):
        recipe = Recipe(optimizer=optimizer, weight_decay=0.1, learning_rate=0.1, warm_up=0.0, decay="constant")
        network = Network()
        nn.init.ones_(network.conv.weight)
        module = pytorch_trainer.Classifier(network, recipe, STEPS, 0, {})
        built = module.configure_optimizers()
        for _ in range(2):
            for parameter in network.parameters():
                parameter.grad = torch.zeros_like(parameter)
            module.on_before_optimizer_step(built)
            built.step()
        torch.testing.assert_close(network.conv.weight.detach(), one * expected)
