"""One optimiser step changes weights and running statistics equally in both frameworks.

In float64 the frameworks must agree up to rounding. In float32 a network of this depth amplifies the last bit, so the
difference between the frameworks is compared with that of one framework under last-bit perturbations.
"""

import functools
import os
import subprocess
import sys
from itertools import combinations

import keras
import pytest
import torch
from networks import channels_last, photos, random_network
from torch.nn import functional as F

from dogbreeds import models
from dogbreeds.models import weight_conversion
from dogbreeds.models.batch_norm import with_biased_variances

RATE, DECAY = 0.01, 0.05
BETAS = (1 - 2**-3, 1 - 2**-10)  # exact in float32, to which Keras converts them


def labels(batch):
    return torch.arange(len(batch)) % 7


def pytorch_optimizer(model, name):
    if name == "sgd":
        return torch.optim.SGD(model.parameters(), lr=RATE, momentum=0.9)
    # Keras adds epsilon before the bias correction of the second moment, PyTorch after it; this is for step 1.
    epsilon = 1e-7 / (1 - BETAS[1]) ** 0.5
    return torch.optim.AdamW(model.parameters(), lr=RATE, betas=BETAS, weight_decay=DECAY, eps=epsilon)


def keras_optimizer(name):
    if name == "sgd":
        return keras.optimizers.SGD(RATE, momentum=0.9)
    return keras.optimizers.AdamW(RATE, weight_decay=DECAY, beta_1=BETAS[0], beta_2=BETAS[1], epsilon=1e-7)


def after_pytorch_step(architecture, state, batch, optimizer_name, dtype):
    model = models.build(architecture, "pytorch", 7).to(dtype)
    weight_conversion.fill(model, state)
    optimizer = pytorch_optimizer(model.train(), optimizer_name)
    F.cross_entropy(model(batch.to(dtype)), labels(batch)).backward()
    optimizer.step()
    unbiased = {name: value.clone() for name, value in weight_conversion.read(model).items()}
    after = weight_conversion.read(with_biased_variances(model, len(batch), batch.shape[-1]))
    for name in [name for name in after if name.endswith("running_var")]:  # corrects only the part from this step
        after[name] += 0.9 * state[name] * (1 - after[name] / unbiased[name])
    return after


def after_keras_step(architecture, state, batch, optimizer_name, dtype):
    set_precision(str(dtype).removeprefix("torch."))
    try:
        model = weight_conversion.fill(models.build(architecture, "keras", 7), state)
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        eagerly = keras.backend.backend() != "jax"  # without a graph, JAX compiles every single operation
        model.compile(keras_optimizer(optimizer_name), loss, run_eagerly=eagerly)
        model.train_on_batch(channels_last(batch.to(dtype)), labels(batch).numpy())
        return weight_conversion.read(model)
    finally:
        set_precision("float32")


def set_precision(precision):
    keras.config.set_floatx(precision)
    keras.config.set_dtype_policy(precision)


def distance(first, second, state):
    """Returns the largest difference in any tensor, relative to the largest absolute value of that tensor."""
    return max(((first[key] - second[key]).abs().max() / max(first[key].abs().max(), 1e-30)).item() for key in state)


@pytest.mark.slow
@pytest.mark.parametrize("optimizer", ["sgd", "adamw"])
@pytest.mark.parametrize("architecture", models.ARCHITECTURES)
def test_float64_step_is_equal_in_both_frameworks(architecture, optimizer):
    compare_float64_steps(architecture, optimizer, tolerance=1e-8)


def compare_float64_steps(architecture, optimizer, tolerance):
    state = {key: value.double() for key, value in weight_conversion.read(random_network(architecture)).items()}
    batch = photos(6, 48, seed=1)
    pytorch = after_pytorch_step(architecture, state, batch, optimizer, torch.float64)
    keras_state = after_keras_step(architecture, state, batch, optimizer, torch.float64)
    assert keras_state["fc.weight"].dtype == torch.float64
    assert not any(torch.equal(pytorch[key], state[key]) for key in state)  # all have changed, statistics too
    assert distance(pytorch, keras_state, state) < tolerance


@pytest.mark.slow
def test_float64_step_is_equal_in_both_frameworks_on_jax():
    """As the test above, in a separate process and with the shallow network, which JAX compiles in seconds.

    On JAX, Keras rounds the momentum of batch normalisation to float32. AdamW would amplify this where a gradient is
    almost zero; test_optimizers compares the optimisers.
    """
    script = "import keras, shallow_networks, test_training_step as these; assert keras.backend.backend() == 'jax'\n"
    script += "shallow_networks.install('keras'); these.compare_float64_steps('resnet50', 'sgd', tolerance=1e-6)"
    environment = os.environ | {"KERAS_BACKEND": "jax", "JAX_ENABLE_X64": "1"}
    environment["PYTHONPATH"] = os.pathsep.join(sys.path)  # the folders of these tests and of their helpers
    subprocess.run([sys.executable, "-c", script], env=environment, check=True)


def perturbed(values, number):
    """Returns images or weights changed to random float32 neighbours; odd numbers invert all changes."""
    draws = torch.rand(values.shape, generator=torch.Generator().manual_seed(number // 2)) < 0.5
    return torch.nextafter(values, torch.where(draws ^ bool(number % 2), torch.inf, -torch.inf))


def spread(first, second, state):
    """Returns the distance between two results of a step relative to the step, over all weights and statistics."""
    difference = sum((first[key] - second[key]).double().square().sum() for key in state)
    change = sum((first[key] - state[key]).double().square().sum() for key in state)
    return (difference / change).sqrt().item()


@pytest.mark.slow
@pytest.mark.parametrize("architecture", models.ARCHITECTURES)
def test_float32_step_is_within_twice_the_spread_of_perturbed_steps(architecture):
    """Uses the optimiser of the study; the float64 test above compares the frameworks exactly.

    Keras differs from PyTorch about as much as PyTorch differs from itself when images and weights change in the last
    bit.

    Frameworks round in every layer, so the weights of every layer are perturbed. They also round in every operation,
    so on some processors Keras is a few per cent farther away than the farthest of the few perturbed steps; the limit
    is twice that distance. A fixed tolerance would prove nothing: if a perturbation moves a value across zero, a ReLU
    switches on or off. The batch is large enough for some values to be that close to zero.
    """
    state, batch = weight_conversion.read(random_network(architecture)), photos(16, 96, seed=1)
    step = functools.partial(after_pytorch_step, architecture, optimizer_name="adamw", dtype=torch.float32)
    pytorch = step(state, batch)
    keras_state = after_keras_step(architecture, state, batch, "adamw", torch.float32)
    neighbours = [pytorch]
    for number in range(5):
        weights = {key: perturbed(value, number) for key, value in state.items()}
        neighbours.append(step(weights, perturbed(batch, number)))
    farthest = max(spread(first, second, state) for first, second in combinations(neighbours, 2))
    assert 0 < spread(pytorch, keras_state, state) <= 2 * farthest
