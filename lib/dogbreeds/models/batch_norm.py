"""Running statistics of batch normalisation: re-estimated, or converted to the convention of Keras."""

from collections.abc import Iterable
from functools import partial

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from dogbreeds.models.weight_conversion import is_keras


def reestimate_statistics(model, batches: Iterable):
    """Re-estimates every running mean and variance as its average over `batches`, and returns the model.

    `batches` yields (images, labels) in the layout of the model's framework. Each batch is weighted by its size and
    should contain images of all breeds (`Batches.mixed`). Inference then uses the statistics that the trained weights
    produce, not moving averages that still contain part of the initial values. Each batch passes through the model
    once. The weights do not change, and neither do the statistics of layers that `freezing.freeze_layers` froze.
    """
    keras = is_keras(model)
    was_training = None if keras else model.training
    if keras:
        layers = [layer for layer in model.layers if hasattr(layer, "moving_mean") and layer.trainable]
    else:
        model.train()
        layers = [layer for layer in model.modules() if isinstance(layer, _BatchNorm) and layer.training]
    forward = partial(model, training=True) if keras else model
    momenta, seen = [layer.momentum for layer in layers], 0
    for images, _ in batches:
        seen += len(images)
        share = len(images) / seen  # of this batch in all images so far
        for layer in layers:
            layer.momentum = 1 - share if keras else share  # Keras weights the old statistics, PyTorch the new ones
        with torch.no_grad():
            forward(images)
    for layer, momentum in zip(layers, momenta, strict=True):
        layer.momentum = momentum
    return model if keras else model.train(was_training)


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
