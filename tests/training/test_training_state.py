"""The state of a training on disk, with a network of two weights."""

import pytest
import torch

from dogbreeds.errors import StudyError
from dogbreeds.training.recipe import Phase, Recipe
from dogbreeds.training.training_state import TrainingState

RECIPE = Recipe(epochs=6, patience=0)
LOSSES = [0.9, 0.5, 0.7, 0.6, 0.4, 0.8]


def state(epoch):
    return {"conv.weight": torch.tensor([float(epoch)]), "fc.weight": torch.tensor([-float(epoch)])}


def row(epoch, loss=None, phase="all"):
    losses = {"training_loss": 0.1, "validation_loss": LOSSES[epoch - 1] if loss is None else loss}
    return {"epoch": epoch, "phase": phase} | losses


def trained(folder, epochs, recipe=RECIPE, versions=None):
    training_state = TrainingState(recipe, folder, state(0), versions)
    for epoch in range(len(training_state.history) + 1, epochs + 1):
        training_state.end_epoch(row(epoch), state(epoch), {"fc.weight.step": torch.tensor(epoch)})
    return training_state


@pytest.mark.parametrize("epochs", range(1, 7))
def test_training_state_is_restored_from_disk(tmp_path, epochs):
    before, training_state = trained(tmp_path, epochs), TrainingState(RECIPE, tmp_path, state(0))
    assert training_state.history == before.history
    assert training_state.state == state(epochs)
    # At the end of its phase, the state of the optimiser is no longer needed.
    assert training_state.optimizer == ({"fc.weight.step": torch.tensor(epochs)} if epochs < 6 else {})
    assert training_state.best() == state(before.recipe.best_epoch(training_state.history))
    assert training_state.next_phase() == (Phase("all", epochs, 6) if epochs < 6 else None)


def test_last_two_checkpoints_and_their_best_epochs_are_kept(tmp_path):
    for epochs, kept in ((1, [1]), (4, [2, 3, 4]), (5, [2, 4, 5]), (6, [5, 6])):
        trained(tmp_path, epochs)
        names = [path.name.rpartition("-")[0] for path in sorted(tmp_path.iterdir())]
        assert names == [f"checkpoint-{number:04d}" for number in kept]


def test_resuming_with_different_package_versions_is_refused(tmp_path):
    trained(tmp_path, 2, versions={"torch": "1.0"})
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    assert len(trained(tmp_path, 2, versions={"torch": "1.0"}).history) == 2
    with pytest.raises(StudyError, match=r"was started with torch 1\.0, but torch 2\.0 is installed: reinstall"):
        trained(tmp_path, 3, versions={"torch": "2.0"})
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before


@pytest.mark.parametrize("damage", ["flip", "cut", "empty"])
def test_training_resumes_from_the_checkpoint_before_a_damaged_one(tmp_path, damage, capfd):
    trained(tmp_path, 5)
    last = next(tmp_path.glob("checkpoint-0005-*"))
    content = bytearray(last.read_bytes())
    if damage == "flip":
        content[-1] ^= 1
    last.write_bytes({"cut": content[:-3], "empty": b""}.get(damage, content))
    training_state = TrainingState(RECIPE, tmp_path, state(0))
    assert len(training_state.history) == 4
    assert training_state.state == state(4)
    assert "checkpoint-0005" in capfd.readouterr().err
    again = trained(tmp_path, 6)
    assert again.best() == state(5)
    assert TrainingState(RECIPE, tmp_path, state(0)).state == state(6)


def test_unfinished_files_are_removed(tmp_path):
    trained(tmp_path, 1)
    intact = sorted(tmp_path.iterdir())
    for name in ("checkpoint.unfinished", ".tmp1aB2c3", "history.csv"):
        (tmp_path / name).write_text("half")
    TrainingState(RECIPE, tmp_path, state(0))
    assert sorted(tmp_path.iterdir()) == intact


def test_checkpoints_are_discarded_if_the_best_weights_are_damaged(tmp_path, capfd):
    trained(tmp_path, 4)
    best = next(tmp_path.glob("checkpoint-0002-*"))
    best.write_bytes(best.read_bytes()[:-1])
    assert TrainingState(RECIPE, tmp_path, state(0)).history == []
    assert trained(tmp_path, 6).best() == state(5)


def test_training_starts_over_without_an_intact_checkpoint(tmp_path):
    trained(tmp_path, 2)
    for path in tmp_path.iterdir():
        path.write_bytes(path.read_bytes()[:-1])
    training_state = TrainingState(RECIPE, tmp_path, state(0))
    assert (training_state.history, training_state.state, training_state.optimizer) == ([], state(0), {})


@pytest.mark.parametrize("loss", [float("nan"), float("inf")])
def test_epoch_with_a_non_finite_loss_is_not_stored(tmp_path, loss):
    training_state = trained(tmp_path, 2)
    with pytest.raises(StudyError, match="loss of epoch 3 is not finite"):
        training_state.end_epoch(row(3, loss), state(3), {})
    assert TrainingState(RECIPE, tmp_path, state(0)).history == training_state.history


def test_head_warm_up_stores_and_changes_only_the_head(tmp_path):
    recipe = Recipe(epochs=2, head_epochs=2, patience=1)
    training_state = TrainingState(recipe, tmp_path, state(0))
    head = {"fc.weight": torch.tensor([5.0])}
    assert not training_state.end_epoch(row(1, 0.2, "head"), head, {"fc.weight.step": torch.tensor(1)})
    assert training_state.end_epoch(
        row(2, 0.3, "head"), head, {"fc.weight.step": torch.tensor(2)}
    )  # patience is exhausted
    training_state = TrainingState(recipe, tmp_path, state(0))
    assert training_state.state == state(0) | head
    assert training_state.next_phase() == Phase("all", 0, 2)
    assert training_state.optimizer == {}  # the optimiser state of the head is not reused
