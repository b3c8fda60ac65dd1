"""What is settled and said before a study starts: the choices that depend on this machine, and how long it takes."""

import sys
from pathlib import Path
from urllib.parse import urlsplit

import torch

from dogbreeds import downloads, models
from dogbreeds.errors import StudyError
from dogbreeds.models import pretrained
from dogbreeds.paths import from_here
from dogbreeds.training import duration
from dogbreeds.training.devices import ONE
from dogbreeds.training.jobs import Job
from dogbreeds.training.runs import SCRATCH, RunStore

# The parameters of a profile that hold changes to its recipe: on a GPU, and where ImageNet weights cannot be had.
ALTERNATIVES = ("recipe_on_gpu", "recipe_from_scratch")


def settled(architectures: list[str], weights: list[str], recipe: dict, alternatives: dict, changes: dict) -> dict:
    """Returns the initial weights and the recipe of a profile that has `alternatives`, else an empty dictionary.

    On a GPU, "recipe_on_gpu" changes the recipe. If ImageNet's weights are neither in the cache nor on their server,
    the weights become "scratch", and one line on standard error says so. For scratch alone, "recipe_from_scratch"
    changes the recipe. Weights and recipes that are in `changes`, the choice of the user, stay as they are.
    """
    if not alternatives:
        return {}
    if "imagenet" in weights and "weights" not in changes and not all(list(map(_available, architectures))):
        weights = [SCRATCH]
    if "recipe" not in changes and torch.accelerator.is_available():
        recipe = recipe | alternatives.get("recipe_on_gpu", {})
    if "recipe" not in changes and weights == [SCRATCH]:
        recipe = recipe | alternatives.get("recipe_from_scratch", {})
    return {"weights": weights, "recipe": recipe}


def _available(architecture: str) -> bool:
    """Whether the ImageNet weights of a network are in the cache or on their server; says which."""
    entry, name = pretrained.find("imagenet", architecture), f"ImageNet weights of {models.TITLES[architecture]}"
    if entry.path.is_file():
        _say(f"{name}: {from_here(entry.path)}")
        return True
    try:
        size = downloads.size(entry.url)
    except StudyError as error:
        _say(f"training starts from scratch, without {name}: {error}, or put the file at {from_here(entry.path)}")
        return False
    amount = f"{size / 1e6:.0f} MB" if size else "a file of unknown size"
    _say(f"{name}: {amount} will be downloaded from {urlsplit(entry.url).netloc}")
    return True


def _say(line: str) -> None:
    print(f"dogbreeds: {line}", file=sys.stderr, flush=True)


def expected(jobs: list[Job], store: Path, at_once: int = 0) -> str:
    """Returns how long those of `jobs` that are not finished in `store` will train, as one line; measures a few steps.

    `at_once` of them train at the same time, by default as many as `capacity.shares` says. Returns an empty text if all
    are finished. Raises StudyError if a batch does not fit into memory.
    """
    missing = [job for job in jobs if not RunStore(store).finished(job.config)]
    if not missing:
        return ""
    minutes = max(1, round(duration.seconds(missing, store, at_once) / 60))
    count = f"{len(missing)} training{'s' if len(missing) > 1 else ''}"
    return f"expected: about {minutes} min for {count} on {ONE.of_this_process()}, and a few for the notebooks"
