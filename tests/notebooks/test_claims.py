"""What notebooks, slides and README must say of their numbers, and what nothing of a run supports."""

import ast
import html
import re
from itertools import chain
from types import SimpleNamespace

import nbformat
import numpy as np
import pandas as pd
import pytest
from finished_runs import finished_run, logits_and_labels

from dogbreeds import models, paths
from dogbreeds.analysis import claims_2020, intervals, tables
from dogbreeds.benchmarks import deployment
from dogbreeds.presentation import deck
from dogbreeds.study import notebooks, widgets
from dogbreeds.translation import _, number

NUMBERED = {path.stem[:2]: path for path in notebooks.numbered_notebooks()}
DOCUMENTS = [*NUMBERED.values(), notebooks.PRESENTATION]
TIMES_AS = r"\btimes (as|longer|slower|faster|more|less)\b|\b(twice|half) as\b|\d ?% (longer|slower|faster)"


def cells(path, kind):
    return [cell for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == kind]


def printed(cell):
    """The stored outputs of a cell as text, without figures."""
    found = [output.get("text") or output.get("data", {}).get("text/html", "") for output in cell.get("outputs", [])]
    return html.unescape(re.sub(r"<svg.*?</svg>|<[^>]+>", " ", "".join(found), flags=re.DOTALL))


def sentences(path):
    """The sentences of a notebook's text, and the lines that it printed."""
    text = [re.split(r"(?<=[.?!]) |\n", cell.source) for cell in cells(path, "markdown")]
    return list(chain(*text, *(printed(cell).splitlines() for cell in cells(path, "code"))))


def executed(path, cell_id, **names):
    """Executes one cell of a notebook with these names instead of those of the cells before; returns its last value."""
    body = ast.parse(next(cell.source for cell in cells(path, "code") if cell.id == cell_id)).body
    last = ast.Expression(body.pop().value) if isinstance(body[-1], ast.Expr) else ast.parse("None", mode="eval")
    exec(compile(ast.Module(body, []), cell_id, "exec"), names)
    return eval(compile(last, cell_id, "eval"), names)


def not_said_to_be_inferred(path):
    """The ids of the cells that show the 164 photos of 2020 without saying that this number is inferred."""
    inferred = "inferred.*déduit|déduit.*inferred" if path == notebooks.PRESENTATION else "inferred"
    shown = [
        cell
        for cell in nbformat.read(path, as_version=4).cells
        if re.search(r"\b164\b|format_accuracy\((XCEPTION|RESNET50)_2020", cell.source + printed(cell))
    ]
    return {cell.id for cell in shown if not re.search(inferred, cell.source, re.DOTALL)}


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.stem)
def test_the_164_photos_of_2020_are_said_to_be_inferred(path):
    """The deck does not say on how many photos it measured."""
    assert not not_said_to_be_inferred(path)


def test_the_readme_says_that_the_164_photos_are_inferred():
    paragraphs = (paths.REPOSITORY / "README.md").read_text().split("\n\n")
    found = [paragraph for paragraph in paragraphs if re.search(r"\b164\b", paragraph)]
    assert found
    assert all("inferred" in paragraph for paragraph in found)


def lines_of_export(framework):
    return len([line for line in deployment.code(framework).splitlines() if line])


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.stem)
def test_no_lines_of_code_are_counted(path):
    """How many lines a training takes depends on who wrote them, and says nothing about a framework.

    One cell of notebook 04 counts the lines of an export that it prints; the text below it says what they are worth.
    """
    counted = r"\b\d[\d,]* (lines|lignes)\b|lines of code|lignes de code"
    exports = {f"# {models.TITLES[name]}: {lines_of_export(name)} lines" for name in models.FRAMEWORKS}
    found = {sentence for sentence in sentences(path) if re.search(counted, sentence)}
    assert found == (exports if path == NUMBERED["04"] else set())
    code = "\n".join(cell.source for cell in cells(path, "code") if cell.id != "deploy-code-04")
    assert not re.search(rf"splitlines|count\(.\\n|{counted}", code)


