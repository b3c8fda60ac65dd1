"""Running statistics of batch normalisation in PyTorch: re-estimated, or converted to the convention of Keras."""

from collections.abc import Iterable

import torch
from torch import Tensor, nn


@torch.no_grad()
def reestimate_statistics(model: nn.Module, batches: Iterable) -> None:
    """Re-estimates every running mean and variance as its average over `batches` (images, labels), in place.

    Each batch is weighted by its size and should contain images of all breeds (`Batches.mixed`). Inference then uses
    the statistics that the trained weights produce, not moving averages that still contain part of the initial values.
    Statistics that `freezing.freeze_layers` froze do not change. The model is in inference mode afterwards.
    """
    layers = [layer for layer in model.train().modules() if isinstance(layer, nn.BatchNorm2d)]
    momenta, seen = [layer.momentum for layer in layers], 0
    for images, _ in batches:
        seen += len(images)
        for layer in layers:
            layer.momentum = len(images) / seen  # the share of this batch in all images so far
        model(images)
    for layer, momentum in zip(layers, momenta, strict=True):
        layer.momentum = momentum
    model.eval()


@torch.no_grad()
def with_biased_variances(model: nn.Module, batch_size: int, image_size: int) -> nn.Module:
    """Converts every running variance to the biased variance of Keras, in place; returns the model in inference mode.

    Both frameworks normalise a training batch by the biased variance, the sum of squared deviations divided by n. Keras
    also averages the biased variance for inference; PyTorch averages the unbiased variance, divided by n - 1
    (`torch.nn.BatchNorm2d`). n is the number of values of one channel in a training batch: `batch_size` times the
    height times the width of the layer's feature maps for images of `image_size` by `image_size` pixels.
    """

    def convert(layer: nn.BatchNorm2d, _, maps: Tensor) -> None:
        layer.running_var *= 1 - 1 / (maps.numel() // maps.shape[1])

    hooks = [layer.register_forward_hook(convert) for layer in model.modules() if isinstance(layer, nn.BatchNorm2d)]
    weight = next(model.parameters())
    model.eval()(weight.new_zeros(batch_size, 3, image_size, image_size))
    for hook in hooks:
        hook.remove()
    return model
