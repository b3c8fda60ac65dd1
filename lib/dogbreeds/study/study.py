"""`Study`: turns the parameters of a notebook into photos, pixels, runs and figures. Every notebook starts with it."""

import hashlib
from collections.abc import Callable
from dataclasses import fields, replace
from functools import cached_property
from itertools import chain, islice, product
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
import pandas as pd
from IPython.display import HTML
from matplotlib.figure import Figure
from pydantic import ConfigDict, Field, NonNegativeInt, PositiveInt, ValidationError, model_validator
from pydantic.dataclasses import dataclass

from dogbreeds import figures, files, models, paths
from dogbreeds.analysis import claims_2020, deployment, imagenet_leakage
from dogbreeds.data import datasets, layouts, pixel_cache
from dogbreeds.data.datasets import Dataset
from dogbreeds.errors import StudyError, first_problem
from dogbreeds.models import pretrained, weight_files
from dogbreeds.study import beforehand, profiles, variants, widgets
from dogbreeds.training import inference, provenance, trainer
from dogbreeds.training.devices import ONE, Devices
from dogbreeds.training.failure_settings import Settings
from dogbreeds.training.jobs import Job
from dogbreeds.training.parallel import train_all
from dogbreeds.training.recipe import Recipe, changed
from dogbreeds.training.runs import OTHER_BREEDS, SCRATCH, Initialisation, Run, RunConfig, RunStore, reference_run
from dogbreeds.translation import _

TEST_PHOTOS = "test photos"  # the column of saved tables that says whether networks have seen these photos before
# What trainings are for; a factor is named by the profile.
COMPARISON, VARIANTS = "comparison", "variants of notebooks 02 and 04"


