import numpy as np
import pytest

from dogbreeds.data import datasets, drawn_dogs, pixel_cache, shortcuts
from dogbreeds.errors import StudyError


def test_breeds_are_numerous_and_have_distinct_anatomy():
    assert len(drawn_dogs.TARGET) >= 5
    assert len(drawn_dogs.SOURCE) >= 10
    assert not set(drawn_dogs.TARGET) & set(drawn_dogs.SOURCE)
    assert len(set(drawn_dogs.BREEDS.values())) == len(drawn_dogs.BREEDS)
    assert {breed for pair in drawn_dogs.SIMILAR_BREEDS for breed in pair} <= set(drawn_dogs.BREEDS)


@pytest.mark.parametrize("breed", drawn_dogs.BREEDS)
def test_drawing_is_determined_by_its_seed(breed):
    first, again, other = (drawn_dogs.draw(breed, seed) for seed in (3, 3, 4))
    assert np.array_equal(first, again)
    assert first.shape != other.shape or not np.array_equal(first, other)


def test_a_breed_without_drawing_is_refused():
    with pytest.raises(StudyError, match="wolf"):
        drawn_dogs.draw("wolf", 0)


@pytest.mark.slow
def test_colour_does_not_identify_the_breed():
    """Chance level is 20 %; colour histograms must stay well below the accuracy required of the networks (60 %)."""
    dataset = datasets.load("drawn_dogs", photos_per_breed=60)
    correct = shortcuts.colour_only_correct(dataset, pixel_cache.load(dataset, 32))
    assert correct.mean() < 0.5


def test_folder_is_written_atomically(tmp_path):
    folder = tmp_path / "dogs"
    with pytest.raises(StudyError, match="wolf"):
        drawn_dogs.write(folder, ["pug", "wolf"], 2, seed=0)
    assert not folder.exists()
    drawn_dogs.write(folder, ["pug", "poodle"], 2, seed=0)
    assert sorted(str(path.relative_to(folder)) for path in folder.rglob("*.jpg")) == [
        "poodle/poodle_0000.jpg",
        "poodle/poodle_0001.jpg",
        "pug/pug_0000.jpg",
        "pug/pug_0001.jpg",
    ]
