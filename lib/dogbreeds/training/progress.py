"""Progress of a training: one line per epoch, a live bar if a user is watching, and logs for TensorBoard.

Events are dictionaries, so that a worker process can send them to the process that controls the screen.
"""

import shutil
import sys
import time
from collections.abc import Callable
from itertools import product
from pathlib import Path
from typing import Protocol

from tensorboardX import SummaryWriter
from tqdm.auto import tqdm

STAGES, MEASURES = ("training", "validation"), ("loss", "accuracy")
INTERVAL = 0.5  # seconds between two readings of the loss: on a GPU, a reading waits for the step to finish


def watched() -> bool:
    """Returns whether a user can see a moving bar: in a terminal, or in a notebook run interactively.

    Notebook front ends send the id of a cell with its code; papermill, nbconvert and nbval do not.
    """
    loaded = sys.modules.get("IPython")
    shell = loaded.get_ipython() if loaded else None
    if not hasattr(shell, "get_parent"):  # not a notebook kernel
        return sys.stderr.isatty()
    return "cellId" in shell.get_parent().get("metadata", {})


class Display:
    """Shows the events of any number of trainings; call it with each event."""

    def __init__(self):
        self.watched, self.bars = watched(), {}

    def __call__(self, event: dict) -> None:
        if self.watched and event["kind"] != "end":
            self._move(event)
        if event["kind"] == "epoch":
            tqdm.write(event["line"], file=sys.stdout)
            sys.stdout.flush()
        elif event["kind"] == "end" and event["run"] in self.bars:
            self.bars.pop(event["run"]).close()

    def _move(self, event: dict) -> None:
        bar = self.bars.get(event["run"])
        if bar is None:  # photos from before an interruption count neither for the speed nor for the time left
            options = {"initial": event["photos"], "unit": " photos", "unit_scale": True}
            bar = self.bars[event["run"]] = tqdm(total=event["total"], desc=event["run"], **options)
            if hasattr(bar, "container"):  # in a notebook: keeps the name on one line
                bar.container.children[0].layout.min_width = "max-content"
        bar.set_postfix({name: f"{event[name]:.3f}" for name in MEASURES}, refresh=False)
        bar.update(event["photos"] - bar.n)


class Observer(Protocol):
    """What a training calls at each step and epoch. Progress, benchmarks and the noise study observe trainings."""

    def step(self, epoch: int, photos: int, measures: Callable[[], tuple[float, float]]) -> None:
        """Is called after each step with the photos of the epoch so far; `measures` returns loss and accuracy."""

    def epoch(self, row: dict) -> bool | None:
        """Is called after each epoch with its row of the history; returns True to end the training there."""


class Progress:
    """Sends the steps and epochs of one training to a display, and its epochs to a TensorBoard log.

    `history` has the rows of epochs that are already done, `photos` is the number of photos per epoch, and `log` is
    the folder of the TensorBoard log.
    """

    def __init__(self, run: str, history: list[dict], photos: int, epochs: int, log: Path, send: Callable):
        self.run, self.photos, self.total, self.send = run, photos, photos * epochs, send
        shutil.rmtree(log, ignore_errors=True)  # rewritten without epochs that an interruption discarded
        self.writer, self.last = SummaryWriter(str(log)), 0.0
        for row in history:
            self._log(row)

    def step(self, epoch: int, photos: int, measures: Callable[[], tuple[float, float]]) -> None:
        if time.monotonic() - self.last >= INTERVAL:
            self.last = time.monotonic()
            self._report("step", self.photos * (epoch - 1) + photos, *measures())

    def epoch(self, row: dict) -> None:
        self._log(row)
        stages = [
            f"{stage}: loss {row[f'{stage}_loss']:.3f} accuracy {row[f'{stage}_accuracy']:.3f}" for stage in STAGES
        ]
        line = "  ".join([f"{self.run}  epoch {row['epoch']:2d}", *stages, f"{row['photos_per_second']:.0f} photos/s"])
        self._report("epoch", self.photos * row["epoch"], row["training_loss"], row["training_accuracy"], line=line)

    def close(self) -> None:
        self.writer.close()
        self.send({"kind": "end", "run": self.run})

    def _report(self, kind: str, photos: int, loss: float, accuracy: float, **more) -> None:
        event = {"kind": kind, "run": self.run, "photos": photos, "total": self.total}
        self.send(event | {"loss": loss, "accuracy": accuracy} | more)

    def _log(self, row: dict) -> None:
        for stage, name in product(STAGES, MEASURES):
            self.writer.add_scalar(f"{name}/{stage}", row[f"{stage}_{name}"], row["epoch"])
        self.writer.flush()
