"""The report: answers first, then a chapter per notebook with its figures and tables, and links to every page."""

import re
from dataclasses import replace

import nbformat
import pandas as pd
import pytest

from dogbreeds.analysis.imagenet_leakage import OF_OTHER_PHOTOS
from dogbreeds.presentation import captions, report
from dogbreeds.study import Study, notebooks

RESULTS = {"network": "<i>", "framework": "Keras", "initial weights": "scratch", "test accuracy": 0.832, "low": 0.752}
RESULTS |= {"high": 0.89, "photos/s": 34.4, "seconds": 60.2, "memory MB": 2954.7, "parameters": 20817197}
RESULTS |= {"multiply-adds": 363290272}
PAIR = {"network": "Xception", "initial weights": "scratch", "first": "Keras", "second": "PyTorch", "difference": 0.05}
PAIR |= {"low": 0.01, "high": 0.1, "p": 0.00123, "p (Holm)": 0.00352, "p equal (Holm)": 0.4, "detectable": 0.07}
CLAIM = {"claim": "It flies", "initial weights": "scratch", "measured": "+1.0 points", "p (Holm)": 0.0123456}
SAVED = {
    "01_data_exploration": 'study.save("sizes", figure)',
    "05_architecture_comparison": 'study.save_table("results", x)\nstudy.save(\n    "accuracies", y)\n'
    'study.save_table("frameworks", z)\nstudy.save_table("claims", z)\nstudy.save_table("empty", z)',
    "06_error_analysis": 'study.save("a & b_<c>", figure)\nstudy.save("never_written", figure)',
}


@pytest.fixture
def study(photo_folder, tmp_path, monkeypatch):
    monkeypatch.setenv("DOGBREEDS_OUTPUTS", str(tmp_path))
    return Study("<toy>", str(photo_folder), image_size=32)


@pytest.fixture
def page(study):
    return written(study)


def written(study):
    """The report of three notebooks and the slides, whose files are saved in another order."""
    for name in ("tables", "figures", "slides"):
        (study.folder / name).mkdir(parents=True)
    for name in ("a & b_<c>", "accuracies", "left_over", "sizes"):
        (study.folder / "figures" / f"{name}.svg").touch()
    untested = {"claim": "It swims", "initial weights": "scratch", "measured": "none", "p (Holm)": None}
    saved = {"claims": [CLAIM, untested], "frameworks": [PAIR], "results": [RESULTS]}
    for name, rows in saved.items():
        study.save_table(name, pd.DataFrame(rows))
    (study.folder / "tables" / "empty.csv").write_text("network,framework\n")
    documents = []
    for stem, code in SAVED.items():
        cells = [nbformat.v4.new_markdown_cell(f"# {stem.replace('_', ' ')}\n\nWhy?"), nbformat.v4.new_code_cell(code)]
        documents.append(study.folder / f"{stem}.ipynb")
        nbformat.write(nbformat.v4.new_notebook(cells=cells), documents[-1])
    return report.write(study, [*documents, study.folder / "slides" / "talk.html"]).read_text(encoding="utf-8")


def test_answers_accuracies_and_claims_come_first_then_chapters_parameters_and_documents(page):
    headings = re.findall(r"<h2[^>]*>(.+)</h2>", page)
    chapters = ["01 data exploration", "05 architecture comparison", "06 error analysis"]
    assert headings == ["Answers", *chapters, "Parameters", "Notebooks and slides"]
    before = page.partition('<h2 id="chapter-1"')[0]
    assert re.findall(r"<dt><a [^>]*>(.+)</a></dt>", before) == chapters
    answers = re.findall(r"<dd>(.+)</dd>", before)
    assert answers[0].startswith("Colour alone is better than the chance level of 50.0%: a classifier that sees only")
    assert answers[1:] == ["Not known before the study has run: run dogbreeds study"] * 2
    assert re.findall(r'src="([^"]+)"', before) == ["figures/accuracies.svg"]
    assert "It flies" in before


