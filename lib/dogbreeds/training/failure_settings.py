"""The settings of the trainings that ask why ResNet50 failed in 2020, and the trainings that follow from them."""

from dataclasses import dataclass, fields
from itertools import product
from typing import Literal

from pydantic import ConfigDict, Field, NonNegativeInt, PositiveInt, ValidationError
from pydantic.dataclasses import dataclass as validated_dataclass

from dogbreeds.errors import StudyError, first_problem
from dogbreeds.models.names import KERAS_APPLICATIONS, KERAS_FROZEN, PREPROCESSINGS

# "comparison": frozen layers and preprocessing are crossed. "control": before the training, the running statistics
# become averages over its images. "healing": a longer training that shows how long the failure lasts.
ROLES = ("comparison", "control", "healing")


@dataclass(frozen=True)
class Training:
    """One training: a network of `keras_applications`, frozen layers, the preprocessing of the images, and a seed."""

    network: str
    frozen: str
    preprocessing: str
    seed: int
    epochs: int
    role: str = "comparison"  # one of ROLES

    @property
    def file(self) -> str:
        words = (self.network, f"{self.frozen} frozen", f"{self.preprocessing} preprocessing", f"{self.epochs} epochs")
        return "-".join((*words, self.role, f"seed {self.seed}.npz")).replace(", ", "_").replace(" ", "_")


@validated_dataclass(frozen=True, config=ConfigDict(strict=True, extra="forbid"))
class Settings:
    """Which trainings are made; `Settings.of` reads those that a user gives."""

    seeds: list[NonNegativeInt] = Field(default_factory=lambda: [0, 1, 2], min_length=1)
    frozen: list[Literal[KERAS_FROZEN]] = Field(default_factory=lambda: list(KERAS_FROZEN), min_length=1)
    preprocessing: list[Literal[PREPROCESSINGS]] = Field(default_factory=lambda: list(PREPROCESSINGS), min_length=1)
    weights: Literal["other-breeds", "imagenet"] = "other-breeds"  # initial weights
    epochs: PositiveInt = 5
    source_epochs: NonNegativeInt = 15  # of the trainings on other breeds that provide the initial weights
    healing_epochs: NonNegativeInt = 40  # of the longer trainings of ResNet50 with rescaled images; 0: none

    @classmethod
    def of(cls, values: dict) -> "Settings":
        """Returns the settings. Raises StudyError if a name is unknown or a value is invalid."""
        try:
            return cls(**values)
        except ValidationError as error:
            known = [entry.name for entry in fields(cls)]
            raise StudyError(first_problem(error, "field of failure_2020", known)) from error

    def trainings(self) -> list[Training]:
        """Returns every combination of network, frozen layers, preprocessing and seed, the controls and longer ones.

        A control of each network and a longer training of ResNet50 per seed have rescaled images and nothing frozen.
        Seeds come first, so that an interrupted series contains complete comparisons.
        """
        seeds, asked = dict.fromkeys(self.seeds), ("nothing", "rescaled")
        which = product(seeds, KERAS_APPLICATIONS, self.frozen, self.preprocessing)
        crossed = [Training(*choice, seed, self.epochs) for seed, *choice in which]
        each = product(seeds, KERAS_APPLICATIONS)
        controls = [Training(network, *asked, seed, self.epochs, "control") for seed, network in each]
        longer = [Training("resnet50", *asked, seed, self.healing_epochs, "healing") for seed in seeds]
        return [*crossed, *controls, *(longer if self.healing_epochs else [])]
