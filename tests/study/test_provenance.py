"""Studies whose networks start from ImageNet weights say that their test photos are not unseen."""

import pandas as pd
import pytest

from dogbreeds import figures
from dogbreeds.analysis.imagenet_leakage import OF_OTHER_PHOTOS, OF_STANFORD_DOGS
from dogbreeds.data.stanford_dogs import LISTS
from dogbreeds.study import Study, widgets

TABLE = pd.DataFrame({"network": ["Xception", "ResNet50"], "test accuracy": [0.75, 0.5]})


@pytest.fixture
def stanford_folder(tmp_path):
    """A folder that is recognised as Stanford Dogs."""
    (tmp_path / "dogs" / "Images").mkdir(parents=True)
    (tmp_path / "dogs" / LISTS["test"]).touch()
    return str(tmp_path / "dogs")


@pytest.fixture
def fine_tuned():
    return Study("toy", "stanford_dogs", weights=["scratch", "imagenet"])


@pytest.fixture
def from_scratch():
    return Study("toy", "stanford_dogs", weights=["scratch", "other-breeds"])


def figure():
    return figures.confidence({"test": pd.Series([0.2, 0.9]).to_numpy()})


def texts(drawn):
    return [" ".join(text.get_text().split()) for text in drawn.texts]


@pytest.mark.parametrize(
    "start",
    [
        {"weights": ["imagenet"]},
        {"weights": ["scratch", "resnet50_v2"]},
        {"failure_2020": {"weights": "imagenet"}},
    ],
)
def test_the_sentence_depends_on_the_photos(stanford_folder, photo_folder, start):
    assert Study("toy", "stanford_dogs", **start).provenance == OF_STANFORD_DOGS[0]
    assert Study("toy", stanford_folder, **start).provenance == OF_STANFORD_DOGS[0]
    assert Study("toy", str(photo_folder), **start).provenance == OF_OTHER_PHOTOS[0]
    assert Study("toy", "drawn_dogs", **start).provenance == ""


@pytest.mark.parametrize("start", [{}, {"weights": ["scratch", "other-breeds"]}, {"failure_2020": {"seeds": [0]}}])
def test_nothing_is_said_without_imagenet_weights(start):
    assert Study("toy", "stanford_dogs", **start).provenance == ""


def test_the_sentence_is_translated(fine_tuned, french):
    assert fine_tuned.provenance.startswith("Les réseaux aux poids ImageNet")


def test_a_saved_figure_has_the_sentence_as_footnote(fine_tuned):
    shown = fine_tuned.save("confidence", figure())
    assert texts(shown) == [OF_STANFORD_DOGS[0]]
    assert {path.suffix for path in (fine_tuned.folder / "figures").iterdir()} == {".png", ".svg"}
    assert texts(fine_tuned.annotated(figure())) == [OF_STANFORD_DOGS[0]]


def test_a_figure_without_the_sentence_has_the_same_bytes_as_before(from_scratch, tmp_path):
    shown = from_scratch.save("confidence", figure())
    assert texts(shown) == []
    figure().savefig(tmp_path / "plain.png", dpi=150)
    saved = from_scratch.folder / "figures" / "confidence.png"
    assert saved.read_bytes() == (tmp_path / "plain.png").read_bytes()


@pytest.mark.parametrize("table", [TABLE, TABLE.set_index("network"), TABLE.iloc[:0]])
def test_a_saved_table_has_one_more_column_at_its_end_only_in_the_file(fine_tuned, table):
    assert fine_tuned.save_table("results", table) is table
    saved = pd.read_csv(fine_tuned.folder / "tables" / "results.csv")
    assert list(saved) == ["network", "test accuracy", "test photos"]
    assert set(saved["test photos"]) == {OF_STANFORD_DOGS[1]} if len(table) else saved.empty
    assert list(fine_tuned.read_table("results")) == ["network", "test accuracy"]


def test_words_of_other_photos_and_no_column_without_imagenet_weights(from_scratch, photo_folder):
    own = Study("own", str(photo_folder), weights=["imagenet"])
    own.save_table("results", TABLE)
    assert "may not be unseen" in (own.folder / "tables" / "results.csv").read_text()
    from_scratch.save_table("results", TABLE)
    assert (from_scratch.folder / "tables" / "results.csv").read_text() == TABLE.to_csv(index=False)


def test_a_shown_table_has_the_sentence_below_it(fine_tuned, from_scratch):
    plain, page = widgets.show(TABLE).data, fine_tuned.show(TABLE).data
    assert page.startswith(plain)
    assert OF_STANFORD_DOGS[0] in page.removeprefix(plain)
    assert from_scratch.show(TABLE).data == plain
