"""Complexity of the networks, compared with published values and with measurements."""

import pytest

from dogbreeds import models
from dogbreeds.models import complexity

# Billions of multiply-adds per image. torchvision's documentation gives 4.09 for ResNet50 at 224 pixels; Hu et al.
# (table 2) give 3.86 and 3.87 for ResNet-50 and SE-ResNet-50 with the stride in the 1x1 convolution; timm's results
# give 8.4 for Xception at 299 pixels.
PUBLISHED = {("resnet50", 224): 4.09, ("xception", 299): 8.4}


@pytest.mark.parametrize(("architecture", "size"), PUBLISHED)
def test_multiply_adds_match_published_values(architecture, size):
    assert complexity.multiply_adds(architecture, size) / 1e9 == pytest.approx(PUBLISHED[architecture, size], abs=0.05)


def test_squeeze_and_excitation_adds_parameters_but_few_multiply_adds():
    assert complexity.squeeze_excitation_parameters() == 28_071_976 - 25_557_032
    ratio = complexity.multiply_adds("se_resnet50", 224) / complexity.multiply_adds("resnet50", 224)
    assert 1 < ratio < 1.01


@pytest.mark.parametrize("architecture", models.ARCHITECTURES)
def test_estimated_activation_memory_matches_the_measured_one(architecture):
    estimate = complexity.activation_bytes(architecture, 64, batch_size=2)
    assert complexity.activation_bytes(architecture, 64, batch_size=4) == pytest.approx(2 * estimate, rel=0.01)
    assert complexity.measured_activation_bytes(architecture, 64, batch_size=2) == pytest.approx(estimate, rel=0.1)
