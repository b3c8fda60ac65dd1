"""What is settled and said before a study of one's own photographs starts. No test needs the network."""

import argparse
import os
import signal
from dataclasses import replace

import pytest
import torch
from loopback import Handler, serving

from dogbreeds import files
from dogbreeds.cli import options
from dogbreeds.data import stanford_dogs
from dogbreeds.errors import StudyError
from dogbreeds.models import pretrained
from dogbreeds.study import Study, beforehand
from dogbreeds.training import duration, jobs, parallel

FILE = pretrained.find("imagenet", "resnet50").file


@pytest.fixture
def no_server(monkeypatch, tmp_path):
    with serving(tmp_path) as address:
        monkeypatch.setenv("DOGBREEDS_MIRROR", address)


@pytest.fixture
def own(photo_folder):
    return lambda **changes: Study.from_profile("own_photos", str(photo_folder), **changes)


def test_weights_on_the_server_are_chosen_and_not_downloaded_yet(mirror, own, capsys):
    (mirror / FILE.name).write_bytes(bytes(3_100_000))
    study = own()
    assert study.weights == ["imagenet"]
    assert (study.image_size, study.architectures, study.frameworks) == (224, ["resnet50"], ["pytorch"])
    assert study.recipe["backbone_multiplier"] == 0.1
    assert capsys.readouterr().err == ""
    assert Handler.ranges == [None]  # asked once
    assert not FILE.path.parent.exists()


def test_weights_in_the_cache_are_chosen_without_a_request(no_server, own):
    FILE.path.parent.mkdir(parents=True)
    FILE.path.touch()
    assert own().weights == ["imagenet"]
    assert Handler.ranges == []


def test_published_files_are_listed_with_size_hash_and_place_before_they_are_downloaded(
    mirror, checksums, photo_folder, monkeypatch, capsys
):
    """A file whose hash is listed is from a mirror, so that its size is not known."""
    weights = pretrained.find("imagenet", "se_resnet50").file
    (mirror / weights.name).write_bytes(b"weights")
    checksums(mirror / weights.name)
    study = Study("own", str(photo_folder), architectures=["se_resnet50", "resnet50"], weights=["scratch", "imagenet"])
    with pytest.raises(StudyError, match=rf"cannot download .*{FILE.name} \(status 404\): put the file at"):
        beforehand.fetch(study)
    said = [line.removeprefix("dogbreeds: ").strip() for line in capsys.readouterr().err.splitlines()]
    assert (
        said[0] == "2 files to download (103 MB, 1 of unknown size); without a network, put them where these lines say:"
    )
    digest = files.digest(mirror / weights.name)
    assert said[1] == f"{weights.name}: unknown size, {weights.url}, sha256 {digest}, to {weights.path}"
    assert said[2] == f"{FILE.name}: 102.5 MB, {FILE.url}, sha256 0676ba61..., to {FILE.path}"
    assert weights.path.read_bytes() == b"weights"
    assert beforehand.missing_files(study) == [FILE]
    monkeypatch.setattr(pretrained, "IMAGENET", pretrained.IMAGENET | {"resnet50": "resnet50_v2"})
    assert [file.name for file in beforehand.missing_files(study)] == ["resnet50-11ad3fa6.pth"]


def test_archives_are_needed_until_they_are_extracted_and_only_for_stanford_dogs(photo_folder, capsys):
    study = Study("dogs", "stanford_dogs", breeds=["pug", "Samoyed"])
    assert beforehand.missing_files(study) == list(stanford_dogs.ARCHIVES)
    archive = stanford_dogs.ARCHIVES[0]
    archive.path.parent.mkdir()
    archive.path.touch()
    assert beforehand.missing_files(study) == list(stanford_dogs.ARCHIVES[1:])
    stanford_dogs.location().mkdir()
    for photos in ("stanford_dogs", str(photo_folder)):
        beforehand.fetch(Study("dogs", photos))
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(("server", "cause"), [("mirror", "status 404"), ("no_server", "no connection")])
def test_without_weights_the_study_starts_from_scratch_and_says_why(server, cause, own, request, capsys):
    request.getfixturevalue(server)
    study = own()
    assert study.weights == ["scratch"]
    assert study.recipe["backbone_multiplier"] == 1.0
    assert study.recipe["epochs"] > 4
    line = capsys.readouterr().err
    assert line.startswith("dogbreeds: training starts from scratch, without ImageNet weights of ResNet50: ")
    assert f"({cause})" in line
    assert line.endswith(f"put the file at {FILE.path}\n")


def test_every_network_needs_its_weights(mirror, own, capsys):
    (mirror / FILE.name).write_bytes(b"weights")
    assert own(architectures=["resnet50", "xception"]).weights == ["scratch"]
    (line,) = capsys.readouterr().err.splitlines()  # and nothing about those that were found
    assert "without ImageNet weights of Xception" in line


def test_a_gpu_has_its_own_recipe(mirror, own, monkeypatch):
    (mirror / FILE.name).touch()
    on_cpu = own().recipe
    monkeypatch.setattr(torch.accelerator, "is_available", lambda: True)
    older = own().recipe  # a GPU without bfloat16
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation: True)
    on_gpu = own().recipe
    assert (on_cpu["precision"], older["precision"], on_gpu["precision"]) == ("float32", "float32", "bfloat16")
    assert on_gpu == older | {"precision": "bfloat16"}
    assert on_gpu["batch_size"] > on_cpu["batch_size"]
    assert on_gpu["epochs"] > on_cpu["epochs"]
    assert on_gpu["backbone_multiplier"] == on_cpu["backbone_multiplier"]


