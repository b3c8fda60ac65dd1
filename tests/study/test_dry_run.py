"""What `dogbreeds study --plan` says, and that it starts nothing."""

import re

import pytest

from dogbreeds import paths
from dogbreeds.cli import main
from dogbreeds.study import Study, dry_run


def said(study):
    return "\n".join(dry_run.describe(study))


def hours(study):
    return [float(found) for found in re.search(r"time: ([\d.]+) hours .*, ([\d.]+) if", said(study)).groups()]


def test_the_study_of_2020_is_described_without_its_photos_and_weights(capsys):
    assert main(["study", "--profile", "deck_2020", "--plan"]) == 0
    text = capsys.readouterr().out
    assert "profile: deck_2020\nphotos: about 20,580 of 120 breeds at 224 x 224 pixels (10,800 train, 1,200 val" in text
    networks_frameworks_seeds, variants, shared = 3 * 2 * 3, 4 + 3, 2
    assert f"trainings: {3 * networks_frameworks_seeds + variants - shared}\n" in text
    for purpose in ("comparison", "first stage frozen", "batch size 100"):
        line = f"  18 {purpose}: networks 3, frameworks 2, seeds 3, initial weights 1, recipes 1\n"
        assert line in text
    assert (
        "6 files to download (1,010 MB, 1 of unknown size); without a network, put them where these lines say:\n"
        in text
    )
    assert re.search(r"^  images\.tar: 793\.6 MB, http://.*/images\.tar, sha256 \w{64}, to .*images\.tar$", text, re.M)
    assert re.search(
        r"^disk: about [\d.]+ GB \(downloads and extracted photos 1\.8, decoded photos 3\.1, weights of the runs",
        text,
        re.M,
    )
    assert not list(paths.data().glob("[!d]*"))  # drawn_dogs is a link to those of all tests
    assert not paths.outputs().exists()


def test_hours_grow_with_photos_epochs_and_pixels():
    def study(**changes):
        parameters = {"image_size": 112, "recipe": {"epochs": 200, "patience": 0}}
        return Study("plan", "stanford_dogs", **parameters | changes)

    base, slower = hours(study())
    assert slower > 2 * base
    longer, larger, all_weights, fewer = (
        hours(study(**changes))[0]
        for changes in (
            {"recipe": {"epochs": 400, "patience": 0}},
            {"image_size": 224},
            {"seeds": [0, 1, 2]},
            {"photos_per_breed": 20},
        )
    )
    assert longer == pytest.approx(2 * base, rel=0.2)
    assert larger == pytest.approx(4 * base, rel=0.2)
    assert all_weights > 1.5 * base
    assert fewer < 0.3 * base


def test_photos_are_counted_for_drawn_dogs_and_for_folders(photo_folder):
    drawn = Study("plan", photos_per_breed=100, test_drawings_per_breed=200, weights=["other-breeds"])
    text = said(drawn)
    assert "photos: about 1,500 of 5 breeds at 64 x 64 pixels (400 train, 100 validation, 1,000 test)" in text
    assert "  3 of initial weights on other breeds, not in the time below" in text
    assert "downloads: none" in text
    own = Study("plan", str(photo_folder), architectures=["resnet50"], frameworks=["pytorch"])
    text = said(own)
    assert "photos: about 24 of 2 breeds" in text
    assert "trainings: 1\n" in text


def test_trainings_of_notebook_02_are_counted():
    text = said(Study("plan", failure_2020={"seeds": [0, 1], "frozen": ["nothing"], "healing_epochs": 0}))
    assert "  12 why ResNet50 failed in 2020: networks of keras.applications" in text
