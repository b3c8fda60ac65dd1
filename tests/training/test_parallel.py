"""A worker that trains several jobs gives the same bits as a new process for each."""

import os
import signal
import threading
import time
from multiprocessing import active_children

import numpy as np
import pytest
import shallow_networks

from dogbreeds import models
from dogbreeds.cli import main
from dogbreeds.errors import TrainingsFailed
from dogbreeds.study import Study
from dogbreeds.training import devices, duration, jobs, parallel, runs, trainer
from dogbreeds.training.recipe import Recipe

TIMES = ["seconds", "photos_per_second"]
RECIPE = Recipe(batch_size=7, epochs=2, patience=0)
train_in_worker = parallel._train


def train_shallow(config, dataset, store):
    """The task of a worker, with one block per stage."""
    shallow_networks.install(config.framework)
    train_in_worker(config, dataset, store)


@pytest.fixture(autouse=True)
def shallow_workers(monkeypatch):
    monkeypatch.setattr(parallel, "_train", train_shallow)


def job(dataset, framework="pytorch", architecture="resnet50", seed=0, recipe=RECIPE, size=32, **options):
    settings = (architecture, framework, dataset.name, dataset.fingerprint, dataset.breeds, size, recipe, seed)
    return jobs.Job(runs.RunConfig(*settings, **options), dataset)


@pytest.fixture
def one_worker(monkeypatch):
    monkeypatch.setattr(parallel.torch, "get_num_threads", lambda: 1)


def assert_same_bits(one, other):
    """Compares all files of two runs, except measured values."""
    assert one.history.drop(columns=TIMES).equals(other.history.drop(columns=TIMES))
    assert one.weights.read_bytes() == other.weights.read_bytes()
    for split in ("validation", "test"):
        np.testing.assert_array_equal(one.logits(split), other.logits(split))
    measured = {"seconds", "photos_per_second", "peak_memory_mb", "finished"}
    records = [{name: value for name, value in run.record.items() if name not in measured} for run in (one, other)]
    assert records[0] == records[1]
    assert {path.name for path in one.folder.iterdir()} == {path.name for path in other.folder.iterdir()}


@pytest.mark.slow
@pytest.mark.usefixtures("one_worker")
@pytest.mark.parametrize("framework", models.FRAMEWORKS)
def test_reused_worker_gives_the_same_bits_as_a_new_process(dataset, tmp_path, framework):
    """The worker has trained the same network with another seed, so it reuses the graph."""
    wanted = job(dataset, framework, seed=1)
    _, after = parallel.train_all([job(dataset, framework), wanted], tmp_path / "shared")
    [fresh] = parallel.train_all([wanted], tmp_path / "fresh")
    assert_same_bits(after, fresh)


@pytest.mark.slow
@pytest.mark.usefixtures("shallow")
def test_peak_memory_excludes_earlier_allocations(dataset, tmp_path):
    """It does not include what the process did before."""
    before = np.ones(250 * 2**20)  # two gigabytes
    peak = devices.peak_memory() / 1e6
    del before
    this = job(dataset)
    assert trainer.train(this.config, dataset, tmp_path).record["peak_memory_mb"] < peak - 1000


@pytest.mark.slow
@pytest.mark.usefixtures("one_worker")
def test_killed_worker_does_not_change_the_results(dataset, tmp_path, monkeypatch):
    """The worker is killed during its second job; a new worker resumes that job.

    The result has the same bits as that of two parallel workers with the same number of threads.
    """
    wanted = [job(dataset, seed=seed, recipe=Recipe(batch_size=7, epochs=4, patience=0)) for seed in (0, 1)]
    pids = []

    def kill_in_the_second_job():
        while not list(tmp_path.glob(f"interrupted/{wanted[1].id}.unfinished/checkpoint-0001-*")):
            time.sleep(0.01)
        pids.extend(process.pid for process in active_children())
        os.kill(pids[0], signal.SIGKILL)

    killer = threading.Thread(target=kill_in_the_second_job, daemon=True)
    killer.start()
    interrupted = parallel.train_all(wanted, tmp_path / "interrupted")
    killer.join()
    assert len(pids) == 1
    monkeypatch.setattr(parallel.torch, "get_num_threads", lambda: 2)
    for one, other in zip(interrupted, parallel.train_all(wanted, tmp_path / "uninterrupted"), strict=True):
        assert_same_bits(one, other)


def train_or_be_killed(config, dataset, store):
    """The task of a worker that the system kills in trainings with seed 1, as if memory ran out."""
    if config.seed == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    train_shallow(config, dataset, store)


@pytest.mark.slow
def test_training_killed_twice_is_named_and_the_others_finish(dataset, tmp_path, monkeypatch):
    monkeypatch.setattr(parallel, "_train", train_or_be_killed)
    source, fine = job(dataset, seed=1), job(dataset, seed=0)
    dependent = job(dataset, seed=2, initialisation=runs.Initialisation(source=source.id))
    message = f"2 of 3 trainings failed; the finished runs are kept. {source.id}: its process was killed twice"
    with pytest.raises(TrainingsFailed, match=message) as raised:
        parallel.train_all([source, dependent, fine], tmp_path)
    assert "\n" not in str(raised.value)
    assert [path.parent.name for path in tmp_path.glob("*/run.json")] == [fine.id]


@pytest.mark.slow
def test_study_gives_exit_status_1_if_a_training_is_killed_twice(photo_folder, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(parallel, "_train", train_or_be_killed)
    monkeypatch.setattr(duration, "seconds", lambda jobs, store, at_once=0: 60.0)
    changes = ["--parameter", "architectures=[resnet50]", "--parameter", "frameworks=[pytorch]"]
    changes += ["--parameter", "seeds=[0, 1]", "--parameter", "breeds=[]", "--parameter", "photos_per_breed=0"]
    assert main(["study", "--profile", "tiny", "--photos", str(photo_folder), *changes]) == 1
    lines = [line for line in capsys.readouterr().err.splitlines() if line.startswith("dogbreeds: ")]
    assert len(lines) == 2  # the first says what was found in the folder
    assert "1 of 2 trainings failed" in lines[1]
    assert len(list(tmp_path.glob("outputs/*/runs/*/run.json"))) == 1


def test_jobs_wait_for_their_initial_weights_and_workers_keep_their_network(dataset):
    source, other, later = job(dataset, "pytorch"), job(dataset, "keras", size=48), job(dataset, "keras", seed=1)
    dependent = job(dataset, "keras", initialisation=runs.Initialisation(source=source.id))
    another = job(dataset, "keras", "xception")
    queue = parallel._Queue([source, dependent, another, later, other])
    assert queue.take(None) is source
    worker = parallel._Worker(1, None, source.network, job=source)
    queue.running["future"] = worker
    assert queue.take(other.network) is other
    assert queue.take(other.network) is another  # before the same network with another seed
    assert queue.take(other.network) is later
    assert queue.take(other.network) is None  # the last job waits for its source
    del queue.running["future"]
    assert queue.take(source.network) is dependent
    assert queue.waiting == []


def test_plan_contains_each_training_once_and_sources_first():
    small = Study("small", photos_per_breed=12, image_size=32, weights=["scratch", "other-breeds"])
    planned = small.plan()
    assert len({each.id for each in planned}) == len(planned) == 3 + 12 + 5  # the baseline is one of the 12
    assert [each.dataset for each in planned[:3]] == [small.other_breeds] * 3
    assert {each.config.initialisation.source for each in planned} == {"", *(each.id for each in planned[:3])}
