"""The report of a finished study: a page of its tables and figures that links to the notebooks and the presentation."""

import os
from pathlib import Path

import nbformat
import pandas as pd
from jinja2 import Environment, PackageLoader
from nbconvert import HTMLExporter

from dogbreeds import files
from dogbreeds.study import Study

TEMPLATES = Environment(loader=PackageLoader("dogbreeds", "presentation"), autoescape=True, trim_blocks=True)


def write(study: Study, documents: list[Path]) -> Path:
    """Writes outputs/<profile>/report.html and returns its path.

    The report links to `documents`, which are HTML pages and notebooks; each notebook is converted to a page first.
    """
    pages = [_page(each) if each.suffix == ".ipynb" else each for each in documents]
    figures = sorted((study.folder / "figures").glob("*.svg"))
    content = {
        "documents": {_address(page, study.folder): page.stem for page in pages},
        "tables": {_name(file): pd.read_csv(file).round(3) for file in sorted((study.folder / "tables").glob("*.csv"))},
        "figures": {_address(file, study.folder): _name(file) for file in figures},
    }
    report = TEMPLATES.get_template("report.html.j2").render(content, study=study)
    return _written(study.folder / "report.html", report)


def _page(notebook: Path) -> Path:
    """Converts an executed notebook to an HTML page in the same folder."""
    page, _ = HTMLExporter().from_notebook_node(nbformat.read(notebook, as_version=4))
    return _written(notebook.with_suffix(".html"), page)


def _written(file: Path, page: str) -> Path:
    with files.atomic(file) as unfinished:
        unfinished.write_text(page, encoding="utf-8")
    return file


def _name(file: Path) -> str:
    return file.stem.replace("_", " ")


def _address(file: Path, folder: Path) -> str:
    """Returns the path of a file relative to the folder of the report."""
    return Path(os.path.relpath(file, folder)).as_posix()
