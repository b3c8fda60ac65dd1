"""The presentation: executes its notebook, converts it to one page that works offline, and prints it with Chromium."""

import base64
import os
import re
import shutil
import subprocess
from pathlib import Path

import nbformat
from nbconvert import HTMLExporter

from dogbreeds import files, paths
from dogbreeds.errors import StudyError
from dogbreeds.execution import execute
from dogbreeds.presentation.deck import LANGUAGES, check_language
from dogbreeds.study import Study
from dogbreeds.study.notebooks import PRESENTATION

PACKAGES = paths.SLIDES / "node_modules"
STYLES = ("reveal.js/dist/reveal.css", "@fontsource/source-sans-3/latin-400.css")
STYLES += ("@fontsource/source-sans-3/latin-700.css", "@fontsource/source-code-pro/latin-400.css")
SCRIPTS = ("reveal.js/dist/reveal.js", "reveal.js/plugin/notes/notes.js")
NETWORK = "https://cdn.jsdelivr.net/npm/reveal.js@5.2.1/"  # source of reveal.js for a page that was made without npm


def chromium() -> str | None:
    """Returns the path of Chromium, under any of its usual names, or None if it is not installed."""
    return next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


def render(study: Study, parameters: dict, language: str, pdf: bool = False) -> list[Path]:
    """Renders outputs/<profile>/slides/presentation.<language>.html, and the .pdf if `pdf`, and returns the paths.

    `parameters` are those of the notebooks, which give the same study. The same results give the same files. Raises
    StudyError for an unknown language, and if the study is no full comparison or has not run. Without Chromium no PDF
    is made, and one printed line says how to install Chromium.
    """
    check_language(language)
    if not study.is_full_comparison:
        report = study.folder / "report.html"
        remedy = f"read {report} instead" if report.is_file() else "run dogbreeds study, which writes a report"
        raise StudyError(f"the slides compare all networks in both frameworks, and {study.profile} has fewer: {remedy}")
    name = f"presentation.{language}"
    study.read_table("claims")  # the last table that the notebooks write: raises StudyError if it is missing
    folder = study.folder / "slides"
    executed = execute(PRESENTATION, folder / f"{name}.ipynb", parameters | {"language": language})
    page = folder / f"{name}.html"
    with files.atomic(page) as unfinished:
        unfinished.write_text(_page(nbformat.read(executed, as_version=4), language), encoding="utf-8")
    if not pdf:
        return [page]
    browser = chromium()
    if browser is None:
        print(f"no PDF: Chromium is not installed (Debian: apt install chromium); open {page} instead")
        return [page]
    printed = page.with_suffix(".pdf")
    with files.atomic(printed) as unfinished:
        unfinished.write_bytes(_printed(page, browser))
    return [page, printed]


def _page(notebook: nbformat.NotebookNode, language: str) -> str:
    others = set(LANGUAGES) - {language}
    notebook.cells = [cell for cell in notebook.cells if not others & set(cell.metadata.get("tags", []))]
    heading = next(cell.source for cell in notebook.cells if cell.source.startswith("# "))
    styles, scripts = _assets()
    own = (paths.SLIDES / "deck" / "deck.css").read_text()
    resources = {"language": language, "title": heading.splitlines()[0].removeprefix("# ")}
    resources |= {"styles": f"{styles}<style>\n{own}</style>", "scripts": scripts}
    exporter = HTMLExporter(
        template_name="deck", extra_template_basedirs=[str(paths.SLIDES)], exclude_anchor_links=True
    )
    return exporter.from_notebook_node(notebook, resources={"deck": resources})[0]


def _assets() -> tuple[str, str]:
    """Styles and scripts to embed in the page; without npm, links to them on the network."""
    if not PACKAGES.is_dir() and shutil.which("npm"):
        command = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--silent"]
        subprocess.run(command, cwd=paths.SLIDES, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    if not all((PACKAGES / name).is_file() for name in (*STYLES, *SCRIPTS)):
        print(f"slides: without npm the page is not offline: it loads reveal.js from {NETWORK} when it is opened")
        styles = f'<link rel="stylesheet" href="{NETWORK}dist/reveal.css">'
        return styles, f'<script src="{NETWORK}dist/reveal.js"></script>'
    styles = "\n".join(_with_fonts(PACKAGES / name) for name in STYLES)
    scripts = "\n".join((PACKAGES / name).read_text().replace("</script", "<\\/script") for name in SCRIPTS)
    return f"<style>\n{styles}\n</style>", f"<script>\n{scripts}\n</script>"


def _with_fonts(style: Path) -> str:
    """A style sheet with its fonts embedded as WOFF2, the format that every current browser supports."""

    def inlined(found: re.Match) -> str:
        font = base64.b64encode((style.parent / found[1]).read_bytes()).decode()
        return f"src: url(data:font/woff2;base64,{font}) format('woff2');"

    return re.sub(r"src: url\(\./([^)]+\.woff2)\)[^;]*;", inlined, style.read_text())


def _printed(page: Path, program: str) -> bytes:
    """The page as a PDF with one sheet per slide and a fixed creation date."""
    from playwright.sync_api import Error, sync_playwright  # imported here because only the PDF needs a browser

    arguments = ["--no-sandbox"] if os.geteuid() == 0 else []  # the sandbox of Chromium does not support root
    try:
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=program, args=arguments)
            tab = browser.new_page(viewport={"width": 1280, "height": 720})
            tab.goto(f"{page.resolve().as_uri()}?print-pdf")
            slides = tab.locator(".slides section").count()
            # Reveal lays out its sheets after the page has loaded, so wait until all of them exist.
            tab.wait_for_function(f"document.querySelectorAll('.pdf-page').length >= {slides}")
            printed = tab.pdf(prefer_css_page_size=True, print_background=True)
            browser.close()
    except Error as error:
        raise StudyError(f"{program} could not print {page}: {str(error).splitlines()[0]}") from error
    return re.sub(rb"D:\d{14}", b"D:20200128000000", printed)  # the date of the presentation of 2020
