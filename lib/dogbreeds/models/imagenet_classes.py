"""Where dog breeds sit among the 1000 outputs of a network trained on ImageNet."""

import re

from dogbreeds.errors import StudyError

# ImageNet's dogs by output, in the order of their WordNet ids: 151 to 268, and, after the wolves, the dingo, the dhole
# and the African hunting dog. 251 is the Dalmatian, which is not among the 120 breeds of Stanford Dogs.
DALMATIAN = 251
DOGS = tuple(index for index in (*range(151, 269), 273, 274, 275) if index != DALMATIAN)


def _plain(name: str) -> str:
    return re.sub(r"[^a-z]+", " ", name.lower()).strip()


def outputs(breeds: tuple[str, ...]) -> list[int]:
    """The output of each breed, named as in Stanford Dogs. Raises StudyError for one that ImageNet does not have."""
    from torchvision.models import ResNet50_Weights  # here: it takes seconds, and most results need no ImageNet head

    categories = ResNet50_Weights.IMAGENET1K_V1.meta["categories"]
    known = {_plain(categories[index]): index for index in (*DOGS, DALMATIAN)}
    for breed in breeds:
        if _plain(breed) not in known:
            raise StudyError(f"ImageNet has no output for '{breed}': an untouched ImageNet head cannot be scored on it")
    return [known[_plain(breed)] for breed in breeds]
