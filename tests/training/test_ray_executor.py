"""Training on a Ray cluster with a killed node gives the same bits as training in this process."""

import json
import threading
import time
from dataclasses import replace

import numpy as np
import pytest
import ray
import torch
from PIL import Image
from ray.cluster_utils import Cluster
from safetensors import safe_open

from dogbreeds.cli import main, sweep
from dogbreeds.errors import StudyError
from dogbreeds.study import Study
from dogbreeds.training import ray_executor, runs, trainer

TIMES = ["seconds", "photos_per_second"]


@pytest.fixture
def study(photo_folder, tmp_path, monkeypatch):
    """ResNet50 in PyTorch with two seeds, each with initial weights learned on two other breeds."""
    for breed in ("beagle", "corgi"):
        (photo_folder / breed).mkdir()
        for number in range(12):
            Image.effect_noise((50, 40), 20 + number).convert("RGB").save(photo_folder / breed / f"{number}.jpg")
    monkeypatch.setenv("RAY_AUTH_MODE", "disabled")  # authentication would write to the home folder
    monkeypatch.setenv("RAY_gcs_server_port_wait_time_s", "600")  # on a busy machine Ray starts slowly
    monkeypatch.setattr(torch, "get_num_threads", lambda: 2)  # as many as all nodes of the cluster have
    recipe = {"epochs": 4, "batch_size": 4, "patience": 0}
    options = {"weights": ["other-breeds"], "source_recipe": recipe | {"epochs": 1}, "seeds": [0, 1]}
    options |= {"architectures": ["resnet50"], "frameworks": ["pytorch"]}
    return Study("toy", str(photo_folder), ["pug", "beagle"], 0, 32, recipe, **options)


@pytest.fixture
def cluster(study):
    """A cluster with one node, which has one CPU."""
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
    yield cluster
    ray.shutdown()
    cluster.shutdown()


@pytest.mark.slow
def test_killed_node_does_not_change_the_results(study, cluster, tmp_path):
    node = cluster.add_node(num_cpus=1)
    first_epoch_seconds = {}  # running trainings, with the seconds of their first epoch

    def kill_when_both_train():
        while len(first_epoch_seconds) < 2:
            time.sleep(0.05)
            for run in study.configs():
                for file in (study.store / f"{run.id}.unfinished").glob("checkpoint-0001-*"):
                    with safe_open(file, "pt") as checkpoint:
                        first_epoch_seconds[run.id] = json.loads(checkpoint.metadata()["history"])[0]["seconds"]
        cluster.remove_node(node, allow_graceful=False)

    killer = threading.Thread(target=kill_when_both_train, daemon=True)
    killer.start()
    found = ray_executor.train_all(study.plan(), study.store, cluster.address)[2:]
    # Each node trained one run, and no run started again: its first epoch is the one from before the kill.
    assert {run.id: run.history["seconds"][0] for run in found} == pytest.approx(first_epoch_seconds)
    assert not list(study.store.glob("*.unfinished"))

    here = [trainer.train(job.config, job.dataset, tmp_path / "here") for job in study.plan()]
    assert len(runs.RunStore(study.store).results()) == len(here) == 4
    for run, same in zip(found, here[2:], strict=True):
        assert run.id == same.id
        assert run.history["epoch"].to_list() == list(range(1, 5))
        assert run.history.drop(columns=TIMES).equals(same.history.drop(columns=TIMES))
        np.testing.assert_array_equal(run.logits(), same.logits())
        assert run.weights.read_bytes() == same.weights.read_bytes()


@pytest.mark.slow
def test_failed_training_is_reported_after_the_others_finish(study):
    study = replace(study, weights=["scratch"], recipe=study.recipe | {"epochs": 1})
    broken, fine = (config.id for config in study.configs())
    study.store.mkdir(parents=True)
    (study.store / f"{broken}.unfinished").touch()
    with pytest.raises(StudyError, match=f"1 of 2 trainings failed; .* are kept. {broken}: .*File exists"):
        ray_executor.train_all(study.plan(), study.store)
    assert (study.store / fine / "run.json").is_file()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--seeds", "4-x"], "--seeds 4-x: give a range such as 0-4 or a list such as 0,2,5, each seed once"),
        (["--seeds", "0,0"], "--seeds 0,0: give a range such as 0-4 or a list such as 0,2,5, each seed once"),
        (["--seeds", "4-0"], "--seeds 4-0: give a range such as 0-4 or a list such as 0,2,5, each seed once"),
    ],
)
def test_invalid_seeds_are_named_in_the_error(words, message, capsys):
    assert main(["sweep", *words]) == 2
    assert message in capsys.readouterr().err


def test_ranges_of_seeds_are_parsed():
    assert sweep.seeds("0-2,7") == [0, 1, 2, 7]


@pytest.mark.parametrize("address", ["127.0.0.1:1", "nowhere"])
def test_unreachable_cluster_is_named_in_the_error(study, address):
    with pytest.raises(StudyError, match=f"no Ray cluster answers at {address} .*: see the README"):
        ray_executor.train_all(study.plan(), study.store, address)
