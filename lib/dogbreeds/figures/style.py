"""The common style of all figures."""

from functools import cache

import matplotlib.pyplot as plt
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes

MARKERS = {"Keras": "o", "PyTorch": "s"}


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


def hatched_bars(axis: Axes, table: pd.DataFrame, hatches: list[str], **options) -> None:
    """One group of bars per row and one bar per column, with its hatch; `options` go to `DataFrame.plot.bar`."""
    table.plot.bar(ax=axis, rot=0, legend=False, edgecolor="black", **options)
    for bars, hatch in zip(axis.containers, hatches, strict=True):
        for bar in bars:
            bar.set_hatch(hatch)
    axis.grid(axis="x", visible=False)
