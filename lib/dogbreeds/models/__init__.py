"""Three network architectures, each in Keras and in PyTorch: `build(architecture, framework, num_classes)`."""

import math
from importlib import import_module
from pathlib import Path

from dogbreeds.models.names import (
    ARCHITECTURES as ARCHITECTURES,
    BATCH_NORM_POLICIES as BATCH_NORM_POLICIES,
    FRAMEWORKS as FRAMEWORKS,
    PREPROCESSINGS as PREPROCESSINGS,
    TITLES as TITLES,
    check_names as check_names,
    preprocessing as preprocessing,
)

_PYTORCH = {
    "xception": ("dogbreeds.models.xception", "Xception", {}),
    "resnet50": ("torchvision.models", "resnet50", {"zero_init_residual": True}),  # see keras_networks
    "se_resnet50": ("dogbreeds.models.se_resnet", "se_resnet50", {}),
}


def build(
    architecture: str,
    framework: str,
    num_classes: int,
    weights: str | Path | None = None,
    freeze: str | None = None,
    batch_norm: str = "momentum_0.1",
):
    """Returns a network that maps images to logits of shape `[batch, num_classes]`.

    The input shape is `[batch, 3, height, width]` in PyTorch and `[batch, height, width, 3]` in Keras. `weights` is
    None for random initial weights, "imagenet", a name in `pretrained.PUBLISHED`, or a file (see `weight_files.load`).
    For `freeze` and `batch_norm` see `freezing.freeze_layers`. Raises StudyError if a name is unknown or if the weights
    do not match the network.
    """
    # Imported here, so that code that needs only the names does not wait for torch.
    from dogbreeds.models import freezing, weight_files

    check_names(architecture, framework)
    if framework == "keras":
        module, function, options = "dogbreeds.models.keras_networks", architecture, {}
    else:
        module, function, options = _PYTORCH[architecture]
    model = getattr(import_module(module), function)(num_classes=num_classes, **options)
    if weights is not None:
        weight_files.load(model, architecture, weights)
    return freezing.freeze_layers(model, architecture, freeze, batch_norm)


def count_parameters(model) -> int:
    """Returns the number of trainable parameters of a Keras or PyTorch model."""
    from dogbreeds.models.weight_conversion import is_keras

    if is_keras(model):
        return sum(math.prod(variable.shape) for variable in model.trainable_variables)
    return sum(parameter.numel() for parameter in model.parameters() if parameter.requires_grad)
