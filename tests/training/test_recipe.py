import math
from dataclasses import replace

import pytest
from pydantic import ValidationError

from dogbreeds.errors import StudyError
from dogbreeds.training.recipe import PRESETS, Phase, Recipe


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"batchsize": 4}, "unknown recipe field 'batchsize'"),
        ({"preset": "deck_2021"}, "unknown preset 'deck_2021': choose one of controlled, deck_2020"),
        ({"epochs": "4"}, "'epochs' must be a valid integer, not '4'"),
        ({"epochs": True}, "'epochs' must be a valid integer, not True"),
        ({"epochs": 0}, "'epochs' must be greater than 0, not 0"),
        ({"learning_rate": -1.0}, "'learning_rate' must be greater than or equal to 0, not -1.0"),
        ({"learning_rate": math.nan}, "'learning_rate' must be a finite number"),
        ({"learning_rate": math.inf}, "'learning_rate' must be a finite number"),
        ({"warm_up": 1.5}, "'warm_up' must be less than or equal to 1, not 1.5"),
        ({"augmentation": 1}, "'augmentation' must be a valid boolean, not 1"),
        ({"optimizer": "adam"}, "'optimizer' must be 'adamw' or 'sgd', not 'adam'"),
        (
            {"monitor": "test_accuracy"},
            "'monitor' must be 'validation_loss' or 'validation_accuracy'",
        ),
        ({"batch_norm": "fixed"}, "'batch_norm' must be 'momentum_0.1', 'momentum_0.01' or 'frozen', not 'fixed'"),
        ({"preprocessing": "caffe"}, "'preprocessing' must be 'expected' or 'rescaled', not 'caffe'"),
        ({"freeze": "backbone"}, "'augmentation' must be false with freeze 'backbone'"),
    ],
)
def test_invalid_value_is_named_in_the_error(values, message):
    with pytest.raises(StudyError, match=message):
        Recipe.of(values)


def test_replaced_recipe_is_validated():
    with pytest.raises(ValidationError, match="epochs"):
        replace(Recipe(), epochs=0)


def test_integer_is_accepted_for_a_float():
    assert Recipe.of({"learning_rate": 1}) == Recipe(learning_rate=1.0)


def test_fields_of_a_preset_can_be_overridden():
    assert Recipe.of({}) == Recipe.of({"preset": "controlled"}) == Recipe()
    deck = Recipe.of({"preset": "deck_2020", "epochs": 3})
    assert (deck.batch_size, deck.epochs, deck.batch_norm, deck.decay) == (32, 3, "momentum_0.01", "constant")
    assert all(Recipe(**values) for values in PRESETS.values())


def test_learning_rate_warms_up_and_decays_to_nearly_zero():
    rates = [Recipe(learning_rate=2.0, warm_up=0.1).learning_rate_at(step, 100) for step in range(100)]
    assert rates[0] < rates[5] < rates[10] == max(rates) == 2.0
    assert rates[10:] == sorted(rates[10:], reverse=True)
    assert 0 < rates[-1] < 0.01


def test_constant_learning_rate_does_not_decay_after_warm_up():
    rates = {Recipe(warm_up=0.5, decay="constant").learning_rate_at(step, 10) for step in range(5, 10)}
    assert rates == {Recipe().learning_rate}


def rows(values, phase="all", first=1):
    return [
        {"epoch": number, "phase": phase, "validation_loss": value, "validation_accuracy": 1 - value}
        for number, value in enumerate(values, first)
    ]


def test_first_of_several_equal_epochs_is_the_best():
    history = rows([0.9, 0.5, 0.6, 0.5])
    assert Recipe().best_epoch(history) == 2
    assert Recipe(monitor="validation_accuracy").best_epoch(history) == 2


@pytest.mark.parametrize(
    ("values", "gain", "stops"),
    [
        ([0.9, 0.8, 0.7], 0.0, False),
        ([0.7, 0.8, 0.9], 0.0, True),
        ([0.7, 0.8], 0.0, False),  # one epoch without improvement, two are allowed
        ([0.9, 0.89, 0.88], 0.05, True),  # each gain is too small to count, but their sum would count
        ([0.9, 0.89, 0.84], 0.05, False),
    ],
)
@pytest.mark.parametrize("monitor", ["validation_loss", "validation_accuracy"])
def test_training_stops_when_patience_is_exhausted(values, gain, stops, monitor):
    assert Recipe(patience=2, minimum_gain=gain, monitor=monitor).stops(rows(values)) is stops
    assert not Recipe(patience=0, minimum_gain=gain, monitor=monitor).stops(rows(values))


def test_patience_restarts_with_each_phase():
    history = rows([0.1, 0.2], "head") + rows([0.5, 0.6], "all", 3)
    assert Recipe(patience=1, head_epochs=3).next_phase(history[:2]) == Phase("all", 0, 4)
    assert Recipe(patience=2, head_epochs=2).next_phase(history) == Phase("all", 2, 4)


def test_phases_follow_from_head_epochs_and_freezing():
    assert Recipe(epochs=3).phases() == {"all": 3}
    assert Recipe(epochs=3, head_epochs=2).phases() == {"head": 2, "all": 3}
    assert Recipe(epochs=3, freeze="backbone", augmentation=False).phases() == {"head": 3}
