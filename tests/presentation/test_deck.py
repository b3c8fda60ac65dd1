"""The text and the elements of the presentation; notebooks/test_slides.py tests the complete presentation."""

import base64
import re

import numpy as np
import pandas as pd
import pytest

from dogbreeds import figures
from dogbreeds.analysis import intervals
from dogbreeds.analysis.claims_2020 import RESNET50_2020
from dogbreeds.errors import StudyError
from dogbreeds.presentation import slides
from dogbreeds.presentation.deck import LANGUAGES, Deck
from dogbreeds.study import profiles

NARROW = "\N{NO-BREAK SPACE}"


def test_numbers_are_written_as_the_language_writes_them():
    french, english = Deck("fr"), Deck("en")
    text = "26.8% of 20,580, from +1.5 to 3.2 % (95 % interval)"
    assert french.numbers(text).replace(NARROW, " ") == "26,8 % of 20 580, from +1,5 to 3,2 % (95 % interval)"
    assert english.numbers(text) == "26.8% of 20,580, from +1.5 to 3.2% (95% interval)"


def test_what_the_library_says_is_said_in_french():
    accuracy = Deck("fr").translated(intervals.format_accuracy(RESNET50_2020)).replace(NARROW, " ")
    assert accuracy == "26,8 % de 164 (intervalle à 95 % : 20,6 % à 34,1 %)"
    gap = Deck("fr").translated(intervals.format_difference(0.065, -0.014, 0.123)).replace(NARROW, " ")
    assert gap == "+6,5 points (intervalle à 95 % : -1,4 à +12,3)"
    assert Deck("fr").translated("ResNet50 learns faster than Xception") == "ResNet50 apprend plus vite que Xception"
    assert Deck("en").translated("scratch") == "scratch"
    assert Deck("fr").translated("restart") == "restart"  # a phrase inside a longer word is not translated


def test_a_table_is_translated_in_head_and_cells():
    page = Deck("fr").table(pd.DataFrame({"initial weights": ["scratch"], "test accuracy": [0.75]})).data
    assert re.findall(r"<t[hd]>([^<]+)", page) == ["poids initiaux", "exactitude sur le test", "de zéro", "0,75"]


def drawn(chart):
    return base64.b64decode(re.search(r"base64,([^\"]+)", chart.data)[1]).decode()


@pytest.mark.parametrize("name", ["residual_unit", "separable_convolution", "squeeze_and_excitation"])
def test_a_chart_is_a_vector_drawing_and_the_same_each_time(name):
    one, other = (Deck("fr").chart(getattr(figures, name)(), "feature maps") for _ in range(2))
    assert one.data == other.data
    assert 'alt="cartes"' in one.data
    assert drawn(one).startswith("<?xml")
    assert "<image" not in drawn(one)


def test_letters_of_a_chart_are_large_enough_and_translated():
    figure = figures.confidence({"scratch": np.array([0.2, 0.9])})
    Deck("fr").chart(figure, "x")
    texts = [text for text in figure.findobj(lambda each: hasattr(each, "get_fontsize")) if text.get_text()]
    assert min(text.get_fontsize() for text in texts) >= 12
    assert figure.axes[0].xaxis.get_major_formatter()(0.25) == "0,25"


def test_code_stands_side_by_side():
    page = Deck("en").code(Keras="keras_fit", PyTorch="pytorch_loop").data
    assert page.count("<h3>") == 2
    assert page.count("<span style=") > 50


def test_bad_input_is_refused_by_name(tmp_path, monkeypatch):
    with pytest.raises(StudyError, match="unknown language 'de': choose one of fr, en"):
        Deck("de")
    assert LANGUAGES == ("fr", "en")
    monkeypatch.setenv("DOGBREEDS_OUTPUTS", str(tmp_path))
    with pytest.raises(StudyError, match=r"claims.csv is missing: run the study of profile sample first"):
        slides.render(profiles.read_profile("sample"), Deck("fr"))
    assert list(tmp_path.iterdir()) == []


def test_without_npm_the_page_says_what_it_left_on_the_network(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(slides, "PACKAGES", tmp_path / "node_modules")
    monkeypatch.setenv("PATH", str(tmp_path))
    styles, scripts = slides._assets()
    assert slides.NETWORK in styles
    assert slides.NETWORK in scripts
    assert f"it loads reveal.js from {slides.NETWORK}" in capsys.readouterr().out
