"""Freezing of stages and of batch normalisation; the stages have the same names in both frameworks."""

from torch import nn

from dogbreeds.errors import StudyError
from dogbreeds.models.names import BATCH_NORM_POLICIES
from dogbreeds.models.weight_conversion import is_keras, module_names

_RESNET = ("stem", "layer1", "layer2", "layer3", "layer4")
# From the input to the last feature maps.
STAGES = {"xception": tuple(f"block{n}" for n in range(1, 15)), "resnet50": _RESNET, "se_resnet50": _RESNET}
LOW_MOMENTUM = 0.01  # weight of each batch in the running statistics under the policy "momentum_0.01"


def stage_of(key: str) -> str:
    """Returns the stage of a module or weight from its name in PyTorch; the stage of the head is `fc`."""
    first = key.split(".")[0]
    return "stem" if first in ("conv1", "bn1") else first


def frozen_stages(architecture: str, freeze: str | None) -> tuple[str, ...]:
    """Returns the stages that `freeze` selects: none for None, all for "backbone", else all up to and including it.

    "first" is the first stage of any network: `block1` of Xception, `stem` of the ResNets (the layers before the first
    residual unit). These are the "first 7 layers" of the 2020 study, see `keras_applications.freeze`. Raises StudyError
    if the network has no such stage.
    """
    stages = STAGES[architecture]
    if freeze is None:
        return ()
    if freeze == "backbone":
        return stages
    if freeze == "first":
        return stages[:1]
    if freeze not in stages:
        known = ", ".join([*stages, "first", "backbone"])
        raise StudyError(f"unknown stage '{freeze}' of {architecture}: choose one of {known}")
    return stages[: stages.index(freeze) + 1]


def freeze_layers(model, architecture: str, freeze: str | None, batch_norm: str):
    """Freezes stages of a Keras or PyTorch model, sets its batch normalisation policy, and returns the model.

    For `freeze` see `frozen_stages`. `batch_norm` is one of BATCH_NORM_POLICIES; "frozen" freezes all batch
    normalisation layers of the model. A frozen layer keeps its parameters and its running statistics in training mode
    too: `requires_grad = False` alone would still update the statistics, and `train()` would undo an `eval()`. Raises
    StudyError if the stage or the policy is unknown.
    """
    if batch_norm not in BATCH_NORM_POLICIES:
        raise StudyError(f"unknown batch_norm '{batch_norm}': choose one of {', '.join(BATCH_NORM_POLICIES)}")
    stages = frozen_stages(architecture, freeze)
    if not is_keras(model):
        return _freeze_pytorch(model, stages, batch_norm)
    for name, module in module_names(model).items():
        layer = model.get_layer(name)
        normalises = hasattr(layer, "moving_mean")
        if stage_of(module) in stages or (normalises and batch_norm == "frozen"):
            layer.trainable = False  # in Keras, this also freezes the running statistics
        elif normalises and batch_norm == "momentum_0.01":
            layer.momentum = 1 - LOW_MOMENTUM  # Keras' momentum is the weight of the old statistics
    return model


def _freeze_pytorch(model: nn.Module, stages: tuple[str, ...], batch_norm: str) -> nn.Module:
    for name, parameter in model.named_parameters():
        if stage_of(name) in stages:
            parameter.requires_grad_(False)
    for name, module in list(model.named_modules()):
        if not isinstance(module, nn.BatchNorm2d):
            continue
        if batch_norm == "frozen" or stage_of(name) in stages:
            parent, _, child = name.rpartition(".")
            setattr(model.get_submodule(parent), child, _frozen(module))
        elif batch_norm == "momentum_0.01":
            module.momentum = LOW_MOMENTUM
    return model


def _frozen(module: nn.BatchNorm2d) -> nn.Module:
    # Imported here: the import takes seconds, and not every caller freezes a layer.
    from torchvision.ops import FrozenBatchNorm2d

    frozen = FrozenBatchNorm2d(module.num_features, module.eps)
    frozen.load_state_dict(module.state_dict())
    return frozen
