"""Figures of the failure of ResNet50 in 2020, from the tables of `analysis.failure_2020`."""

import pandas as pd
import seaborn as sns
from matplotlib.figure import Figure

from dogbreeds.analysis.failure_2020 import CONTROL
from dogbreeds.figures.style import make_figure
from dogbreeds.models import TITLES
from dogbreeds.translation import _


def failure_of_2020(table: pd.DataFrame) -> Figure:
    """The table of `failure_2020.results`: accuracy on new images, one panel per network, one row per frozen layers.

    Filled markers with their 95 % intervals are the kinds of preprocessing; a cross is the accuracy while training.
    """
    networks = list(dict.fromkeys(table["network"]))
    images = table["images"].iloc[0]
    accuracy = _("accuracy on {kind}").format(kind=_(images))
    figure, axes = make_figure(4.2 * len(networks) + 2, 3.7, ncols=len(networks), sharey=True, squeeze=False)
    frozen = list(dict.fromkeys(table["frozen"]))
    kinds = (
        ("expected", "o", _("new images, preprocessing expected")),
        ("rescaled", "s", _("new images, divided by 255")),
        (CONTROL, "^", _("new images, divided by 255, re-estimated first")),
    )
    kinds = [kind for kind in kinds if kind[0] in set(table["preprocessing"])]
    for axis, network in zip(axes[0], networks, strict=True):
        for number, (preprocessing, marker, label) in enumerate(kinds):
            rows = table[(table["network"] == network) & (table["preprocessing"] == preprocessing)]
            places = [frozen.index(kind) + 0.24 * (number - (len(kinds) - 1) / 2) for kind in rows["frozen"]]
            colour = sns.color_palette()[number]
            axis.hlines(places, rows["low"], rows["high"], color=colour, linewidth=2)
            axis.plot(rows["new images"], places, marker, color=colour, markersize=8, label=label)
            axis.plot(rows["while training"], places, "x", color=colour, label=None if number else _("while training"))
        axis.axvline(table["chance"].iloc[0], color="grey", linestyle=":", label=_("chance"))
        axis.set(title=TITLES[network], xlim=(0, 1.02), xlabel=accuracy)
    axes[0, 0].set(yticks=range(len(frozen)), yticklabels=[_(kind) for kind in frozen], ylabel=_("frozen"))
    axes[0, 0].set_ylim(len(frozen) - 0.5, -0.5)
    handles = axes[0, 0].get_legend_handles_labels()
    figure.legend(*handles, loc="outside lower center", ncols=2, frameon=False, fontsize=10)
    return figure


def healing(table: pd.DataFrame, predicted: float) -> Figure:
    """The table of `failure_2020.healing`: accuracy over the steps, one line per seed, and the predicted step."""
    figure, axis = make_figure(8, 3.4)
    training, validation = sns.color_palette()[:2]
    for place, (_seed, rows) in enumerate(table.groupby("seed")):
        labels = (_("training"), _("validation")) if place == 0 else (None, None)
        axis.plot(rows["steps"], rows["training"], "--", color=training, label=labels[0])
        axis.plot(rows["steps"], rows["validation"], "-", color=validation, label=labels[1])
    for chance in table["chance"].head(1):
        axis.axhline(chance, color="grey", linestyle=":", label=_("chance"))
    axis.axvline(predicted, color="black", linewidth=1, label=_("predicted"))
    axis.set(xlabel=_("optimiser steps"), ylabel=_("accuracy"), ylim=(0, 1.02), xlim=(0, None))
    axis.legend(loc="center left", bbox_to_anchor=(1, 0.5), frameon=False)
    return figure
