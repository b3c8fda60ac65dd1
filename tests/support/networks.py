"""Networks whose weights and statistics differ clearly from the initial ones; the model tests share them."""

from pathlib import Path

import numpy as np
import torch

from dogbreeds import models
from dogbreeds.models import weight_conversion, weight_files


def random_network(architecture: str, num_classes: int = 7, **options) -> torch.nn.Module:
    """Returns a PyTorch network with randomly changed weights and the running statistics of a random batch."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = models.build(architecture, "pytorch", num_classes, **options)
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.ndim == 1:
                parameter.add_(0.2 * torch.rand(parameter.shape, generator=generator))
            else:
                parameter.mul_(1 + 0.2 * torch.randn(parameter.shape, generator=generator))
        for module in model.modules():
            if isinstance(module, torch.nn.BatchNorm2d):
                module.momentum = 1.0
        model.train()(photos(8, 64))
        for module in model.modules():
            if isinstance(module, torch.nn.BatchNorm2d):
                module.momentum = 0.1
    return model.eval()


def twin(model: torch.nn.Module, architecture: str, num_classes: int = 7, **options):
    """Returns the Keras network with the same weights."""
    return weight_conversion.fill(
        models.build(architecture, "keras", num_classes, **options), weight_conversion.read(model)
    )


def save(model, path: Path, breeds: tuple[str, ...] = ()) -> Path:
    """Writes the weights of a Keras or PyTorch model to a safetensors file."""
    path.write_bytes(weight_files.to_bytes(weight_conversion.read(model), breeds))
    return path


def photos(count: int, size: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(count, 3, size, size, generator=torch.Generator().manual_seed(seed))


def channels_last(maps: torch.Tensor) -> np.ndarray:
    return np.ascontiguousarray(maps.numpy().transpose(0, 2, 3, 1))
