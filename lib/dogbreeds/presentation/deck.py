"""The elements of the presentation in French or English: text, numbers, tables, charts and code.

The rest of the library writes charts, tables and intervals in English; `Deck` translates them with the phrases of
`words.FRENCH`.
"""

import ast
import base64
import re
import subprocess
import sys
from dataclasses import dataclass
from functools import partial
from io import StringIO
from pathlib import Path

import matplotlib
import pandas as pd
from IPython.display import HTML, Markdown
from matplotlib.figure import Figure
from matplotlib.text import Text
from matplotlib.ticker import FuncFormatter, ScalarFormatter
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import PythonLexer

from dogbreeds.errors import StudyError
from dogbreeds.presentation.words import FRENCH

LANGUAGES = ("fr", "en")
SMALLEST, HEIGHT = 12, 4.5  # minimum font size (points) for a chart 4.5 inches high; on a slide about 24 pixels
_PHRASES = re.compile("|".join(rf"(?<![a-z]){re.escape(each)}(?![a-z])" for each in sorted(FRENCH, key=len)[::-1]))


@dataclass(frozen=True)
class Deck:
    """The elements of the presentation in one language. Raises StudyError if `language` is not in LANGUAGES."""

    language: str

    def __post_init__(self):
        if self.language not in LANGUAGES:
            raise StudyError(f"unknown language '{self.language}': choose one of {', '.join(LANGUAGES)}")

    def translated(self, text: str) -> str:
        """Returns an English text of the library with its known phrases and its numbers in the deck's language."""
        if self.language == "en":
            return text
        return self.numbers(_PHRASES.sub(lambda found: FRENCH[found[0]], text))

    def numbers(self, text: str) -> str:
        """Returns a text with its numbers in the format of the deck's language.

        French has a decimal comma, and a no-break space between thousands and before the per cent sign. English has no
        space before the per cent sign.
        """
        if self.language == "en":
            return re.sub(r"(\d) %", r"\1%", text)
        text = re.sub(r"(?<=\d),(?=\d{3}\b)", "\N{NO-BREAK SPACE}", text)
        text = re.sub(r"(?<=\d)\.(?=\d)", ",", text)
        return re.sub(r"(?<=\d) ?%", "\N{NO-BREAK SPACE}%", text)

    def say(self, fr: str, en: str) -> Markdown:
        """Returns the text in the deck's language, and translates the phrases that come from the library."""
        return Markdown(self.translated(fr) if self.language == "fr" else self.numbers(en))

    def table(self, table: pd.DataFrame) -> HTML:
        """Returns a table without its index, with words and numbers translated."""
        words = table.rename(columns=self.translated).map(lambda value: self.translated(str(value)))
        return HTML(words.to_html(index=False, border=0))

    def chart(self, figure: Figure, title: str) -> HTML:
        """Returns a figure as embedded SVG in the deck's language, with legible font sizes.

        `title` becomes the alternative text, which screen readers read aloud. The same figure gives the same HTML each
        time.
        """
        for axis in figure.axes:
            for side in (axis.xaxis, axis.yaxis):
                ticks = side.get_major_formatter()
                label = "{:g}".format if isinstance(ticks, ScalarFormatter) else ticks
                side.set_major_formatter(FuncFormatter(partial(self._tick, label)))
        smallest = SMALLEST * max(1, figure.get_figheight() / HEIGHT)
        for text in figure.findobj(Text):
            text.set(text=self.translated(text.get_text()), fontsize=max(text.get_fontsize(), smallest))
        page = StringIO()
        with matplotlib.rc_context({"svg.hashsalt": title, "svg.fonttype": "path"}):
            figure.savefig(page, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
        # The page shrinks an image to fit but does not enlarge it, so the drawing is made larger than any screen.
        drawing = re.sub(
            r'(width|height)="([\d.]+)pt"', lambda side: f'{side[1]}="{float(side[2]) * 8:g}"', page.getvalue()
        )
        source = f"data:image/svg+xml;base64,{base64.b64encode(drawing.encode()).decode()}"
        return HTML(f'<figure class="chart"><img alt="{self.translated(title)}" src="{source}"></figure>')

    def _tick(self, label, value: float, position: int) -> str:
        return self.translated(label(value, position))

    def code(self, **pieces) -> HTML:
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
