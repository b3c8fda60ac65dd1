"""The run store: one folder a training, `outputs/<profile>/runs/<run id>/`.

    run.json            what was trained, with what, how long it took, what came out
    history.csv         one row an epoch
    predictions.npz     photo paths, labels and logits of the validation and test photos; of a run with crop "box" also
                        the logits of the validation photos as they are without their boxes
    weights.safetensors what it predicted with: the weights of the best epoch (see Recipe.monitor), or of the last with
                        restore_best false, in PyTorch's layout, for either framework

A folder that carries a run's name is complete: it is filled under another name and renamed at the end. Until then that
other name holds what a training needs to go on (see `checkpoints`).
"""

import hashlib
import json
from dataclasses import asdict, dataclass, fields
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd
from jaxtyping import Float, Int

from dogbreeds import paths
from dogbreeds.errors import StudyError
from dogbreeds.models import TITLES, check_names, keras_backend
from dogbreeds.training.recipe import Recipe


@dataclass(frozen=True)
class RunConfig:
    """What makes two trainings the same one. Raises StudyError for an unknown network or framework."""

    architecture: str
    framework: str
    dataset: str
    fingerprint: str  # of the dataset: its photos, breeds and split
    breeds: tuple[str, ...]
    image_size: int  # pixels a side
    recipe: Recipe
    seed: int = 0
    crop: str = "centre"  # see pixels.CROPS
    weights: str = "scratch"  # what they are called: scratch, other-breeds, imagenet, a run or a file
    start: str = ""  # where they lie: nothing for scratch, a name of a published file, a run of the same store, a path
    start_fingerprint: str = ""  # of the bytes of a file, for a path says nothing of them
    backend: str = ""  # what Keras computes with: the one chosen here, where none is given; none for PyTorch

    def __post_init__(self):
        check_names(self.architecture, self.framework)
        backend = (self.backend or keras_backend.chosen()) if self.framework == "keras" else ""
        object.__setattr__(self, "backend", backend)

    @property
    def id(self) -> str:
        """Readable, plus a hash of everything above: `xception-keras-s0-3f9c1a520b7e`."""
        digest = hashlib.sha256(json.dumps(asdict(self), sort_keys=True).encode()).hexdigest()
        return f"{self.architecture}-{self.framework}-s{self.seed}-{digest[:12]}"


@dataclass(frozen=True)
class Run:
    """A finished training, read from its folder."""

    folder: Path

    @property
    def id(self) -> str:
        return self.folder.name

    @property
    def title(self) -> str:
        """The network, the framework and the start, unless from scratch: `Xception, Keras, other-breeds`."""
        start = "" if self.record["weights"] == "scratch" else f", {self.record['weights']}"
        return f"{TITLES[self.record['architecture']]}, {TITLES[self.record['framework']]}{start}"

    @property
    def weights(self) -> Path:
        """The file of its weights, which runs that are kept with the code do not have."""
        return self.folder / "weights.safetensors"

    @cached_property
    def record(self) -> dict:
        return json.loads((self.folder / "run.json").read_text())

    @property
    def config(self) -> RunConfig:
        """What was trained, as it was asked for."""
        values = {entry.name: self.record[entry.name] for entry in fields(RunConfig)}
        return RunConfig(**values | {"breeds": tuple(values["breeds"]), "recipe": Recipe(**values["recipe"])})

    @cached_property
    def history(self) -> pd.DataFrame:
        return pd.read_csv(self.folder / "history.csv")

    def logits(self, split: str = "test") -> Float[np.ndarray, "photos breeds"]:
        with np.load(self.folder / "predictions.npz") as arrays:
            return arrays[f"{split}_logits"]

    def labels(self, split: str = "test") -> Int[np.ndarray, " photos"]:
        with np.load(self.folder / "predictions.npz") as arrays:
            return arrays[f"{split}_labels"]

    def correct(self, split: str = "test") -> np.ndarray:
        """For each photo of the split whether the most likely breed is the right one."""
        return self.logits(split).argmax(axis=1) == self.labels(split)


def finished(store: Path, config: RunConfig) -> Run | None:
    """The finished run of `config` in a store, or None.

    Raises StudyError where the folder of its name holds another training.
    """
    run = Run(Path(store) / config.id)
    if not (run.folder / "run.json").is_file():
        return None
    if run.config != config:
        raise StudyError(f"{run.folder} holds another training than its name says: move it elsewhere")
    return run


def kept_with_the_code(config: RunConfig) -> Run | None:
    """The finished run of `config` in outputs/reference, which has no weights; None where there is none."""
    found = (finished(store, config) for store in sorted(paths.REFERENCE.glob("*/runs")))
    return next((run for run in found if run), None)


def results(folder: Path) -> pd.DataFrame:
    """One row a finished run under `folder`, with the fields of run.json that are single values and the recipe's.

    Columns of the recipe are called `recipe.<field>`.
    """
    finished = sorted(path.parent for path in Path(folder).glob("*/run.json") if path.parent.suffix != ".unfinished")
    rows = []
    for path in finished:
        record = Run(path).record
        recipe = {f"recipe.{name}": value for name, value in record["recipe"].items()}
        single = {name: value for name, value in record.items() if not isinstance(value, dict | list)}
        rows.append({"run": path.name} | single | recipe)
    return pd.DataFrame(rows)
