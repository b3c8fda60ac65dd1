"""Re-estimated statistics are those of the given batches, and nothing else changes."""

import torch
from networks import channels_last, photos, random_network, twin

from dogbreeds import models
from dogbreeds.models import weight_conversion
from dogbreeds.models.batch_norm import reestimate_statistics


def test_reestimated_statistics_are_batch_averages_and_weights_are_unchanged():
    source = random_network("resnet50")
    batches = [photos(size, 48, size) for size in (4, 4, 2)]  # each batch is weighted by its size
    model = twin(source, "resnet50")
    before = {key: value.clone() for key, value in weight_conversion.read(model).items()}
    given = [(channels_last(batch), None) for batch in batches]
    after = weight_conversion.read(reestimate_statistics(model, given))
    with torch.no_grad():
        first = [source.conv1(batch) for batch in batches]
    shares = [0.4, 0.4, 0.2]
    mean = sum(share * maps.mean(dim=(0, 2, 3)) for share, maps in zip(shares, first, strict=True))
    torch.testing.assert_close(after["bn1.running_mean"], mean)
    variance = 0
    for share, maps in zip(shares, first, strict=True):
        variance += share * maps.var(dim=(0, 2, 3), correction=0)
    torch.testing.assert_close(after["bn1.running_var"], variance, rtol=1e-4, atol=1e-6)
    unchanged = {key for key in before if torch.equal(before[key], after[key])}
    assert unchanged == {key for key in before if "running" not in key}
    again = weight_conversion.read(reestimate_statistics(model, given))
    assert all(torch.equal(again[key], after[key]) for key in after)


def test_frozen_statistics_stay_frozen():
    model = models.build("resnet50", "keras", 3, freeze="layer1")
    before = {key: value.clone() for key, value in weight_conversion.read(model).items()}
    after = weight_conversion.read(reestimate_statistics(model, [(channels_last(photos(4, 48)), None)]))
    assert torch.equal(after["layer1.0.bn1.running_mean"], before["layer1.0.bn1.running_mean"])
    assert not torch.equal(after["layer2.0.bn1.running_mean"], before["layer2.0.bn1.running_mean"])
