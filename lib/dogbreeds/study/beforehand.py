"""What is decided and announced before a study starts: choices that depend on this machine, and how long it takes."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from dogbreeds import downloads, models
from dogbreeds.data import stanford_dogs
from dogbreeds.errors import StudyError
from dogbreeds.models import pretrained
from dogbreeds.paths import from_here
from dogbreeds.training import duration
from dogbreeds.training.devices import ONE
from dogbreeds.training.jobs import Job
from dogbreeds.training.runs import SCRATCH, RunStore

if TYPE_CHECKING:
    from dogbreeds.study import Study

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
    if "imagenet" in weights and "weights" not in changes and not _available(architectures):
        weights = [SCRATCH]
    if "recipe" not in changes and torch.accelerator.is_available():
        recipe = recipe | _for_this_gpu(alternatives.get("recipe_on_gpu", {}))
    if "recipe" not in changes and weights == [SCRATCH]:
        recipe = recipe | alternatives.get("recipe_from_scratch", {})
    return {"weights": weights, "recipe": recipe}


def _for_this_gpu(recipe: dict) -> dict:
    bfloat16 = torch.cuda.is_available() and torch.cuda.is_bf16_supported(including_emulation=False)
    return {name: value for name, value in recipe.items() if name != "precision" or bfloat16}


def _available(architectures: list[str]) -> bool:
    """Whether the ImageNet weights of all networks are in the cache or on their server; says what is missing.

    Nothing is downloaded yet.
    """
    missing = []
    for architecture in architectures:
        file = pretrained.find("imagenet", architecture).file
        try:
            file.path.is_file() or downloads.size(file.url)
        except StudyError as error:
            without = f"training starts from scratch, without ImageNet weights of {models.TITLES[architecture]}"
            missing.append(f"{without}: {error}, or put the file at {from_here(file.path)}")
    for line in missing:
        _say(line)
    return not missing


def _say(line: str) -> None:
    print(f"dogbreeds: {line}", file=sys.stderr, flush=True)


def missing_files(study: "Study") -> list[downloads.Published]:
    """Returns the published files that a study needs and that are not there: archives of photos, and weights."""
    archives = stanford_dogs.ARCHIVES if study.photos == "stanford_dogs" else ()
    needed = () if stanford_dogs.location().is_dir() else archives
    needed = (*needed, *(weights.file for weights in study.published_weights()))
    return [file for file in dict.fromkeys(needed) if not file.path.exists()]


def listed(missing: list[downloads.Published]) -> list[str]:
    """One line per file with its size, address, hash and place, below a line with their number and size."""
    expected = [file.expected for file in missing]
    sizes = [size for *_, size in expected]
    known, unknown = sum(filter(None, sizes)) / 1e6, sizes.count(None)
    amount = ", ".join([f"{known:,.0f} MB"] * bool(known) + [f"{unknown} of unknown size"] * bool(unknown))
    lines = [
        f"  {file.name}: {f'{size / 1e6:,.1f} MB' if size else 'unknown size'}, {file.url}, {algorithm} {digest}"
        f"{'...' if len(digest) < 32 else ''}, to {from_here(file.path)}"
        for file, (algorithm, digest, size) in zip(missing, expected, strict=True)
    ]
    count = f"{len(missing)} file{'s' * (len(missing) > 1)}"
    return [f"{count} to download ({amount}); without a network, put them where these lines say:", *lines]


def fetch(study: "Study") -> None:
    """Downloads the published files that a study lacks, after saying which these are.

    Raises StudyError as `downloads.fetch` and `stanford_dogs.download` do.
    """
    missing = missing_files(study)
    for line in listed(missing) if missing else ():
        _say(line)
    if study.photos == "stanford_dogs":
        stanford_dogs.download()
    for weights in study.published_weights():
        pretrained.fetch(weights)  # checks files that are there too


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
