"""The report of a finished study: its answers first, then one chapter per notebook with its figures and tables."""

import os
import re
from collections.abc import Callable
from pathlib import Path

import nbformat
import pandas as pd
from jinja2 import Environment, PackageLoader
from nbconvert import HTMLExporter

from dogbreeds import files
from dogbreeds.analysis import failure_2020, tables
from dogbreeds.models import TITLES
from dogbreeds.presentation import captions
from dogbreeds.study import Study, answers, files_used
from dogbreeds.study.html_tables import html_table
from dogbreeds.study.study import TEST_PHOTOS

TEMPLATES = Environment(loader=PackageLoader("dogbreeds", "presentation"), autoescape=True, trim_blocks=True)
# The function that answers each notebook, by its number.
ANSWERS = {"01": answers.data, "02": answers.baseline, "03": answers.squeeze_excitation, "04": answers.frameworks}
ANSWERS |= {"05": answers.architectures, "06": answers.errors}
# How a saved table is shown, by name; all others are shown as they are.
READABLE: dict[str, Callable[[pd.DataFrame], pd.DataFrame]] = {
    **dict.fromkeys(("baselines", "in_pytorch"), lambda table: tables.readable_variants(table.set_index("variant"))),
    "failure_2020": failure_2020.readable,
    "healing": failure_2020.healed,
    "results": tables.readable_results,
    **dict.fromkeys(("networks", "frameworks", "initial_weights"), tables.readable_comparisons),
    "factors": tables.readable_factors,
    "learning_speed": lambda table: table.drop(columns="to").round(1),
    "claims": tables.readable_claims,
}
FIRST = ("accuracies", "claims")  # the figure and the table that follow the answers
SAVED = re.compile(r'study\.(save|save_table)\(\s*"([^"]+)"')
# The page of a notebook: code wraps at 88 columns, and no figure is broken over two printed pages.
PAGE_STYLE = """<style>
.highlight pre { white-space: pre-wrap !important; max-width: 88ch; }
@media print { @page { size: A4; margin: 18mm; } img, table { break-inside: avoid; max-width: 100%; } }
</style>
</head>"""


def write(study: Study, documents: list[Path]) -> Path:
    """Writes outputs/<profile>/report.html and returns its path.

    `documents` are executed notebooks and HTML pages, in order. Each notebook is a chapter with the figures and tables
    that it saves, and is also converted to a page. The report ends with links to all pages.
    """
    notebooks = [each for each in documents if each.suffix == ".ipynb"]
    pages = [_page(each) if each in notebooks else each for each in documents]
    first = FIRST if study.is_full_comparison else ("results",)
    content = {
        "answers": {_title(each): ANSWERS[each.stem[:2]](study)[0] for each in notebooks},
        "first": [each for name in first for each in _shown(study, name)],
        "chapters": {_title(each): _chapter(study, each) for each in notebooks},
        "files": files_used.table(study).to_numpy().tolist(),
        "parameters": [line.split(": ", 1) for line in str(study).splitlines()],
        "networks": " in ".join(map(_titles, (study.architectures, study.frameworks))),
        "documents": {_address(page, study.folder): page.stem for page in pages},
    }
    report = TEMPLATES.get_template("report.html.j2").render(content, study=study)
    return _written(study.folder / "report.html", report)


def _titles(names: list[str]) -> str:
    return " and ".join(TITLES[name] for name in names)


def _title(notebook: Path) -> str:
    """The heading of a notebook, such as `01 Data exploration`."""
    return nbformat.read(notebook, as_version=4).cells[0].source.partition("\n")[0].removeprefix("# ")


def _chapter(study: Study, notebook: Path) -> list[dict]:
    """What `_shown` returns for the figures and tables that a notebook saves, in order, without those of FIRST."""
    cells = nbformat.read(notebook, as_version=4).cells
    saved = [name for cell in cells for _, name in SAVED.findall(cell.source) if cell.cell_type == "code"]
    return [each for name in dict.fromkeys(saved) if name not in FIRST for each in _shown(study, name)]


def _shown(study: Study, name: str) -> list[dict]:
    """The figure or the tables with this name: caption, address of the file, and HTML if it is a table.

    Is empty if there is no such file, or if the table has no rows. The table of results is shown with its costs. The
    caption of a table ends with the provenance that was saved with it; a figure contains it.
    """
    folder = study.folder
    figure, table = folder / "figures" / f"{name}.svg", folder / "tables" / f"{name}.csv"
    if figure.is_file():
        return [{"caption": captions.caption(captions.FIGURES, name), "address": _address(figure, folder)}]
    if not table.is_file() or (rows := study.read_table(name)).empty:
        return []
    words = study.provenance if TEST_PHOTOS in pd.read_csv(table, nrows=0) else ""
    views = {name: READABLE.get(name, lambda table: table)}
    if name == "results":
        views["costs"] = tables.readable_costs
    return [
        {
            "caption": f"{captions.caption(captions.TABLES, each)} {words}".strip(),
            "address": _address(table, folder),
            "html": html_table(view(rows)),
        }
        for each, view in views.items()
    ]


def _page(notebook: Path) -> Path:
    """Converts an executed notebook to an HTML page in the same folder."""
    page, _ = HTMLExporter().from_notebook_node(nbformat.read(notebook, as_version=4))
    return _written(notebook.with_suffix(".html"), page.replace("</head>", PAGE_STYLE, 1))


def _written(file: Path, page: str) -> Path:
    with files.atomic(file) as unfinished:
        unfinished.write_text(page, encoding="utf-8")
    return file


def _address(file: Path, folder: Path) -> str:
    """Returns the path of a file relative to the folder of the report."""
    return Path(os.path.relpath(file, folder)).as_posix()
