"""The answers of the exercises in the notebooks: each runs on its own, and prints what its text says."""

import contextlib
import io
import re

import nbformat
import numpy as np
import pandas as pd
import pytest

from dogbreeds import paths
from dogbreeds.data.datasets import Dataset
from dogbreeds.study import Study, notebooks
from dogbreeds.training.runs import Run

NOTEBOOKS = {path.stem[:2]: nbformat.read(path, as_version=4).cells for path in notebooks.numbered_notebooks()}
ANSWER = re.compile(r"\n\n<details><summary>Answer</summary>\n\n```python\n(.+?)\n```\n\n[^<]+\n\n</details>", re.S)


def answers(number):
    """The code of the answers of a notebook."""
    return [match[1] for cell in NOTEBOOKS[number] if (match := ANSWER.search(cell.source))]


@pytest.fixture
def printed(monkeypatch):
    """`printed(number, profile)` returns the lines that each answer of a notebook prints.

    Only the notebook's parameters and imports are executed before the answers. For the profile sample, the dataset has
    no photos but the identity of the dataset that the runs in outputs/reference were trained on, so that the study
    finds these runs and no dog is drawn. Answers that need images get the profile tiny.
    """
    monkeypatch.setenv("KERAS_BACKEND", "tensorflow")  # the backend of these runs

    def run(number, profile="sample"):
        if profile == "sample":
            record = Run(next((paths.REFERENCE / "sample" / "runs").iterdir())).record
            identity = (record["dataset"], pd.DataFrame(), tuple(record["breeds"]), record["fingerprint"])
            monkeypatch.setattr(Study, "dataset", Dataset(*identity))
        parameters, imports = (cell.source for cell in NOTEBOOKS[number][2:4])
        names = {}
        exec(parameters, names)
        names["profile"] = profile
        exec(imports, names)
        outputs = []
        for code in answers(number):
            with contextlib.redirect_stdout(io.StringIO()) as output:
                exec(code, own := dict(names))
            assert all(own[name] is names[name] for name in names), "the cells after the answer read other values"
            outputs.append(output.getvalue().splitlines())
        assert all(outputs)
        return outputs

    return run


def numbers(line):
    """The numbers in a line of text; `10,000` is one."""
    return [float(number.replace(",", "")) for number in re.findall(r"-?\d[\d,]*(?:\.\d+)?", line)]


@pytest.mark.parametrize("number", NOTEBOOKS)
def test_two_exercises_come_before_the_summary(number):
    cells = NOTEBOOKS[number]
    place = next(index for index, cell in enumerate(cells) if cell.source.startswith("## Try it"))
    assert [bool(ANSWER.search(cell.source)) for cell in cells[place : place + 3]] == [False, True, True]
    assert cells[place + 3].source.startswith("## What was learned")
    assert len(answers(number)) == 2


@pytest.mark.slow
def test_answers_on_chance_and_on_the_split(printed):
    (_, permuted, chance), split = printed("01", "tiny")
    by_chance = numbers(permuted)
    assert len(set(by_chance)) > 1
    assert min(by_chance) <= numbers(chance)[0] <= max(by_chance)
    assert all(0 < numbers(line)[1] < numbers(line)[2] for line in split)


@pytest.mark.slow
def test_answers_on_momentum_and_on_freezing(printed):
    momentum, (by_hand, by_library) = printed("02")
    means = {tuple(numbers(line)[:2]): numbers(line)[2] for line in momentum}
    assert means[0.01, 10] > 2
    assert means[0.01, 100] > 0.5
    assert abs(means[0.1, 100]) < 0.1
    assert "running_mean" in by_hand
    assert "weight" not in by_hand
    assert by_library.endswith("nothing changed")


def test_answers_on_the_sigmoid_and_on_the_reduction(printed):
    (with_sigmoid, without), reductions = printed("03")
    low, high, growth = numbers(with_sigmoid)
    assert 0 < low < high < 1
    assert growth < 20
    low, high, growth = numbers(without)
    assert low < 0 < high
    assert growth == pytest.approx(100, rel=0.01)
    totals = [numbers(line)[1] for line in reductions[:3]]
    assert totals[0] == 4 * totals[1] == 16 * totals[2]
    assert totals[1] == numbers(reductions[3])[-1]


def test_answers_on_rounding_and_on_the_running_variance(printed):
    sums, variances = printed("04")
    forwards, backwards, _, exact = (numbers(line.partition(": ")[2])[0] for line in sums)
    assert forwards != backwards
    assert forwards == pytest.approx(exact, abs=0.01)
    assert all(numbers(line)[1] == pytest.approx(numbers(line)[-1], abs=0.001) for line in variances)


def test_answers_on_the_size_of_the_test_set_and_on_holm(printed):
    by_size, (uncorrected, corrected) = printed("05")
    widths = [numbers(line)[-1] for line in by_size]
    assert np.divide(widths[1:], widths[:-1]) == pytest.approx(2, abs=0.3)
    assert numbers(uncorrected)[-1] == pytest.approx(100 * (1 - 0.95**6), abs=2)
    assert numbers(corrected)[-1] == pytest.approx(5, abs=1)


def test_answers_on_rejection_and_on_temperature(printed):
    kept, (_, _, *temperatures) = printed("06")
    accuracies = [numbers(line)[1] for line in kept]
    assert accuracies == sorted(accuracies)
    assert accuracies[0] < accuracies[-1]
    table = np.array([numbers(line) for line in temperatures])
    assert np.ptp(table[:, 1]) == 0
    assert len(set(table[:, -1])) == len(table)
