"""Real training steps keep every bit of the frozen parameters and statistics and change all others."""

import functools

import keras
import pytest
import torch
from networks import channels_last, photos
from torch.nn import functional as F

from dogbreeds import models
from dogbreeds.errors import StudyError
from dogbreeds.models import freezing, weight_conversion

LABELS = torch.tensor([0, 1, 2, 1, 0, 2])


def steps(model, count=3):
    """Runs `count` steps of SGD with momentum in training mode."""
    batch = photos(6, 48)
    if isinstance(model, torch.nn.Module):
        optimizer = torch.optim.SGD([p for p in model.parameters() if p.requires_grad], 0.05, momentum=0.9)
        for _ in range(count):
            model.train()
            optimizer.zero_grad()
            F.cross_entropy(model(batch), LABELS).backward()
            optimizer.step()
        return
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.SGD(0.05, momentum=0.9), loss, run_eagerly=True)
    for _ in range(count):
        model.train_on_batch(channels_last(batch), LABELS.numpy())


def is_statistic(key):
    return "running" in key


@pytest.mark.slow
@pytest.mark.parametrize("framework", models.FRAMEWORKS)
@pytest.mark.parametrize(
    ("architecture", "freeze", "batch_norm"),
    [
        ("xception", "block1", "momentum_0.1"),
        ("xception", "block13", "frozen"),
        ("resnet50", "layer2", "momentum_0.1"),
        ("resnet50", None, "frozen"),
        ("se_resnet50", "stem", "frozen"),
        ("se_resnet50", "backbone", "momentum_0.1"),
    ],
)
def test_training_changes_exactly_the_unfrozen_tensors(framework, architecture, freeze, batch_norm):
    model = models.build(architecture, framework, 3, freeze=freeze, batch_norm=batch_norm)
    # With `zero_init_residual`, most weights of a residual branch get no gradient in the first step. The test therefore
    # uses other initial weights.
    state = weight_conversion.read(model)
    generator = torch.Generator().manual_seed(0)
    perturbed = {k: v + 0.1 * torch.rand(v.shape, generator=generator) if v.ndim == 1 else v for k, v in state.items()}
    before = {key: value.clone() for key, value in perturbed.items()}
    steps(weight_conversion.fill(model, perturbed))
    after = weight_conversion.read(model)
    frozen = set(freezing.frozen_stages(architecture, freeze))
    normalisations = {key.rpartition(".")[0] for key in before if is_statistic(key)}
    expected = {
        key
        for key in before
        if freezing.stage_of(key) in frozen or (batch_norm == "frozen" and key.rpartition(".")[0] in normalisations)
    }
    assert {key for key, value in after.items() if torch.equal(value, before[key])} == expected
    assert (len(expected) > 0) == (freeze is not None or batch_norm == "frozen")


@pytest.mark.slow
@pytest.mark.parametrize("framework", models.FRAMEWORKS)
def test_momentum_scales_the_update_of_the_running_statistics(framework):
    """One step from the same initial weights moves the first running mean 0.1 or 0.01 of the way to the batch mean."""
    means = {}
    for policy in ("momentum_0.1", "momentum_0.01"):
        model = models.build("resnet50", framework, 3, batch_norm=policy)
        state = {key: torch.zeros_like(v) if key == "bn1.running_mean" else v for key, v in state_of(framework).items()}
        steps(weight_conversion.fill(model, state), count=1)
        means[policy] = weight_conversion.read(model)["bn1.running_mean"]
    torch.testing.assert_close(means["momentum_0.01"], means["momentum_0.1"] / 10)
    assert means["momentum_0.01"].abs().max() > 0


@functools.cache
def state_of(framework):
    return weight_conversion.read(models.build("resnet50", framework, 3))


@pytest.mark.parametrize("architecture", models.ARCHITECTURES)
def test_both_frameworks_have_the_same_stages_and_head(architecture):
    keys = [weight_conversion.read(models.build(architecture, framework, 3)) for framework in models.FRAMEWORKS]
    for names in keys:
        assert {freezing.stage_of(key) for key in names} == {*freezing.STAGES[architecture], "fc"}


def test_block1_of_xception_is_the_first_seven_layers():
    """The 2020 study froze these: the input, then twice a convolution, its batch normalisation and its ReLU."""
    model = models.build("xception", "keras", 3)
    names = [layer.name for layer in model.layers[:7]]
    assert names[1:] == [f"block1_conv{n}{step}" for n in (1, 2) for step in ("", "_bn", "_act")]
    first = {names for names in weight_conversion.module_names(model).values() if freezing.stage_of(names) == "block1"}
    assert first == {"block1.0", "block1.1", "block1.3", "block1.4"}


def trainable_modules(model):
    """The names in PyTorch of all modules with trainable parameters."""
    if isinstance(model, torch.nn.Module):
        return {name.rpartition(".")[0] for name, weight in model.named_parameters() if weight.requires_grad}
    return {name for layer, name in weight_conversion.module_names(model).items() if model.get_layer(layer).trainable}


@pytest.mark.parametrize("framework", models.FRAMEWORKS)
@pytest.mark.parametrize(
    ("architecture", "stage"), [("xception", "block1"), ("resnet50", "stem"), ("se_resnet50", "stem")]
)
def test_first_freezes_exactly_the_first_stage_of_each_network(framework, architecture, stage):
    frozen, free = (models.build(architecture, framework, 3, freeze=freeze) for freeze in ("first", None))
    assert freezing.frozen_stages(architecture, "first") == (stage,)
    stopped = trainable_modules(free) - trainable_modules(frozen)
    assert stopped == {name for name in trainable_modules(free) if freezing.stage_of(name) == stage}
    assert stopped
    assert trainable_modules(frozen) < trainable_modules(free)


def test_freezing_includes_the_named_stage():
    assert freezing.frozen_stages("resnet50", None) == ()
    assert freezing.frozen_stages("resnet50", "layer2") == ("stem", "layer1", "layer2")
    assert freezing.frozen_stages("resnet50", "backbone") == ("stem", "layer1", "layer2", "layer3", "layer4")


@pytest.mark.parametrize("options", [{"freeze": "block1"}, {"freeze": "fc"}, {"batch_norm": "still"}])
def test_an_unknown_stage_or_policy_is_refused(options):
    with pytest.raises(StudyError, match=r"unknown (stage|batch_norm) '.*: choose one of"):
        models.build("resnet50", "pytorch", 3, **options)
