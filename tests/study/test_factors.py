"""Factors: changes of the recipe, one at a time, that a profile trains in addition to its comparison."""

from collections import Counter
from itertools import product

import pytest
from finished_runs import write_finished_run

from dogbreeds import models
from dogbreeds.errors import StudyError
from dogbreeds.study import Study

FACTORS = {"first stage frozen": {"freeze": "first"}, "batch size 4": {"batch_size": 4}}
SMALL = {"image_size": 32, "recipe": {"epochs": 2, "batch_size": 2}, "seeds": [0, 1]}


@pytest.fixture
def study(photo_folder):
    return Study("toy", str(photo_folder), factors=FACTORS, **SMALL)


@pytest.mark.parametrize(
    ("factors", "message"),
    [
        ({"large": {"batch_sizes": 100}}, "factor 'large': unknown recipe field 'batch_sizes': choose from preset, "),
        ({"large": {"batch_size": 0}}, "factor 'large': recipe field 'batch_size' must be greater than 0, not 0"),
        ({"probe": {"freeze": "backbone", "augmentation": True}}, "factor 'probe': recipe field 'augmentation' must"),
        ({"frozen": {"freeze": "layer1"}}, "factor 'frozen': unknown stage 'layer1' of xception: choose one of block1"),
        ({"old": {"preset": "deck_2020"}}, "factor 'old' has the field 'preset', which replaces the recipe"),
        ({"large": 100}, "notebook parameter 'factors.large' must be a valid dictionary, not 100"),
    ],
)
def test_an_invalid_factor_is_named_in_one_line(factors, message):
    with pytest.raises(StudyError) as raised:
        Study.from_profile("tiny", factors=factors)
    assert str(raised.value).startswith(message)
    assert "\n" not in str(raised.value)


def test_a_stage_of_the_only_network_can_be_a_factor():
    factors = {"frozen": {"freeze": "layer1"}}
    assert Study.from_profile("tiny", architectures=["resnet50"], factors=factors).factors == factors


def test_each_factor_is_trained_once_for_every_network_framework_and_seed(study):
    """It changes one thing of the recipe of the study; all else stays."""
    without = Study("toy", study.photos, **SMALL)
    plan, before = study.plan(), without.plan()
    assert [job.id for job in plan[: len(before)]] == [job.id for job in before]  # the ids do not change
    added = [job.config for job in plan[len(before) :]]
    assert len(added) == 6 * len(study.seeds) * len(FACTORS)
    assert len({job.id for job in plan}) == len(plan)
    assert Counter((config.recipe.freeze, config.recipe.batch_size) for config in added) == {
        ("first", 2): 12,
        ("", 4): 12,
    }
    trained = Counter((config.architecture, config.framework, config.seed) for config in added)
    compared = product(models.ARCHITECTURES, models.FRAMEWORKS, study.seeds)
    assert trained == dict.fromkeys(compared, len(FACTORS))
    assert {config.recipe.epochs for config in added} == {2}


def test_a_factor_that_changes_nothing_trains_nothing(study):
    same = Study("toy", study.photos, factors={"same": {"batch_size": 2}}, **SMALL)
    assert len(same.plan()) == len(Study("toy", study.photos, **SMALL).plan())


def test_factors_start_from_the_last_of_the_initial_weights(study):
    job = study.plan()[0]
    source = write_finished_run(job.config, job.dataset, study.store, validation=2, test=4)
    continued = Study("toy", study.photos, factors=FACTORS, weights=["scratch", source.id], **SMALL)
    changed = [job.config for job in continued.plan() if job.config.recipe.freeze == "first"]
    assert {config.initialisation.kind for config in changed} == {source.id}


def test_a_smaller_study_trains_no_factors(study):
    smaller = Study("toy", study.photos, factors=FACTORS, frameworks=["pytorch"], **SMALL)
    assert len(smaller.plan()) == 3 * len(smaller.seeds)
    assert smaller.factor_runs() == {}


def test_factor_runs_are_in_the_order_of_the_comparison(study):
    for job in study.plan():
        assert not study.is_finished()
        write_finished_run(job.config, job.dataset, study.store, validation=2, test=4)
    assert study.is_finished()
    found = study.factor_runs()
    assert list(found) == list(FACTORS)
    order = [(run.choice, run.record["seed"]) for run in study.runs()]
    for (name, field), value in {("first stage frozen", "freeze"): "first", ("batch size 4", "batch_size"): 4}.items():
        assert [(run.choice, run.record["seed"]) for run in found[name]] == order
        assert {run.record["recipe"][field] for run in found[name]} == {value}


def test_without_factors_nothing_is_added(photo_folder):
    study = Study("toy", str(photo_folder), **SMALL)
    assert study.factor_runs() == {}
    assert "\nfactors: {}\n" in str(study)
