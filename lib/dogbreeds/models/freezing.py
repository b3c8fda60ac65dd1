"""Stages, named the same in both frameworks, for freezing; and batch normalisation that stays still."""

import torch
from torch import nn

from dogbreeds.errors import StudyError
from dogbreeds.models import BATCH_NORM_POLICIES
from dogbreeds.models.weight_conversion import is_keras, module_names

_RESNET = ("stem", "layer1", "layer2", "layer3", "layer4")
# From the photo to the last feature maps. `block1` of Xception is the "first seven layers" of the 2020 study (the input
# and two convolutions, each with its normalisation and its ReLU).
STAGES = {
    "xception": tuple(f"block{number}" for number in range(1, 15)),
    "resnet50": _RESNET,
    "se_resnet50": _RESNET,
}
SLOW = 0.01  # how far the statistics move in a step under the policy "slow"


def stage_of(key: str) -> str:
    """The stage of a module or of a weight, by its name in PyTorch; the head is `fc`."""
    first = key.split(".")[0]
    return "stem" if first in ("conv1", "bn1") else first


def frozen_stages(architecture: str, freeze: str | None) -> tuple[str, ...]:
    """The stages that `freeze` holds still: none, all up to and including the one named, or all of the "backbone".

    Raises StudyError for a stage that the network does not have.
    """
    stages = STAGES[architecture]
    if freeze is None:
        return ()
    if freeze == "backbone":
        return stages
    if freeze not in stages:
        raise StudyError(f"unknown stage '{freeze}' of {architecture}: choose one of {', '.join(stages)}, backbone")
    return stages[: stages.index(freeze) + 1]


def hold_still(model, architecture: str, freeze: str | None = None, batch_norm: str = "adapt"):
    """Freezes stages and, with the policy "frozen", all batch normalisation of a model of either framework.

    With the policy "slow" the statistics of the others move less. What is frozen keeps its parameters and its
    statistics in every mode the model is put in: `requires_grad` alone would let the statistics move, and `train()`
    would undo an `eval()`. Returns the model.
    Raises StudyError for an unknown stage or policy.
    """
    if batch_norm not in BATCH_NORM_POLICIES:
        raise StudyError(f"unknown batch_norm '{batch_norm}': choose one of {', '.join(BATCH_NORM_POLICIES)}")
    still = frozen_stages(architecture, freeze)
    if not is_keras(model):
        return _hold_still_pytorch(model, still, batch_norm)
    for name, module in module_names(model).items():
        layer = model.get_layer(name)
        normalises = hasattr(layer, "moving_mean")
        if stage_of(module) in still or (normalises and batch_norm == "frozen"):
            layer.trainable = False  # Keras then also keeps the statistics
        elif normalises and batch_norm == "slow":
            layer.momentum = 1 - SLOW  # the share of the old
    return model


def _hold_still_pytorch(model: nn.Module, still: tuple[str, ...], batch_norm: str) -> nn.Module:
    for name, parameter in model.named_parameters():
        if stage_of(name) in still:
            parameter.requires_grad_(False)
    for name, module in list(model.named_modules()):
        if not isinstance(module, nn.BatchNorm2d):
            continue
        if batch_norm == "frozen" or stage_of(name) in still:
            parent, _, child = name.rpartition(".")
            setattr(model.get_submodule(parent), child, _frozen(module))
        elif batch_norm == "slow":
            module.momentum = SLOW  # the share of the new
    return model


def _frozen(module: nn.BatchNorm2d) -> nn.Module:
    from torchvision.ops import FrozenBatchNorm2d  # here: it takes seconds, and who reads runs builds no network

    frozen = FrozenBatchNorm2d(module.num_features, module.eps)
    with torch.no_grad():
        for name, buffer in frozen.named_buffers():
            buffer.copy_(getattr(module, name))
    return frozen
