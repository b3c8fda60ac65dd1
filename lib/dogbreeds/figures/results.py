"""Figures that show numbers; figures that show dogs are in `photos`.

Each function returns a matplotlib Figure; `Study.save` writes it to figures/. Colour-blind readers can distinguish the
colours, and markers, dashes or positions repeat the information that colours carry.
"""

from itertools import cycle

import numpy as np
import pandas as pd
import seaborn as sns
from jaxtyping import Float
from matplotlib.figure import Figure
from sklearn.calibration import calibration_curve
from sklearn.metrics import confusion_matrix

from dogbreeds.analysis import metrics
from dogbreeds.figures.style import MARKERS, make_figure
from dogbreeds.models import TITLES
from dogbreeds.training.runs import Run
from dogbreeds.translation import _


def learning_curves(runs: list[Run], titles: list[str] | None = None) -> Figure:
    """Training and validation accuracy by epoch: one panel per run, under the run's own title or those of `titles`."""
    columns = 2 if len(runs) == 4 else min(3, len(runs))
    rows = -(-len(runs) // columns)
    figure, axes = make_figure(3.4 * columns + 0.6, 2.8 * rows, nrows=rows, ncols=columns, sharey=True, squeeze=False)
    for axis, run, title in zip(axes.flat, runs, titles or [run.title for run in runs], strict=False):
        for stage, dashes, label in (("training", "--", _("training")), ("validation", "-", _("validation"))):
            axis.plot(run.history["epoch"], run.history[f"{stage}_accuracy"], dashes, marker="o", label=label)
        axis.axhline(1 / len(run.record["breeds"]), color="grey", linewidth=1, linestyle=":", label=_("chance"))
        axis.set(title=title, ylim=(0, 1), xticks=run.history["epoch"][:: 1 + len(run.history) // 10])
    figure.supxlabel(_("epoch"), fontsize="medium")
    axes[0, 0].set_ylabel(_("accuracy"))
    axes[0, 0].legend(fontsize=8)
    for axis in axes.flat[len(runs) :]:
        axis.axis("off")
    return figure


def noise_band(band: Float[np.ndarray, "runs steps"], losses: dict[str, Float[np.ndarray, " steps"]]) -> Figure:
    """Losses of the first steps: PyTorch with its noise band, other backends as markers, and below the distances.

    `band` has the unperturbed PyTorch run in its first row and runs with last-bit perturbations in the others.
    """
    figure, (above, below) = make_figure(8, 5, nrows=2, sharex=True, height_ratios=[2, 1])
    steps, smallest = np.arange(1, band.shape[1] + 1), 1e-7  # a logarithmic axis cannot show zero
    above.fill_between(steps, band.min(axis=0), band.max(axis=0), color="0.8", label="PyTorch, last bits perturbed")
    above.plot(steps, band[0], "-", color="0.2", label="PyTorch")
    below.fill_between(steps, smallest, np.ptp(band, axis=0).clip(smallest), color="0.8")
    for (name, values), marker in zip(losses.items(), "os^", strict=False):
        above.plot(steps, values, marker, markersize=4, label=name)
        below.plot(steps, abs(values - band[0]).clip(smallest), marker, markersize=4)
    above.set(ylabel="training loss of a step, nats")
    above.legend(frameon=False)
    below.set(yscale="log", xlabel="step", ylabel="distance, nats")
    return figure


def accuracies(table: pd.DataFrame, chance: float) -> Figure:
    """Test accuracy with its 95 % interval, one panel per initial weights, one row per network and framework."""
    kinds = table.groupby("initial weights", sort=False)
    height = 1.1 + 0.35 * (len(table) // len(kinds))
    figure, axes = make_figure(0.6 + 4 * len(kinds), height, ncols=len(kinds), sharey=True, squeeze=False)
    for axis, (weights, rows) in zip(axes[0], kinds, strict=True):
        names = rows["network"] + ", " + rows["framework"]
        _intervals(axis, names, rows[["test accuracy", "low", "high"]], rows["framework"])
        axis.axvline(chance, color="grey", linestyle=":", label=_("chance"))
        axis.set(title=_(weights), xlim=(0, 1), xlabel=_("test accuracy, 95 % interval"))
    axes[0, 0].invert_yaxis()
    axes[0, -1].legend(loc="upper left", bbox_to_anchor=(1, 1), frameon=False, fontsize=8)
    return figure


def differences(table: pd.DataFrame) -> Figure:
    """The differences of `tables.comparisons` in points of accuracy with their 95 % intervals, one row per pair."""
    figure, axis = make_figure(8, 1.1 + 0.32 * len(table))
    kept = [name for name in ("network", "framework", "initial weights") if name in table]
    words = table[["first", "second", *kept]].map(_)
    names = words["first"] + " - " + words["second"] + " (" + words[kept].agg(", ".join, axis=1) + ")"
    _intervals(axis, names, 100 * table[["difference", "low", "high"]], ["Keras"] * len(table))
    axis.axvline(0, color="grey", linestyle=":")
    axis.set(xlabel=_("points of accuracy ahead, with 95 % interval"))
    axis.invert_yaxis()
    return figure


def _intervals(axis, names, intervals: pd.DataFrame, frameworks) -> None:
    """One row per name: the interval as a line, and the value with the colour and the marker of its framework."""
    for place, ((value, low, high), framework) in enumerate(zip(intervals.to_numpy(), frameworks, strict=True)):
        colour = sns.color_palette()[list(MARKERS).index(framework)]
        axis.plot([low, high], [place, place], color=colour, linewidth=2)
        axis.plot(value, place, MARKERS[framework], color=colour, markersize=8)
    axis.set(yticks=range(len(names)), yticklabels=names)


def failure_of_2020(table: pd.DataFrame) -> Figure:
    """The table of `failure_2020.results`: accuracy on new images, one panel per network, one row per frozen layers.

    Filled markers with their 95 % intervals are the two kinds of colours; a cross is the accuracy while training.
    """
    networks = list(dict.fromkeys(table["network"]))
    figure, axes = make_figure(4.2 * len(networks) + 2, 3.4, ncols=len(networks), sharey=True, squeeze=False)
    frozen = list(dict.fromkeys(table["frozen"]))
    for axis, network in zip(axes[0], networks, strict=True):
        for number, (colours, marker, label) in enumerate(
            (("expected", "o", _("colours expected")), ("rescaled", "s", _("colours divided by 255")))
        ):
            rows = table[(table["network"] == network) & (table["colours"] == colours)]
            places = [frozen.index(kind) + 0.24 * number - 0.12 for kind in rows["frozen"]]
            colour = sns.color_palette()[number]
            axis.hlines(places, rows["low"], rows["high"], color=colour, linewidth=2)
            axis.plot(rows["new images"], places, marker, color=colour, markersize=8, label=label)
            axis.plot(rows["while training"], places, "x", color=colour, label=_("while training") if number else None)
        axis.axvline(table["chance"].iloc[0], color="grey", linestyle=":", label=_("chance"))
        axis.set(title=TITLES[network], xlim=(0, 1.02), xlabel=_("accuracy on new images, 95 % interval"))
    axes[0, 0].set(yticks=range(len(frozen)), yticklabels=[_(kind) for kind in frozen], ylabel=_("frozen"))
    axes[0, 0].invert_yaxis()
    figure.legend(
        *axes[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=4, frameon=False, fontsize=9
    )
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


def accuracy_against_cost(table: pd.DataFrame) -> Figure:
    """Test accuracy with its 95 % interval against seconds of training, one panel per initial weights."""
    kinds = table.groupby("initial weights", sort=False)
    figure, axes = make_figure(4.4 * len(kinds) + 1.6, 3.6, ncols=len(kinds), sharey=True, squeeze=False)
    for axis, (weights, rows) in zip(axes[0], kinds, strict=True):
        seconds, network = rows["seconds"], rows["network"].rename(_("network"))
        which = {"hue": network, "size": network, "sizes": [220, 120, 50], "markers": MARKERS}
        which |= {"style": rows["framework"], "legend": axis is axes[0, -1]}
        sns.scatterplot(x=seconds, y=rows["test accuracy"], ax=axis, **which)
        axis.vlines(seconds, rows["low"], rows["high"], color="grey", linewidth=1, zorder=0)
        axis.set(title=_(weights), xlabel=_("seconds of training"), ylabel=_("test accuracy"), ylim=(0, 1))
    axes[0, -1].legend(loc="upper left", bbox_to_anchor=(1, 1), frameon=False, fontsize=8)
    return figure


def confusion(run: Run) -> Figure:
    """The confusion matrix: number of test photos by true and predicted breed."""
    breeds = run.record["breeds"]
    figure, axis = make_figure(2.5 + 0.5 * len(breeds), 1.8 + 0.5 * len(breeds))
    matrix = confusion_matrix(run.labels(), run.logits().argmax(axis=1), labels=range(len(breeds)))
    few = len(breeds) <= 20  # with more breeds the numbers would be too small to read
    sns.heatmap(pd.DataFrame(matrix, breeds, breeds), annot=few, cbar=not few, fmt="d", cmap="Greys", ax=axis)
    axis.set(title=run.title, xlabel="predicted", ylabel="true")
    return figure


def reliability(runs: list[Run]) -> Figure:
    """Reliability diagram: accuracy by predicted probability; a perfectly calibrated network is on the diagonal."""
    figure, axis = make_figure(5.2, 4.4)
    axis.plot([0, 1], [0, 1], color="grey", linestyle=":", label="perfect calibration")
    for run, marker in zip(runs, "osD^v<>", strict=False):
        right, sure = calibration_curve(run.correct(), metrics.confidence(run.logits()), n_bins=10)
        axis.plot(sure, right, marker=marker, label=run.title)
    axis.set(xlabel="probability of the predicted breed", ylabel="accuracy", xlim=(0, 1), ylim=(0, 1))
    axis.legend(loc="lower right", fontsize=8)
    return figure


def confidence(groups: dict[str, Float[np.ndarray, " photos"]]) -> Figure:
    """Cumulative distribution of the probability of the predicted breed, one line per group of photos."""
    figure, axis = make_figure(6, 3.8)
    for (name, values), dashes in zip(groups.items(), ("-", "--", ":", "-."), strict=False):
        sns.ecdfplot(x=values, ax=axis, label=f"{name} ({len(values)})", linestyle=dashes, linewidth=2)
    axis.set(xlabel="probability of the predicted breed", ylabel="share of images", xlim=(0, 1))
    axis.legend(loc="upper left", fontsize=8)
    return figure


def agreement(table: pd.DataFrame) -> Figure:
    """The share of test photos for which two networks predict the same breed (`metrics.agreement`)."""
    figure, axis = make_figure(1.5 + 0.9 * len(table), 0.8 + 0.7 * len(table))
    sns.heatmap(table, annot=True, fmt=".2f", cmap="Greys", vmin=0, vmax=1, cbar=False, ax=axis)
    return figure


def gates(means: pd.DataFrame, units: list[str]) -> Figure:
    """Mean gate of 48 channels: one panel per unit, one line per breed (as in figure 8 of Hu et al., 2017)."""
    figure, axes = make_figure(4 * len(units), 2.8, ncols=len(units), sharey=True, squeeze=False)
    for axis, unit in zip(axes[0], units, strict=True):
        for (breed, row), dashes in zip(means[unit].iterrows(), cycle(("-", "--", ":", "-."))):
            axis.plot(row.to_numpy()[:48], dashes, label=breed, linewidth=1.2)
        axis.set(title=unit, xlabel="channel")
    axes[0, 0].set_ylabel("mean gate")
    axes[0, -1].legend(loc="upper left", bbox_to_anchor=(1, 1), frameon=False, fontsize=8)
    return figure
