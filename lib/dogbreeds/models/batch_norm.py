"""Running statistics of batch normalisation: re-estimated in Keras, or converted in PyTorch to Keras' convention."""

from collections.abc import Iterable

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm


def reestimate_statistics(model, batches: Iterable):
    """Re-estimates the running means and variances of a Keras model as averages over `batches`, and returns it.

    `batches` yields (images, labels). Each batch is weighted by its size and should contain images of all breeds.
    Inference then uses the statistics that the trained weights produce, not moving averages that still contain part of
    the initial values. Each batch passes through the model once. The weights do not change, and neither do the
    statistics of layers that are not trainable.
    """
    layers = [layer for layer in model.layers if hasattr(layer, "moving_mean") and layer.trainable]
    momenta, seen = [layer.momentum for layer in layers], 0
    for images, _ in batches:
        seen += len(images)
        for layer in layers:
            layer.momentum = 1 - len(images) / seen  # the share that earlier batches keep
        model(images, training=True)
    for layer, momentum in zip(layers, momenta, strict=True):
        layer.momentum = momentum
    return model


def with_biased_variances(model: nn.Module, batch_size: int, image_size: int) -> nn.Module:
    """Converts every running variance of a PyTorch network to the biased variance of Keras, in place; returns it.

    Both frameworks normalise a training batch by the biased variance, the sum of squared deviations divided by n. Keras
    also averages the biased variance for inference; PyTorch averages the unbiased variance, divided by n - 1
    (`torch.nn.BatchNorm2d`). n is the number of values of one channel in a training batch: `batch_size` times the
    height times the width of the layer's feature maps for images of `image_size` by `image_size` pixels.
    """
    layers, counts = [layer for layer in model.modules() if isinstance(layer, _BatchNorm)], {}
    hooks = [
        layer.register_forward_hook(lambda layer, _, output: counts.update({layer: output.numel() // output.shape[1]}))
        for layer in layers
    ]
    was_training, first = model.training, next(model.parameters())
    with torch.no_grad():
        model.eval()(torch.zeros(batch_size, 3, image_size, image_size, device=first.device, dtype=first.dtype))
        for layer, hook in zip(layers, hooks, strict=True):
            hook.remove()
            layer.running_var *= 1 - 1 / counts[layer]
    return model.train(was_training)
