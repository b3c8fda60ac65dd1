"""The configuration identifies a run, and the folder with its id must contain that run."""

import json
from dataclasses import asdict, replace

import pytest

from dogbreeds.errors import StudyError
from dogbreeds.training import runs, trainer
from dogbreeds.training.recipe import Recipe
from dogbreeds.training.runs import RunConfig

CONFIG = RunConfig("resnet50", "keras", "toy", "0", ("pug", "corgi"), 32, Recipe(learning_rate=0.1), backend="torch")


def store_run(config, store, name=None):
    folder = store / (name or config.id)
    folder.mkdir(parents=True)
    (folder / "run.json").write_text(json.dumps(asdict(config)))


def test_finished_run_is_found_by_its_configuration(tmp_path):
    assert runs.RunStore(tmp_path).finished(CONFIG) is None
    store_run(CONFIG, tmp_path)
    assert runs.RunStore(tmp_path).finished(CONFIG).config == CONFIG
    assert len(CONFIG.id.rpartition("-")[2]) == 12


def test_folder_with_a_different_run_is_refused(tmp_path):
    """Otherwise, if two trainings had the same id, the wrong run would be returned."""
    other = replace(CONFIG, recipe=Recipe(learning_rate=0.2))
    store_run(other, tmp_path, CONFIG.id)
    with pytest.raises(StudyError, match=f"{CONFIG.id} contains a different run than its name says"):
        runs.RunStore(tmp_path).finished(CONFIG)


def test_keras_backend_changes_the_run_id():
    assert replace(CONFIG, backend="jax").id != CONFIG.id
    assert replace(CONFIG, framework="pytorch").backend == ""


def test_training_for_another_backend_is_refused(dataset, tmp_path, monkeypatch):
    monkeypatch.setenv("KERAS_BACKEND", "torch")
    with pytest.raises(StudyError, match="needs Keras on jax, not torch: set KERAS_BACKEND=jax"):
        trainer.train(replace(CONFIG, backend="jax"), dataset, tmp_path)
    assert not list(tmp_path.glob("resnet50*"))
