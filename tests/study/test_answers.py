"""The sentences that open and close each notebook; nbval compares them with the stored ones."""

import pytest

from dogbreeds.study import Study, answers


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
    assert "the chance level is 50.0%" in answer
    assert counts.startswith(f"There are {len(study.dataset.photos)} photographs of 2 breeds: ")
    assert left_out == "0 files were left out."
    assert most == "Always naming the most frequent breed of the test split would have an accuracy of 50.0%."