def test_choices_of_the_user_stay(no_server, own, capsys):
    study = own(weights=["scratch"], recipe={"epochs": 1})
    assert (study.weights, study.recipe) == (["scratch"], {"epochs": 1})
    assert own(weights=["imagenet"]).weights == ["imagenet"]
    assert own(weights=["scratch"]).recipe["backbone_multiplier"] == 1.0
    assert capsys.readouterr().err == ""  # nothing was asked of a server


def test_notebooks_get_what_was_settled_and_do_not_ask_again(mirror, photo_folder, monkeypatch, capsys):
    (mirror / FILE.name).touch()
    given = {"profile": None, "photos": str(photo_folder), "labels": None, "parameter": ["seeds=[1]"]}
    study, parameters = options.study_of(argparse.Namespace(**given))
    assert parameters["profile"] == "own_photos"
    capsys.readouterr()
    (mirror / FILE.name).unlink()  # it could not be had now
    monkeypatch.setattr(torch.accelerator, "is_available", lambda: True)
    again = Study.from_profile(parameters["profile"], parameters["photos"], **parameters["changes"])
    assert again == study
    assert study.seeds == [1]
    assert capsys.readouterr().err == ""


def test_other_profiles_are_not_settled(no_server, photo_folder, monkeypatch):
    monkeypatch.setattr(torch.accelerator, "is_available", lambda: True)
    sample = Study.from_profile("sample", str(photo_folder))
    assert sample.weights == ["scratch"]
    assert "precision" not in sample.recipe


def test_own_photos_without_photos_are_refused():
    with pytest.raises(StudyError, match=r"profile own_photos needs photographs: give their folder \(PHOTOS=FOLDER"):
        Study.from_profile("own_photos")


@pytest.fixture
def planned(photo_folder):
    """One training of ResNet50 in each framework."""
    recipe = {"epochs": 2, "batch_size": 4}
    study = Study("own", str(photo_folder), image_size=32, recipe=recipe, architectures=["resnet50"])
    return study.plan()


@pytest.mark.slow
@pytest.mark.usefixtures("shallow")
@pytest.mark.parametrize("framework", ["keras", "pytorch"])
def test_measured_steps_end_early_and_leave_no_files(planned, framework, tmp_path, monkeypatch):
    monkeypatch.setattr(duration, "MEASURED", 0.0)
    job, epochs = next(job for job in planned if job.config.framework == framework), []
    monkeypatch.setattr(duration._Stopwatch, "epoch", lambda stopwatch, row: epochs.append(row))
    speed = duration._measure(job, tmp_path / "store", torch.get_num_threads())
    assert 0 < speed < 1e-6
    assert not epochs
    assert not (tmp_path / "store").exists()


@pytest.mark.slow
@pytest.mark.usefixtures("shallow")
def test_an_epoch_of_one_step_is_measured_too(planned, tmp_path):
    config = replace(planned[-1].config, recipe=replace(planned[-1].config.recipe, batch_size=12))
    assert duration._measure(replace(planned[-1], config=config), tmp_path, torch.get_num_threads()) > 0


def test_expected_minutes_are_of_the_missing_trainings_and_shared_by_two_processes(planned, tmp_path, monkeypatch):
    measured = []
    monkeypatch.setattr(parallel, "in_own_process", lambda function, job, *rest: measured.append(job) or 1e-9)
    monkeypatch.setattr(torch, "get_num_threads", lambda: 2)
    twice = replace(planned[0].config, recipe=replace(planned[0].config.recipe, epochs=4))
    longer = jobs.Job(twice, planned[0].dataset)
    one, both = duration.seconds(planned[:1], tmp_path), duration.seconds(planned, tmp_path)
    assert one == both  # side by side
    assert duration.seconds(planned, tmp_path, at_once=1) == 2 * one
    alone, three = duration.seconds([longer], tmp_path), duration.seconds([*planned, longer], tmp_path)
    assert 1.8 * one < alone < 2 * one
    assert three == pytest.approx((2 * one + alone) / 2)
    assert measured[-1] is longer
    line = "expected: about 1 min for 2 trainings on cpu, plus a few minutes for the notebooks"
    assert beforehand.expected(planned, tmp_path) == line
    assert beforehand.expected([], tmp_path) == ""


def test_features_of_a_linear_probe_are_computed_once(planned):
    recipe = replace(planned[0].config.recipe, augmentation=False, epochs=2)
    recipes = [replace(recipe, freeze="backbone", epochs=1), replace(recipe, freeze="backbone", epochs=9), recipe]
    works = [duration._work(replace(planned[0], config=replace(planned[0].config, recipe=each))) for each in recipes]
    assert works[0] == works[1] < works[2]


def killed(*arguments):
    os.kill(os.getpid(), signal.SIGKILL)


@pytest.mark.slow
def test_killed_measurement_is_one_line(planned, tmp_path, monkeypatch):
    monkeypatch.setattr(duration, "_measure", killed)
    with pytest.raises(StudyError, match="killed, most likely because memory ran out: free some memory, or lower"):
        duration.seconds(planned, tmp_path)
