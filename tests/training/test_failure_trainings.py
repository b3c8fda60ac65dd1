"""The trainings of notebook 02, with a small network in place of those of `keras.applications`."""

import hashlib

import numpy as np
import pytest
import small_applications
from published_files import save_legacy

from dogbreeds import files
from dogbreeds.data import datasets
from dogbreeds.errors import StudyError
from dogbreeds.models import keras_runtime, names, pretrained
from dogbreeds.training import failure_trainings
from dogbreeds.training.failure_settings import Settings, Training
from dogbreeds.training.failure_start import ImageNet, OtherBreeds

keras = keras_runtime.load_keras()
SETTINGS = {"seeds": [0], "frozen": ["nothing", "backbone"], "epochs": 2, "source_epochs": 1, "healing_epochs": 3}
SMALL = ImageNet(32, "centre", {})  # the size and crop of the images


@pytest.fixture
def small(monkeypatch):
    small_applications.replace(monkeypatch.setattr)
    failure_trainings._compiled.cache_clear()
    yield
    failure_trainings._compiled.cache_clear()


learn, train_and_keep = failure_trainings._initial_weights, failure_trainings._train_and_keep


def learn_small(*arguments):
    """The first task of a worker, with the small network."""
    small_applications.replace()
    return learn(*arguments)


def train_small(*arguments):
    """The other tasks of a worker, with the small network."""
    small_applications.replace()
    train_and_keep(*arguments)


def train_or_fail(training, *arguments):
    if training.frozen == "backbone":
        raise StudyError("no room")
    train_small(training, *arguments)


@pytest.fixture
def small_in_workers(monkeypatch):
    monkeypatch.setattr(failure_trainings, "_initial_weights", learn_small)
    monkeypatch.setattr(failure_trainings, "_train_and_keep", train_small)
    monkeypatch.setattr(failure_trainings, "shares", lambda: (2, 1))


@pytest.mark.slow
@pytest.mark.usefixtures("small_in_workers")
def test_every_training_is_stored_once_and_measured_on_all_splits(dataset, tmp_path):
    others = datasets.load("drawn_dogs", [], 8)
    start = OtherBreeds(others, 1)
    written = failure_trainings.train_all(Settings.of(SETTINGS), dataset, start, tmp_path)
    assert len(written) == len({file.name for file in written}) == 2 * 2 * 2 + 2 + 1
    found = [dict(np.load(file)) for file in written]
    roles = [str(each["role"]) for each in found]
    assert roles == ["comparison"] * 8 + ["control"] * 2 + ["healing"]
    for each in found:
        assert len(each["training"]) == len(each["validation"]) == (3 if each["role"] == "healing" else 2)
        assert (str(each["weights"]), int(each["threads"])) == ("other-breeds", 1)
        assert each["size"] == names.IMAGE_SIZES[str(each["network"])]
        for split in failure_trainings.SPLITS:
            for statistics in ("running", "re-estimated"):
                assert len(each[f"{split}, {statistics}"]) == len(dataset.rows(split)) == len(each[f"{split}, labels"])
    before = {file: file.stat().st_mtime_ns for file in tmp_path.rglob("*.npz")}
    failure_trainings.train_all(Settings.of(SETTINGS), dataset, start, tmp_path)
    assert {file: file.stat().st_mtime_ns for file in tmp_path.rglob("*.npz")} == before


def test_other_breeds_or_more_epochs_of_the_source_give_another_folder(dataset):
    """The key of a folder stays the same, so that finished trainings are found again."""
    others, fewer = (datasets.load("drawn_dogs", breeds, 8) for breeds in ([], ["pug", "poodle"]))
    keys = [failure_trainings._key(dataset, OtherBreeds(*which)) for which in ((others, 1), (others, 0), (fewer, 1))]
    assert len(set(keys)) == 3
    shared = f"{dataset.fingerprint} {others.fingerprint} 1 {keras.config.backend()}"
    assert keys[0] == hashlib.sha256(shared.encode()).hexdigest()[:12]


@pytest.fixture
def served(mirror, checksums):
    """Small networks with random weights, served as the published files; returns them by network."""
    models = {}
    for network, weights in pretrained.OF_KERAS_APPLICATIONS.items():
        models[network] = small_applications.random_backbone()
        file = mirror / weights.file.name
        save_legacy(models[network], file)
        checksums(file)
    return models


