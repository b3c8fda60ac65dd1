"""The report of a finished study: a page of its tables and figures that links to the notebooks and the presentation."""

import html
import os
from pathlib import Path

import nbformat
import pandas as pd
from nbconvert import HTMLExporter

from dogbreeds import files
from dogbreeds.study import Study

STYLE = """body { font: 16px/1.5 sans-serif; max-width: 1100px; margin: 2em auto; padding: 0 1em; color: #1b2733; }
table { border-collapse: collapse; font-size: 14px; } th, td { padding: 3px 12px 3px 0; text-align: left; }
th { border-bottom: 2px solid; } td { border-bottom: 1px solid #ccd; } img { max-width: 100%; }
details { margin: 1em 0; overflow-x: auto; } summary { font-weight: bold; cursor: pointer; }"""


def write(study: Study, documents: list[Path]) -> Path:
    """Writes outputs/<profile>/report.html and returns its path.

    The report links to `documents`, which are HTML pages and notebooks; each notebook is converted to a page first.
    """
    dataset, pages = study.dataset, [_page(each) if each.suffix == ".ipynb" else each for each in documents]
    about = f"{len(dataset.photos)} {dataset.kind} of {len(dataset.breeds)} breeds, {study.image_size} pixels per side"
    about += f", seeds: {len(study.seeds)}"
    parts = [f"<h1>The dog-breed study: profile {html.escape(study.profile)}</h1>", f"<p>{html.escape(about)}</p>"]
    links = [f'<li><a href="{_link(page, study.folder)}">{html.escape(page.stem)}</a></li>' for page in pages]
    parts += ["<h2>Documents</h2><ul>", *links, "</ul>", "<h2>Tables</h2>"]
    for file in sorted((study.folder / "tables").glob("*.csv")):
        table = pd.read_csv(file).round(3).to_html(index=False, border=0, na_rep="")
        opened = " open" if file.stem == "results" else ""
        parts.append(f"<details{opened}><summary>{html.escape(_title(file))}</summary>{table}</details>")
    parts.append("<h2>Figures</h2>")
    for file in sorted((study.folder / "figures").glob("*.svg")):
        title = html.escape(_title(file))
        parts.append(f'<h3>{title}</h3><img src="{_link(file, study.folder)}" alt="{title}">')
    body = "\n".join(parts)
    head = f'<meta charset="utf-8"><title>Dog breeds: {html.escape(study.profile)}</title><style>{STYLE}</style>'
    page = f'<!DOCTYPE html>\n<html lang="en"><head>{head}</head><body>\n{body}\n</body></html>\n'
    file = study.folder / "report.html"
    with files.atomic(file) as unfinished:
        unfinished.write_text(page, encoding="utf-8")
    return file


def _page(notebook: Path) -> Path:
    """Converts an executed notebook to an HTML page in the same folder."""
    page, _ = HTMLExporter().from_notebook_node(nbformat.read(notebook, as_version=4))
    file = notebook.with_suffix(".html")
    with files.atomic(file) as unfinished:
        unfinished.write_text(page, encoding="utf-8")
    return file


def _title(file: Path) -> str:
    return file.stem.replace("_", " ")


def _link(file: Path, folder: Path) -> str:
    return html.escape(Path(os.path.relpath(file, folder)).as_posix())
