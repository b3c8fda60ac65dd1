"""The run store: one folder per run, `outputs/<profile>/runs/<run id>/`.

    run.json            configuration, package versions, cost and accuracies
    history.csv         one row per epoch
    predictions.npz     photo paths, labels and logits of the validation and test photos; for a run with crop "box" also
                        the logits of the validation photos without their boxes
    weights.safetensors the weights of these predictions: of the best epoch (see Recipe.monitor), or of the last with
                        restore_best false; in PyTorch's layout for both frameworks

Run folders are atomic: a folder with a run's id is complete. It is filled under the name `<run id>.unfinished` and
renamed at the end. Until then it contains the checkpoints from which a training resumes (see `training_state`).
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
from dogbreeds.models import TITLES, check_names, keras_runtime
from dogbreeds.training.recipe import Recipe
from dogbreeds.translation import N_, _

SCRATCH, OTHER_BREEDS = N_("scratch"), N_("other-breeds")  # initial weights: random; learned on the other breeds


@dataclass(frozen=True)
class Initialisation:
    """The initial weights of a training: random by its seed, or learned from `source`.

    `kind` is "scratch", "other-breeds", "imagenet", another name of published weights, the id of a run or a file;
    `source` is the id of a run in the store, a name of published weights or a file. `fingerprint` is the SHA-256 of the
    weights file, unless it belongs to a run.
    """

    kind: str = SCRATCH
    source: str = ""
    fingerprint: str = ""


@dataclass(frozen=True)
class RunConfig:
    """What identifies a run. Raises StudyError if the network or the framework is unknown."""

    architecture: str
    framework: str
    dataset: str
    fingerprint: str  # of the dataset: its photos, breeds and split
    breeds: tuple[str, ...]
    image_size: int  # width and height in pixels
    recipe: Recipe
    seed: int = 0
    crop: str = "centre"  # see pixel_cache.CROPS
    initialisation: Initialisation = Initialisation()
    backend: str = ""  # backend of Keras: by default that of this process; empty for PyTorch

    def __post_init__(self):
        check_names(self.architecture, self.framework)
        backend = (self.backend or keras_runtime.backend()) if self.framework == "keras" else ""
        object.__setattr__(self, "backend", backend)

    @property
    def id(self) -> str:
        """A readable name with a hash of all fields: `xception-keras-s0-3f9c1a520b7e`."""
        digest = hashlib.sha256(json.dumps(asdict(self), sort_keys=True).encode()).hexdigest()
        return f"{self.architecture}-{self.framework}-s{self.seed}-{digest[:12]}"


@dataclass(frozen=True)
class Run:
    """A finished run, read from its folder."""

    folder: Path

    @property
    def id(self) -> str:
        return self.folder.name

    @property
    def initial_weights(self) -> str:
        """The kind of initial weights: scratch, other-breeds, imagenet, the id of a run or a file."""
        return self.record["initialisation"]["kind"]

    @property
    def choice(self) -> tuple[str, str, str]:
        """The titles of network and framework, and the kind of initial weights: what the study compares."""
        return TITLES[self.record["architecture"]], TITLES[self.record["framework"]], self.initial_weights

    @property
    def title(self) -> str:
        """The `choice` as text, without random initial weights: `Xception, Keras, other-breeds`."""
        return ", ".join(_(part) for part in self.choice if part != SCRATCH)

    @property
    def weights(self) -> Path:
        """The path of the weights file. Runs that are stored with the code have no such file."""
        return self.folder / "weights.safetensors"

    @cached_property
    def record(self) -> dict:
        return json.loads((self.folder / "run.json").read_text())

    @property
    def config(self) -> RunConfig:
        """The configuration that this run was trained with."""
        values = {entry.name: self.record[entry.name] for entry in fields(RunConfig)}
        values |= {"breeds": tuple(values["breeds"]), "recipe": Recipe(**values["recipe"])}
        return RunConfig(**values | {"initialisation": Initialisation(**values["initialisation"])})

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
        """Returns for each photo of the split whether its most likely breed is correct."""
        return self.logits(split).argmax(axis=1) == self.labels(split)


@dataclass(frozen=True)
class RunStore:
    """The finished runs in a folder; other modules ask it instead of looking for files."""

    folder: Path

    def open(self, run_id: str) -> Run | None:
        """Returns the finished run with this id, or None."""
        run = Run(Path(self.folder) / run_id)
        return run if (run.folder / "run.json").is_file() else None

    def finished(self, config: RunConfig) -> Run | None:
        """Returns the finished run of `config`, or None.

        Raises StudyError if the folder with its id contains a different run.
        """
        run = self.open(config.id)
        if run and run.config != config:
            raise StudyError(f"{run.folder} contains a different run than its name says: move it elsewhere")
        return run

    def runs(self) -> list[Run]:
        """Returns all finished runs, in the order of their ids."""
        files = sorted(Path(self.folder).glob("*/run.json"))
        return [Run(file.parent) for file in files if file.parent.suffix != ".unfinished"]

    def results(self) -> pd.DataFrame:
        """Returns one row per finished run, with the single values of run.json.

        The fields of recipe, initialisation and versions have columns such as `recipe.epochs`.
        """
        table = pd.json_normalize([{"run": run.id} | run.record for run in self.runs()])
        return table.drop(columns=["breeds", "left_out"], errors="ignore")


def reference_run(config: RunConfig) -> Run | None:
    """Returns the finished run of `config` in outputs/reference, without weights, or None."""
    found = (RunStore(folder).finished(config) for folder in sorted(paths.REFERENCE.glob("*/runs")))
    return next((run for run in found if run), None)
