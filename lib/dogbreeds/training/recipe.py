"""The hyper-parameters of a training, one set of them for both frameworks, and when it stops."""

import math
from dataclasses import dataclass, field, fields

from dogbreeds.errors import StudyError
from dogbreeds.models import BATCH_NORM_POLICIES, PREPROCESSINGS


def _one_of(*choices: str):
    return field(default=choices[0], metadata={"choices": choices})


def _at_least(lowest: float, default: float, highest: float = math.inf):
    return field(default=default, metadata={"range": (lowest, highest)})


@dataclass(frozen=True)
class Recipe:
    """What both frameworks obey. Checked when it is made: raises StudyError that names the field that is wrong.

    Weights decay in the form published with each optimiser: decoupled for AdamW (Loshchilov and Hutter,
    https://arxiv.org/abs/1711.05101), added to the gradient for SGD; norms and biases do not decay. Losses are means
    over photos, with the smoothed labels in training and validation alike; a training epoch leaves out the last
    incomplete batch. The seed of a training stands beside the recipe, in `runs.RunConfig`.
    """

    batch_size: int = _at_least(1, 16)
    epochs: int = _at_least(1, 4)  # after those of the head alone
    # Gradual unfreezing: epochs of the head alone, on features computed once. Phase "all" goes on from the last, not
    # the best, of them.
    head_epochs: int = _at_least(0, 0)
    optimizer: str = _one_of("adamw", "sgd")  # SGD with momentum 0.9
    learning_rate: float = _at_least(0, 1e-3)  # of the head, the highest, after warm-up
    backbone_rate: float = _at_least(0, 1.0)  # what the backbone learns at, as a share of learning_rate
    warm_up: float = _at_least(0, 0.1, 1)  # share of all steps
    decay: str = _one_of("cosine", "constant")  # of the rate after warm-up, step by step
    weight_decay: float = _at_least(0, 0.05)
    label_smoothing: float = _at_least(0, 0.0, 1)
    augmentation: bool = True
    preprocessing: str = _one_of(*PREPROCESSINGS)  # of colours, see models.preprocessing
    freeze: str = ""  # a stage: it and all before it are held still (see models.stages); "backbone" is a linear probe
    batch_norm: str = _one_of(*BATCH_NORM_POLICIES)
    monitor: str = _one_of("validation_loss", "validation_accuracy")  # what early stopping and "best" go by
    patience: int = _at_least(0, 10)  # epochs without a gain before training stops; 0: never
    minimum_gain: float = _at_least(0, 0.0)  # what counts as a gain for early stopping
    restore_best: bool = True  # predictions of the best epoch by `monitor`, else of the last
    precision: str = _one_of("float32", "bfloat16")  # of the arithmetic; weights are float32

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
            raise StudyError("recipe field 'augmentation' must be false with freeze 'backbone': features are kept")

    @classmethod
    def of(cls, values: dict) -> "Recipe":
        """The recipe with some fields changed, those of `preset` first; raises StudyError for what there is not."""
        values = dict(values)
        preset = values.pop("preset", "fair")
        if preset not in PRESETS:
            raise StudyError(f"unknown preset '{preset}': choose one of {', '.join(PRESETS)}")
        known = [entry.name for entry in fields(cls)]
        for name in values:
            if name not in known:
                raise StudyError(f"unknown recipe field '{name}': choose of preset, {', '.join(known)}")
        return cls(**(PRESETS[preset] | values))

    def learning_rate_at(self, step: int, steps: int) -> float:
        """The rate of step `step` (from 0) of `steps`: linear warm-up, then half a cosine down to zero, or level."""
        warm_up = int(self.warm_up * steps)
        if step < warm_up:
            return self.learning_rate * (step + 1) / (warm_up + 1)
        if self.decay == "constant":
            return self.learning_rate
        return self.learning_rate * 0.5 * (1 + math.cos(math.pi * (step - warm_up) / (steps - warm_up)))

    def phases(self) -> dict[str, int]:
        """What is trained one after the other, the "head" or "all" that is not frozen, and for how many epochs."""
        if self.freeze == "backbone":
            return {"head": self.head_epochs + self.epochs}
        return ({"head": self.head_epochs} if self.head_epochs else {}) | {"all": self.epochs}

    def best_epoch(self, history: list[dict]) -> int:
        """The number (from 1) of the epoch that `monitor` was best in, the first of equals."""
        return history[self._bests(history, 0.0)[-1]]["epoch"]

    def stops(self, history: list[dict]) -> bool:
        """Whether the last `patience` epochs of the phase under way gained nothing.

        Read off the history, so that both frameworks mean the same by it and a resumed training does not forget.
        """
        phase = [row for row in history if row["phase"] == history[-1]["phase"]]
        return 0 < self.patience <= len(phase) - 1 - self._bests(phase, self.minimum_gain)[-1]

    def _bests(self, rows: list[dict], gain: float) -> list[int]:
        """The places of the rows that were better than all before by more than `gain`."""
        sign = -1 if self.monitor == "validation_loss" else 1
        values, found = [sign * row[self.monitor] for row in rows], [0]
        for place, value in enumerate(values):
            if value > values[found[-1]] + gain:
                found.append(place)
        return found


# "fair" is the default of the comparison. "deck_2020" is what the study of 2020 tells of its training: batches of 32,
# 10 epochs, early stopping, Keras' batch normalisation, no schedule. It does not tell optimiser, rate and
# augmentation: those are Keras' defaults for Adam, and none.
PRESETS = {
    "fair": {},
    "deck_2020": {
        "batch_size": 32,
        "epochs": 10,
        "warm_up": 0.0,
        "decay": "constant",
        "weight_decay": 0.0,
        "augmentation": False,
        "batch_norm": "slow",
    },
}


def changed(recipe: dict, changes: dict) -> dict:
    """The fields of a recipe with some changed; a `preset` among these takes the place of all the recipe says."""
    return changes if "preset" in changes else recipe | changes
