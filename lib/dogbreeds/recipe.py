"""The hyper-parameters of a training, one set of them for both frameworks."""

import math
from dataclasses import dataclass, fields

from dogbreeds.errors import StudyError


@dataclass(frozen=True)
class Recipe:
    """AdamW with warm-up and cosine decay, early stopping on the validation loss. Checked when it is made.

    Raises StudyError that names the field of a wrong type or range.
    """

    batch_size: int = 16
    epochs: int = 4
    learning_rate: float = 1e-3  # the highest, after warm-up
    warm_up: float = 0.1  # share of all steps
    weight_decay: float = 0.05  # decoupled (AdamW); not on norms and biases
    augmentation: bool = True
    patience: int = 10  # epochs without a lower validation loss before training stops

    def __post_init__(self):
        for field in fields(self):
            value = getattr(self, field.name)
            if field.type is float and type(value) is int:
                object.__setattr__(self, field.name, value := float(value))
            if type(value) is not field.type:
                kind = field.type.__name__
                raise StudyError(f"recipe field '{field.name}' must be {kind}, not {value!r}")
            lowest = 1 if field.type is int else 0
            if not lowest <= value < math.inf:
                raise StudyError(f"recipe field '{field.name}' must be {lowest} or more, not {value!r}")

    @classmethod
    def of(cls, values: dict) -> "Recipe":
        """The recipe with some fields changed; raises StudyError for a field there is not."""
        known = [field.name for field in fields(cls)]
        for name in values:
            if name not in known:
                raise StudyError(f"unknown recipe field '{name}': choose of {', '.join(known)}")
        return cls(**values)

    def learning_rate_at(self, step: int, steps: int) -> float:
        """The rate of step `step` (from 0) of `steps`: linear warm-up, then half a cosine down to zero."""
        warm_up = int(self.warm_up * steps)
        if step < warm_up:
            return self.learning_rate * (step + 1) / (warm_up + 1)
        return self.learning_rate * 0.5 * (1 + math.cos(math.pi * (step - warm_up) / (steps - warm_up)))