@pytest.mark.slow
@pytest.mark.usefixtures("small_in_workers")
def test_trainings_from_imagenet_weights_learn_nothing_before_and_name_their_files(dataset, served, tmp_path):
    start = ImageNet.fetched(40, "squash")
    settings = Settings.of(
        {"weights": "imagenet", "seeds": [0], "frozen": ["nothing"], "epochs": 1, "healing_epochs": 0}
    )
    written = failure_trainings.train_all(settings, dataset, start, tmp_path / "trained")
    assert sorted((tmp_path / "trained").rglob("*.npz")) == sorted(written)
    assert len(written) == 2 * 2 + 2
    for each in (dict(np.load(file)) for file in written):
        file = start.published[str(each["network"])]
        assert str(each["weights"]) == "imagenet"
        assert (str(each["weights file"]), str(each["weights sha256"])) == (file.name, files.digest(file))
        assert each["size"] == {"resnet50": 40, "xception": 71}[str(each["network"])]


@pytest.mark.usefixtures("small")
def test_the_published_weights_are_the_initial_ones(served, tmp_path):
    start = ImageNet.fetched(40, "centre")
    for network, model in served.items():
        found = failure_trainings._initial_weights(network, start, tmp_path)
        assert [np.array_equal(*pair) for pair in zip(found, model.get_weights(), strict=True)] == [True] * 6


@pytest.mark.usefixtures("served")
def test_other_files_sizes_and_crops_give_another_folder(dataset, tmp_path):
    start, other_file = ImageNet.fetched(64, "centre"), tmp_path / "other.h5"
    other_file.write_bytes(b"other")
    others = [ImageNet(96, "centre", start.published), ImageNet(64, "box", start.published)]
    others.append(ImageNet(64, "centre", start.published | {"xception": other_file}))
    keys = {failure_trainings._key(dataset, each) for each in (start, *others)}
    assert len(keys) == 4
    assert {network: start.size(network) for network in start.published} == {"resnet50": 64, "xception": 71}


@pytest.mark.slow
@pytest.mark.usefixtures("small_in_workers")
def test_a_failed_training_ends_the_series_and_keeps_what_is_finished(dataset, tmp_path, monkeypatch):
    monkeypatch.setattr(failure_trainings, "_train_and_keep", train_or_fail)
    monkeypatch.setattr(failure_trainings, "shares", lambda: (1, 1))  # one after the other
    settings, others = Settings.of(SETTINGS), datasets.load("drawn_dogs", [], 8)
    with pytest.raises(StudyError, match="no room"):
        failure_trainings.train_all(settings, dataset, OtherBreeds(others, 1), tmp_path)
    finished = [file.name for file in tmp_path.glob("*/*.npz")]
    assert set(finished) >= {training.file for training in settings.trainings()[:2]}
    assert len(finished) < len([each for each in settings.trainings() if each.frozen == "nothing"])


@pytest.mark.usefixtures("small")
def test_each_training_starts_from_the_learned_weights(dataset, tmp_path):
    """The compiled model is reused; a second training with the same seed gives the same answers and history."""
    learned = small_applications.random_backbone().get_weights()
    training = Settings.of(SETTINGS).trainings()[0]
    first, second = (failure_trainings.train(training, learned, dataset, SMALL) for _ in range(2))
    np.testing.assert_allclose(first["training"], second["training"])
    for name in first:
        np.testing.assert_allclose(first[name], second[name])


@pytest.mark.usefixtures("small")
def test_only_a_control_begins_with_the_statistics_of_its_images(dataset, monkeypatch):
    begun, fit = [], keras.Model.fit

    def recorded(model, *inputs, **options):
        begun.append(float(model.layers[2].moving_variance.numpy().max()))
        return fit(model, *inputs, **options)

    monkeypatch.setattr(keras.Model, "fit", recorded)
    learned = small_applications.random_backbone().get_weights()
    learned[-1][:] = 1e6  # the running variance
    for role in ("comparison", "control"):
        failure_trainings.train(Training("resnet50", "nothing", "rescaled", 0, 1, role), learned, dataset, SMALL)
    assert begun[0] == 1e6
    assert begun[1] < 100


def test_trainings_have_different_files_and_each_seed_counts_once():
    trainings = Settings.of({"seeds": [0, 0, 3], "epochs": 40, "healing_epochs": 40}).trainings()
    assert len(trainings) == len({training.file for training in trainings}) == 2 * (2 * 4 * 2 + 2 + 1)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"weights": "scratch"}, "'weights' must be"),
        ({"seed": [0]}, "unknown field of failure_2020 'seed'"),
        ({"frozen": ["everything"]}, "'frozen"),
        ({"epochs": 0}, "'epochs' must be"),
        ({"seeds": []}, "'seeds'"),
    ],
)
def test_wrong_settings_are_refused_in_one_line(values, message):
    with pytest.raises(StudyError) as refusal:
        Settings.of(values)
    assert message in str(refusal.value)
    assert "\n" not in str(refusal.value)