def test_frameworks_are_not_compared_by_a_factor_of_seconds():
    """Notebook 04 measures the seconds of a step once, so that a ratio of them has no range."""
    path = NUMBERED["04"]
    assert [sentence for sentence in sentences(path) if re.search(TIMES_AS, sentence)] == []
    divided = [
        line for cell in cells(path, "code") for line in cell.source.splitlines() if re.search("second.*/", line)
    ]
    assert divided == []
    assert any("measured once" in sentence for sentence in sentences(path))


@pytest.mark.parametrize("name", ["03", "05"])
def test_time_and_memory_are_claimed_only_of_the_machine_that_measured_them(name):
    """A search for phrases: it finds a claim about a GPU or about other machines, however it continues."""
    elsewhere = r"\b(GPUs?|TPUs?|laptops?|clusters?|(other|larger|faster|bigger) (machines?|computers?|cards?))\b"
    claims = [sentence for sentence in sentences(NUMBERED[name]) if re.search(elsewhere, sentence)]
    assert [sentence for sentence in claims if not re.search(r"not (timed|measured)", sentence)] == []
    limited = {"03": "depends on the machine", "05": "on that machine only"}[name]
    assert any(limited in sentence for sentence in sentences(NUMBERED[name]))


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.stem)
def test_results_are_shown_with_the_provenance_of_the_test_photos(path):
    """Tables of photos and published weights, diagrams, training images and stored results are shown without it."""
    code = [cell.source for cell in cells(path, "code")]
    plain = [line for source in code for line in source.splitlines() if re.search(r"widgets\.show|illustration", line)]
    others = r"failure_2020|audit\.|colours|findings|similar_breeds|pretrained\.|ilsvrc|_unit|_convolution|_excitation"
    others += "|contact_sheet"
    assert [line for line in plain if not re.search(others, line)] == []
    begun = [source for source in code if "deck.begin(study, language)" in source]
    assert len(begun) == (path == notebooks.PRESENTATION)


@pytest.fixture
def variants(tmp_path):
    """Two variants of a training; one is scored with its first epoch, far below the last in accuracy."""
    runs = {}
    for name, best, validation in (("controlled", 3, (0.4, 0.6, 0.84)), ("deck_2020", 1, (0.2, 0.3, 0.56))):
        record = {"best_epoch": best, "recipe": {"batch_size": 10}, "validation_accuracy": validation}
        runs[name] = finished_run(tmp_path / name, *logits_and_labels(80), **record)
        runs[name].history["photos_per_second"] = 100.0
    return runs


def test_accuracies_of_variants_are_shown_with_intervals(variants):
    """One seed and few images: an accuracy alone would look more certain than it is."""
    study = SimpleNamespace(save_table=lambda name, table: table, show=widgets.show)
    page = executed(NUMBERED["02"], "83d6c762", baselines=variants, study=study, tables=tables).data
    assert page.count("80.0 [71.1, 86.7]") == len(variants)


def test_scored_and_last_epoch_are_printed_with_intervals(variants, capsys):
    study = SimpleNamespace(dataset=SimpleNamespace(rows=lambda split: np.arange(50)))
    compared = tables.variant_table(variants)
    executed(NUMBERED["02"], "chosen-epoch-02", compared=compared, study=study, intervals=intervals)
    best, last = (intervals.format_accuracy((right, 50)) for right in (10, 28))
    assert f"deck_2020: validation {best} at epoch 1, {last} at the end\n" in capsys.readouterr().out


