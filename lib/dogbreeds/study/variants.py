"""Variants that the study trains in addition to its comparison: one network with a changed recipe."""

from dogbreeds.training.recipe import Recipe
from dogbreeds.translation import N_

BASELINE, FAILURE = ("xception", "keras"), ("resnet50", "keras")


def of_the_baseline(recipe: Recipe) -> dict[str, dict]:
    """Returns changes to the study's recipe by name: none, the training of 2020, a frozen block, a linear probe."""
    return {
        N_("controlled"): {},
        "deck_2020": {"preset": "deck_2020", "epochs": min(10, recipe.epochs)},
        N_("block 1 frozen"): {"freeze": "block1"},
        N_("linear probe"): {"freeze": "backbone", "augmentation": False},
    }


def of_the_failure() -> dict[str, dict]:
    """Returns changes that make ResNet50 fail: as in 2020 with rescaled colours, and with the colours it expects."""
    common = {"batch_norm": "momentum_0.01", "restore_best": False}
    return {kind: common | {"preprocessing": kind} for kind in ("rescaled", "expected")}


def of(recipe: Recipe) -> dict[tuple[str, str], dict[str, dict]]:
    """Returns all variants by network and framework."""
    return {BASELINE: of_the_baseline(recipe), FAILURE: of_the_failure()}
