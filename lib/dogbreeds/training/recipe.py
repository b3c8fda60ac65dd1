"""The hyperparameters of a training, the same for both frameworks, and the rule for early stopping."""

import math
from dataclasses import dataclass, fields
from typing import Annotated, Literal

from pydantic import ConfigDict, Field, NonNegativeFloat, NonNegativeInt, PositiveInt, ValidationError, model_validator
from pydantic.dataclasses import dataclass as validated_dataclass

from dogbreeds.errors import StudyError, first_problem
from dogbreeds.models import BATCH_NORM_POLICIES, PREPROCESSINGS

Fraction = Annotated[float, Field(ge=0, le=1)]


@dataclass(frozen=True)
class Phase:
    """A part of a training: what it trains, how many of its epochs are done, and how many it has at most."""

    name: str  # "head": only the classifier; "all": every layer that is not frozen
    done: int
    epochs: int


@validated_dataclass(frozen=True, config=ConfigDict(strict=True, extra="forbid", allow_inf_nan=False))
class Recipe:
    """The hyperparameters that both frameworks follow; `Recipe.of` reads those that a user gives.

    Weight decay has the form published with each optimiser: decoupled for AdamW (Loshchilov and Hutter,
    https://arxiv.org/abs/1711.05101), added to the gradient for SGD. Normalisation parameters and biases do not decay.
    Losses are means over photos, with smoothed labels in both training and validation. A training epoch drops the last
    incomplete batch. The seed is not part of the recipe, but of `runs.RunConfig`.
    """

    batch_size: PositiveInt = 16
    epochs: PositiveInt = 4  # after the `head_epochs`
    # Gradual unfreezing: epochs of head warm-up with a frozen backbone, on features computed once. Phase "all"
    # continues from the last of these epochs, not from the best.
    head_epochs: NonNegativeInt = 0
    optimizer: Literal["adamw", "sgd"] = "adamw"  # SGD with momentum 0.9
    learning_rate: NonNegativeFloat = 1e-3  # of the head; the highest value, reached after warm-up
    backbone_multiplier: NonNegativeFloat = 1.0  # learning-rate multiplier of the backbone
    warm_up: Fraction = 0.1  # of all steps
    decay: Literal["cosine", "constant"] = "cosine"  # of the learning rate after warm-up, at every step
    weight_decay: NonNegativeFloat = 0.05
    label_smoothing: Fraction = 0.0
    augmentation: bool = True
    preprocessing: Literal[PREPROCESSINGS] = "expected"  # of colour values, see models.preprocessing
    # A stage: freezes it and all before it (see models.freezing). "first": the first stage; "backbone": linear probe.
    freeze: str = ""
    batch_norm: Literal[BATCH_NORM_POLICIES] = "momentum_0.1"
    monitor: Literal["validation_loss", "validation_accuracy"] = "validation_loss"  # for the best epoch and stopping
    patience: NonNegativeInt = 10  # epochs without improvement before training stops; 0: never
    minimum_gain: NonNegativeFloat = 0.0  # early stopping ignores smaller improvements
    restore_best: bool = True  # predict with the best epoch by `monitor`, else with the last
    precision: Literal["float32", "bfloat16"] = "float32"  # of the computation; weights are float32

    @model_validator(mode="after")
    def _probe_without_augmentation(self):
        if self.freeze == "backbone" and self.augmentation:
            raise ValueError("'augmentation' must be false with freeze 'backbone', which reuses features")
        return self

    @classmethod
    def of(cls, values: dict) -> "Recipe":
        """Returns the recipe of `preset` (default: "controlled"), changed by the other fields of `values`.

        Raises StudyError if the preset or a field is unknown, or a value is invalid.
        """
        values = dict(values)
        preset = values.pop("preset", "controlled")
        if preset not in PRESETS:
            raise StudyError(f"unknown preset '{preset}': choose one of {', '.join(PRESETS)}")
        try:
            return cls(**(PRESETS[preset] | values))
        except ValidationError as error:
            known = ["preset", *(entry.name for entry in fields(cls))]
            raise StudyError(first_problem(error, "recipe field", known)) from error

    def learning_rate_at(self, step: int, steps: int) -> float:
        """Returns the rate of `step` (from 0) of `steps`: linear warm-up, then cosine decay to 0 or no decay."""
        warm_up = int(self.warm_up * steps)
        if step < warm_up:
            return self.learning_rate * (step + 1) / (warm_up + 1)
        if self.decay == "constant":
            return self.learning_rate
        return self.learning_rate * 0.5 * (1 + math.cos(math.pi * (step - warm_up) / (steps - warm_up)))

    def phases(self) -> dict[str, int]:
        """Returns the phases in order with their epochs: "head" trains only the head, "all" every unfrozen layer."""
        if self.freeze == "backbone":
            return {"head": self.head_epochs + self.epochs}
        return ({"head": self.head_epochs} if self.head_epochs else {}) | {"all": self.epochs}

    def next_phase(self, history: list[dict]) -> Phase | None:
        """Returns the phase that follows from the epochs trained so far, or None at the end of the training."""
        for name, epochs in self.phases().items():
            rows = [row for row in history if row["phase"] == name]
            if len(rows) < epochs and not (rows and self.stops(rows)):
                return Phase(name, len(rows), epochs)
        return None

    def best_epoch(self, history: list[dict]) -> int:
        """Returns the number (from 1) of the epoch with the best `monitor`, the first one in a tie."""
        return history[self._improvements(history, 0.0)[-1]]["epoch"]

    def stops(self, rows: list[dict]) -> bool:
        """Returns whether the last `patience` epochs of a phase brought no improvement, given its rows so far.

        Uses only the history, so that the rule is the same in both frameworks and after an interruption.
        """
        return 0 < self.patience <= len(rows) - 1 - self._improvements(rows, self.minimum_gain)[-1]

    def _improvements(self, rows: list[dict], gain: float) -> list[int]:
        """The indices of the rows that improve on the previous such row by more than `gain`; index 0 is always one."""
        sign = -1 if self.monitor == "validation_loss" else 1
        values, found = [sign * row[self.monitor] for row in rows], [0]
        for index, value in enumerate(values):
            if value > values[found[-1]] + gain:
                found.append(index)
        return found


# "controlled" is the default for the comparison. "deck_2020" is the training that the 2020 study reports, with Keras'
# batch normalisation. The study does not report its optimiser, learning rate and augmentation: here they are Adam with
# Keras' defaults, and no augmentation.
_DECK_2020 = {"batch_size": 32, "epochs": 10, "warm_up": 0.0, "decay": "constant", "weight_decay": 0.0}
_DECK_2020 |= {"augmentation": False, "batch_norm": "momentum_0.01"}
PRESETS = {"controlled": {}, "deck_2020": _DECK_2020}


def changed(recipe: dict, changes: dict) -> dict:
    """Returns the fields of `recipe` updated by `changes`, or `changes` alone if they include a `preset`."""
    return changes if "preset" in changes else recipe | changes
