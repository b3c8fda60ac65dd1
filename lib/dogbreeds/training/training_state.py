"""The course of one training on disk: what it takes to go on after the last whole epoch, bit for bit.

Lightning and Keras have checkpoints of their own. These are one format for both, survive a kill at any moment (Keras
writes over the only one it has), are known to be whole by the hash in their names, and execute nothing when read.
After an epoch the folder holds, of the last two epochs and of those that were the best so far for these two,

    checkpoint-0007-<hash>.safetensors    weights, state of the optimiser, and the history

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

from dogbreeds.errors import StudyError
from dogbreeds.models.weight_conversion import State
from dogbreeds.training.recipe import Recipe

KEPT = 2


class Course:
    """How far a training is. `history` has one row an epoch, `optimizer` the state of the optimiser of its phase.

    `versions` are those of the packages that compute. Of several processes that train together one `writes`. Raises
    StudyError for a course that was begun with other versions: its next epochs would be another training's.
    """

    def __init__(
        self, recipe: Recipe, folder: Path, start: State, versions: dict[str, str] | None = None, writes: bool = True
    ):
        self.recipe, self.folder, self.start, self.writes = recipe, folder, start, writes
        self.versions = versions or {}
        self.state, self.optimizer, self.history = start, {}, []
        self._seconds, self._began = 0.0, time.perf_counter()
        for path in folder.iterdir() if writes else ():
            if not path.match("checkpoint-*.safetensors"):  # half of something that a kill left
                path.unlink()
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
        return self._phase_after(self.history)

    def _phase_after(self, history: list[dict]) -> tuple[str, int, int] | None:
        for name, epochs in self.recipe.phases().items():
            rows = [row for row in history if row["phase"] == name]
            if len(rows) < epochs and not (rows and self.recipe.stops(rows)):
                return name, len(rows), epochs
        return None

    def _ends_phase(self, history: list[dict]) -> bool:
        phase = self._phase_after(history)
        return phase is None or phase[0] != history[-1]["phase"]

    def end_epoch(self, row: dict, state: State, optimizer: dict[str, Tensor]) -> bool:
        """Keeps an epoch, `state` being a copy of what was trained; returns whether its phase ends here.

        Raises StudyError for a loss that is no number, and OSError or SafetensorError for a disk that takes no more;
        what was kept stays.
        """
        losses = row["training_loss"], row["validation_loss"]
        if not all(map(math.isfinite, losses)):
            remedy = "lower learning_rate; with the same recipe it goes on from the epoch before"
            raise StudyError(f"the loss of epoch {row['epoch']} is no number ({losses[0]}, {losses[1]}): {remedy}")
        history = [*self.history, row]
        ends = self._ends_phase(history)
        optimizer = {} if ends else optimizer  # of no use to the next phase
        parts = {f"model.{key}": value for key, value in state.items()}
        parts |= {f"optimizer.{key}": value for key, value in optimizer.items()}
        facts = {"history": json.dumps(history), "seconds": str(self.seconds), "versions": json.dumps(self.versions)}
        if self.writes:
            self._write(row["epoch"], parts, facts)
            self._forget(row["epoch"], history)
        self._stand(history, state, optimizer)
        return ends

    def best(self) -> State:
        """The weights of the best epoch. They were seen to be whole when the course was read or written."""
        file = next(self._files(self.recipe.best_epoch(self.history)))
        return self.start | _part(safetensors.torch.load_file(file), "model.")

    def _files(self, epoch: int):
        return self.folder.glob(f"checkpoint-{epoch:04d}-*.safetensors")

    def _write(self, epoch: int, tensors: dict[str, Tensor], facts: dict[str, str]) -> None:
        unfinished = self.folder / "checkpoint.unfinished"
        try:
            safetensors.torch.save_file(tensors, unfinished, facts)
        except BaseException:
            unfinished.unlink(missing_ok=True)
            raise
        for old in self._files(epoch):  # it is trained once more
            old.unlink()
        unfinished.replace(self.folder / f"checkpoint-{epoch:04d}-{_hash(unfinished)}.safetensors")

    def _read(self, path: Path) -> bool:
        if not _is_whole(path):
            return False
        with safetensors.safe_open(path, "pt") as file:
            facts = file.metadata()
            tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118 (it is no dict)
        versions = json.loads(facts.get("versions", "{}"))
        if versions != self.versions:
            begun = ", ".join(f"{name} {version}" for name, version in versions.items()) or "unknown versions"
            here = ", ".join(f"{name} {version}" for name, version in self.versions.items())
            remedy = "install those again, or delete it to begin anew"
            raise StudyError(f"{self.folder} was begun with {begun}; here is {here}: {remedy}")
        history = json.loads(facts["history"])
        if not any(map(_is_whole, self._files(self.recipe.best_epoch(history)))):
            return False
        self._seconds = float(facts["seconds"])
        self._stand(history, _part(tensors, "model."), _part(tensors, "optimizer."))
        return True

    def _stand(self, history: list[dict], state: State, optimizer: dict[str, Tensor]) -> None:
        """Where the training now is."""
        self.history, self.state, self.optimizer = history, self.start | state, optimizer

    def _forget(self, epoch: int, history: list[dict]) -> None:
        """Deletes the checkpoints before the last two, but for those that one of these calls the best."""
        last = range(max(epoch - KEPT, 0) + 1, epoch + 1)
        kept = {*last, *(self.recipe.best_epoch(history[:number]) for number in last)}
        for path in self.folder.glob("checkpoint-*.safetensors"):
            if int(path.name.split("-")[1]) not in kept:
                path.unlink()


def _part(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {key.removeprefix(prefix): value for key, value in tensors.items() if key.startswith(prefix)}


def _hash(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:16]


def _is_whole(path: Path) -> bool:
    return path.stem.rpartition("-")[2] == _hash(path)
