"""Variants that the study trains in addition to its comparison: one network with a changed recipe.

A factor is a variant of all networks in both frameworks; the profile names it (`Study.factors`).
"""

from dogbreeds.errors import StudyError
from dogbreeds.models import freezing
from dogbreeds.training.recipe import Recipe
from dogbreeds.translation import N_

BASELINE, IN_PYTORCH = ("xception", "keras"), ("resnet50", "pytorch")


def of_the_baseline(recipe: Recipe) -> dict[str, dict]:
    """Returns changes to the study's recipe by name: none, the training of 2020, a frozen block, a linear probe."""
    return {
        N_("controlled"): {},
        "deck_2020": {"preset": "deck_2020", "epochs": min(10, recipe.epochs)},
        N_("block 1 frozen"): {"freeze": "block1"},
        N_("linear probe"): {"freeze": "backbone", "augmentation": False},
    }


def in_pytorch(recipe: Recipe) -> dict[str, dict]:
    """Returns the changes that 2020 wished for in PyTorch: partial fine-tuning, and early stopping that can act.

    Early stopping has four times the epochs of the recipe, a constant learning rate, and a patience of two epochs.
    """
    stopping = {"epochs": 4 * recipe.epochs, "patience": 2, "decay": "constant"}
    return {N_("controlled"): {}, N_("layer1 frozen"): {"freeze": "layer1"}, N_("early stopping"): stopping}


def of(recipe: Recipe) -> dict[tuple[str, str], dict[str, dict]]:
    """Returns all variants by network and framework."""
    return {BASELINE: of_the_baseline(recipe), IN_PYTORCH: in_pytorch(recipe)}


def check_factors(factors: dict[str, dict], recipe: dict, architectures: list[str]) -> None:
    """Raises StudyError that names the factor and the field if a factor is not a valid change of the recipe.

    A factor changes single fields. A preset would replace all of them, so a factor has none. `freeze` must name a stage
    of every network.
    """
    for name, changes in factors.items():
        if "preset" in changes:
            raise StudyError(f"factor '{name}' has the field 'preset', which replaces the recipe: name single fields")
        try:
            freeze = Recipe.of(recipe | changes).freeze
            for architecture in architectures:
                freezing.frozen_stages(architecture, freeze or None)
        except StudyError as error:
            raise StudyError(f"factor '{name}': {error}") from error
