"""The 120 breeds of Stanford Dogs among the outputs of an ImageNet classifier."""

import pytest
from torchvision.models import ResNet50_Weights

from dogbreeds.errors import StudyError
from dogbreeds.models import imagenet_classes

CATEGORIES = ResNet50_Weights.IMAGENET1K_V1.meta["categories"]


def test_121_outputs_are_dogs_with_dalmatian_and_without_wolves():
    assert len(set(imagenet_classes.DOGS)) == 121
    names = [CATEGORIES[index] for index in imagenet_classes.DOGS]
    assert (names[0], names[-4], names[-1]) == ("Chihuahua", "Mexican hairless", "African hunting dog")
    assert "dalmatian" in names
    assert not {"timber wolf", "sea lion", "hyena"} & set(names)


def test_outputs_are_found_by_stanford_dogs_names():
    breeds = ("Chihuahua", "German_shepherd", "Shih-Tzu", "Cardigan", "flat-coated_retriever", "African_hunting_dog")
    assert imagenet_classes.outputs(breeds) == [151, 235, 155, 264, 205, 275]


def test_breed_missing_from_imagenet_is_refused():
    with pytest.raises(StudyError, match="no output for 'labradoodle'"):
        imagenet_classes.outputs(("labradoodle",))
