"""The benchmark trains each way that it names and computes its ratios; how fast is for `dogbreeds bench` to tell."""

import json

import numpy as np
import pandas as pd
import pytest

from dogbreeds import models
from dogbreeds.benchmarks import keras_pipelines, pipelines, pytorch_pipelines, scaling, throughput
from dogbreeds.cli import main
from dogbreeds.study import Study
from dogbreeds.training.recipe import Recipe
from dogbreeds.training.runs import RunConfig

# timm leaves the files of photos open, Keras warns of what its own guide does.
pytestmark = [pytest.mark.filterwarnings("ignore"), pytest.mark.usefixtures("shallow")]
WAYS = {
    "pytorch": ["compute_only", "ours", "tutorial", "timm", "torchvision"],
    "keras": ["compute_only", "ours", "keras_directory"],
}


@pytest.mark.slow
@pytest.mark.parametrize("framework", models.FRAMEWORKS)
def test_every_way_trains_on_the_same_photos(dataset, tmp_path, framework, monkeypatch):
    monkeypatch.setenv("KERAS_BACKEND", "torch")  # where nothing is traced
    recipe = Recipe(batch_size=4, patience=0)
    config = RunConfig("resnet50", framework, dataset.name, dataset.fingerprint, dataset.breeds, 32, recipe)
    folder = throughput.linked(dataset, tmp_path / "linked")
    names = {f"{path.parent.name}/{path.name}" for path in folder.glob("*/*")}
    assert len(names) == len(dataset.rows("train"))
    rows = throughput._measure(config, dataset, folder, rounds=1, workers=0)
    assert [row["pipeline"] for row in rows] == WAYS[framework]
    limit = rows[0]
    assert limit["share_of_limit"] == 1
    for row in rows:
        assert row["share_of_limit"] == pytest.approx(row["photos_per_second"] / limit["photos_per_second"])
        assert (row["seconds_to_read"] > 0) == (row["pipeline"] != "compute_only")
        assert (row["network"], row["photos"], row["device"].split(",")[0]) == ("ResNet50", len(names), "cpu")
    assert len(throughput.chart(pd.DataFrame(rows)).axes[0].patches) >= len(rows)


def test_the_loaders_of_others_give_whole_batches_in_the_networks_colours(dataset, tmp_path):
    recipe = Recipe(batch_size=4, patience=0)
    config = RunConfig("xception", "pytorch", dataset.name, dataset.fingerprint, dataset.breeds, 24, recipe)
    work = pipelines.Work(config, dataset, throughput.linked(dataset, tmp_path / "linked"), 0)
    for loader in (
        pytorch_pipelines.tutorial_loader,
        pytorch_pipelines.timm_loader,
        pytorch_pipelines.torchvision_loader,
    ):
        batches = list(loader(work))
        assert len(batches) >= 3
        for photos, labels in batches:
            assert photos.shape == (4, 3, 24, 24)
            assert len(labels) == 4
        assert -1.5 < float(np.mean([photos.mean() for photos, _ in batches])) < 1.5


def test_keras_directory_gives_whole_batches_too(dataset, tmp_path):
    """On this process' backend; above on PyTorch's."""
    config = RunConfig("resnet50", "keras", dataset.name, dataset.fingerprint, dataset.breeds, 24, Recipe(batch_size=7))
    loader = keras_pipelines.directory_loader(
        pipelines.Work(config, dataset, throughput.linked(dataset, tmp_path / "linked"), 0)
    )
    batches = [photos.numpy() for photos, _ in loader]
    assert [photos.shape for photos in batches] == [(7, 24, 24, 3)] * 2
    # The noise of the pictures lies around grey, which ImageNet's mean and deviation bring near zero.
    assert abs(np.mean(batches)) < 0.5


def test_growth_is_fitted_as_a_power_of_the_size():
    sizes = [1, 2, 4, 8, 16]
    rows = [{"axis": "photos", "size": n, "seconds_to_decode": 3.0 * n, "seconds_an_epoch": n**0.5} for n in sizes]
    table = pd.DataFrame(rows).assign(memory_mb=700 * np.array(sizes) ** 0.25)
    fitted = scaling.fitted(table).set_index("measure")
    assert fitted["power"].to_list() == pytest.approx([1, 0.5, 0.25])
    assert (fitted["low"] <= fitted["power"] + 1e-9).all()
    assert [axis.get_xscale() for axis in scaling.chart(table).axes] == ["log"] * 3


def test_sizes_are_those_the_photos_allow(photo_folder):
    study = Study("bench", photos=str(photo_folder), image_size=24, recipe={"batch_size": 2})
    found = [(axis, size) for axis, size, _ in scaling.sizes(study, 24)]
    assert found == [("photos", 24)]
    _, _, smallest = scaling.sizes(study, 24)[0]
    point = scaling._point(smallest)
    assert (point["photos"], point["steps"]) == (24, 7)
    assert min(point["seconds_to_decode"], point["seconds_an_epoch"], point["memory_mb"]) > 0


@pytest.mark.slow
def test_the_command_prints_rows_and_keeps_tables_and_charts(photo_folder, tmp_path, capsys, monkeypatch):
    words = ["bench", "--photos", str(photo_folder), "--size", "24", "--batch-size", "2"]
    assert main.main([*words, "--growth", "24", "--json"]) == 0
    kept = tmp_path / "outputs" / "bench"
    assert pd.read_csv(kept / "tables" / "growth.csv")["axis"].to_list() == ["photos"]
    assert (kept / "figures" / "growth.svg").is_file()
    assert json.loads(capsys.readouterr().out) == []  # one size is no line

    row = {name: "x" for name in throughput.COLUMNS} | {"framework": "Keras", "pipeline": "ours", "network": "Xception"}
    row |= {"share_of_limit": 0.98, "photos_per_second": 40.0, "seconds_to_read": 0.5}
    monkeypatch.setattr(throughput, "measure", lambda study, rounds, workers: [pd.DataFrame([row])])
    assert main.main([*words, "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == [row]
    assert (kept / "figures" / "bench.png").is_file()
    for impossible in (["--rounds", "0"], ["--growth", "2"]):
        assert main.main([*words, *impossible]) == 2
