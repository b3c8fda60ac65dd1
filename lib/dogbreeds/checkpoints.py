"""The course of one training on disk: what it takes to go on after the last whole epoch, bit for bit.

Lightning and Keras have checkpoints of their own. These are one format for both, survive a kill at any moment (Keras
writes over the only one it has), are known to be whole by the hash in their names, and execute nothing when read.
After an epoch the folder holds

    checkpoint-0007-<hash>.safetensors    weights, state of the optimiser, and the history, of the last two epochs
    weights-0005-<hash>.safetensors       weights of the epoch that is the best so far for one of these two

Weights that a phase does not train are not written: they are those the training started from.
"""

import hashlib
import json
import math
import sys
import time
from pathlib import Path

import safetensors
import safetensors.torch
from torch import Tensor

from dogbreeds import paths
from dogbreeds.errors import StudyError
from dogbreeds.models import weights
from dogbreeds.models.porting import State
from dogbreeds.recipe import Recipe

KEPT = 2


class Course:
    """How far a training is. `history` has one row an epoch, `optimizer` the state of the optimiser of its phase.

    Of several processes that train together one `writes`.
    """

    def __init__(self, recipe: Recipe, folder: Path, start: State, writes: bool = True):
        self.recipe, self.folder, self.start, self.writes = recipe, folder, start, writes
        self.state, self.optimizer, self.history = start, {}, []
        self._seconds, self._began = 0.0, time.perf_counter()
        for path in sorted(folder.glob("checkpoint-*.safetensors"), reverse=True):
            if self._read(path):
                return
            print(f"dogbreeds: {path.name} is broken, going on from the one before", file=sys.stderr, flush=True)

    @property
    def seconds(self) -> float:
        """Of work, without what a kill undid."""
        return self._seconds + time.perf_counter() - self._began

    def phase(self) -> tuple[str, int, int] | None:
        """What is trained next: the phase, how many of its epochs are done, of how many; None at the end."""
        for name, epochs in self.recipe.phases().items():
            rows = [row for row in self.history if row["phase"] == name]
            if len(rows) < epochs and not (rows and self.recipe.stops(rows)):
                return name, len(rows), epochs
        return None

    def end_epoch(self, row: dict, state: State, optimizer: dict[str, Tensor]) -> bool:
        """Keeps an epoch, `state` being what was trained; returns whether its phase ends here.

        Raises StudyError for a loss that is no number, and OSError for a disk that takes no more; what was kept stays.
        """
        losses = row["training_loss"], row["validation_loss"]
        if not all(map(math.isfinite, losses)):
            remedy = "lower learning_rate; with the same recipe it goes on from the epoch before"
            raise StudyError(f"the loss of epoch {row['epoch']} is no number ({losses[0]}, {losses[1]}): {remedy}")
        history = [*self.history, row]
        best = self.recipe.best_epoch(history)
        if best == row["epoch"]:
            self._write(f"weights-{best:04d}", state)
        parts = {f"model.{key}": value for key, value in state.items()}
        parts |= {f"optimizer.{key}": value for key, value in optimizer.items()}
        facts = {"history": json.dumps(history), "seconds": str(self.seconds)}
        self._write(f"checkpoint-{row['epoch']:04d}", parts, facts)
        self._forget(row["epoch"], history)
        return self._stand(history, state, optimizer)

    def best(self) -> State:
        """The weights of the best epoch. They were seen to be whole when the course was read or written."""
        file = next(self.folder.glob(f"weights-{self.recipe.best_epoch(self.history):04d}-*.safetensors"))
        return self.start | safetensors.torch.load_file(file)

    def _write(self, name: str, tensors: dict[str, Tensor], facts: dict | None = None) -> None:
        if not self.writes:
            return
        content = weights.to_bytes(tensors, facts)
        for old in self.folder.glob(f"{name}-*"):  # of an epoch that is trained once more
            old.unlink()
        paths.write_whole(self.folder / f"{name}-{_hash(content)}.safetensors", content)

    def _read(self, path: Path) -> bool:
        if not _is_whole(path):
            return False
        with safetensors.safe_open(path, "pt") as file:
            facts = file.metadata()
            tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118 (it is no dict)
        history = json.loads(facts["history"])
        best = self.folder.glob(f"weights-{self.recipe.best_epoch(history):04d}-*.safetensors")
        if not any(map(_is_whole, best)):
            return False
        self._seconds = float(facts["seconds"])
        self._stand(history, _part(tensors, "model."), _part(tensors, "optimizer."))
        return True

    def _stand(self, history: list[dict], state: State, optimizer: dict[str, Tensor]) -> bool:
        """Where the training now is; returns whether a phase ended, whose optimiser is of no use to the next."""
        self.history, self.state = history, self.start | state
        phase = self.phase()
        ends = phase is None or phase[0] != history[-1]["phase"]
        self.optimizer = {} if ends else optimizer
        return ends

    def _forget(self, epoch: int, history: list[dict]) -> None:
        """Deletes the checkpoints before the last two, and the weights that neither of these calls the best."""
        kept = range(epoch - KEPT + 1, epoch + 1)
        wanted = {self.recipe.best_epoch(history[:last]) for last in kept if last > 0}
        for path in self.folder.glob("*-*.safetensors"):
            kind, number = path.name.split("-")[:2]
            if int(number) not in (kept if kind == "checkpoint" else wanted):
                path.unlink()


def _part(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {key.removeprefix(prefix): value for key, value in tensors.items() if key.startswith(prefix)}


def _hash(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:16]


def _is_whole(path: Path) -> bool:
    return path.stem.rpartition("-")[2] == _hash(path.read_bytes())
