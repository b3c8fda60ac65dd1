"""Positions of the dog breeds among the 1000 outputs of a network trained on ImageNet."""

import re

from dogbreeds.errors import StudyError

# Outputs of ImageNet's dogs, in the order of their WordNet ids: 151 to 268 and, after the wolves, the dingo, the dhole
# and the African hunting dog. They are the 120 breeds of Stanford Dogs and the Dalmatian.
DOGS = (*range(151, 269), 273, 274, 275)


def _normalise(name: str) -> str:
    return re.sub(r"[^a-z]+", " ", name.lower()).strip()


def outputs(breeds: tuple[str, ...]) -> list[int]:
    """Returns the ImageNet output of each breed, named as in Stanford Dogs; StudyError if ImageNet lacks a breed."""
    # Imported here: the import takes seconds, and most results do not need the ImageNet classifier.
    from torchvision.models import ResNet50_Weights

    categories = ResNet50_Weights.IMAGENET1K_V1.meta["categories"]
    known = {_normalise(categories[index]): index for index in DOGS}
    for breed in breeds:
        if _normalise(breed) not in known:
            raise StudyError(f"ImageNet has no output for '{breed}': its classifier cannot be evaluated on this breed")
    return [known[_normalise(breed)] for breed in breeds]
