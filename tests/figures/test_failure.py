"""Figures of the failure of ResNet50 in 2020, from the stored results."""

import pandas as pd
import pytest

from dogbreeds import figures, paths
from dogbreeds.presentation import deck


@pytest.fixture(params=["en", "fr"])
def language(request):
    deck.set_language(request.param)
    yield
    deck.set_language("en")


@pytest.mark.usefixtures("language")
def test_the_legend_is_inside_the_figure():
    table = pd.read_csv(paths.REFERENCE / "failure_2020" / "results.csv")
    figure = figures.failure_of_2020(table)
    figure.draw_without_rendering()
    legend = figure.legends[0].get_window_extent()
    assert len(figure.legends[0].get_texts()) == 3 + 2  # kinds of preprocessing; while training, chance
    assert figure.bbox.contains(*legend.min)
    assert figure.bbox.contains(*legend.max)