def test_fields_that_deck_2020_changes_are_counted_in_the_recipes(capsys):
    recipes = {"controlled": {"batch_size": 8, "decay": "cosine", "epochs": 3}}
    recipes["deck_2020"] = recipes["controlled"] | {"batch_size": 32, "decay": "constant"}
    baselines = {name: SimpleNamespace(record={"recipe": recipe}) for name, recipe in recipes.items()}
    executed(NUMBERED["02"], "fields-02", baselines=baselines)
    assert capsys.readouterr().out == "2 fields: batch_size 8 -> 32, decay cosine -> constant\n"


def test_predicted_confusions_are_compared_with_the_observed_ones_and_the_misses_named(capsys):
    """Notebook 01 predicts pairs of breeds, and notebook 06 says which of the most confused ones it did not predict."""
    predicted = pd.DataFrame({"breed": ["pug", "corgi"], "other": ["poodle", "beagle"]})
    confused = pd.DataFrame([["pug", "corgi", 9], ["poodle", "pug", 5], ["corgi", "pug", 2]])
    names = {
        "study": SimpleNamespace(dataset=SimpleNamespace(breeds=("beagle", "corgi", "poodle", "pug")), pixels=None),
        "best": None,
        "shortcuts": SimpleNamespace(similar_breeds=lambda *_: predicted),
        "error_analysis": SimpleNamespace(
            confused_pairs=lambda run: confused.set_axis(["true", "predicted", "photos"], axis=1)
        ),
    }
    executed(NUMBERED["06"], "predicted-06", **names)
    assert capsys.readouterr().out.splitlines() == [
        "predicted and observed: 1 of 2, by chance 0.7",
        "observed and not predicted: corgi and pug",
        "most confused pair (corgi, pug) predicted: no",
    ]


CLAIMS = pd.DataFrame(
    {
        "claim": ["It flies", "It swims"],
        "initial weights": "scratch",
        "measured": "+1.0 points",
        "p (Holm)": [0.01234, float("nan")],
        "verdict": ["confirmed", "not tested"],
    }
)


def test_notebook_05_shows_the_corrected_p_value_of_each_claim():
    """This p-value decides, not the interval beside it."""
    study = SimpleNamespace(save_table=lambda name, table: table, show=widgets.show, claims=lambda: CLAIMS)
    page = executed(NUMBERED["05"], "0d95aad5", study=study, tables=tables).data
    assert shown_p_values(page) == ["p (Holm)", "0.012", ""]


@pytest.mark.parametrize(
    ("factors", "shown"), [(["batch size 100"], "+10.0 [+5.5, +17.4]"), ([], "This profile changes no factor.")]
)
def test_notebook_05_shows_what_each_factor_changes_or_that_there_is_none(tmp_path, factors, shown):
    unchanged, changed = (finished_run(tmp_path / str(right), *logits_and_labels(right)) for right in (70, 80))
    found = {name: [changed] for name in factors}
    study = SimpleNamespace(save_table=lambda name, table: table, factor_runs=lambda: found, show=widgets.show)
    page = executed(NUMBERED["05"], "factors-05", study=study, runs=[unchanged], tables=tables, widgets=widgets).data
    assert shown in page
    assert all(name in page for name in factors)


@pytest.mark.parametrize(("language", "p"), [("en", "0.012"), ("fr", "0,012")])
def test_slides_show_the_corrected_p_value_of_each_claim(request, language, p):
    if language == "fr":
        request.getfixturevalue("french")
    claimed = pd.concat([CLAIMS, CLAIMS.tail(1).assign(**{"initial weights": claims_2020.ANY})])
    names = {"claimed": claimed, "weights": "scratch", "number": number, "_": _, "claims_2020": claims_2020}
    page = executed(notebooks.PRESENTATION, "slide-118", deck=deck, tables=tables, **names).data
    assert shown_p_values(page) == [_("p (Holm)"), p, "", ""]


def shown_p_values(page):
    """The column before the last of an HTML table, with its header."""
    rows = [re.findall(r"<t[hd][^>]*>([^<]*)", row) for row in re.split("<tr[ >]", page)[1:]]
    return [row[-2].strip() for row in rows]
