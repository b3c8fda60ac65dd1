"""Invalid input: one line on standard error, status 2, no partial files. tests/notebooks tests the regular commands."""

import shutil
from types import SimpleNamespace

import pytest
from PIL import Image

from dogbreeds import paths
from dogbreeds.cli import main
from dogbreeds.models import pretrained
from dogbreeds.study import Study
from dogbreeds.training.recipe import PRESETS, Recipe


def error_message(capsys, *words) -> str:
    assert main(list(words)) == 2
    captured = capsys.readouterr()
    lines = [line for line in captured.err.replace("\r", "\n").splitlines() if line and "decoding photos" not in line]
    assert len(lines) == 1
    assert lines[0].startswith("dogbreeds: ")
    written = [path for root in (paths.outputs(), paths.data()) for path in root.rglob("*") if path.suffix != ".lock"]
    assert not [path for path in written if path.is_file()]
    return captured.err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (
            ["study", "--profile", "smaple"],
            "unknown profile 'smaple': choose one of deck_2020, deck_2020_five_breeds, five_breeds, own_photos, "
            "sample, stanford_dogs, tiny",
        ),
        (["study", "--parameter", "epochs=3"], "unknown notebook parameter 'epochs'"),
        (["study", "--parameter", "image_size=large"], "notebook parameter 'image_size' must be a valid integer"),
        (["study", "--parameter", "recipe={epoch: 3}"], "unknown recipe field 'epoch'"),
        (["study", "--parameter", "image_size"], "write it as name=value"),
        (["study", "--parameter", "breeds=[pug"], "the value is not valid YAML"),
        (["study", "--parameter", "breeds=[pug, wolf]"], "no drawing of wolf"),
        (["slides", "--profile", "smaple"], "unknown profile 'smaple'"),
        (["study", "--profile", "own_photos"], "profile own_photos needs photographs: give their folder"),
        (["slides", "--parameter", "frameworks=[keras]"], "and sample has fewer: run dogbreeds study"),
        (["train", "--architecture", "vgg16", "--framework", "keras"], "unknown network 'vgg16': choose one of xcep"),
        (["train", "--architecture", "xception", "--framework", "caffe"], "unknown framework 'caffe': choose one of"),
    ],
)
def test_invalid_argument_is_named_in_the_error(capsys, words, message):
    assert message in error_message(capsys, *words)


def not_an_image(folder):
    (folder / "pug" / "notes.jpg").write_text("no image")


def truncated(folder):
    photo = folder / "pug" / "05.jpg"
    photo.write_bytes(photo.read_bytes()[:-300])


def decompression_bomb(folder):
    Image.new("1", (20_000, 20_000)).save(folder / "pug" / "05.png")


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (shutil.rmtree, "no folder"),
        (lambda folder: [shutil.rmtree(entry) for entry in list(folder.iterdir())], "0 breeds"),
        (lambda folder: shutil.rmtree(folder / "pug"), "1 breed in"),
        (not_an_image, "notes.jpg is not a readable image"),
        (truncated, "05.jpg cannot be decoded"),
        (decompression_bomb, "05.png is not a readable image"),
    ],
)
def test_unusable_photos_are_refused(capsys, photo_folder, damage, message):
    damage(photo_folder)
    assert message in error_message(capsys, "study", "--profile", "sample", "--photos", str(photo_folder))


def test_own_photos_change_the_profile_name(photo_folder):
    study = Study.from_profile("sample", str(photo_folder))
    assert study.profile == "sample-photos"
    assert study.photos == str(photo_folder)


def test_preset_replaces_the_recipe_of_the_profile(monkeypatch, capsys):
    recipes = []

    def train(study, *arguments):
        recipes.append(Recipe.of(study.recipe))
        return SimpleNamespace(folder="folder")

    monkeypatch.setattr(Study, "train_here", train)
    words = ["train", "--architecture", "resnet50", "--framework", "keras", "--set", "epochs=2"]
    for preset in ([], ["--set", "preset=deck_2020"]):
        assert main([*words, *preset]) == 0
    assert recipes[0].batch_size == 10  # from the profile sample
    assert recipes[1] == Recipe(**PRESETS["deck_2020"] | {"epochs": 2})


@pytest.mark.parametrize(
    ("options", "weights", "epochs"), [([], "imagenet", 4), (["--weights", "scratch"], "scratch", 20)]
)
def test_training_on_own_photos_has_the_weights_and_the_recipe_of_the_profile(
    monkeypatch, photo_folder, options, weights, epochs
):
    file = pretrained.find("imagenet", "se_resnet50").file.path
    file.parent.mkdir(parents=True)
    file.touch()
    trained = []

    def train(study, *arguments):
        trained.append((arguments[3], study.recipe["epochs"]))
        return SimpleNamespace(folder="folder")

    monkeypatch.setattr(Study, "train_here", train)
    words = ["train", "--photos", str(photo_folder), "--architecture", "se_resnet50", "--framework", "keras"]
    assert main([*words, *options]) == 0
    assert trained == [(weights, epochs)]
