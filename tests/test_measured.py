"""What a study measures of its trained networks is measured once, and kept beside their runs."""

import numpy as np
from finished_runs import finished_run

from dogbreeds.study import Study


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
    assert len(times) == 2  # of another network


def test_arrays_of_runs_that_are_kept_elsewhere_are_read_from_there(tmp_path):
    kept, times = Study("toy", out=tmp_path / "kept" / "runs"), []
    run = finished_run(kept.store / "one", np.eye(4, dtype=np.float32), np.arange(4))
    measured(kept, [run], times)
    assert measured(Study("toy", out=tmp_path / "mine" / "runs"), [run], times) == [0, 1, 2]
    assert len(times) == 1
    assert not (tmp_path / "mine").exists()
