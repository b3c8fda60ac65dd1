"""The text and the elements of the presentation; notebooks/test_slides.py tests the complete presentation."""

import base64
import re

import numpy as np
import pandas as pd
import pytest

from dogbreeds import figures
from dogbreeds.errors import StudyError
from dogbreeds.presentation import deck, slides
from dogbreeds.study import Study, widgets
from dogbreeds.study.html_tables import html_table


def test_text_is_in_the_language_of_the_presentation(french):
    assert deck.say(fr="bonjour", en="hello").data == "bonjour"
    deck.set_language("en")
    assert deck.say(fr="bonjour", en="hello").data == "hello"


def test_headers_and_cells_of_a_table_are_translated(french):
    table = pd.DataFrame({"claim": ["SE-ResNet50 is better than ResNet50", ""], "verdict": ["refuted", "restart"]})
    page = deck.table(table).data
    translated = ["affirmation de 2020", "verdict", "SE-ResNet50 est meilleur que ResNet50", "réfutée"]
    assert re.findall(r"<t[hd] [^>]*>([^<]*)", page) == [*translated, "", "restart"]


def test_tables_of_slides_and_notebooks_have_the_same_html():
    table = pd.DataFrame({"network": ["Xception"], "share": ["83.2 [75.2, 89.0]"]}, index=[3])
    assert deck.table(table).data == widgets.show(table).data == html_table(table)


def drawn(chart):
    return base64.b64decode(re.search(r"base64,([^\"]+)", chart.data)[1]).decode()


@pytest.mark.parametrize("name", ["residual_unit", "separable_convolution", "squeeze_and_excitation"])
def test_chart_is_a_deterministic_vector_graphic(french, name):
    one, other = (deck.chart(getattr(figures, name)(), "cartes") for _ in range(2))
    assert one.data == other.data
    assert 'alt="cartes"' in one.data
    assert drawn(one).startswith("<?xml")
    assert "<image" not in drawn(one)


def test_chart_text_is_large_enough_and_ticks_are_french(french):
    figure = figures.confidence({"scratch": np.array([0.2, 0.9])})
    deck.chart(figure, "x")
    texts = [text for text in figure.findobj(lambda each: hasattr(each, "get_fontsize")) if text.get_text()]
    assert min(text.get_fontsize() for text in texts) >= 12
    assert figure.axes[0].xaxis.get_major_formatter()(0.25) == "0,25"


def test_figures_are_drawn_in_french(french):
    table = pd.DataFrame({"network": ["Xception", "ResNet50", "SE-ResNet50"]})
    table[["framework", "initial weights"]] = "Keras", "scratch"
    table[["test accuracy", "low", "high", "seconds"]] = 0.5, 0.4, 0.6, 9
    axis = figures.accuracy_against_cost(table).axes[0]
    assert (axis.get_xlabel(), axis.get_ylabel()) == ("secondes d’entraînement", "exactitude sur le test")
    assert axis.get_title() == "Keras\npoids initiaux : de zéro"
    assert axis.get_legend() is None
    assert [text.get_text() for text in axis.texts] == ["Xception", "ResNet50", "SE-ResNet50"]


@pytest.mark.parametrize("language", deck.LANGUAGES)
def test_only_results_have_the_provenance_of_the_study_below_them(french, language):
    table = pd.DataFrame({"network": ["Xception"]})
    fine_tuned, from_scratch = (Study("toy", "stanford_dogs", weights=[kind]) for kind in ("imagenet", "scratch"))
    deck.begin(fine_tuned, language)
    results = [deck.table(table).data, deck.chart(figures.ilsvrc_errors(), "x").data]
    assert all(page.endswith(f'<p class="provenance">{fine_tuned.provenance}</p>') for page in results)
    assert ("ImageNet weights" in results[0]) == (language == "en")
    assert "provenance" not in deck.illustration(figures.ilsvrc_errors(), "x").data
    deck.begin(from_scratch, language)
    results = [deck.table(table).data, deck.chart(figures.ilsvrc_errors(), "x").data]
    assert not any("provenance" in page for page in results)


def test_code_is_shown_side_by_side():
    page = deck.code(Keras="keras_fit", PyTorch="pytorch_loop").data
    assert page.count("<h3>") == 2
    assert page.count("<span style=") > 50


def test_unknown_language_and_missing_results_are_named_in_the_error(tmp_path, monkeypatch):
    with pytest.raises(StudyError, match="unknown language 'de': choose one of fr, en"):
        deck.set_language("de")
    assert deck.LANGUAGES == ("fr", "en")
    monkeypatch.setenv("DOGBREEDS_OUTPUTS", str(tmp_path))
    with pytest.raises(StudyError, match=r"claims.csv is missing: run the study of profile sample first"):
        slides.render(Study.from_profile("sample"), {}, "fr")
    assert list(tmp_path.iterdir()) == []


def test_page_loads_reveal_from_the_network_without_npm(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(slides, "PACKAGES", tmp_path / "node_modules")
    monkeypatch.setenv("PATH", str(tmp_path))
    styles, scripts = slides._assets()
    assert slides.NETWORK in styles
    assert slides.NETWORK in scripts
    assert f"it loads reveal.js from {slides.NETWORK}" in capsys.readouterr().out
