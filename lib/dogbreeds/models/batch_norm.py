"""Statistics of batch normalisation computed anew, with the weights left as they are."""

from collections.abc import Iterable

from torch.optim.swa_utils import update_bn

from dogbreeds.models.porting import is_keras


def reestimate_statistics(model, batches: Iterable):
    """Replaces every running mean and variance by the plain average over `batches`, and returns the model.

    `batches` yields (photos, labels) in the layout of the model's framework. What inference then uses is what the
    trained weights really produce, not what is left of a start that momentum has not yet forgotten. The photos pass
    once; the weights are not touched, nor is what `stages.hold_still` holds still.
    """
    if not is_keras(model):
        was_training = model.training
        update_bn(batches, model)
        return model.train(was_training)
    layers = [layer for layer in model.layers if hasattr(layer, "moving_mean") and layer.trainable]
    momenta = [layer.momentum for layer in layers]
    for seen, (photos, _) in enumerate(batches):
        for layer in layers:
            layer.momentum = seen / (seen + 1)  # the share of the old: a running average of all batches so far
        model(photos, training=True)
    for layer, momentum in zip(layers, momenta, strict=True):
        layer.momentum = momentum
    return model
