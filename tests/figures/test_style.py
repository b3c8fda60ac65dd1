"""The footnote of a figure covers nothing and changes no panel."""

import itertools

import numpy as np
import pytest
from test_results import CHANCE, pairs, results, runs

from dogbreeds import figures

TEXT = "Networks with ImageNet weights were trained on the test photos of Stanford Dogs: these are not unseen."
GAPS = {"framework": ["Keras", "PyTorch"] * 2, "first": "Xception", "second": "ResNet50"}
GAPS["initial weights"] = ["scratch"] * 2 + ["imagenet"] * 2
DRAWN = {
    "learning_curves": lambda folder: figures.learning_curves(runs(folder)),
    "one_learning_curve": lambda folder: figures.learning_curves(runs(folder)[:1]),
    "accuracies": lambda folder: figures.accuracies(results(["scratch", "imagenet"]), CHANCE),
    "differences": lambda folder: figures.differences(pairs(**GAPS)),
    "accuracy_against_cost": lambda folder: figures.accuracy_against_cost(results()),
    "confusion": lambda folder: figures.confusion(runs(folder)[0]),
}


def boxes(figure):
    """The panels with their labels, and the legends, in inches from the upper left corner."""
    figure.draw_without_rendering()
    height = figure.get_size_inches()[1]
    found = [each.get_tightbbox().get_points() for each in (*figure.axes, *figure.legends)]
    return np.array(found) / figure.dpi - [0, height]


@pytest.mark.parametrize("name", DRAWN)
def test_footnote_is_below_all_panels_and_legends_which_keep_their_places(tmp_path, name):
    figure = DRAWN[name](tmp_path / "runs")
    before = boxes(figure)
    figures.add_footnote(figure, TEXT)
    after = boxes(figure)
    assert after == pytest.approx(before, abs=0.05)
    (note,) = figure.texts[-1:]
    assert " ".join(note.get_text().split()) == TEXT
    box = note.get_window_extent()
    assert figure.bbox.contains(*box.min)
    assert figure.bbox.contains(*box.max)
    everything = [each.get_tightbbox() for each in (*figure.axes, *figure.legends)]
    assert box.y1 < min(each.y0 for each in everything)
    for legend, axis in itertools.product(figure.legends, figure.axes):
        assert not legend.get_window_extent().overlaps(axis.get_tightbbox())
