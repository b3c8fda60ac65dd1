"""The common style of all figures."""

import textwrap
from functools import cache

import matplotlib.pyplot as plt
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure

MARKERS = {"Keras": "o", "PyTorch": "s"}
CHARACTERS_PER_INCH = 14  # of a footnote


def make_figure(width: int | float, height: int | float, **grid):
    """A figure in the common style and its axes; `width` and `height` are in inches, `grid` goes to `plt.subplots`.

    The first call also makes the colours of the style seaborn's default palette. The figure is closed in pyplot, so
    that a notebook shows it only once, where it is returned.
    """
    _set_theme()
    figure, axes = plt.subplots(figsize=(width, height), layout="constrained", **grid)
    plt.close(figure)
    return figure, axes


@cache
def _set_theme() -> None:
    sns.set_theme("notebook", style="whitegrid", palette="colorblind")


def add_footnote(figure: Figure, text: str) -> None:
    """Writes a text below everything else in a figure of `make_figure`, which becomes higher by the lines of the text.

    Panels and legends keep their size, and their distance from the upper edge.
    """
    (width, height), layout = figure.get_size_inches(), figure.get_layout_engine()
    lines = textwrap.fill(text, int(CHARACTERS_PER_INCH * width))
    note = figure.text(0.5, 0, lines, ha="center", va="bottom", fontsize=8, color="0.35")
    figure.draw_without_rendering()  # the heights below are known after that

    def space(artist) -> float:
        """The height of a text or legend in inches, with its padding."""
        return artist.get_window_extent().height / figure.dpi + 2 * layout.get()["h_pad"]

    total = height + space(note)
    figure.set_size_inches(width, total)
    note.set_y(layout.get()["h_pad"] / total)
    # The layout would reserve the larger of both heights for a legend and a note, not their sum. So legends, which are
    # all at the lower edge, get their place here, and the layout gets what is above them.
    bottom = space(note) / total
    for legend in figure.legends:
        legend.set_bbox_to_anchor((0, bottom, 1, 1 - bottom), figure.transFigure)
    bottom += max(map(space, figure.legends), default=0) / total
    layout.set(rect=(0, bottom, 1, 1 - bottom))


def hatched_bars(axis: Axes, table: pd.DataFrame, hatches: list[str], **options) -> None:
    """One group of bars per row and one bar per column, with its hatch; `options` go to `DataFrame.plot.bar`."""
    table.plot.bar(ax=axis, rot=0, legend=False, edgecolor="black", **options)
    for bars, hatch in zip(axis.containers, hatches, strict=True):
        for bar in bars:
            bar.set_hatch(hatch)
    axis.grid(axis="x", visible=False)
