"""Re-estimated statistics are those of the given batches, and nothing else changes."""

import torch
from networks import photos, random_network

from dogbreeds import models
from dogbreeds.models import weight_conversion
from dogbreeds.models.batch_norm import reestimate_statistics


def weights(model):
    return {key: value.clone() for key, value in weight_conversion.read(model).items()}


def test_reestimated_statistics_are_batch_averages_and_weights_are_unchanged():
    model = random_network("resnet50")
    batches = [photos(size, 48, size) for size in (4, 4, 2)]  # each batch is weighted by its size
    before = weights(model)
    reestimate_statistics(model, [(batch, None) for batch in batches])
    after = weights(model)
    with torch.no_grad():
        first = [model.conv1(batch) for batch in batches]
    shares = [0.4, 0.4, 0.2]
    mean = sum(share * maps.mean(dim=(0, 2, 3)) for share, maps in zip(shares, first, strict=True))
    torch.testing.assert_close(after["bn1.running_mean"], mean)
    variance = sum(share * maps.var(dim=(0, 2, 3)) for share, maps in zip(shares, first, strict=True))
    torch.testing.assert_close(after["bn1.running_var"], variance, rtol=1e-4, atol=1e-6)
    unchanged = {key for key in before if torch.equal(before[key], after[key])}
    assert unchanged == {key for key in before if "running" not in key}
    assert {layer.momentum for layer in model.modules() if isinstance(layer, torch.nn.BatchNorm2d)} == {0.1}
    reestimate_statistics(model, [(batch, None) for batch in batches])
    assert all(torch.equal(value, after[key]) for key, value in weights(model).items())


def test_frozen_statistics_stay_frozen():
    model = models.build("resnet50", "pytorch", 3, freeze="layer1")
    before = weights(model)
    reestimate_statistics(model, [(photos(4, 48), None)])
    after = weights(model)
    assert torch.equal(after["layer1.0.bn1.running_mean"], before["layer1.0.bn1.running_mean"])
    assert not torch.equal(after["layer2.0.bn1.running_mean"], before["layer2.0.bn1.running_mean"])
