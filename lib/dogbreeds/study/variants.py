"""What the study trains besides its comparison: one network again and again, with one thing changed at a time."""

from dogbreeds.training.recipe import Recipe

BASELINE, FAILURE = ("xception", "keras"), ("resnet50", "keras")


def of_the_baseline(recipe: Recipe) -> dict[str, dict]:
    """Changes to the study's recipe, by name: none, the training of 2020, its frozen block, a linear probe."""
    return {
        "fair": {},
        "deck_2020": {"preset": "deck_2020", "epochs": min(10, recipe.epochs)},
        "block 1 frozen": {"freeze": "block1"},
        "head alone": {"freeze": "backbone", "augmentation": False},
    }


def of_the_failure() -> dict[str, dict]:
    """Changes with which ResNet50 fails as in 2020, and as it fails with the colours that it expects."""
    slow = {"batch_norm": "slow", "restore_best": False}
    return {kind: slow | {"preprocessing": kind} for kind in ("rescaled", "expected")}


def of(recipe: Recipe) -> dict[tuple[str, str], dict[str, dict]]:
    """All of them, by the network and the framework that they are trained in."""
    return {BASELINE: of_the_baseline(recipe), FAILURE: of_the_failure()}
