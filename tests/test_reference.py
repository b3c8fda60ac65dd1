"""What the README says is what was kept, to the letter."""

import json

import pandas as pd
import pytest

from dogbreeds import reference
from dogbreeds.errors import StudyError


def test_the_readme_says_what_is_kept():
    text = reference.README.read_text()
    assert len(reference.BLOCK.findall(text)) >= 1
    assert reference.written(text) == text


def test_a_block_is_written_from_its_folder_alone(tmp_path, monkeypatch):
    monkeypatch.setattr(reference, "REFERENCE", tmp_path)
    monkeypatch.setattr(reference.paths, "REPOSITORY", tmp_path)
    about = {"pictures": "7 pictures", "test pictures": 3, "pixels a side": 8, "seeds": 1}
    about |= {"command": "make", "machine": "an abacus", "date": "2020-01-28"}
    row = {"network": "Xception", "framework": "Keras", "start": "scratch", "test accuracy": 0.5}
    row |= {"low": 0.25, "high": 0.75, "seconds": 60.4, "photos/s": 9.6}
    (tmp_path / "toy").mkdir()
    (tmp_path / "toy" / "about.json").write_text(json.dumps(about))
    pd.DataFrame([row]).to_csv(tmp_path / "toy" / "results.csv")
    claim = {"claim": "It flies", "start": "scratch", "measured": "+1.0 points", "verdict": "refuted"}
    pd.DataFrame([claim]).to_csv(tmp_path / "toy" / "claims.csv")
    text = reference.written("before\n<!-- results: toy -->\nold\n<!-- end of results -->\nafter")
    assert "old" not in text
    assert text.startswith("before\n<!-- results: toy -->\n7 pictures, 3 of them for the test")
    assert "| Xception | Keras | scratch | 50.0% | 25.0% to 75.0% | 60 | 10 |\n" in text
    assert "](toy/accuracies.png)\n\n| claim of 2020 | start | measured | verdict |\n" in text
    assert "| It flies | scratch | +1.0 points | refuted |\n<!-- end of results -->\nafter" in text


def test_a_study_that_was_not_run_cannot_be_kept(tmp_path):
    with pytest.raises(StudyError, match="has no finished study: run make study"):
        reference.keep({"profile": "sample"}, "sample", "make study")