def test_links_are_in_the_order_of_the_notebooks_and_to_files_that_exist(page, study):
    links = re.findall(r'(?:href|src)="([^"#]+)"', page)
    assert links == [
        "figures/accuracies.svg",
        "tables/claims.csv",
        "figures/sizes.svg",
        "tables/results.csv",
        "tables/results.csv",
        "tables/frameworks.csv",
        "figures/a &amp; b_&lt;c&gt;.svg",
        *(f"{stem}.html" for stem in SAVED),
        "slides/talk.html",
    ]
    assert all((study.folder / f"{stem}.html").is_file() for stem in SAVED)
    anchors = re.findall(r'href="#([^"]+)"', page)
    assert anchors == re.findall(r'<h2 id="([^"]+)"', page)


def test_each_figure_has_its_caption_as_text_and_as_alternative_text(page):
    assert f'alt="{captions.FIGURES["sizes"]}"' in page
    assert page.count(captions.FIGURES["sizes"]) == 2
    assert "<figcaption>a &amp; b &lt;c&gt;</figcaption>" in page


def test_tables_are_readable_and_escaped(page):
    found = re.findall(r"<td [^>]*>(.*)</td>", page)
    assert found[:8] == ["It flies", "scratch", "+1.0 points", "0.012", "It swims", "scratch", "none", ""]
    assert found[8:11] == ["&lt;i&gt;", "Keras", "83.2 [75.2, 89.0]"]
    assert found[11:19] == ["&lt;i&gt;", "Keras", "scratch", "34", "60", "2,955", "20.8", "363.3"]
    assert found[19:] == ["Xception", "scratch", "Keras - PyTorch", "+5.0 [+1.0, +10.0]", "0.0035", "0.4", "7.0"]


def test_head_and_each_table_say_that_test_photos_may_not_be_unseen(page, study):
    """The tables are otherwise the same: no table has the words in a column of their own."""
    fine_tuned = written(replace(study, profile="fine_tuned", failure_2020={"weights": "imagenet"}))
    sentence = OF_OTHER_PHOTOS[0]
    assert sentence not in page
    assert sentence in fine_tuned.partition("Answers")[0]
    captions_of_tables = re.findall(r"<figcaption>(.*) <a href=", fine_tuned)
    assert len(captions_of_tables) == 4
    assert all(each.endswith(sentence) for each in captions_of_tables)
    assert fine_tuned.count(sentence) == 1 + 4
    assert re.findall(r"<t[hd] [^>]*>(.*)</t", fine_tuned) == re.findall(r"<t[hd] [^>]*>(.*)</t", page)


def test_parameters_are_shown_once(page, study):
    shown = dict(re.findall(r"<dt>(\w+)</dt>\s*<dd>(.*)</dd>", page.partition(">Parameters<")[2]))
    assert list(shown) == [line.partition(":")[0] for line in str(study).splitlines()]
    assert shown["image_size"] == "32"
    assert page.count("<dt>image_size</dt>") == 1
    assert "<title>Dog breeds: &lt;toy&gt;</title>" in page
    assert f"{len(study.dataset.photos)} photographs of 2 breeds" in page


def test_report_and_notebook_pages_have_rules_for_printing(page, study):
    notebook = (study.folder / "01_data_exploration.html").read_text(encoding="utf-8")
    for text in (page, notebook):
        assert "size: A4" in text.partition("</head>")[0]
        assert "break-inside: avoid" in text.partition("@media print")[2]
    assert "max-width: 88ch" in notebook.partition("</head>")[0]


def test_every_figure_and_table_of_the_notebooks_has_a_caption_and_every_notebook_an_answer():
    saved = {"save": set(), "save_table": set()}
    for path in notebooks.numbered_notebooks():
        for kind, name in report.SAVED.findall("\n".join(cell.source for cell in nbformat.read(path, 4).cells)):
            saved[kind].add(name)
    assert saved["save"] - captions.FIGURES.keys() == set()
    assert saved["save_table"] - captions.TABLES.keys() == set()
    assert [path.stem[:2] for path in notebooks.numbered_notebooks()] == list(report.ANSWERS)
