"""The hyperparameters of a training, the same for both frameworks, and the rule for early stopping."""

import math
from dataclasses import dataclass, field, fields

from dogbreeds.errors import StudyError
from dogbreeds.models import BATCH_NORM_POLICIES, PREPROCESSINGS


def _one_of(*choices: str):
    return field(default=choices[0], metadata={"choices": choices})


def _at_least(lowest: float, default: float, highest: float = math.inf):
    return field(default=default, metadata={"range": (lowest, highest)})


@dataclass(frozen=True)
class Phase:
    """A part of a training: what it trains, how many of its epochs are done, and how many it has at most."""

    name: str  # "head": only the classifier; "all": every layer that is not frozen
    done: int
    epochs: int


@dataclass(frozen=True)
class Recipe:
    """The hyperparameters that both frameworks follow. Raises StudyError that names the field if a value is invalid.

    Weight decay has the form published with each optimiser: decoupled for AdamW (Loshchilov and Hutter,
    https://arxiv.org/abs/1711.05101), added to the gradient for SGD. Normalisation parameters and biases do not decay.
    Losses are means over photos, with smoothed labels in both training and validation. A training epoch drops the last
    incomplete batch. The seed is not part of the recipe, but of `runs.RunConfig`.
    """

    batch_size: int = _at_least(1, 16)
    epochs: int = _at_least(1, 4)  # after the `head_epochs`
    # Gradual unfreezing: epochs of head warm-up with a frozen backbone, on features computed once. Phase "all"
    # continues from the last of these epochs, not from the best.
    head_epochs: int = _at_least(0, 0)
    optimizer: str = _one_of("adamw", "sgd")  # SGD with momentum 0.9
    learning_rate: float = _at_least(0, 1e-3)  # of the head; the highest value, reached after warm-up
    backbone_multiplier: float = _at_least(0, 1.0)  # learning-rate multiplier of the backbone
    warm_up: float = _at_least(0, 0.1, 1)  # fraction of all steps
    decay: str = _one_of("cosine", "constant")  # of the learning rate after warm-up, at every step
    weight_decay: float = _at_least(0, 0.05)
    label_smoothing: float = _at_least(0, 0.0, 1)
    augmentation: bool = True
    preprocessing: str = _one_of(*PREPROCESSINGS)  # of colour values, see models.preprocessing
    freeze: str = ""  # a stage: freezes it and all before it (see models.freezing); "backbone": linear probe
    batch_norm: str = _one_of(*BATCH_NORM_POLICIES)
    monitor: str = _one_of("validation_loss", "validation_accuracy")  # for early stopping and the best epoch
    patience: int = _at_least(0, 10)  # epochs without improvement before training stops; 0: never
    minimum_gain: float = _at_least(0, 0.0)  # early stopping ignores smaller improvements
    restore_best: bool = True  # predict with the best epoch by `monitor`, else with the last
    precision: str = _one_of("float32", "bfloat16")  # of the computation; weights are float32

    def __post_init__(self):
        for entry in fields(self):
            value = getattr(self, entry.name)
            if entry.type is float and type(value) is int:
                object.__setattr__(self, entry.name, value := float(value))
            if type(value) is not entry.type:
                raise StudyError(f"recipe field '{entry.name}' must be {entry.type.__name__}, not {value!r}")
            choices = entry.metadata.get("choices", (value,))
            if value not in choices:
                raise StudyError(f"recipe field '{entry.name}' must be one of {', '.join(choices)}, not {value!r}")
            lowest, highest = entry.metadata.get("range", (None, None))
            if lowest is not None and not (lowest <= value <= highest and value < math.inf):
                limits = f"{lowest} or more" if highest == math.inf else f"{lowest} to {highest}"
                raise StudyError(f"recipe field '{entry.name}' must be {limits}, not {value!r}")
        if self.freeze == "backbone" and self.augmentation:
            raise StudyError("recipe field 'augmentation' must be false with freeze 'backbone': features are reused")

    @classmethod
    def of(cls, values: dict) -> "Recipe":
        """Returns the recipe of `preset` (default: "controlled"), changed by the other fields of `values`.

        Raises StudyError if the preset or a field is unknown, or a value is invalid.
        """
        values = dict(values)
        preset = values.pop("preset", "controlled")
        if preset not in PRESETS:
            raise StudyError(f"unknown preset '{preset}': choose one of {', '.join(PRESETS)}")
        known = [entry.name for entry in fields(cls)]
        for name in values:
            if name not in known:
                raise StudyError(f"unknown recipe field '{name}': choose from preset, {', '.join(known)}")
        return cls(**(PRESETS[preset] | values))

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

    def stops(self, history: list[dict]) -> bool:
        """Returns whether the last `patience` epochs of the current phase brought no improvement.

        Uses only the history, so that the rule is the same in both frameworks and after an interruption.
        """
        phase = [row for row in history if row["phase"] == history[-1]["phase"]]
        return 0 < self.patience <= len(phase) - 1 - self._improvements(phase, self.minimum_gain)[-1]

    def _improvements(self, rows: list[dict], gain: float) -> list[int]:
        """The indices of the rows that improve on the previous such row by more than `gain`; index 0 is always one."""
        sign = -1 if self.monitor == "validation_loss" else 1
        values, found = [sign * row[self.monitor] for row in rows], [0]
        for index, value in enumerate(values):
            if value > values[found[-1]] + gain:
                found.append(index)
        return found


# "controlled" is the default for the comparison. "deck_2020" is the training that the 2020 study reports: batches of
# 32, 10 epochs, early stopping, Keras' batch normalisation, no schedule. The study does not report its optimiser,
# learning rate and augmentation: here they are Adam with Keras' defaults, and no augmentation.
PRESETS = {
    "controlled": {},
    "deck_2020": {
        "batch_size": 32,
        "epochs": 10,
        "warm_up": 0.0,
        "decay": "constant",
        "weight_decay": 0.0,
        "augmentation": False,
        "batch_norm": "momentum_0.01",
    },
}


def changed(recipe: dict, changes: dict) -> dict:
    """Returns the fields of `recipe` updated by `changes`, or `changes` alone if they include a `preset`."""
    return changes if "preset" in changes else recipe | changes
