import pytest

from dogbreeds.errors import StudyError
from dogbreeds.recipe import Recipe


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"batchsize": 4}, "unknown recipe field 'batchsize'"),
        ({"epochs": "4"}, "'epochs' must be int"),
        ({"epochs": 0}, "'epochs' must be 1 or more"),
        ({"learning_rate": -1.0}, "'learning_rate' must be 0 or more"),
        ({"learning_rate": float("nan")}, "'learning_rate' must be 0 or more"),
        ({"augmentation": 1}, "'augmentation' must be bool"),
    ],
)
def test_what_is_wrong_is_named(values, message):
    with pytest.raises(StudyError, match=message):
        Recipe.of(values)


def test_a_whole_number_will_do_for_a_float():
    assert Recipe.of({"learning_rate": 1}) == Recipe(learning_rate=1.0)


def test_the_rate_warms_up_and_falls_to_nearly_nothing():
    rates = [Recipe(learning_rate=2.0, warm_up=0.1).learning_rate_at(step, 100) for step in range(100)]
    assert rates[0] < rates[5] < rates[10] == max(rates) == 2.0
    assert rates[10:] == sorted(rates[10:], reverse=True)
    assert 0 < rates[-1] < 0.01
