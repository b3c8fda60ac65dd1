"""What every notebook starts from: `Study` turns a notebook's parameters into photos, pixels, runs and figures."""

from dataclasses import dataclass, field
from functools import cached_property
from importlib import metadata
from itertools import product
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from dogbreeds import datasets, models, paths, pixels
from dogbreeds.datasets import Dataset
from dogbreeds.recipe import Recipe
from dogbreeds.runs import Run, RunConfig
from dogbreeds.training import train_all


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

    @property
    def folder(self) -> Path:
        return paths.outputs() / self.profile

    @cached_property
    def dataset(self) -> Dataset:
        return datasets.load(
            self.photos, self.breeds, self.photos_per_breed or None, leave_out_broken=self.leave_out_broken
        )

    @cached_property
    def pixels(self) -> np.ndarray:
        return pixels.load(self.dataset, self.image_size, self.crop)

    def config(self, architecture: str, framework: str, seed: int) -> RunConfig:
        models.check_names(architecture, framework)  # before any dog is drawn
        dataset = self.dataset
        return RunConfig(
            architecture,
            framework,
            dataset.name,
            dataset.fingerprint,
            dataset.breeds,
            self.image_size,
            Recipe.of(self.recipe),
            seed,
            self.crop,
        )

    def run(self, architecture: str, framework: str, seed: int | None = None) -> Run:
        """The finished run of this network in this framework, trained now if it is not there yet."""
        config = self.config(architecture, framework, self.seeds[0] if seed is None else seed)
        return train_all([config], self.dataset, self.folder / "runs")[0]

    def runs(self) -> list[Run]:
        """The runs of all networks, frameworks and seeds of the study; those not finished yet are trained now."""
        wanted = product(models.ARCHITECTURES, models.FRAMEWORKS, self.seeds)
        return train_all([self.config(*which) for which in wanted], self.dataset, self.folder / "runs")

    def save(self, name: str, figure: Figure) -> Figure:
        """Keeps a figure as figures/<name>.png and hands it back to be shown."""
        figures = self.folder / "figures"
        figures.mkdir(parents=True, exist_ok=True)
        figure.savefig(figures / f"{name}.png", dpi=150)
        return figure


def print_versions(*packages: str) -> None:
    """One line a package; `nbval` ignores it."""
    for package in packages:
        print(f"{package} {metadata.version(package)}")
