"""Charts of `dogbreeds bench`."""

import pandas as pd
import seaborn as sns
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullLocator

from dogbreeds.figures.style import hatched_bars, make_figure

MEASURES = {"seconds_to_decode": "s to decode", "seconds_per_epoch": "s per epoch", "memory_mb": "peak memory in MB"}


def throughput(table: pd.DataFrame) -> Figure:
    """The share of the compute-only upper bound as bars: one panel per framework, one bar per network and pipeline."""
    frameworks, names = table["framework"].unique(), table["pipeline"].unique()
    figure, axes = make_figure(5.5 * len(frameworks), 4.0, ncols=len(frameworks), sharey=True, squeeze=False)
    colours = dict(zip(names, sns.color_palette(n_colors=len(names)), strict=True))
    hatches = dict(zip(names, ("", "//", "..", "\\\\", "xx", "--"), strict=False))
    bars = {}
    for axis, framework in zip(axes[0], frameworks, strict=True):
        rows = table[table["framework"] == framework]
        shares = rows.pivot_table("share_of_upper_bound", "network", "pipeline", sort=False)
        hatched_bars(axis, shares, [hatches[name] for name in shares], color=colours, width=0.8)
        bars |= {each.get_label().replace("_", " "): each for each in axis.containers}
        axis.axhline(1, color="grey", linestyle=":")
        axis.set(title=framework, xlabel="", ylabel="share of compute-only upper bound")
    figure.legend(bars.values(), bars.keys(), loc="outside lower center", ncols=len(bars), frameon=False)
    return figure


def scaling(table: pd.DataFrame) -> Figure:
    """Each measure against the size on logarithmic scales: one row per measure, one column per axis."""
    names = table["axis"].unique()
    # A shared scale per row makes a cost that does not depend on the size look flat.
    panels = {"nrows": 3, "ncols": len(names), "sharex": "col", "sharey": "row", "squeeze": False}
    figure, axes = make_figure(3.6 * len(names), 7.5, **panels)
    for column, name in zip(axes.T, names, strict=True):
        points = table[table["axis"] == name]
        for axis, (measure, label) in zip(column, MEASURES.items(), strict=True):
            axis.loglog(points["size"], points[measure], "o-")
            axis.xaxis.set_minor_locator(NullLocator())
            axis.set_xticks(points["size"], points["size"])
            axis.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
            axis.yaxis.set_minor_locator(NullLocator())
            axis.yaxis.set_major_formatter("{x:g}")
            axis.set(xlabel="photos per batch" if name == "batch" else name, ylabel=label)
            axis.label_outer()
    return figure
