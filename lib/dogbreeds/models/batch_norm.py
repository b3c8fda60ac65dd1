"""The running statistics of batch normalisation: computed anew, or as the other framework keeps them."""

from collections.abc import Iterable
from functools import partial

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from dogbreeds.models.weight_conversion import is_keras


def reestimate_statistics(model, batches: Iterable):
    """Replaces every running mean and variance by its average over all photos of `batches`, and returns the model.

    `batches` yields (photos, labels) in the layout of the model's framework; each counts by its size, and each should
    hold all kinds of photos (`Batches.mixed`). What inference then uses is what the trained weights really produce, not
    what is left of a start that momentum has not yet forgotten. The photos pass once; the weights are not touched, nor
    is what `stages.hold_still` holds still.
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
    for photos, _ in batches:
        seen += len(photos)
        new = len(photos) / seen  # its share of all so far
        for layer in layers:
            layer.momentum = 1 - new if keras else new  # the share of the old in Keras, of the new in PyTorch
        with torch.no_grad():
            forward(photos)
    for layer, momentum in zip(layers, momenta, strict=True):
        layer.momentum = momentum
    return model if keras else model.train(was_training)


def with_biased_variances(model: nn.Module, batch_size: int, image_size: int) -> nn.Module:
    """The PyTorch network with every running variance as Keras would keep it, changed in place and returned.

    Of a batch both normalise by the mean square deviation, the sum divided by its n numbers. In the running average
    Keras keeps that, PyTorch the unbiased estimate, divided by n - 1 (`torch.nn.BatchNorm2d`). n is what one channel of
    a layer has in a training's batch: photos times height times width of its maps.
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
