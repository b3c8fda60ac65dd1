"""What a person at a notebook may choose. Where there is none, in a batch run say, a figure stands in its place."""

from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

from IPython.display import display
from ipywidgets import Dropdown, FileUpload, Output, VBox, interactive
from matplotlib.figure import Figure

from dogbreeds.errors import StudyError
from dogbreeds.training.progress import watched


def choose(draw: Callable[..., Figure], **choices: list) -> VBox | Figure:
    """`draw` of one of each of `choices`, a menu each; without a front end that shows menus, of the first of each."""
    if not watched():
        return draw(**{name: options[0] for name, options in choices.items()})
    menus = {name: Dropdown(options=options) for name, options in choices.items()}
    return interactive(lambda **chosen: draw(**chosen), {"auto_display": True}, **menus)


def upload(draw: Callable[[Path], Figure], example: Path) -> VBox | Figure:
    """`draw` of a photo that a person uploads, which is not kept; until then, and without a front end, of `example`.

    Of a file that is no picture one line says so.
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
