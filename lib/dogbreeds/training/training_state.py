"""The state of one training on disk: all it needs to resume, bit for bit, after its last complete epoch.

Lightning and Keras have their own checkpoints. This format serves both frameworks, survives a kill at any moment
(Keras overwrites its only checkpoint), verifies each file by the hash in its name, and executes no code when it is
read. The folder keeps the last two epochs, and the epochs that were the best up to each of these two:

    checkpoint-0007-<hash>.safetensors    weights, optimiser state and history

Weights that a phase does not train are not written: they equal the initial weights.
"""

import json
import math
import sys
import time
from pathlib import Path

import safetensors
import safetensors.torch
from torch import Tensor

from dogbreeds.errors import StudyError
from dogbreeds.files import digest
from dogbreeds.models.weight_conversion import State
from dogbreeds.training.recipe import Phase, Recipe


class TrainingState:
    """The progress of a training: `history` has one row per epoch, `optimizer` the optimiser state of the phase.

    `versions` are the versions of the packages that compute. If several processes train together, only one `writes`.
    Raises StudyError if the stored epochs were trained with other versions: the next epochs would not match them.
    """

    def __init__(
        self, recipe: Recipe, folder: Path, initial: State, versions: dict[str, str] | None = None, writes: bool = True
    ):
        self.recipe, self.folder, self.initial, self.writes = recipe, folder, initial, writes
        self.versions = versions or {}
        self.state, self.optimizer, self.history = initial, {}, []
        self._seconds, self._began = 0.0, time.perf_counter()
        for path in folder.iterdir() if writes else ():
            if not path.match("checkpoint-*.safetensors"):  # an incomplete file of an interrupted process
                path.unlink()
        for path in sorted(folder.glob("checkpoint-*.safetensors"), reverse=True):
            if self._read(path):
                return
            print(f"dogbreeds: {path.name} is corrupt, resuming from the previous one", file=sys.stderr, flush=True)

    @property
    def seconds(self) -> float:
        """The training time in seconds, without epochs that an interruption discarded."""
        return self._seconds + time.perf_counter() - self._began

    def next_phase(self) -> Phase | None:
        return self.recipe.next_phase(self.history)

    def end_epoch(self, row: dict, state: State, optimizer: dict[str, Tensor]) -> bool:
        """Stores an epoch, given copies of the trained weights; returns whether the phase ends with this epoch.

        Raises StudyError if a loss is not finite, and OSError or SafetensorError if the disk is full or not writable.
        Earlier checkpoints are kept.
        """
        losses = row["training_loss"], row["validation_loss"]
        if not all(map(math.isfinite, losses)):
            remedy = "lower learning_rate; the same recipe resumes from the previous epoch"
            raise StudyError(f"the loss of epoch {row['epoch']} is not finite ({losses[0]}, {losses[1]}): {remedy}")
        history = [*self.history, row]
        following = self.recipe.next_phase(history)
        ends = following is None or following.name != row["phase"]
        optimizer = {} if ends else optimizer  # the next phase starts with a new optimiser
        parts = {f"model.{key}": value for key, value in state.items()}
        parts |= {f"optimizer.{key}": value for key, value in optimizer.items()}
        facts = {"history": json.dumps(history), "seconds": str(self.seconds), "versions": json.dumps(self.versions)}
        if self.writes:
            self._write(row["epoch"], parts, facts)
            self._prune(row["epoch"], history)
        self.history, self.state, self.optimizer = history, self.initial | state, optimizer
        return ends

    def best(self) -> State:
        """Returns the weights of the best epoch; reading or writing the state has verified their file."""
        file = next(self._files(self.recipe.best_epoch(self.history)))
        return self.initial | _part(safetensors.torch.load_file(file), "model.")

    def _files(self, epoch: int):
        return self.folder.glob(f"checkpoint-{epoch:04d}-*.safetensors")

    def _write(self, epoch: int, tensors: dict[str, Tensor], facts: dict[str, str]) -> None:
        unfinished = self.folder / "checkpoint.unfinished"
        try:
            safetensors.torch.save_file(tensors, unfinished, facts)
            for old in self._files(epoch):  # this epoch was trained again
                old.unlink()
            unfinished.replace(self.folder / f"checkpoint-{epoch:04d}-{digest(unfinished)[:16]}.safetensors")
        finally:
            unfinished.unlink(missing_ok=True)

    def _read(self, path: Path) -> bool:
        if not _is_intact(path):
            return False
        with safetensors.safe_open(path, "pt") as file:
            facts = file.metadata()
            tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118 (not a dict)
        versions = json.loads(facts["versions"])
        if versions != self.versions:
            started = ", ".join(f"{name} {version}" for name, version in versions.items())
            present = ", ".join(f"{name} {version}" for name, version in self.versions.items())
            remedy = "reinstall those versions, or delete the folder to start again"
            raise StudyError(f"{self.folder} was started with {started}, but {present} is installed: {remedy}")
        history = json.loads(facts["history"])
        if not any(map(_is_intact, self._files(self.recipe.best_epoch(history)))):
            return False
        self.history, self._seconds = history, float(facts["seconds"])
        self.state, self.optimizer = self.initial | _part(tensors, "model."), _part(tensors, "optimizer.")
        return True

    def _prune(self, epoch: int, history: list[dict]) -> None:
        last = range(max(epoch - 1, 1), epoch + 1)
        kept = {*last, *(self.recipe.best_epoch(history[:number]) for number in last)}
        for path in self.folder.glob("checkpoint-*.safetensors"):
            if int(path.name.split("-")[1]) not in kept:
                path.unlink()


def _part(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {key.removeprefix(prefix): value for key, value in tensors.items() if key.startswith(prefix)}


def _is_intact(path: Path) -> bool:
    return path.stem.rpartition("-")[2] == digest(path)[:16]
