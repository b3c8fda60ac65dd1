"""An error during a training ends in a one-line message, and finished epochs and runs are kept."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from dogbreeds.cli import main
from dogbreeds.errors import StudyError
from dogbreeds.training import runs, trainer
from dogbreeds.training.recipe import Recipe

pytestmark = pytest.mark.slow
DOGBREEDS = Path(sys.executable).with_name("dogbreeds")
SMALL = ["--parameter", "image_size=32", "--parameter", "photos_per_breed=8"]
SMALL += ["--parameter", "test_drawings_per_breed=0", "--set", "batch_size=8"]


def command(framework, *words):
    return ["train", "--architecture", "resnet50", "--framework", framework, *SMALL, *words]


def run(words, **options):
    return subprocess.run(words, capture_output=True, text=True, cwd="/", **options)


def error_line(outcome):
    """Returns the last line that the user sees."""
    assert outcome.returncode == 2
    assert "Traceback" not in outcome.stderr
    line = outcome.stderr.splitlines()[-1]
    assert line.startswith("dogbreeds: ")
    return line


@pytest.fixture
def error_message(capsys):
    """A function that runs a command in this process and returns its one-line message."""

    def line(words):
        assert main([str(word) for word in words]) == 2
        line = capsys.readouterr().err.splitlines()[-1]
        assert line.startswith("dogbreeds: ")
        return line

    return line


@pytest.fixture
def store(tmp_path):
    return tmp_path / "store"


def test_finished_epochs_are_kept_when_the_disk_is_full(store, dogbreeds):
    """Simulated by a limit on file size: checkpoints of the head are below it, those of the network are not."""
    gradual = command("pytorch", "--out", store, "--set", "head_epochs=2", "--set", "epochs=1")
    assert "File too large" in error_line(dogbreeds.run(gradual, largest_file=10**7))
    unfinished = next(store.glob("*.unfinished"))
    kept = [path.name.rpartition("-")[0] for path in sorted(unfinished.iterdir())]
    assert kept == ["checkpoint-0001", "checkpoint-0002"]
    before = runs.RunStore(store).results()
    outcome = dogbreeds.run(gradual)
    assert outcome.returncode == 0, outcome.stderr
    assert len(before) == 0
    assert "epoch  1" not in outcome.stdout  # stored epochs are not trained again
    finished = runs.Run(Path(outcome.stdout.splitlines()[-1]))
    assert finished.history["epoch"].tolist() == [1, 2, 3]


def test_unwritable_output_folder_is_named_in_the_error(error_message, tmp_path):
    (tmp_path / "file").write_text("no folder")
    for place in (tmp_path / "file" / "outputs", Path("/proc/outputs")):
        assert str(place) in error_message(command("pytorch", "--out", place))


def test_missing_weights_file_is_named_in_the_error(error_message, store):
    line = error_message(command("pytorch", "--out", store, "--weights", "nowhere.safetensors"))
    assert "weights file nowhere.safetensors does not exist" in line
    assert not store.exists()


def test_unknown_stage_is_named_in_the_error(error_message, store):
    line = error_message(command("pytorch", "--out", store, "--set", "freeze=block1"))
    assert "unknown stage 'block1' of resnet50: choose one of stem, layer1" in line
    assert not store.exists()


def test_failed_weights_download_suggests_a_manual_download(error_message, store, monkeypatch):
    monkeypatch.setenv("DOGBREEDS_MIRROR", "http://127.0.0.1:9")
    line = error_message(command("pytorch", "--out", store, "--weights", "imagenet"))
    assert "put the file at" in line


@pytest.mark.parametrize("framework", ["keras", "pytorch"])
def test_training_resumes_after_ctrl_c(store, framework, dogbreeds):
    """The second start resumes after the epochs of the first and trains the remaining ones."""
    words = command(framework, "--out", store, "--set", "epochs=8", "--set", "patience=0")
    first = dogbreeds.start(words)
    while "epoch  2" not in first.stdout:
        assert first.running(), first.stderr
    os.kill(first.pid, signal.SIGINT)
    assert first.wait().returncode == 130
    assert "dogbreeds: interrupted; finished work is kept" in first.stderr.splitlines()[-1]
    assert "Traceback" not in first.stderr
    second = dogbreeds.run(words)
    assert second.returncode == 0, second.stderr
    assert "epoch  1" not in second.stdout
    resumed = runs.Run(Path(second.stdout.splitlines()[-1]))
    assert resumed.history["epoch"].tolist() == list(range(1, 9))


def config(dataset, recipe, framework="pytorch", size=32):
    return runs.RunConfig("resnet50", framework, dataset.name, dataset.fingerprint, dataset.breeds, size, recipe)


@pytest.mark.usefixtures("shallow")
@pytest.mark.parametrize("framework", ["keras", "pytorch"])
def test_non_finite_loss_stops_the_training(dataset, store, framework):
    recipe = Recipe(batch_size=4, epochs=3, optimizer="sgd", learning_rate=1e30, warm_up=0.0)
    with pytest.raises(StudyError, match=r"loss of epoch 1 is not finite .* lower learning_rate"):
        trainer.train(config(dataset, recipe, framework), dataset, store)
    assert len(runs.RunStore(store).results()) == 0


def test_batch_larger_than_the_training_split_is_refused(dataset, store):
    with pytest.raises(StudyError, match="batch_size 15 exceeds the 14 training photos"):
        trainer.train(config(dataset, Recipe(batch_size=15)), dataset, store)


def test_out_of_memory_error_suggests_a_smaller_batch(store):
    """The process may use 3 GB more than it does after the import of PyTorch."""
    script = (
        "import sys, resource, torch, dogbreeds.training.pytorch_trainer, dogbreeds.study\n"
        "from dogbreeds.cli import main\n"
        "taken = int(open('/proc/self/statm').read().split()[0]) * resource.getpagesize()\n"
        "resource.setrlimit(resource.RLIMIT_AS, (taken + 3 * 10**9,) * 2)\n"
        "sys.exit(main(sys.argv[1:]))"
    )
    words = command("pytorch", "--out", store, "--parameter", "image_size=640", "--set", "batch_size=20")
    line = error_line(run([sys.executable, "-c", script, *words]))
    assert "a batch of 20 photos of 640 x 640 pixels does not fit into memory: lower batch_size" in line


def test_two_processes_do_not_train_the_same_run(store, dogbreeds):
    words = command("pytorch", "--out", store, "--set", "epochs=2")
    commands = [command.wait() for command in [dogbreeds.start(words), dogbreeds.start(words)]]
    outputs = [command.stdout.splitlines() for command in commands]
    assert [command.returncode for command in commands] == [0, 0]
    assert outputs[0][-1] == outputs[1][-1]
    assert sorted(len(lines) for lines in outputs) == [1, 3]  # the later process only prints the folder


def test_distributed_training_matches_a_single_process(store, tmp_path):
    """Two processes on this machine, connected by gloo and started by Lightning or by torchrun."""
    recipe = ["--set", "batch_norm=frozen", "--set", "epochs=2", "--set", "label_smoothing=0.1"]
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2"]
    assert main([str(word) for word in command("pytorch", "--out", tmp_path / "one", *recipe)]) == 0
    for name, start in (("lightning", []), ("torchrun", torchrun)):
        words = command("pytorch", "--out", tmp_path / name, "--devices", "2", *recipe)
        outcome = run([*start, DOGBREEDS, *words], env=os.environ | {"OMP_NUM_THREADS": "1"})
        assert outcome.returncode == 0, outcome.stderr
    histories = [
        pd.read_csv(next((tmp_path / name).glob("*/history.csv"))) for name in ("one", "lightning", "torchrun")
    ]
    names = ["training_loss", "validation_loss", "training_accuracy", "validation_accuracy"]
    for several in histories[1:]:
        np.testing.assert_allclose(several[names], histories[0][names], rtol=2e-3)


@pytest.mark.parametrize(
    ("framework", "words", "message"),
    [
        ("keras", ["--set", "batch_norm=frozen"], "several devices require PyTorch, not keras"),
        ("pytorch", ["--set", "batch_size=7"], "batch_size 7 is not divisible by 2"),
        ("pytorch", ["--set", "head_epochs=1"], "head warm-up and linear probes use one device"),
        ("pytorch", [], "several processes on CPUs cannot share batch statistics"),
        ("pytorch", ["--devices", "0"], "must be 1 or more"),
    ],
)
def test_unsupported_settings_with_several_devices_are_refused(error_message, store, framework, words, message):
    assert message in error_message(command(framework, "--out", store, "--devices", "2", *words))
    assert not store.exists()
