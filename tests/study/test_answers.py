"""The sentences that open and close each notebook; nbval compares them with the stored ones."""

import pytest
from finished_runs import write_finished_run

from dogbreeds.analysis import intervals
from dogbreeds.study import Study, answers


@pytest.fixture
def finished(photo_folder):
    """Writes the runs of a study on six test and four validation photos; `change` returns what differs in one run."""

    def write(change=lambda config: {}):
        study = Study("toy", str(photo_folder), image_size=32, recipe={"epochs": 3})
        for job in study.plan():
            write_finished_run(
                job.config, job.dataset, study.store, **{"validation": 2, "test": 5} | change(job.config)
            )
        return study

    return write


@pytest.mark.parametrize("name", ["baseline", "squeeze_excitation", "frameworks", "architectures", "errors"])
def test_unfinished_study_has_no_answer(name, photo_folder, tmp_path, monkeypatch):
    monkeypatch.setenv("DOGBREEDS_OUTPUTS", str(tmp_path / "outputs"))
    study = Study("toy", str(photo_folder), image_size=32)
    assert getattr(answers, name)(study) == ["not known before the study has run: run dogbreeds study"]
    assert not (tmp_path / "outputs").exists()


def test_data_are_described_before_any_training(photo_folder):
    study = Study("toy", str(photo_folder), image_size=32)
    answer, counts, left_out, most = answers.data(study)
    assert "test accuracy of" in answer
    assert "the chance level of 50.0%" in answer
    assert counts.startswith(f"There are {len(study.dataset.photos)} photographs of 2 breeds: ")
    assert left_out == "0 files were left out."
    assert most == "Always naming the most frequent breed of the test split would have an accuracy of 50.0%."


def test_the_recipe_of_2020_is_scored_with_a_named_epoch(finished):
    """Its best epoch by validation loss may be the first, which is far below the last in accuracy."""
    study = finished(lambda config: {"best_epoch": 1} if config.recipe.batch_size == 32 else {})
    recipe_2020 = next(sentence for sentence in answers.baseline(study) if "2020" in sentence)
    assert recipe_2020.endswith("scored with the weights of epoch 1 of 3.")


def test_frameworks_with_equal_accuracies_on_few_photos_are_not_called_equal(finished, monkeypatch):
    """A difference of zero shows equality only if its 90 % interval lies within the margin."""
    study = finished()
    assert answers.frameworks(study)[0] == (
        "the test accuracy in Keras minus that in PyTorch is +0.0 points (95 % interval -45.9 to +45.9); they are not "
        "shown to be equal within 2 points, for these trained networks (one seed)."
    )
    monkeypatch.setattr(intervals, "MARGIN", 0.9)
    assert answers.frameworks(study)[0].endswith(
        "they are equal within 90 points, for these trained networks (one seed)."
    )


def test_the_best_network_is_the_best_in_validation(finished):
    """A choice by test accuracy would favour a network that was lucky on the test photos."""

    def change(config):
        is_best = (config.architecture, config.framework) == ("se_resnet50", "pytorch")
        return {"validation": 4, "test": 3} if is_best else {}

    first = answers.errors(finished(change))[0]
    assert first.startswith("SE-ResNet50, PyTorch, the best run in validation, misclassifies 3 of 6 test images")
