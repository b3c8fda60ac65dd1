"""What every notebook starts from: `Study` turns a notebook's parameters into photos, pixels, runs and figures."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from io import BytesIO
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from dogbreeds import models, paths
from dogbreeds.data import datasets, pixel_cache
from dogbreeds.data.datasets import Dataset
from dogbreeds.errors import StudyError
from dogbreeds.models import weight_files
from dogbreeds.study import variants
from dogbreeds.training import inference, provenance, trainer
from dogbreeds.training.devices import ONE, Devices
from dogbreeds.training.jobs import Job
from dogbreeds.training.parallel import train_all
from dogbreeds.training.recipe import Recipe, changed
from dogbreeds.training.runs import Run, RunConfig, finished, kept_with_the_code


@dataclass(frozen=True)
class Study:
    """The parameters of a profile, and what follows from them.

    Raises StudyError for photos that cannot be used and for a recipe field that is unknown or out of range.
    """

    profile: str
    photos: str = "drawn_dogs"
    breeds: list[str] = field(default_factory=list)
    photos_per_breed: int = 0  # 0 for all
    image_size: int = 64
    recipe: dict = field(default_factory=dict)
    seeds: list[int] = field(default_factory=lambda: [0])
    crop: str = "centre"  # see pixels.CROPS
    leave_out_broken: bool = False  # photos that cannot be decoded are left out and named; else they stop the study
    weights: list[str] = field(default_factory=lambda: ["scratch"])  # start weights to compare, see weights_of
    source_recipe: dict = field(default_factory=dict)  # what the weights of other breeds are trained with
    test_drawings_per_breed: int = 0  # of drawn dogs so many more, all for the test; 0 splits as photographs are split
    split_seed: int = 0  # draws the split, which is the same for all seeds: its luck is in no interval
    out: Path | None = None  # the folder of runs, where it is not outputs/<profile>/runs; no parameter of a notebook

    @property
    def folder(self) -> Path:
        return paths.outputs() / self.profile

    @cached_property
    def dataset(self) -> Dataset:
        return self._load(breeds=self.breeds, test_drawings_per_breed=self.test_drawings_per_breed)

    @cached_property
    def other_breeds(self) -> Dataset:
        """All breeds that are not the study's, without near-duplicates of the study's photos."""
        return self._load(other_than=self.dataset)

    def _load(self, **which) -> Dataset:
        options = {"split_seed": self.split_seed, "leave_out_broken": self.leave_out_broken}
        return datasets.load(self.photos, photos_per_breed=self.photos_per_breed or None, **options, **which)

    def elsewhere(self, count: int = 200) -> tuple[str, np.ndarray]:
        """At most so many pictures of dogs that are of none of the study's breeds, and what they are.

        Photos of the other breeds that their own training kept for its test, where there are such breeds; else drawn
        dogs. If no run of the study trains on other drawn dogs, a few of each breed are drawn for this.
        """
        try:
            if self.photos == "drawn_dogs" and "other-breeds" not in self.weights:
                others = datasets.load("drawn_dogs", [], 20, other_than=self.dataset)
                rows = np.arange(len(others.photos))
            else:
                others = self.other_breeds
                rows = others.rows("test")
        except StudyError:  # all breeds are the study's
            others = datasets.load("drawn_dogs", [], 40)
            rows = others.rows("test")
        chosen = rows[np.unique(np.linspace(0, len(rows) - 1, count).astype(int))]
        return f"{others.kind} of other breeds", pixel_cache.load(others, self.image_size, self.crop)[chosen]

    def answers_elsewhere(self, run: Run) -> tuple[str, np.ndarray]:
        """What the pictures of `elsewhere` are, and the logits of a run for them; measured once, see `measured`."""

        def measure() -> dict[str, np.ndarray]:
            kind, pictures = self.elsewhere()
            return {"kind": np.array(kind), "logits": inference.logits(run, pictures)}

        answers = self.measured("elsewhere", [run], measure)
        return str(answers["kind"]), answers["logits"]

    @cached_property
    def pixels(self) -> np.ndarray:
        return pixel_cache.load(self.dataset, self.image_size, self.crop)

    @property
    def store(self) -> Path:
        return self.out or self.folder / "runs"

    def config(
        self, architecture: str, framework: str, seed: int, weights: str = "scratch", recipe: dict | None = None
    ) -> RunConfig:
        """What identifies a training. `weights` is what it starts from:

        "scratch"; "other-breeds", a run in PyTorch on all breeds that are not the study's, of the same network and
        seed; "imagenet" or another name of published weights; a run of the store; a file. Raises StudyError for others.
        `recipe` takes the place of the study's.
        """
        models.check_names(architecture, framework)  # this and the recipe before any dog is drawn
        recipe, start = Recipe.of(self.recipe if recipe is None else recipe), {}
        if weights == "other-breeds":
            start = {"start": self.source_config(architecture, seed).id}
        elif (self.store / weights / "run.json").is_file():
            start = {"start": weights}
        elif weights != "scratch":
            file = weight_files.locate(weights, architecture)
            start = {"start": weights, "start_fingerprint": hashlib.sha256(file.read_bytes()).hexdigest()}
        return self._config(self.dataset, architecture, framework, recipe, seed, weights, **start)

    def source_config(self, architecture: str, seed: int) -> RunConfig:
        """The training that "other-breeds" starts from: an ordinary run, in PyTorch, used by both frameworks.

        Each seed has its own: a source that all shared would lend them its luck, which no interval over seeds holds.
        """
        return self._config(self.other_breeds, architecture, "pytorch", Recipe.of(self.source_recipe), seed, "scratch")

    def _config(self, dataset, architecture, framework, recipe, seed, weights, **start) -> RunConfig:
        which = (architecture, framework, dataset.name, dataset.fingerprint, dataset.breeds)
        return RunConfig(*which, self.image_size, recipe, seed, self.crop, weights, **start)

    def finished(self, config: RunConfig) -> Run | None:
        """The run of `config`: this study's own, else the one kept with the code, which has no weights; or None."""
        return finished(self.store, config) or kept_with_the_code(config)

    def run(self, architecture: str, framework: str, seed: int | None = None, weights: str | None = None) -> Run:
        """The finished run of this network in this framework, trained now if there is none."""
        which = (architecture, framework, self.seeds[0] if seed is None else seed, weights or self.weights[0])
        return self._finished_or_trained([self.config(*which)])[0]

    def with_weights(self, run: Run) -> Run:
        """The same run with its weights; one that is kept without them is trained again, into a folder of its own.

        There it does not take the place of the one that is kept.
        """
        if run.weights.is_file():
            return run
        return train_all(self._jobs([run.config]), self.store.parent / "trained_again")[-1]

    def runs(self) -> list[Run]:
        """The runs of all networks, frameworks, seeds and start weights of the study; what is missing is trained."""
        return self._finished_or_trained(self.configs())

    def configs(self) -> list[RunConfig]:
        """Of all `runs`; the trainings that they start from are not among them."""
        return [self.config(*which) for which in self._compared()]

    def plan(self) -> list[Job]:
        """All trainings of the notebooks, in their order, each after the one that its initial weights come from."""
        varied = [
            self.config(*which, self.seeds[0], self.weights[-1], changed(self.recipe, changes))
            for which, recipes in variants.of(Recipe.of(self.recipe)).items()
            for changes in recipes.values()
        ]
        return self._jobs([*self.configs(), *varied])

    def _jobs(self, configs: list[RunConfig]) -> list[Job]:
        learned = dict.fromkeys((each.architecture, each.seed) for each in configs if each.weights == "other-breeds")
        sources = [Job(self.source_config(*which), self.other_breeds) for which in learned]
        jobs = [*sources, *(Job(config, self.dataset) for config in configs)]
        return list({job.id: job for job in jobs}.values())

    def _compared(self) -> list[tuple]:
        """Seed by seed, so that a study that is stopped has whole comparisons."""
        wanted = product(self.seeds, models.ARCHITECTURES, models.FRAMEWORKS, self.weights)
        return [(architecture, framework, seed, start) for seed, architecture, framework, start in wanted]

    def variants(self, architecture: str, framework: str, weights: str, recipes: dict[str, dict]) -> dict[str, Run]:
        """Runs of one network, at the first seed, by their names in `recipes`: what each changes of the study's."""
        which = (architecture, framework, self.seeds[0], weights)
        configs = [self.config(*which, changed(self.recipe, changes)) for changes in recipes.values()]
        return dict(zip(recipes, self._finished_or_trained(configs), strict=True))

    def _finished_or_trained(self, configs: list[RunConfig]) -> list[Run]:
        missing = [config for config in configs if not self.finished(config)]
        if missing:
            train_all(self._jobs(missing), self.store)
        return [self.finished(config) for config in configs]

    def measured(self, name: str, runs: list[Run], measure: Callable[[], dict[str, np.ndarray]]) -> dict:
        """The arrays of `measure()`, which takes the trained networks of `runs`; measured once, then kept.

        They lie beside the store of those runs, so that what was measured with runs that are kept with the code is
        there without their weights.
        """
        digest = hashlib.sha256(" ".join(run.id for run in runs).encode()).hexdigest()[:12]
        places = [
            folder / "arrays" / f"{name}-{digest}.npz" for folder in (runs[0].folder.parents[1], self.store.parent)
        ]
        for file in places:
            if file.is_file():
                with np.load(file) as arrays:
                    return dict(arrays)
        arrays, content = measure(), BytesIO()
        np.savez_compressed(content, **arrays)
        places[-1].parent.mkdir(parents=True, exist_ok=True)
        paths.write_whole(places[-1], content.getvalue())
        return arrays

    def train_here(self, architecture: str, framework: str, seed: int, weights: str, devices: Devices = ONE) -> Run:
        """One training in this process, with all its processors, or as one of several on as many devices."""
        config = self.config(architecture, framework, seed, weights)
        if weights == "other-breeds":
            trainer.train(self.source_config(architecture, seed), self.other_breeds, self.store)
        return trainer.train(config, self.dataset, self.store, devices=devices)

    def save(self, name: str, figure: Figure) -> Figure:
        """Keeps a figure as figures/<name>.png and .svg, and hands it back to be shown."""
        figures = self.folder / "figures"
        figures.mkdir(parents=True, exist_ok=True)
        figure.savefig(figures / f"{name}.png", dpi=150)
        figure.savefig(figures / f"{name}.svg")
        return figure

    def save_table(self, name: str, table: pd.DataFrame) -> pd.DataFrame:
        """Keeps a table as tables/<name>.csv, in full precision, and hands it back to be shown."""
        folder = self.folder / "tables"
        folder.mkdir(parents=True, exist_ok=True)
        table.to_csv(folder / f"{name}.csv", index=not isinstance(table.index, pd.RangeIndex))
        return table

    def read_table(self, name: str) -> pd.DataFrame:
        """A table that a notebook kept; raises StudyError where it has not run yet."""
        file = self.folder / "tables" / f"{name}.csv"
        if not file.is_file():
            raise StudyError(f"{file} is missing: run the study of profile {self.profile} first")
        return pd.read_csv(file)


def print_versions(*packages: str) -> None:
    """One line a package, also of one that a GPU image does without; `nbval` ignores it."""
    found = provenance.installed(packages)
    for package in packages:
        print(package, found.get(package, "is not installed"))
