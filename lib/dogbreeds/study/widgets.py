"""Sentences, tables, menus and a file upload for notebooks; without a front end, figures in place of menus."""

from collections.abc import Callable
from html import escape
from pathlib import Path
from tempfile import TemporaryDirectory

import pandas as pd
from IPython.display import HTML, display
from ipywidgets import Dropdown, FileUpload, Output, VBox, interactive
from matplotlib.figure import Figure

from dogbreeds.errors import StudyError
from dogbreeds.study.html_tables import html_table
from dogbreeds.training.progress import watched


def say(*sentences: str) -> HTML:
    """Shows each sentence as a paragraph, in the font of the text cells."""
    return HTML("\n".join(f'<p style="font-size: 110%">{escape(sentence)}</p>' for sentence in sentences))


def show(table: pd.DataFrame) -> HTML:
    """Shows a table with the style of `html_table`, or that it has no rows."""
    return HTML(html_table(table)) if len(table) else say("The table has no rows.")


def choose(draw: Callable[..., Figure], **choices: list) -> VBox | Figure:
    """Shows one menu for each of `choices` and redraws the figure of `draw` when a user selects an option.

    Without a front end that shows menus, returns the figure of the first options.
    """
    if not watched():
        return draw(**{name: options[0] for name, options in choices.items()})
    menus = {name: Dropdown(options=options) for name, options in choices.items()}
    return interactive(lambda **chosen: draw(**chosen), {"auto_display": True}, **menus)


def upload(draw: Callable[[Path], Figure], example: Path) -> VBox | Figure:
    """Shows an upload button and the figure of `draw` for the uploaded photo, which is not stored.

    Shows the figure of `example` before an upload, and returns only this figure without a front end. If the uploaded
    file is not an image, prints one line instead of a figure.
    """
    if not watched():
        return draw(example)
    button, below = FileUpload(accept="image/*"), Output()

    def show(change: dict) -> None:
        below.clear_output(wait=True)
        with below, TemporaryDirectory() as folder:
            photo = Path(folder, Path(change["new"][0]["name"]).name)
            photo.write_bytes(change["new"][0]["content"])
            try:
                display(draw(photo))
            except StudyError as error:
                print(str(error).replace(f"{folder}/", ""))

    button.observe(show, "value")
    with below:
        display(draw(example))
    return VBox([button, below])
