"""Numbers and sentences in English and French, and the complete French catalogue."""

import re
from io import BytesIO

import nbformat
import pytest
from babel.messages.extract import extract
from babel.messages.pofile import read_po

from dogbreeds import paths
from dogbreeds.analysis import intervals
from dogbreeds.analysis.claims_2020 import RESNET50_2020
from dogbreeds.presentation import deck
from dogbreeds.study import notebooks
from dogbreeds.translation import _, number

CASES = [(0.2683, ".1%"), (20580, ","), (1234567.891, ",.2f"), (-1.45, "+.1f"), (0.25, "g"), (float("nan"), ".1f")]


@pytest.fixture(scope="module")
def catalogue():
    """The French messages by their English ones."""
    with deck.FRENCH.open("rb") as file:
        return {message.id: message.string for message in read_po(file, locale="fr") if message.id}


def marked_messages():
    notebook = nbformat.read(notebooks.PRESENTATION, as_version=4)
    cells = "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "code")
    sources = [cells.encode(), *(file.read_bytes() for file in (paths.REPOSITORY / "lib").rglob("*.py"))]
    return {found[1] for source in sources for found in extract("python", BytesIO(source), {"_": None, "N_": None})}


def test_numbers_are_english_by_default():
    assert [number(*case) for case in CASES] == [format(*case) for case in CASES]


def test_numbers_are_french(french):
    assert [number(*case) for case in CASES[:2]] == ["26,8\N{NO-BREAK SPACE}%", "20\N{NARROW NO-BREAK SPACE}580"]
    assert [number(*case) for case in CASES[3:]] == ["-1,4", "0,25", "nan"]


def test_intervals_are_formatted_in_both_languages(french):
    space = "\N{NO-BREAK SPACE}"
    accuracy, gap = (RESNET50_2020,), (0.065, -0.014, 0.123)
    french = "26,8 % (n = 164, intervalle à 95 % : 20,6 % à 34,1 %)"
    assert intervals.format_accuracy(*accuracy).replace(space, " ") == french
    assert intervals.format_difference(*gap).replace(space, " ") == "+6,5 points (intervalle à 95 % : -1,4 à +12,3)"
    assert intervals.format_interval(*gap, ".1%").replace(space, " ") == "6,5 % (-1,4 % à 12,3 %)"
    deck.set_language("en")
    assert intervals.format_accuracy(*accuracy) == "26.8% (n = 164, 95 % interval 20.6% to 34.1%)"
    assert intervals.format_difference(*gap) == "+6.5 points (95 % interval -1.4 to +12.3)"
    assert intervals.format_interval(*gap, ".1%") == "6.5% (-1.4% to 12.3%)"


def test_only_whole_messages_are_translated(french):
    assert _("ResNet50 learns faster than Xception") == "ResNet50 apprend plus vite que Xception"
    assert _("restart") == "restart"
    assert _("") == ""


def test_catalogue_contains_exactly_the_marked_messages(catalogue):
    assert catalogue.keys() == marked_messages()
    assert all(catalogue.values())


def test_translations_keep_placeholders_and_nonbreaking_percent_signs(catalogue):
    for english, french in catalogue.items():
        assert sorted(re.findall(r"{\w+}", french)) == sorted(re.findall(r"{\w+}", english))
        assert not re.search(r"\d ?%", french), french
