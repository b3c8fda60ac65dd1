"""What a profile's parameters determine: the source breeds, the initial weights and the identity of a run."""

import hashlib

import pytest
import torch
from networks import save

from dogbreeds import models
from dogbreeds.data import datasets, drawn_dogs, pixel_cache
from dogbreeds.errors import StudyError
from dogbreeds.study import Study, profiles
from dogbreeds.training import runs, trainer
from dogbreeds.training.recipe import Recipe
from dogbreeds.training.runs import Initialisation, RunConfig

SMALL = {"photos_per_breed": 12, "image_size": 32, "recipe": {"batch_size": 8, "epochs": 1}}


@pytest.fixture
def study(tmp_path):
    return Study("small", **SMALL, source_recipe={"batch_size": 16, "epochs": 1}, out=tmp_path / "runs")


@pytest.mark.slow
def test_other_breeds_are_all_breeds_outside_the_study(study):
    own, other = study.dataset, study.other_breeds
    assert set(own.breeds) == set(drawn_dogs.TARGET)
    assert set(other.breeds) == set(drawn_dogs.BREEDS) - set(own.breeds)
    counts = other.photos["split"].value_counts()
    assert counts["validation"] == counts["test"] == len(other.breeds)
    assert not set(own.photos["digest"]) & set(other.photos["digest"])


@pytest.mark.slow
@pytest.mark.usefixtures("shallow")
def test_both_frameworks_share_one_source_run_per_seed(study):
    configs = [study.config("resnet50", framework, 0, "other-breeds") for framework in models.FRAMEWORKS]
    source = study.source_config("resnet50", 0)
    assert [config.initialisation for config in configs] == [Initialisation("other-breeds", source.id)] * 2
    assert (source.framework, source.breeds) == ("pytorch", study.other_breeds.breeds)
    assert source.initialisation == Initialisation()
    run = study.train_here("resnet50", "pytorch", 0, "other-breeds")
    table = runs.RunStore(study.store).results().set_index("run")
    assert set(table.index) == {run.id, source.id}
    assert table.loc[run.id, "initialisation.source"] == source.id
    before = (study.store / source.id / "run.json").stat().st_mtime_ns
    study.train_here("resnet50", "pytorch", 0, "other-breeds")
    assert (study.store / source.id / "run.json").stat().st_mtime_ns == before
    other_seed = study.config("resnet50", "pytorch", 1, "other-breeds")
    assert other_seed.initialisation.source == study.source_config("resnet50", 1).id


def test_source_data_requires_two_breeds_outside_the_study(photo_folder):
    with pytest.raises(StudyError, match="has fewer than two breeds besides the 2 of the study"):
        datasets.load(photo_folder, other_than=datasets.load(photo_folder))


def test_weights_file_is_identified_by_its_content(study, tmp_path):
    files = [tmp_path / "one.safetensors", tmp_path / "two.safetensors"]
    for number, file in enumerate(files):
        save(models.build("resnet50", "pytorch", 2 + number), file)
    configs = [study.config("resnet50", "pytorch", 0, str(file)) for file in files]
    digests = [hashlib.sha256(file.read_bytes()).hexdigest() for file in files]
    assert [config.initialisation.fingerprint for config in configs] == digests
    files[0].write_bytes(files[1].read_bytes())
    assert study.config("resnet50", "pytorch", 0, str(files[0])).id != configs[0].id


@pytest.mark.parametrize(("breeds", "kept"), [(("Chihuahua", "pug"), True), (("beagle", "corgi"), False), ((), False)])
def test_head_is_kept_only_for_the_same_breeds(dataset, tmp_path, shallow, breeds, kept):
    """The same number of outputs is not enough."""
    learned = models.build("resnet50", "pytorch", 2)
    torch.nn.init.ones_(learned.fc.weight)
    torch.nn.init.ones_(learned.conv1.weight)
    file = save(learned, tmp_path / "learned.safetensors", breeds)
    settings = ("resnet50", "pytorch", dataset.name, dataset.fingerprint, dataset.breeds)
    config = RunConfig(*settings, 32, Recipe(), initialisation=Initialisation(source=str(file)))
    initial = trainer.initial_weights(config, tmp_path)
    assert (initial["conv1.weight"] == 1).all()
    assert bool((initial["fc.weight"] == 1).all()) == kept


def test_every_setting_changes_the_run_id(study):
    one = study.config("resnet50", "pytorch", 0)
    others = [
        study.config("resnet50", "keras", 0),
        study.config("resnet50", "pytorch", 1),
        study.config("resnet50", "pytorch", 0, "other-breeds"),
        Study("small", **SMALL | {"recipe": {"epochs": 2}}).config("resnet50", "pytorch", 0),
        Study("small", **SMALL | {"crop": "squash"}).config("resnet50", "pytorch", 0),
    ]
    assert len({config.id for config in (one, *others)}) == 6
    assert Study("out_of_distribution", **SMALL).config("resnet50", "pytorch", 0).id == one.id


@pytest.mark.slow
def test_out_of_distribution_images_are_drawn_dogs_of_other_breeds(photo_folder):
    study = Study("small", **SMALL)
    kind, images = study.out_of_distribution_images(5)
    assert kind == "drawn dogs of other breeds"
    assert images.shape == (5, 32, 32, 3)
    own = pixel_cache.load(study.dataset, 32)
    assert not any((own == image).all(axis=(1, 2, 3)).any() for image in images)
    # A folder that has only the study's breeds has no others.
    kind, images = Study("small", str(photo_folder), image_size=32).out_of_distribution_images(5)
    assert (kind, len(images)) == ("drawn dogs of other breeds", 5)


def test_own_photos_disable_weights_from_other_breeds_by_default(photo_folder, tmp_path, monkeypatch):
    folder = str(photo_folder)
    monkeypatch.setattr(profiles.paths, "PROFILES", tmp_path)
    (tmp_path / "sample.yaml").write_text("{photos: drawn_dogs, weights: [scratch, other-breeds]}")
    assert Study.from_profile("sample").weights == ["scratch", "other-breeds"]
    assert Study.from_profile("sample", folder).weights == ["scratch"]
    for explicit in ({"breeds": ["pug", "Chihuahua"]}, {"weights": ["other-breeds"]}):
        assert "other-breeds" in Study.from_profile("sample", folder, **explicit).weights
