"""A progress bar in a terminal, one line per epoch, and the same logs from both frameworks."""

import os
import pty
import re
import termios
import time
from pathlib import Path

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from dogbreeds import models
from dogbreeds.training import progress
from dogbreeds.training.progress import Progress

ROW = {"epoch": 1, "phase": "all", "training_loss": 0.5, "training_accuracy": 0.75, "validation_loss": 0.6}
ROW |= {"validation_accuracy": 0.5, "photos_per_second": 30.0}


def test_progress_sends_step_epoch_and_end_events(tmp_path, monkeypatch):
    events = []
    monkeypatch.setattr(progress, "INTERVAL", 0.0)
    reporter = Progress("run", [], 40, 3, tmp_path, events.append)
    reporter.step(1, 10, lambda: (0.7, 0.25))
    reporter.epoch(ROW)
    reporter.step(2, 10, lambda: (0.4, 0.5))
    reporter.close()
    assert [event["kind"] for event in events] == ["step", "epoch", "step", "end"]
    assert [event["photos"] for event in events if event["kind"] == "step"] == [10, 50]
    assert events[0] | {"total": 120, "loss": 0.7, "accuracy": 0.25} == events[0]
    assert re.search(
        r"epoch  1 .*loss 0.500 accuracy 0.750 .*loss 0.600 accuracy 0.500 .*30 photos/s", events[1]["line"]
    )


def test_loss_is_not_read_at_every_step(tmp_path):
    """On a GPU, reading the loss waits for the step to finish."""
    reads = []
    reporter = Progress("run", [], 1000, 1, tmp_path, lambda event: None)
    for step in range(100):
        reporter.step(1, step, lambda: reads.append(1) or (0.0, 0.0))
    reporter.close()
    assert len(reads) < 5


def test_log_matches_the_history_without_duplicates(tmp_path):
    for done in (0, 1):  # the second time, training resumes after the first epoch
        reporter = Progress("run", [ROW] * done, 40, 2, tmp_path, lambda event: None)
        reporter.epoch(ROW | {"epoch": done + 1, "training_loss": 0.5 - 0.25 * done})
        reporter.close()
    log = EventAccumulator(str(tmp_path)).Reload()
    assert sorted(log.Tags()["scalars"]) == [
        "accuracy/training",
        "accuracy/validation",
        "loss/training",
        "loss/validation",
    ]
    assert [(event.step, event.value) for event in log.Scalars("loss/training")] == [(1, 0.5), (2, 0.25)]


@pytest.mark.slow
@pytest.mark.parametrize("framework", models.FRAMEWORKS)
def test_terminal_shows_a_progress_bar_and_logs_are_written(tmp_path, framework, dogbreeds):
    words = ["train", "--architecture", "resnet50", "--framework", framework, "--out", tmp_path / "runs"]
    words += ["--parameter", "photos_per_breed=8", "--parameter", "image_size=32", "--set", "epochs=2"]
    words += ["--parameter", "test_drawings_per_breed=0"]
    master, terminal = pty.openpty()
    termios.tcsetwinsize(terminal, (40, 160))
    training = dogbreeds.start(words, stderr=os.ttyname(terminal))
    os.set_blocking(master, False)
    shown = b""
    while training.running():
        shown += read(master)
        time.sleep(0.02)
    shown += read(master)
    os.close(terminal)
    os.close(master)
    lines = training.wait().stdout.splitlines()
    assert training.returncode == 0
    # Below one photo/s, tqdm shows the inverse rate.
    assert re.search(
        rb"40.0/40.0 .*(photos/s|s/ photos), loss=\d\.\d{3}, accuracy=\d\.\d{3}", shown.replace(b"\r", b"\n")
    )
    assert len(lines) == 3  # one line per epoch, then the folder
    run = Path(lines[-1])
    assert list((run.parent / "tensorboard" / run.name).glob("events.out.tfevents.*"))


def read(terminal):
    try:
        return os.read(terminal, 65536)
    except BlockingIOError:  # nothing new
        return b""


def test_output_to_a_file_is_not_watched():
    assert not progress.watched()
