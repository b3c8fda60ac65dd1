"""An exported file gives the stored logits of its run in its own engine; what does not, is not written."""

import json
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from runs_with_weights import write_run_on
from scipy.special import softmax

from dogbreeds.cli import export as export_command, main
from dogbreeds.data import pixel_cache
from dogbreeds.deployment import export
from dogbreeds.deployment.metadata import Metadata
from dogbreeds.deployment.onnx_classifier import OnnxClassifier
from dogbreeds.errors import Interrupted, StudyError
from dogbreeds.models import FRAMEWORKS, keras_runtime, weight_files
from dogbreeds.training.runs import Run


@pytest.fixture
def run(request, dataset, tmp_path, shallow) -> Run:
    store, framework = tmp_path / "outputs" / "sample" / "runs", getattr(request, "param", "pytorch")
    return write_run_on(dataset, store, "resnet50", framework)


def images_of(dataset):
    return pixel_cache.load(dataset, 32)[dataset.rows("test")]


def files(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.rglob("*")) if folder.exists() else []


@pytest.mark.slow
@pytest.mark.parametrize("form", export.SUFFIXES)
@pytest.mark.parametrize("run", FRAMEWORKS, indirect=True)
def test_every_format_gives_the_stored_logits_for_any_number_of_images(run, form, dataset, tmp_path):
    file, compared = export.export(run, dataset, form, tmp_path / "exports")
    assert files(tmp_path / "exports") == sorted([file.name, f"{file.name}.md"])
    assert compared.images == len(run.labels())
    assert 0 <= compared.largest_difference < 1e-4
    images = images_of(dataset)
    for count in (1, 3, len(images)):
        logits, probabilities = export.outputs(form, file, images[:count])
        np.testing.assert_allclose(logits, run.logits()[:count], atol=1e-4)
        np.testing.assert_allclose(probabilities, softmax(logits, axis=1), atol=1e-5)
    card = (tmp_path / "exports" / f"{file.name}.md").read_text()
    assert str(compared) in card
    assert "0. Chihuahua\n1. pug\n" in card


