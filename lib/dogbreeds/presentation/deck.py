"""The elements of the presentation in French or English: text, tables, charts and code.

`begin` comes first: the library then makes charts, tables and intervals in the language of the presentation, and each
table and chart of results has the provenance of the study below it.
"""

import ast
import base64
import gettext
import re
import subprocess
import sys
from io import BytesIO, StringIO
from pathlib import Path

import matplotlib
import pandas as pd
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from IPython.display import HTML, Markdown
from matplotlib.figure import Figure
from matplotlib.text import Text
from matplotlib.ticker import FuncFormatter, ScalarFormatter
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import PythonLexer

from dogbreeds import translation
from dogbreeds.errors import StudyError
from dogbreeds.study import Study
from dogbreeds.study.html_tables import html_table
from dogbreeds.translation import _, number

LANGUAGES = ("fr", "en")
_provenance = ""  # of the study that is presented, see `begin`
FRENCH = Path(__file__).parent / "locale" / "fr" / "LC_MESSAGES" / "dogbreeds.po"
SMALLEST, HEIGHT = 12, 4.5  # minimum font size (points) for a chart 4.5 inches high; on a slide about 24 pixels


def check_language(language: str) -> None:
    """Raises StudyError if the presentation does not exist in this language."""
    if language not in LANGUAGES:
        raise StudyError(f"unknown language '{language}': choose one of {', '.join(LANGUAGES)}")


def begin(study: Study, language: str) -> None:
    """Sets the language, and the `provenance` of the study for all tables and charts, in this process.

    Raises StudyError if the presentation does not exist in this language.
    """
    global _provenance
    set_language(language)
    _provenance = study.provenance


def set_language(language: str) -> None:
    """Sets the language of this process. Raises StudyError if the presentation does not exist in this language."""
    check_language(language)
    translation.activate(language, _french() if language == "fr" else gettext.NullTranslations())


def _french() -> gettext.GNUTranslations:
    """The catalogue, compiled in memory."""
    compiled = BytesIO()
    with FRENCH.open("rb") as file:
        write_mo(compiled, read_po(file, locale="fr"))
    compiled.seek(0)
    return gettext.GNUTranslations(compiled)


def say(fr: str, en: str) -> Markdown:
    """Returns the text in the language of the presentation."""
    return Markdown(fr if translation.language() == "fr" else en)


def table(table: pd.DataFrame) -> HTML:
    """Returns a table of results with the style of `html_table`, and the provenance of the study.

    Names and cells that the catalogue contains are translated.
    """
    return HTML(html_table(table.rename(columns=_).map(_)) + _note())


def _note() -> str:
    return f'<p class="provenance">{_provenance}</p>' if _provenance else ""


def chart(figure: Figure, title: str) -> HTML:
    """Returns a figure of results as `illustration` does, and the provenance of the study."""
    return HTML(illustration(figure, title).data + _note())


def illustration(figure: Figure, title: str) -> HTML:
    """Returns a figure as embedded SVG with legible font sizes and with its ticks in the active language.

    `title` becomes the alternative text, which screen readers read aloud. The same figure gives the same HTML each
    time. For results of the study see `chart`.
    """
    for axis in figure.axes:
        for side in (axis.xaxis, axis.yaxis):
            if isinstance(side.get_major_formatter(), ScalarFormatter):
                side.set_major_formatter(FuncFormatter(lambda value, position: number(value, "g")))
    smallest = SMALLEST * max(1, figure.get_figheight() / HEIGHT)
    for text in figure.findobj(Text):
        text.set_fontsize(max(text.get_fontsize(), smallest))
    page = StringIO()
    with matplotlib.rc_context({"svg.hashsalt": title, "svg.fonttype": "path"}):
        figure.savefig(page, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    # The page shrinks an image to fit but does not enlarge it, so the drawing is made larger than any screen.
    drawing = re.sub(
        r'(width|height)="([\d.]+)pt"', lambda side: f'{side[1]}="{float(side[2]) * 8:g}"', page.getvalue()
    )
    source = f"data:image/svg+xml;base64,{base64.b64encode(drawing.encode()).decode()}"
    return HTML(f'<figure class="chart"><img alt="{title}" src="{source}"></figure>')


def code(**pieces) -> HTML:
    """Returns functions of `minimal_loops` in columns, each under its title, with syntax highlighting.

    Lines are reformatted to at most 72 characters, so that they fit into a column.
    """
    style = HtmlFormatter(noclasses=True, nobackground=True, style="default")
    columns = []
    for title, name in pieces.items():
        command = [sys.executable, "-m", "ruff", "format", "--isolated", "--line-length", "72", "-"]
        lines = subprocess.run(command, input=_source(name), text=True, stdout=-1, check=True).stdout
        columns.append(f"<div><h3>{title}</h3>{highlight(lines, PythonLexer(), style)}</div>")
    return HTML(f'<div class="columns code">{"".join(columns)}</div>')


def _source(name: str) -> str:
    """The source of a function of `minimal_loops`, read from the file because an import would load TensorFlow."""
    text = (Path(__file__).parents[1] / "training" / "minimal_loops.py").read_text()
    functions = {node.name: node for node in ast.parse(text).body if isinstance(node, ast.FunctionDef)}
    return ast.get_source_segment(text, functions[name])
