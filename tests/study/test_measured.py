"""A study evaluates its trained networks once and stores the results beside their runs."""

from dataclasses import asdict

import numpy as np
from finished_runs import finished_run

from dogbreeds.study import Study, study as study_module
from dogbreeds.training.recipe import Recipe
from dogbreeds.training.runs import RunConfig

CONFIG = RunConfig("resnet50", "pytorch", "toy", "0", ("pug", "corgi"), 32, Recipe())


def measured(study, runs, times):
    def measure():
        times.append(1)
        return {"logits": np.arange(3.0)}

    return study.measured("toy", runs, measure)["logits"].tolist()


def test_arrays_are_measured_once(tmp_path):
    study, times = Study("toy", out=tmp_path / "toy" / "runs"), []
    run = finished_run(study.store / "one", np.eye(4, dtype=np.float32), np.arange(4))
    assert measured(study, [run], times) == measured(study, [run], times) == [0, 1, 2]
    assert len(times) == 1
    other = finished_run(study.store / "other", np.eye(4, dtype=np.float32), np.arange(4))
    measured(study, [other], times)
    assert len(times) == 2  # another network is measured again


def test_arrays_are_read_from_the_folder_of_their_runs(tmp_path):
    stored, times = Study("toy", out=tmp_path / "kept" / "runs"), []
    run = finished_run(stored.store / "one", np.eye(4, dtype=np.float32), np.arange(4))
    measured(stored, [run], times)
    assert measured(Study("toy", out=tmp_path / "mine" / "runs"), [run], times) == [0, 1, 2]
    assert len(times) == 1
    assert not (tmp_path / "mine").exists()


def test_run_without_weights_is_trained_again_in_a_separate_folder(tmp_path, monkeypatch):
    """The separate folder prevents the new run from replacing the stored run."""
    study, stores = Study("toy", out=tmp_path / "toy" / "runs"), []
    run = finished_run(study.store / "one", np.eye(4, dtype=np.float32), np.arange(4))
    run.__dict__["record"] |= asdict(CONFIG)
    monkeypatch.setattr(study_module, "train_all", lambda jobs, store: stores.append(store) or [jobs[-1].config])
    monkeypatch.setattr(Study, "dataset", None)
    assert study.with_weights(run) == CONFIG
    assert stores == [tmp_path / "toy" / "trained_again"]
    run.weights.touch()
    assert study.with_weights(run) is run
    assert len(stores) == 1
