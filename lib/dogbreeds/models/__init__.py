"""Three network architectures, each in Keras and in PyTorch: `build(architecture, framework, num_classes)`."""

import math
from importlib import import_module
from pathlib import Path

from dogbreeds.errors import StudyError

ARCHITECTURES = ("xception", "resnet50", "se_resnet50")
FRAMEWORKS = ("keras", "pytorch")
# Momentum of the running statistics, in PyTorch's convention (the weight of the new batch): 0.1 is PyTorch's default
# (0.9 in Keras' convention); 0.01 is Keras' default (0.99 in its convention) and leaves the statistics near their
# initial values in a short training; "frozen" keeps the statistics and the parameters constant.
BATCH_NORM_POLICIES = ("momentum_0.1", "momentum_0.01", "frozen")
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

# Mean and standard deviation of each colour channel, in 0 to 1, as the published weights of each network expect them.
PREPROCESSING = {
    "xception": ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5)),
    "resnet50": ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
    "se_resnet50": ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
}
# "expected": normalised as the network's published weights expect; "rescaled": only divided by 255 for every network
# (`rescale=1/255` in Keras).
PREPROCESSINGS = ("expected", "rescaled")


def preprocessing(architecture: str, kind: str = "expected") -> tuple[tuple, tuple]:
    """Returns the mean and standard deviation that normalise each colour channel: (value - mean) / standard deviation.

    The values are in 0 to 1. `kind` is one of PREPROCESSINGS; "rescaled" gives mean 0 and standard deviation 1.
    """
    return PREPROCESSING[architecture] if kind == "expected" else ((0.0, 0.0, 0.0), (1.0, 1.0, 1.0))


def check_names(architecture: str, framework: str) -> None:
    """Raises StudyError if the study does not include the network or the framework."""
    for kind, name, known in (("network", architecture, ARCHITECTURES), ("framework", framework, FRAMEWORKS)):
        if name not in known:
            raise StudyError(f"unknown {kind} '{name}': choose one of {', '.join(known)}")


def build(
    architecture: str,
    framework: str,
    num_classes: int,
    weights: str | Path | None = None,
    freeze: str | None = None,
    batch_norm: str = "momentum_0.1",
):
    """Returns a network that maps images to logits.

    The input shape is `[batch, 3, height, width]` in PyTorch and `[batch, height, width, 3]` in Keras; the output shape
    is `[batch, num_classes]` in both. `weights` is None for random initial weights, "imagenet", a name in
    `pretrained.PUBLISHED`, or a file (see `weight_files.read`). If the weights have a head for another number of
    classes, the new head is initialised randomly. For `freeze` and `batch_norm` see `freezing.freeze_layers`.
    Keras is imported only if the framework or the weights file needs it.

    Raises StudyError if a name is unknown or if the weights do not match the network.
    """
    # Imported here, so that code that needs only the constants above does not wait for torch.
    from dogbreeds.models import freezing, weight_files

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
    return freezing.freeze_layers(model, architecture, freeze, batch_norm)


def count_parameters(model) -> int:
    """Returns the number of trainable parameters of a Keras or PyTorch model."""
    if hasattr(model, "trainable_variables"):
        return sum(math.prod(variable.shape) for variable in model.trainable_variables)
    return sum(parameter.numel() for parameter in model.parameters() if parameter.requires_grad)
