"""Variants that the study trains in addition to its comparison: one network with a changed recipe."""

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
