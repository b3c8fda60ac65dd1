"""What the presentation says in two languages: its words, its numbers as a speaker of each writes them, its pieces.

Charts, tables and intervals come in English from the rest of the library; `Deck` puts them into the deck's language
with the phrases of `words.FRENCH`.
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
SMALLEST, HEIGHT = 12, 4.5  # points in a chart of so many inches, which fills a slide: about twice as many pixels
_PHRASES = re.compile("|".join(rf"(?<![a-z]){re.escape(each)}(?![a-z])" for each in sorted(FRENCH, key=len)[::-1]))


@dataclass(frozen=True)
class Deck:
    """The pieces of a presentation in one language. Raises StudyError for a language it is not written in."""

    language: str

    def __post_init__(self):
        if self.language not in LANGUAGES:
            raise StudyError(f"unknown language '{self.language}': choose one of {', '.join(LANGUAGES)}")

    def translated(self, text: str) -> str:
        """An English text of the library in the deck's language: its known phrases and its numbers."""
        if self.language == "en":
            return text
        return self.numbers(_PHRASES.sub(lambda found: FRENCH[found[0]], text))

    def numbers(self, text: str) -> str:
        """Numbers in a text as this language writes them: in French a comma, and a space before the per cent sign."""
        if self.language == "en":
            return re.sub(r"(\d) %", r"\1%", text)
        text = re.sub(r"(?<=\d),(?=\d{3}\b)", "\N{NO-BREAK SPACE}", text)
        text = re.sub(r"(?<=\d)\.(?=\d)", ",", text)
        return re.sub(r"(?<=\d) ?%", "\N{NO-BREAK SPACE}%", text)

    def say(self, fr: str, en: str) -> Markdown:
        """The text of this language. What the library worded in it is translated."""
        return Markdown(self.translated(fr) if self.language == "fr" else self.numbers(en))

    def table(self, table: pd.DataFrame) -> HTML:
        """A table, its words and numbers translated; the index is left out."""
        words = table.rename(columns=self.translated).map(lambda value: self.translated(str(value)))
        return HTML(words.to_html(index=False, border=0))

    def chart(self, figure: Figure, title: str) -> HTML:
        """A figure as a vector drawing in the page, in this language, no letter too small; `title` is read aloud.

        The same figure gives the same text each time.
        """
        for axis in figure.axes:
            for side in (axis.xaxis, axis.yaxis):
                ticks = side.get_major_formatter()
                said = "{:g}".format if isinstance(ticks, ScalarFormatter) else ticks
                side.set_major_formatter(FuncFormatter(partial(self._tick, said)))
        smallest = SMALLEST * max(1, figure.get_figheight() / HEIGHT)
        for text in figure.findobj(Text):
            text.set(text=self.translated(text.get_text()), fontsize=max(text.get_fontsize(), smallest))
        page = StringIO()
        with matplotlib.rc_context({"svg.hashsalt": title, "svg.fonttype": "path"}):
            figure.savefig(page, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
        # Larger than any screen: the page shrinks a picture to its place, and does not enlarge it.
        drawing = re.sub(
            r'(width|height)="([\d.]+)pt"', lambda side: f'{side[1]}="{float(side[2]) * 8:g}"', page.getvalue()
        )
        source = f"data:image/svg+xml;base64,{base64.b64encode(drawing.encode()).decode()}"
        return HTML(f'<figure class="chart"><img alt="{self.translated(title)}" src="{source}"></figure>')

    def _tick(self, said, value: float, place: int) -> str:
        return self.translated(said(value, place))

    def code(self, **pieces) -> HTML:
        """Trainings of `bare` side by side, by their titles, with colours, in lines that a column can hold."""
        style = HtmlFormatter(noclasses=True, nobackground=True, style="default")
        columns = []
        for title, name in pieces.items():
            command = [sys.executable, "-m", "ruff", "format", "--isolated", "--line-length", "72", "-"]
            lines = subprocess.run(command, input=_source(name), text=True, stdout=-1, check=True).stdout
            columns.append(f"<div><h3>{title}</h3>{highlight(lines, PythonLexer(), style)}</div>")
        return HTML(f'<div class="columns code">{"".join(columns)}</div>')


def _source(name: str) -> str:
    """The source of a function of `bare`, read from the file, because importing it would import TensorFlow."""
    text = (Path(__file__).parents[1] / "training" / "minimal_loops.py").read_text()
    functions = {node.name: node for node in ast.parse(text).body if isinstance(node, ast.FunctionDef)}
    return ast.get_source_segment(text, functions[name])