@pytest.mark.slow
@pytest.mark.parametrize("framework", FRAMEWORKS)
@pytest.mark.parametrize("architecture", ["xception", "se_resnet50"])
def test_the_networks_of_the_study_give_their_logits_in_onnxruntime(architecture, framework, dataset, tmp_path):
    run = write_run_on(dataset, tmp_path, architecture, framework)
    file, _ = export.export(run, dataset, "onnx", tmp_path / "exports")
    logits, probabilities = OnnxClassifier(file).outputs(images_of(dataset))
    np.testing.assert_allclose(logits, run.logits(), rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(probabilities, softmax(logits, axis=1), atol=1e-6)


def test_metadata_travel_with_every_file(run, dataset, tmp_path):
    exported = {form: export.export(run, dataset, form, tmp_path)[0] for form in export.SUFFIXES}
    loaded = onnx.load(exported["onnx"])
    texts = [{entry.key: entry.value for entry in loaded.metadata_props}["dogbreeds"]]
    texts.append(zipfile.ZipFile(exported["keras"]).read("dogbreeds.json"))
    extra = {"dogbreeds.json": ""}
    torch.export.load(exported["torch"], extra_files=extra)
    texts.append(extra["dogbreeds.json"])
    for text in texts:
        found = Metadata.of(text, "file")
        assert found == export.metadata_of(run)
    low, high = found.test_accuracy_interval
    assert low <= found.test_accuracy == run.correct().mean() <= high
    assert (found.breeds, found.image_size, found.crop) == (["Chihuahua", "pug"], 32, "centre")
    here = str(Path(__file__).parents[2]).encode()
    assert here not in exported["onnx"].read_bytes()
    with zipfile.ZipFile(exported["torch"]) as archive:
        assert not any(here in archive.read(name) for name in archive.namelist())


@pytest.mark.parametrize(
    ("run", "form"), [("pytorch", "onnx"), ("keras", "onnx"), ("keras", "torch")], indirect=["run"]
)
def test_a_fixed_batch_is_filled_up(run, form, dataset, tmp_path):
    file, _ = export.export(run, dataset, form, tmp_path, batch=4)
    images = images_of(dataset)
    assert len(images) % 4
    np.testing.assert_allclose(export.outputs(form, file, images, 4)[0], run.logits(), atol=1e-4)
    if form == "onnx":
        shape = [each.dim_value for each in onnx.load(file).graph.input[0].type.tensor_type.shape.dim]
        assert shape == [4, 32, 32, 3]
    card = (tmp_path / f"{file.name}.md").read_text()
    assert "maps 4 images (`images`: bytes, RGB, shape `[4, 32, 32, 3]`)" in card


def test_a_network_that_differs_from_its_run_is_not_written(run, dataset, tmp_path):
    state = weight_files.read(run.weights, "resnet50")
    state["fc.bias"] += torch.tensor([0.01, 0])
    run.weights.write_bytes(weight_files.to_bytes(state, dataset.breeds))
    with pytest.raises(StudyError, match=rf"the exported network differs from {run.id} by up to 0\.01 in a logit"):
        export.export(run, dataset, "onnx", tmp_path / "exports")
    assert files(tmp_path / "exports") == []


def test_breeds_differ_only_where_the_run_itself_is_undecided(run, dataset, tmp_path, monkeypatch):
    stored = np.array([[1.0, 2.0], [1.0, 1.00001]])
    monkeypatch.setattr(Run, "logits", lambda run, split="test": stored)

    def checked(second, probabilities=None):
        found = np.array([[1.0, 2.0], second])
        both = found, softmax(found, axis=1) if probabilities is None else probabilities
        monkeypatch.setattr(export, "outputs", lambda *arguments: both)
        return str(export.check(run, dataset, "onnx", tmp_path, None))

    assert checked([1.0, 1.00001]).endswith("and the breeds are the same.")
    assert "at most 1e-05, and 1 breeds differ, where two logits are as close." in checked([1.00001, 1.0])
    with pytest.raises(StudyError, match=r"by up to 0\.1 in a logit, and in 1 of \d+ breeds"):
        checked([1.1, 1.0])
    with pytest.raises(StudyError, match="differs from"):
        checked([1.0, np.nan])
    with pytest.raises(StudyError, match="returns other probabilities than those of its logits"):
        checked([1.0, 1.00001], np.full((2, 2), 0.5))


def test_existing_files_stay_unless_forced(run, dataset, tmp_path, capsys):
    file, _ = export.export(run, dataset, "onnx", tmp_path / "exports")
    file.write_bytes(b"precious")
    with pytest.raises(StudyError, match=r"onnx exists: choose another folder with --out, or replace it with --force"):
        export.export(run, dataset, "onnx", tmp_path / "exports")
    assert file.read_bytes() == b"precious"
    state = run.weights.read_bytes()
    run.weights.write_bytes(b"broken")
    with pytest.raises(StudyError):
        export.export(run, dataset, "onnx", tmp_path / "exports", force=True)
    assert file.read_bytes() == b"precious"
    run.weights.write_bytes(state)
    export.export(run, dataset, "onnx", tmp_path / "exports", force=True)
    OnnxClassifier(file)


def test_an_interrupted_export_leaves_nothing(run, dataset, tmp_path, monkeypatch):
    def interrupt(*arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr(export, "check", interrupt)
    with pytest.raises(Interrupted, match=r"onnx was not written; run the command again"):
        export.export(run, dataset, "onnx", tmp_path / "exports")
    assert files(tmp_path / "exports") == []


def test_refusals(run, dataset, tmp_path, monkeypatch):
    other = replace(dataset, fingerprint="other")
    with pytest.raises(StudyError, match="was not trained on photos with these settings: select its photos with"):
        export.export(run, other, "onnx", tmp_path / "exports")
    (tmp_path / "file").touch()
    with pytest.raises(StudyError, match="cannot be written"):
        export.export(run, dataset, "onnx", tmp_path / "file" / "exports")
    with pytest.raises(StudyError, match="a Keras file accepts any number of images: leave out --batch"):
        export.export(run, dataset, "keras", tmp_path / "exports", batch=2)
    monkeypatch.setattr(keras_runtime, "backend", lambda: "jax")
    with pytest.raises(StudyError, match="on TensorFlow or PyTorch, not on JAX: set KERAS_BACKEND=torch"):
        export._require_converter()
    monkeypatch.setattr(keras_runtime, "backend", lambda: "tensorflow")
    monkeypatch.setattr(export, "find_spec", lambda name: None)
    with pytest.raises(StudyError, match="Keras needs tf2onnx to export to ONNX: install it, or set KERAS_BACKEND"):
        export._require_converter()
    record = json.loads((run.folder / "run.json").read_text())
    (run.folder / "run.json").write_text(json.dumps(record | {"breeds": ["line\nbreak", "pug"]}))
    with pytest.raises(StudyError, match=r"cannot be exported \('breeds.0': has characters that cannot be printed\)"):
        export.metadata_of(Run(run.folder))
    run.weights.unlink()
    with pytest.raises(StudyError, match="has no weights file"):
        export.export(run, dataset, "torch", tmp_path / "exports")
    assert files(tmp_path / "exports") == []


def test_card_says_what_is_known_of_photos_and_initial_weights(run, dataset, tmp_path):
    def card(**initialisation):
        record = json.loads((run.folder / "run.json").read_text())
        record["initialisation"] |= initialisation
        (run.folder / "run.json").write_text(json.dumps(record))
        again = Run(run.folder)
        metadata = export.metadata_of(again)
        return export.model_card.text(again, dataset, metadata, "file.onnx", None, "Checked.")

    plain = card()
    assert "24 photographs (photos, fingerprint" in plain
    assert "Initial weights: scratch.\n- No contamination known" in plain
    assert "Licence: not known here" in plain
    assert "ImageNet may contain the test photos" in card(kind="imagenet", source="imagenet")
    assert "does not record what its initial weights (w.h5) were learned on" in card(kind="w.h5", source="w.h5")


def test_command_offers_every_format():
    assert tuple(export.SUFFIXES) == export_command.FORMATS


def test_command_finds_the_photos_of_the_run(run, dataset, photo_folder, tmp_path, capsys):
    photos = ["--profile", "own_photos", "--photos", str(photo_folder), "--parameter", "weights=[scratch]"]
    assert main(["export", "--run", run.id, "--format", "onnx", *photos, "--out", str(tmp_path / "mine")]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("On all ")
    assert f"{run.id}.onnx" in lines[1]
    assert files(tmp_path / "mine") == [f"{run.id}.onnx", f"{run.id}.onnx.md"]
    elsewhere = run.folder.parent.parent.rename(tmp_path / "outputs" / "own_photos-photos")
    assert main(["export", "--run", str(elsewhere / "runs" / run.id), "--format", "onnx"]) == 2
    message = f"the photos of {run.id} are not known: give them with --photos and --profile"
    assert capsys.readouterr().err == f"dogbreeds: {message}\n"
    with pytest.raises(SystemExit):
        main(["export", "--run", run.id, "--format", "onnx", "--batch", "0"])
    assert "'0' is neither dynamic nor a number from 1 to 1024" in capsys.readouterr().err
