"""What is decided and announced before a study starts: choices that depend on this machine, and how long it takes."""

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

    On a GPU, "recipe_on_gpu" changes the recipe; bfloat16 is left out if the GPU does not compute in it. If ImageNet's
    weights are neither in the cache nor on their server, the weights become "scratch", and one line on standard error
    says so. For scratch alone, "recipe_from_scratch" changes the recipe. Weights and recipes in `changes`, which the
    user chose, are kept.
    """
    if not alternatives:
        return {}
    if "imagenet" in weights and "weights" not in changes and not _announced(architectures):
        weights = [SCRATCH]
    if "recipe" not in changes and torch.accelerator.is_available():
        recipe = recipe | _for_this_gpu(alternatives.get("recipe_on_gpu", {}))
    if "recipe" not in changes and weights == [SCRATCH]:
        recipe = recipe | alternatives.get("recipe_from_scratch", {})
    return {"weights": weights, "recipe": recipe}


def _for_this_gpu(recipe: dict) -> dict:
    bfloat16 = torch.cuda.is_available() and torch.cuda.is_bf16_supported(including_emulation=False)
    return {name: value for name, value in recipe.items() if name != "precision" or bfloat16}


def _announced(architectures: list[str]) -> bool:
    """Whether the ImageNet weights of all networks are in the cache or on their server; says where, or what is missing.

    Nothing is downloaded yet.
    """
    found, missing = [], []
    for architecture in architectures:
        entry, name = pretrained.find("imagenet", architecture), f"ImageNet weights of {models.TITLES[architecture]}"
        if entry.path.is_file():
            found.append(f"{name}: {from_here(entry.path)}")
            continue
        try:
            size = downloads.size(entry.url)
            amount = f"{size / 1e6:.0f} MB" if size else "a file of unknown size"
            found.append(f"{name}: {amount} will be downloaded from {urlsplit(entry.url).netloc}")
        except StudyError as error:
            remedy = f"{error}, or put the file at {from_here(entry.path)}"
            missing.append(f"training starts from scratch, without {name}: {remedy}")
    for line in missing or found:
        _say(line)
    return not missing


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
    return f"expected: about {minutes} min for {count} on {ONE.of_this_process()}, plus a few minutes for the notebooks"
