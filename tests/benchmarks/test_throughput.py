"""The benchmark runs every pipeline and computes its ratios. These tests do not check speeds."""

import json

import numpy as np
import pandas as pd
import pytest

from dogbreeds.benchmarks import keras_pipelines, pipelines, pytorch_pipelines, scaling, throughput
from dogbreeds.cli import main
from dogbreeds.figures import benchmarks as charts
from dogbreeds.study import Study
from dogbreeds.training.recipe import Recipe
from dogbreeds.training.runs import RunConfig

# timm leaves photo files open, and Keras warns about calls that its own guide makes.
pytestmark = [pytest.mark.filterwarnings("ignore"), pytest.mark.usefixtures("shallow")]


def test_pipelines_read_the_training_photos_and_nothing_else(dataset, tmp_path):
    folder = throughput.linked(dataset, tmp_path / "linked")
    linked = {path.resolve() for path in folder.glob("*/*")}
    assert linked == {path.resolve() for path in dataset.photos["path"].iloc[dataset.rows("train")]}


def test_reference_loaders_give_full_normalised_batches(dataset, tmp_path):
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


def test_keras_directory_gives_full_normalised_batches(dataset, tmp_path):
    """On the backend of this process; the test above uses PyTorch."""
    config = RunConfig("resnet50", "keras", dataset.name, dataset.fingerprint, dataset.breeds, 24, Recipe(batch_size=7))
    loader = keras_pipelines.directory_loader(
        pipelines.Work(config, dataset, throughput.linked(dataset, tmp_path / "linked"), 0)
    )
    batches = [photos.numpy() for photos, _ in loader]
    assert [photos.shape for photos in batches] == [(7, 24, 24, 3)] * 2
    # The noise of the images lies around grey, which ImageNet's mean and deviation bring near zero.
    assert abs(np.mean(batches)) < 0.5


def test_scaling_is_fitted_as_a_power_of_the_size():
    sizes = [1, 2, 4, 8, 16]
    rows = [{"axis": "photos", "size": n, "seconds_to_decode": 3.0 * n, "seconds_per_epoch": n**0.5} for n in sizes]
    table = pd.DataFrame(rows).assign(memory_mb=700 * np.array(sizes) ** 0.25)
    fitted = scaling.fitted(table).set_index("measure")
    assert fitted["power"].to_list() == pytest.approx([1, 0.5, 0.25])
    assert (fitted["low"] <= fitted["power"] + 1e-9).all()
    assert [axis.get_xscale() for axis in charts.scaling(table).axes] == ["log"] * 3


def test_sizes_do_not_exceed_the_number_of_photos(photo_folder):
    study = Study("bench", photos=str(photo_folder), image_size=24, recipe={"batch_size": 2})
    ((axis, size, smallest),) = scaling.sizes(study, 24)
    assert (axis, size) == ("photos", 24)
    point = scaling._point(smallest)
    assert (point["photos"], point["steps"]) == (24, 7)
    assert min(point["seconds_to_decode"], point["seconds_per_epoch"], point["memory_mb"]) > 0


@pytest.mark.slow
def test_the_command_prints_rows_and_saves_tables_and_charts(photo_folder, tmp_path, capsys, monkeypatch):
    words = ["--photos", str(photo_folder), "--size", "24", "--batch-size", "2"]
    assert main(["bench", "scaling", *words, "--up-to", "24", "--json"]) == 0
    folder = tmp_path / "outputs" / "bench"
    assert pd.read_csv(folder / "tables" / "scaling.csv")["axis"].to_list() == ["photos"]
    assert (folder / "figures" / "scaling.svg").is_file()
    assert json.loads(capsys.readouterr().out) == []  # one size is too few for a fit

    row = {name: "x" for name in throughput.COLUMNS}
    row |= {"network": "Xception", "framework": "Keras", "pipeline": "this_library"}
    row |= {"share_of_upper_bound": 0.98, "photos_per_second": 40.0, "seconds_to_read": 0.5}
    monkeypatch.setattr(throughput, "measure", lambda *arguments, **options: [pd.DataFrame([row])])
    assert main(["bench", "speed", *words, "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == [row]
    assert (folder / "figures" / "bench.png").is_file()
    assert main(["bench", "speed", *words, "--rounds", "0"]) == 2
    assert main(["bench", "scaling", *words, "--up-to", "2"]) == 2
