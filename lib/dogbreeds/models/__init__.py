"""The three networks, each in two frameworks: `build(architecture, framework, num_classes)`."""

import math
from importlib import import_module
from pathlib import Path

from dogbreeds.errors import StudyError

ARCHITECTURES = ("xception", "resnet50", "se_resnet50")
FRAMEWORKS = ("keras", "pytorch")
# Statistics that follow the batches, a tenth of the way a step; a hundredth, Keras' default, which in a short training
# leaves them near where they started; or not at all.
BATCH_NORM_POLICIES = ("adapt", "slow", "frozen")
TITLES = {
    "xception": "Xception",
    "resnet50": "ResNet50",
    "se_resnet50": "SE-ResNet50",
    "keras": "Keras",
    "pytorch": "PyTorch",
}
_PYTORCH = {
    "xception": ("dogbreeds.models.xception", "Xception"),
    "resnet50": ("torchvision.models", "resnet50"),
    "se_resnet50": ("dogbreeds.models.se_resnet", "se_resnet50"),
}

# Mean and standard deviation of each colour channel in 0 to 1, as the published weights of each network expect them.
PREPROCESSING = {
    "xception": ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5)),
    "resnet50": ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
    "se_resnet50": ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
}
# Colours as the network expects them, or only brought to 0 to 1, whatever the network (`rescale=1/255` in Keras).
PREPROCESSINGS = ("expected", "rescaled")


def preprocessing(architecture: str, kind: str = "expected") -> tuple[tuple, tuple]:
    """Mean and standard deviation, of each colour channel in 0 to 1, that are taken from and divide a photo."""
    return PREPROCESSING[architecture] if kind == "expected" else ((0.0, 0.0, 0.0), (1.0, 1.0, 1.0))


def check_names(architecture: str, framework: str) -> None:
    """Raises StudyError for a network or a framework that the study does not have."""
    for kind, name, known in (("network", architecture, ARCHITECTURES), ("framework", framework, FRAMEWORKS)):
        if name not in known:
            raise StudyError(f"unknown {kind} '{name}': choose one of {', '.join(known)}")


def build(
    architecture: str,
    framework: str,
    num_classes: int,
    weights: str | Path | None = None,
    freeze: str | None = None,
    batch_norm: str = "adapt",
):
    """A network that maps photos to logits.

    PyTorch: `[batch, 3, height, width]` to `[batch, num_classes]`; Keras: `[batch, height, width, 3]` likewise.
    `weights`: None for a random start, "imagenet", a name in `published.PUBLISHED`, or a file (see `weights.read`);
    a head with another number of classes starts at random. `freeze` and `batch_norm`: see `stages.hold_still`.
    Only the framework asked for is imported. Raises StudyError for an unknown name and for weights that do not fit.
    """
    from dogbreeds.models import (
        freezing,  # here: who only needs the names above need not wait for torch
        weight_files,
    )

    check_names(architecture, framework)
    options = {"num_classes": num_classes}
    if framework == "keras":
        module, function = "dogbreeds.models.keras_networks", architecture
    else:
        module, function = _PYTORCH[architecture]
    if (architecture, framework) == ("resnet50", "pytorch"):
        options["zero_init_residual"] = True  # see keras_networks
    model = getattr(import_module(module), function)(**options)
    if weights is not None:
        weight_files.load(model, architecture, weights)
    return freezing.hold_still(model, architecture, freeze, batch_norm)


def count_parameters(model) -> int:
    """Trainable parameters of a model of either framework."""
    if hasattr(model, "trainable_variables"):
        return sum(math.prod(variable.shape) for variable in model.trainable_variables)
    return sum(parameter.numel() for parameter in model.parameters() if parameter.requires_grad)