@dataclass(frozen=True, config=ConfigDict(strict=True, extra="forbid"))
class Study:
    """The parameters of a profile, with methods for the data, runs and outputs that they define.

    Raises ValidationError if a parameter has the wrong type or is out of range; `from_profile` names it in one line.
    The methods raise StudyError if the photos cannot be used or if a recipe field is unknown or out of range.
    """

    profile: str
    photos: str = "drawn_dogs"
    breeds: list[str] = Field(default_factory=list)
    photos_per_breed: NonNegativeInt = 0  # 0 uses all photos
    image_size: PositiveInt = 64  # pixels per side
    recipe: dict = Field(default_factory=dict)
    seeds: Annotated[list[NonNegativeInt], Field(min_length=1)] = Field(default_factory=lambda: [0])
    architectures: Annotated[list[Literal[models.ARCHITECTURES]], Field(min_length=1)] = Field(
        default_factory=lambda: list(models.ARCHITECTURES)
    )
    frameworks: Annotated[list[Literal[models.FRAMEWORKS]], Field(min_length=1)] = Field(
        default_factory=lambda: list(models.FRAMEWORKS)
    )
    crop: Literal[pixel_cache.CROPS] = "centre"
    labels: str = ""  # a table with the breed of each photo; empty: labels.csv, if the folder has one
    breed_from: Literal[layouts.BREED_FROM] = "folder"  # or "filename", such as pug_12.jpg
    leave_out_small: bool = False  # report and skip breeds with too few photos, instead of stopping the study
    leave_out_broken: bool = False  # report and skip photos that cannot be decoded, instead of stopping the study
    weights: Annotated[list[str], Field(min_length=1)] = Field(default_factory=lambda: [SCRATCH])  # initial weights
    source_recipe: dict = Field(default_factory=dict)  # recipe of the trainings that provide the "other-breeds" weights
    # Changes to the recipe by name; a full comparison trains each for every network, framework and seed, see
    # `factor_runs`.
    factors: dict[str, dict] = Field(default_factory=dict)
    test_drawings_per_breed: NonNegativeInt = 0  # extra drawings per breed, the size of its test split; 0: none
    failure_2020: dict = Field(default_factory=dict)  # trainings of notebook 02, see `failure_files`; empty: none
    split_seed: NonNegativeInt = 0  # draws the split, which all seeds share: no interval includes its variation
    out: Path | None = None  # folder of runs, by default outputs/<profile>/runs; not a parameter of the notebooks

    @model_validator(mode="after")
    def _each_name_once(self):
        for name in ("architectures", "frameworks"):
            if len(set(getattr(self, name))) < len(getattr(self, name)):
                raise ValueError(f"'{name}' must list each name once")
        return self

    @classmethod
    def from_profile(cls, profile: str = "sample", photos: str = "", /, **changes) -> "Study":
        """Returns the study of a profile; see `profiles.read` for `photos` and `changes`.

        If the profile has alternatives for this machine, `beforehand.settled` chooses. Raises StudyError that names an
        unknown profile, an unknown parameter, or one of a wrong type or value.
        """
        known = [entry.name for entry in fields(cls) if entry.name not in ("profile", "out")]
        unknown = [name for name in changes if name not in known]
        if unknown:
            raise StudyError(f"unknown notebook parameter '{unknown[0]}': choose from {', '.join(known)}")
        try:
            parameters = profiles.read(profile, photos, changes)
            alternatives = {name: parameters.pop(name) for name in beforehand.ALTERNATIVES if name in parameters}
            study = cls(**parameters)
        except ValidationError as error:
            raise StudyError(first_problem(error, "notebook parameter", known)) from error
        settled = beforehand.settled(study.architectures, study.weights, study.recipe, alternatives, changes)
        study = replace(study, **settled)
        Recipe.of(study.recipe)
        Recipe.of(study.source_recipe)
        variants.check_factors(study.factors, study.recipe, study.architectures)
        Settings.of(study.failure_2020)
        return study

    def __str__(self) -> str:
        """The parameters, one per line."""
        shown = [entry.name for entry in fields(self) if entry.name != "out"]
        return "\n".join(f"{name}: {getattr(self, name)}" for name in shown)

    @property
    def is_full_comparison(self) -> bool:
        """Whether the study has all networks in both frameworks, which notebooks 02 to 05 and the slides compare."""
        return (len(self.architectures), len(self.frameworks)) == (len(models.ARCHITECTURES), len(models.FRAMEWORKS))

    def published_weights(self) -> list[pretrained.Weights]:
        """Returns the published weights that the networks of the study start from, in notebook 02 too."""
        kinds = [kind for kind in self.weights if kind == "imagenet" or kind in pretrained.PUBLISHED]
        found = [pretrained.find(kind, name) for kind, name in product(kinds, self.architectures)]
        if self.is_full_comparison and self.failure_2020.get("weights") == "imagenet":
            found += pretrained.OF_KERAS_APPLICATIONS.values()
        return found

    @property
    def folder(self) -> Path:
        return paths.outputs() / self.profile

    @cached_property
    def dataset(self) -> Dataset:
        return self._load(breeds=self.breeds, test_drawings_per_breed=self.test_drawings_per_breed)

    @cached_property
    def other_breeds(self) -> Dataset:
        """The photos of all breeds outside the study, without near-duplicates of the study's photos."""
        return self._load(other_than=self.dataset)

    def _load(self, **which) -> Dataset:
        names = ("split_seed", "labels", "breed_from", "leave_out_small", "leave_out_broken")
        options = {name: getattr(self, name) for name in names}
        return datasets.load(self.photos, photos_per_breed=self.photos_per_breed or None, **options, **which)

    def out_of_distribution_images(self, count: int = 200) -> tuple[str, np.ndarray]:
        """Returns a description of out-of-distribution images, and at most `count` of these images.

        They are the test photos of `other_breeds`, or drawn dogs if the study already includes all breeds. If the study
        uses drawn dogs and does not train on other breeds, 20 dogs of each other breed are drawn for this purpose.
        """
        try:
            if self.photos == "drawn_dogs" and OTHER_BREEDS not in self.weights:
                others = datasets.load("drawn_dogs", [], 20, other_than=self.dataset)
                rows = np.arange(len(others.photos))
            else:
                others = self.other_breeds
                rows = others.rows("test")
        except StudyError:  # the study already includes all breeds
            others = datasets.load("drawn_dogs", [], 40)
            rows = others.rows("test")
        chosen = rows[np.unique(np.linspace(0, len(rows) - 1, count).astype(int))]
        return f"{others.kind} of other breeds", pixel_cache.load(others, self.image_size, self.crop)[chosen]

    def out_of_distribution_logits(self, run: Run) -> tuple[str, np.ndarray]:
        """Returns the description of `out_of_distribution_images` and the logits of a run for these images.

        The logits are computed once and stored, see `measured`.
        """

        def measure() -> dict[str, np.ndarray]:
            kind, images = self.out_of_distribution_images()
            return {"kind": np.array(kind), "logits": inference.logits(run, images)}

        answers = self.measured("out_of_distribution", [run], measure)
        return str(answers["kind"]), answers["logits"]

    @cached_property
    def pixels(self) -> np.ndarray:
        return pixel_cache.load(self.dataset, self.image_size, self.crop)

    @property
    def store(self) -> Path:
        return self.out or self.folder / "runs"

    @property
    def provenance(self) -> str:
        """A sentence on test photos that networks with ImageNet weights have, or may have, seen before.

        It is in the active language, and empty if no network of the study starts from ImageNet weights, and for drawn
        dogs. Stanford Dogs was cut from ImageNet (Khosla et al., 2011).
        """
        return _(self._seen_before[0])

    @property
    def _seen_before(self) -> tuple[str, str]:
        """The sentence of `provenance` in English, and the words of the column TEST_PHOTOS; or two empty texts."""
        started_from = {*self.weights, self.failure_2020.get("weights", SCRATCH)}
        if self.photos == "drawn_dogs" or not imagenet_leakage.are_published(started_from):
            return "", ""
        return imagenet_leakage.seen_before(layouts.is_stanford_dogs(self.photos))

    def config(
        self, architecture: str, framework: str, seed: int, weights: str = SCRATCH, recipe: dict | None = None
    ) -> RunConfig:
        """Returns the configuration that identifies a training.

        `weights` names the initial weights: "scratch"; "other-breeds", a PyTorch run of the same network and seed on
        all breeds outside the study; "imagenet" or another name of published weights; the id of a run in the store; or
        a file. `recipe` replaces the recipe of the study. Raises StudyError for an unknown network, framework or
        `weights`.
        """
        models.check_names(architecture, framework)  # check names and recipe before any dog is drawn
        recipe, initialisation = Recipe.of(self.recipe if recipe is None else recipe), Initialisation(weights)
        if weights == OTHER_BREEDS:
            initialisation = Initialisation(weights, self.source_config(architecture, seed).id)
        elif RunStore(self.store).open(weights):
            initialisation = Initialisation(weights, weights)
        elif weights != SCRATCH:
            file = weight_files.locate(weights, architecture)
            initialisation = Initialisation(weights, weights, files.remembered_digest(file))
        return self._config(self.dataset, architecture, framework, recipe, seed, initialisation)

    def source_config(self, architecture: str, seed: int) -> RunConfig:
        """Returns the configuration of the PyTorch run that provides the "other-breeds" weights for both frameworks.

        Each seed has its own source run. A source shared by all seeds would affect all of them in the same random way,
        and an interval over seeds would not include this variation.
        """
        recipe = Recipe.of(self.source_recipe)
        return self._config(self.other_breeds, architecture, "pytorch", recipe, seed, Initialisation())

    def _config(self, dataset, architecture, framework, recipe, seed, initialisation) -> RunConfig:
        which = (architecture, framework, dataset.name, dataset.fingerprint, dataset.breeds)
        return RunConfig(*which, self.image_size, recipe, seed, self.crop, initialisation)

    def finished(self, config: RunConfig) -> Run | None:
        """Returns the finished run of `config`, or None.

        A run of this study comes first, then a run in outputs/reference, which has no weights.
        """
        return RunStore(self.store).finished(config) or reference_run(config)

    def run(self, architecture: str, framework: str, seed: int | None = None, weights: str | None = None) -> Run:
        """Returns the run of a network in a framework, and trains it first if it is not finished.

        `seed` and `weights` default to the first of the study.
        """
        which = (architecture, framework, self.seeds[0] if seed is None else seed, weights or self.weights[0])
        return self._finished_or_trained([self.config(*which)])[0]

    def with_weights(self, run: Run) -> Run:
        """Returns the same run with its weights, and trains it again first if it was stored without weights.

        The new run is stored in the separate folder trained_again, so that it does not replace the stored run.
        """
        if run.weights.is_file():
            return run
        return train_all(self._jobs([run.config]), self.store.parent / "trained_again")[-1]

    def runs(self) -> list[Run]:
        """Returns the runs of all networks, frameworks, seeds and initial weights; trains those that are missing."""
        return self._finished_or_trained(self.configs())

    def configs(self) -> list[RunConfig]:
        """Returns the configurations of all `runs`, without the source runs of their initial weights."""
        return [self.config(*training) for training in self._compared()]

    def plan(self) -> list[Job]:
        """Returns all trainings of the notebooks in order, each after the one that provides its initial weights."""
        return self._jobs(self._all_configs())

    def is_finished(self) -> bool:
        """Returns whether all runs of the notebooks are finished."""
        return all(map(self.finished, self._all_configs()))

    def trainings(self) -> dict[str, list[tuple]]:
        """Returns the arguments of `config` for all trainings of the notebooks by what they are for; reads no photos.

        Without the trainings of the source runs, and those of `failure_files`.
        """
        return {COMPARISON: self._compared(), VARIANTS: self._variants(), **self._factors()}

    def _all_configs(self) -> list[RunConfig]:
        return [self.config(*training) for training in chain(*self.trainings().values())]

    def _compared(self) -> list[tuple]:
        """By seed, so that an interrupted study has complete comparisons."""
        wanted = product(self.seeds, self.architectures, self.frameworks, self.weights)
        return [
            (architecture, framework, seed, weights, self.recipe) for seed, architecture, framework, weights in wanted
        ]

    def _variants(self) -> list[tuple]:
        if not self.is_full_comparison:  # without the notebooks that show them
            return []
        return [
            (*which, self.seeds[0], self.weights[-1], changed(self.recipe, changes))
            for which, recipes in variants.of(Recipe.of(self.recipe)).items()
            for changes in recipes.values()
        ]

    def _factors(self) -> dict[str, list[tuple]]:
        if not self.is_full_comparison:  # without the notebook that shows them
            return {}
        compared = list(product(self.seeds, self.architectures, self.frameworks))
        return {
            name: [
                (architecture, framework, seed, self.weights[-1], self.recipe | changes)
                for seed, architecture, framework in compared
            ]
            for name, changes in self.factors.items()
        }

    def _jobs(self, configs: list[RunConfig]) -> list[Job]:
        pretrained = [config for config in configs if config.initialisation.kind == OTHER_BREEDS]
        needed = dict.fromkeys((config.architecture, config.seed) for config in pretrained)
        sources = [Job(self.source_config(*which), self.other_breeds) for which in needed]
        jobs = [*sources, *(Job(config, self.dataset) for config in configs)]
        return list({job.id: job for job in jobs}.values())

    def variants(self, architecture: str, framework: str, weights: str, recipes: dict[str, dict]) -> dict[str, Run]:
        """Returns runs of one network at the first seed, by their names in `recipes`.

        Each value of `recipes` lists changes to the recipe of the study.
        """
        which = (architecture, framework, self.seeds[0], weights)
        configs = [self.config(*which, changed(self.recipe, changes)) for changes in recipes.values()]
        return dict(zip(recipes, self._finished_or_trained(configs), strict=True))

    def factor_runs(self) -> dict[str, list[Run]]:
        """Returns the runs of each factor, by its name and in the order of `runs`; trains those that are missing.

        Each factor changes the recipe of the study for every network, framework and seed, with the last of the initial
        weights. Is empty without factors, and if the study is not a full comparison.
        """
        configs = {name: [self.config(*each) for each in trainings] for name, trainings in self._factors().items()}
        runs = iter(self._finished_or_trained(list(chain(*configs.values()))))
        return {name: list(islice(runs, len(mine))) for name, mine in configs.items()}

    def _finished_or_trained(self, configs: list[RunConfig]) -> list[Run]:
        missing = [config for config in configs if not self.finished(config)]
        if missing:
            train_all(self._jobs(missing), self.store)
        return [self.finished(config) for config in configs]

    def failure_files(self) -> list[Path]:
        """Returns the files of the trainings that ask why ResNet50 failed in 2020; trains those that are missing.

        `failure_2020` has the fields of `training.failure_settings.Settings`. If it is empty, the files are those of
        the trainings on drawn dogs that are kept in outputs/reference. Raises StudyError if the initial weights cannot
        be had: the published files of ImageNet, or photos of other breeds.
        """
        if not self.failure_2020:
            return sorted((paths.REFERENCE / "failure_2020").glob("*.npz"))
        # Imported here, so that reading runs does not wait for Keras.
        from dogbreeds.training import failure_trainings
        from dogbreeds.training.failure_start import ImageNet, OtherBreeds

        settings = Settings.of(self.failure_2020)
        if settings.weights == "imagenet":  # there may be no other breeds
            start = ImageNet.fetched(self.image_size, self.crop)
        else:
            start = OtherBreeds(self.other_breeds, settings.source_epochs)
        return failure_trainings.train_all(settings, self.dataset, start, self.folder / "failure_2020")

    def claims(self) -> pd.DataFrame:
        """Returns what these runs say of the claims of 2020; the last row is about deployment."""
        return deployment.with_claim(claims_2020.confront(self.runs()), self.deployment())

    def deployment(self) -> pd.DataFrame:
        """Returns what `dogbreeds bench deployment` measured of this study, or of drawn dogs in outputs/reference."""
        return deployment.read(self.folder / "tables")

    def measured(self, name: str, runs: list[Run], measure: Callable[[], dict[str, np.ndarray]]) -> dict:
        """Returns the arrays of `measure()`, which evaluates the trained networks of `runs`; computes them only once.

        The arrays are stored beside the run store of this study. Arrays that are stored beside the runs themselves are
        read from there, so that results on the runs in outputs/reference are available without their weights.
        """
        digest = hashlib.sha256(" ".join(run.id for run in runs).encode()).hexdigest()[:12]
        stored, own = (
            folder / "arrays" / f"{name}-{digest}.npz" for folder in (runs[0].folder.parents[1], self.store.parent)
        )
        if not stored.is_file() and not own.is_file():
            arrays = measure()
            with files.atomic(own) as unfinished, unfinished.open("wb") as file:
                np.savez_compressed(file, **arrays)
        with np.load(stored if stored.is_file() else own) as arrays:
            return dict(arrays)

    def train_here(self, architecture: str, framework: str, seed: int, weights: str, devices: Devices = ONE) -> Run:
        """Trains one network in this process and returns the run; with "other-breeds", trains the source run first.

        This process uses all processors, or is one of several that train together on `devices`.
        """
        config = self.config(architecture, framework, seed, weights)
        if weights == OTHER_BREEDS:
            trainer.train(self.source_config(architecture, seed), self.other_breeds, self.store)
        return trainer.train(config, self.dataset, self.store, devices=devices)

    def annotated(self, figure: Figure) -> Figure:
        """Returns the figure for display, with the `provenance` as a footnote; it is added to this same figure."""
        if self.provenance:
            figures.add_footnote(figure, self.provenance)
        return figure

    def save(self, name: str, figure: Figure, provenance: bool = True) -> Figure:
        """Saves a figure as figures/<name>.png and .svg, and returns it as `annotated` does.

        Without `provenance`, for a figure that shows no network of the study, it has no footnote.
        """
        folder = self.folder / "figures"
        folder.mkdir(parents=True, exist_ok=True)
        if provenance:
            self.annotated(figure)
        figure.savefig(folder / f"{name}.png", dpi=150)
        figure.savefig(folder / f"{name}.svg")
        return figure

    def show(self, table: pd.DataFrame, provenance: bool = True) -> HTML:
        """Shows a table as `widgets.show` does, with the `provenance` below it if it is about networks of the study."""
        shown = widgets.show(table)
        if not (provenance and self.provenance and len(table)):
            return shown
        return HTML(shown.data + widgets.say(self.provenance).data)

    def save_table(self, name: str, table: pd.DataFrame, provenance: bool = True) -> pd.DataFrame:
        """Saves a table as tables/<name>.csv in full precision, and returns it for display.

        If the study has a `provenance`, the file has one more column, TEST_PHOTOS.
        """
        folder = self.folder / "tables"
        folder.mkdir(parents=True, exist_ok=True)
        words = self._seen_before[1] if provenance else ""
        saved = table.assign(**{TEST_PHOTOS: words}) if words else table
        saved.to_csv(folder / f"{name}.csv", index=not isinstance(table.index, pd.RangeIndex))
        return table

    def read_table(self, name: str) -> pd.DataFrame:
        """Returns a table as a notebook saved it, without the column TEST_PHOTOS; its readers show the `provenance`.

        Raises StudyError if the notebook has not run yet.
        """
        file = self.folder / "tables" / f"{name}.csv"
        if not file.is_file():
            raise StudyError(f"{file} is missing: run the study of profile {self.profile} first")
        return pd.read_csv(file).drop(columns=TEST_PHOTOS, errors="ignore")


def print_versions(*packages: str) -> None:
    """Prints versions in one line, also if a package is not installed, as in some GPU images; `nbval` ignores it."""
    found = provenance.installed(packages)
    print(", ".join(f"{package} {found.get(package, 'is not installed')}" for package in packages))
