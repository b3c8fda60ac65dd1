"""The presentation: its notebook executed, made into one page that needs no network, and printed by Chromium."""

import base64
import os
import re
import shutil
import subprocess
from pathlib import Path

import nbformat
from nbconvert import HTMLExporter

from dogbreeds import paths
from dogbreeds.errors import StudyError
from dogbreeds.execution import execute
from dogbreeds.presentation.deck import LANGUAGES, Deck
from dogbreeds.study import Study
from dogbreeds.study.notebooks import PRESENTATION

PACKAGES = paths.SLIDES / "node_modules"
STYLES = ("reveal.js/dist/reveal.css", "@fontsource/source-sans-3/latin-400.css")
STYLES += ("@fontsource/source-sans-3/latin-700.css", "@fontsource/source-code-pro/latin-400.css")
SCRIPTS = ("reveal.js/dist/reveal.js", "reveal.js/plugin/notes/notes.js")
NETWORK = "https://cdn.jsdelivr.net/npm/reveal.js@5.2.1/"  # where a page looks that was made without npm


def chromium() -> str | None:
    """Where Chromium is, under any of the names that it is installed by; None where it is not."""
    return next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


def render(parameters: dict, deck: Deck, pdf: bool = False) -> list[Path]:
    """outputs/<profile>/slides/presentation.<language>.html, and .pdf where asked for, from the results of a profile.

    The same results give the same files. Raises StudyError for a study that has not run. Without Chromium there is no
    PDF; one printed line says how to get it.
    """
    study, name = Study(**parameters), f"presentation.{deck.language}"
    study.read_table("claims")  # the last that the notebooks leave
    folder = study.folder / "slides"
    executed = execute(PRESENTATION, folder / f"{name}.ipynb", parameters | {"language": deck.language})
    page = folder / f"{name}.html"
    paths.write_whole(page, _page(nbformat.read(executed, as_version=4), deck).encode())
    if not pdf:
        return [page]
    browser = chromium()
    if browser is None:
        print(f"no PDF: it is printed by Chromium, which is not here (Debian: apt install chromium); open {page}")
        return [page]
    printed = page.with_suffix(".pdf")
    paths.write_whole(printed, _printed(page, browser))
    return [page, printed]


def _page(notebook: nbformat.NotebookNode, deck: Deck) -> str:
    others = set(LANGUAGES) - {deck.language}
    notebook.cells = [cell for cell in notebook.cells if not others & set(cell.metadata.get("tags", []))]
    heading = next(cell.source for cell in notebook.cells if cell.source.startswith("# "))
    styles, scripts = _assets()
    own = (paths.SLIDES / "deck" / "deck.css").read_text()
    resources = {"language": deck.language, "title": heading.splitlines()[0].removeprefix("# ")}
    resources |= {"styles": f"{styles}<style>\n{own}</style>", "scripts": scripts}
    exporter = HTMLExporter(
        template_name="deck", extra_template_basedirs=[str(paths.SLIDES)], exclude_anchor_links=True
    )
    return exporter.from_notebook_node(notebook, resources={"deck": resources})[0]


def _assets() -> tuple[str, str]:
    """Styles and scripts for the page, with all they hold; without npm, links to where they are in the network."""
    if not PACKAGES.is_dir() and shutil.which("npm"):
        command = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--silent"]
        subprocess.run(command, cwd=paths.SLIDES, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    if not all((PACKAGES / name).is_file() for name in (*STYLES, *SCRIPTS)):
        print(f"slides: without npm the page takes reveal.js from the network ({NETWORK}) when it is opened")
        styles = f'<link rel="stylesheet" href="{NETWORK}dist/reveal.css">'
        return styles, f'<script src="{NETWORK}dist/reveal.js"></script>'
    styles = "\n".join(_with_fonts(PACKAGES / name) for name in STYLES)
    scripts = "\n".join((PACKAGES / name).read_text().replace("</script", "<\\/script") for name in SCRIPTS)
    return f"<style>\n{styles}\n</style>", f"<script>\n{scripts}\n</script>"


def _with_fonts(style: Path) -> str:
    """A style sheet with the fonts that it names in it, each in the one format that every browser of today reads."""

    def inlined(found: re.Match) -> str:
        font = base64.b64encode((style.parent / found[1]).read_bytes()).decode()
        return f"src: url(data:font/woff2;base64,{font}) format('woff2');"

    return re.sub(r"src: url\(\./([^)]+\.woff2)\)[^;]*;", inlined, style.read_text())


def _printed(page: Path, program: str) -> bytes:
    """The page as a PDF, one sheet a slide, without the time of day in it."""
    from playwright.sync_api import Error, sync_playwright  # only here: the page needs no browser

    arguments = ["--no-sandbox"] if os.geteuid() == 0 else []  # Chromium has none for root
    try:
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=program, args=arguments)
            tab = browser.new_page(viewport={"width": 1280, "height": 720})
            tab.goto(f"{page.resolve().as_uri()}?print-pdf")
            slides = tab.locator(".slides section").count()
            # Reveal lays its sheets out after loading: not before they are all there.
            tab.wait_for_function(f"document.querySelectorAll('.pdf-page').length >= {slides}")
            printed = tab.pdf(prefer_css_page_size=True, print_background=True)
            browser.close()
    except Error as error:
        raise StudyError(f"{program} could not print {page}: {str(error).splitlines()[0]}") from error
    return re.sub(rb"D:\d{14}", b"D:20200128000000", printed)  # a fixed day: that of the deck of 2020
