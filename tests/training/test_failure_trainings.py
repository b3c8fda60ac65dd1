"""The trainings of notebook 02, with a small network in place of those of `keras.applications`."""

import numpy as np
import pytest

from dogbreeds.data import datasets
from dogbreeds.errors import StudyError
from dogbreeds.models import keras_applications, keras_runtime
from dogbreeds.training import failure_trainings
from dogbreeds.training.failure_settings import Settings, Training

keras = keras_runtime.load_keras()
SETTINGS = {"seeds": [0], "frozen": ["nothing", "backbone"], "epochs": 2, "source_epochs": 1, "healing_epochs": 3}


def small_network(network, num_classes):
    size = keras_applications.IMAGE_SIZES[network]
    inputs = keras.Input((size, size, 3))
    maps = keras.layers.Conv2D(4, 3, strides=4)(inputs)
    maps = keras.layers.ReLU()(keras.layers.BatchNormalization()(maps))
    return keras.Model(inputs, keras.layers.Dense(num_classes)(keras.layers.GlobalAveragePooling2D()(maps)))


@pytest.fixture
def small(monkeypatch):
    monkeypatch.setattr(keras_applications, "build", small_network)
    failure_trainings._compiled.cache_clear()
    yield
    failure_trainings._compiled.cache_clear()


learn, train_and_keep = failure_trainings._source, failure_trainings._train_and_keep


def learn_small(*arguments):
    """The first task of a worker, with the small network."""
    keras_applications.build = small_network
    return learn(*arguments)


def train_small(*arguments):
    """The other tasks of a worker, with the small network."""
    keras_applications.build = small_network
    train_and_keep(*arguments)


def train_or_fail(training, *arguments):
    if training.frozen == "backbone":
        raise StudyError("no room")
    train_small(training, *arguments)


@pytest.fixture
def small_in_workers(monkeypatch):
    monkeypatch.setattr(failure_trainings, "_source", learn_small)
    monkeypatch.setattr(failure_trainings, "_train_and_keep", train_small)
    monkeypatch.setattr(failure_trainings, "shares", lambda: (2, 1))


@pytest.mark.slow
@pytest.mark.usefixtures("small_in_workers")
def test_every_training_is_stored_once_and_measured_on_all_splits(dataset, tmp_path):
    others = datasets.load("drawn_dogs", [], 8)
    files = failure_trainings.train_all(Settings.of(SETTINGS), dataset, others, tmp_path)
    assert len(files) == len({file.name for file in files}) == 2 * 2 * 2 + 2 + 1
    found = [dict(np.load(file)) for file in files]
    roles = [str(each["role"]) for each in found]
    assert roles == ["comparison"] * 8 + ["control"] * 2 + ["healing"]
    for each in found:
        assert len(each["training"]) == len(each["validation"]) == (3 if each["role"] == "healing" else 2)
        for split in failure_trainings.SPLITS:
            for statistics in ("running", "re-estimated"):
                assert len(each[f"{split}, {statistics}"]) == len(dataset.rows(split)) == len(each[f"{split}, labels"])
    before = {file: file.stat().st_mtime_ns for file in tmp_path.rglob("*.npz")}
    failure_trainings.train_all(Settings.of(SETTINGS), dataset, others, tmp_path)
    assert {file: file.stat().st_mtime_ns for file in tmp_path.rglob("*.npz")} == before
    # Other breeds or more epochs of the source give other trainings.
    fewer, fewer_others = (
        Settings.of(SETTINGS | {"source_epochs": 0}),
        datasets.load("drawn_dogs", ["pug", "poodle"], 8),
    )
    cases = [(fewer, dataset, others), (Settings.of(SETTINGS), dataset, fewer_others)]
    assert files[0].parent.name not in [failure_trainings._key(*case) for case in cases]
    assert files[0].parent.name == failure_trainings._key(Settings.of(SETTINGS), dataset, others)


@pytest.mark.slow
@pytest.mark.usefixtures("small_in_workers")
def test_a_failed_training_ends_the_series_and_keeps_what_is_finished(dataset, tmp_path, monkeypatch):
    monkeypatch.setattr(failure_trainings, "_train_and_keep", train_or_fail)
    monkeypatch.setattr(failure_trainings, "shares", lambda: (1, 1))  # one after the other
    settings, others = Settings.of(SETTINGS), datasets.load("drawn_dogs", [], 8)
    with pytest.raises(StudyError, match="no room"):
        failure_trainings.train_all(settings, dataset, others, tmp_path)
    finished = [file.name for file in tmp_path.glob("*/*.npz")]
    assert set(finished) >= {training.file for training in settings.trainings()[:2]}
    assert len(finished) < len([each for each in settings.trainings() if each.frozen == "nothing"])


@pytest.mark.usefixtures("small")
def test_each_training_starts_from_the_learned_weights(dataset, tmp_path):
    """The compiled model is reused; a second training with the same seed gives the same answers and history."""
    learned = small_network("resnet50", 2).get_weights()[:-2]
    training = Settings.of(SETTINGS).trainings()[0]
    first, second = (failure_trainings.train(training, learned, dataset) for _ in range(2))
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
    learned = small_network("resnet50", 2).get_weights()[:-2]
    learned[-1][:] = 1e6  # the running variance
    for role in ("comparison", "control"):
        failure_trainings.train(Training("resnet50", "nothing", "rescaled", 0, 1, role), learned, dataset)
    assert begun[0] == 1e6
    assert begun[1] < 10


def test_trainings_have_different_files_and_each_seed_counts_once():
    trainings = Settings.of({"seeds": [0, 0, 3], "epochs": 40, "healing_epochs": 40}).trainings()
    assert len(trainings) == len({training.file for training in trainings}) == 2 * (2 * 4 * 2 + 2 + 1)


@pytest.mark.parametrize(
    ("values", "message"),
    [
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
