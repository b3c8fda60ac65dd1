"""Every figure of the study that shows numbers, in one style; those that show dogs are in `pictures`.

Each function returns a matplotlib Figure; `Study.save` keeps it under figures/. Colours are told apart by colour-blind
readers, and whatever a colour says a marker, dashes or a place says too.
"""

from itertools import cycle

import numpy as np
import pandas as pd
import seaborn as sns
from jaxtyping import Float
from matplotlib.figure import Figure
from scipy.special import softmax
from sklearn.calibration import calibration_curve
from sklearn.metrics import confusion_matrix

from dogbreeds.figures.style import MARKERS, make_figure
from dogbreeds.training.runs import Run


def learning_curves(runs: list[Run], titles: list[str] | None = None) -> Figure:
    """Training and validation accuracy by epoch, a panel a run, under its own title or those given."""
    columns = 2 if len(runs) == 4 else min(3, len(runs))
    rows = -(-len(runs) // columns)
    figure, axes = make_figure(3.4 * columns + 0.6, 2.8 * rows, nrows=rows, ncols=columns, sharey=True, squeeze=False)
    for axis, run, title in zip(axes.flat, runs, titles or [run.title for run in runs], strict=False):
        for stage, dashes in (("training", "--"), ("validation", "-")):
            axis.plot(run.history["epoch"], run.history[f"{stage}_accuracy"], dashes, marker="o", label=stage)
        axis.axhline(1 / len(run.record["breeds"]), color="grey", linewidth=1, linestyle=":", label="chance")
        axis.set(title=title, ylim=(0, 1), xticks=run.history["epoch"][:: 1 + len(run.history) // 10])
    figure.supxlabel("epoch", fontsize="medium")
    axes[0, 0].set_ylabel("accuracy")
    axes[0, 0].legend(fontsize=8)
    for axis in axes.flat[len(runs) :]:
        axis.axis("off")
    return figure


def retraced(band: Float[np.ndarray, "runs steps"], losses: dict[str, Float[np.ndarray, " steps"]]) -> Figure:
    """Losses of the first steps: PyTorch and its last-bit neighbours as a band, others on it; below, the distances."""
    figure, (above, below) = make_figure(8, 5, nrows=2, sharex=True, height_ratios=[2, 1])
    steps, smallest = np.arange(1, band.shape[1] + 1), 1e-7  # what is nothing has no place on a logarithmic axis
    above.fill_between(steps, band.min(axis=0), band.max(axis=0), color="0.8", label="PyTorch, last bits nudged")
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
    """Test accuracy with its 95 % interval, a panel a start, a row a network and framework."""
    starts = table["start"].unique()
    rows = len(table) // len(starts)
    figure, axes = make_figure(0.6 + 4 * len(starts), 1.1 + 0.35 * rows, ncols=len(starts), sharey=True, squeeze=False)
    for axis, start in zip(axes[0], starts, strict=True):
        chosen = table[table["start"] == start]
        names = chosen["network"] + ", " + chosen["framework"]
        _intervals(axis, names, chosen["test accuracy"], chosen["low"], chosen["high"], chosen["framework"])
        axis.axvline(chance, color="grey", linestyle=":", label="chance")
        axis.set(title=start, xlim=(0, 1), xlabel="test accuracy, 95 % interval")
    axes[0, 0].invert_yaxis()
    axes[0, -1].legend(loc="upper left", bbox_to_anchor=(1, 1), frameon=False, fontsize=8)
    return figure


def differences(table: pd.DataFrame) -> Figure:
    """The gaps of `tables.comparisons` in points of accuracy with their 95 % intervals, a row a pair."""
    figure, axis = make_figure(8, 1.1 + 0.32 * len(table))
    kept = [name for name in ("network", "framework", "start") if name in table]
    names = table["first"] + " - " + table["second"] + " (" + table[kept].agg(", ".join, axis=1) + ")"
    gaps = 100 * table[["difference", "low", "high"]]
    _intervals(axis, names, gaps["difference"], gaps["low"], gaps["high"], ["Keras"] * len(table))
    axis.axvline(0, color="grey", linestyle=":")
    axis.set(xlabel="points of accuracy ahead, with 95 % interval")
    axis.invert_yaxis()
    return figure


def _intervals(axis, names, values, lows, highs, frameworks) -> None:
    """A row a name: the value, in the colour and by the marker of its framework, on its interval."""
    for place, (value, low, high, framework) in enumerate(zip(values, lows, highs, frameworks, strict=True)):
        colour = sns.color_palette()[list(MARKERS).index(framework)]
        axis.plot([low, high], [place, place], color=colour, linewidth=2)
        axis.plot(value, place, MARKERS[framework], color=colour, markersize=8)
    axis.set(yticks=range(len(names)), yticklabels=names)


def statistics_taken_anew(table: pd.DataFrame, chance: float) -> Figure:
    """A table of `diagnosis.two_by_two`: what the same weights reach with either set of statistics, a panel a run."""
    runs = list(dict.fromkeys(table.index.get_level_values(0)))
    figure, axes = make_figure(4.4 * len(runs) + 1, 3.4, ncols=len(runs), sharey=True, squeeze=False)
    names = {
        "while training": "while\ntraining",
        "training": "training\npictures",
        "validation": "validation\npictures",
    }
    for axis, name in zip(axes[0], runs, strict=True):
        table.loc[name].rename(columns=names).T.plot.bar(ax=axis, rot=0, legend=False, width=0.7, edgecolor="black")
        for bars, hatch in zip(axis.containers, ("", "//"), strict=True):
            for bar in bars:
                bar.set_hatch(hatch)
        axis.axhline(chance, color="grey", linestyle=":", label="chance")
        axis.set(title=f"colours {name}", ylim=(0, 1))
        axis.grid(axis="x", visible=False)
    axes[0, 0].set_ylabel("accuracy")
    figure.legend(
        *axes[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=3, frameon=False, fontsize=9
    )
    return figure


def accuracy_against_cost(table: pd.DataFrame) -> Figure:
    """Test accuracy with its 95 % interval against seconds of training, a panel a start."""
    starts = table["start"].unique()
    figure, axes = make_figure(4.4 * len(starts) + 1.6, 3.6, ncols=len(starts), sharey=True, squeeze=False)
    for axis, start in zip(axes[0], starts, strict=True):
        chosen = table[table["start"] == start]
        which = {"hue": "network", "size": "network", "sizes": [220, 120, 50], "style": "framework", "markers": MARKERS}
        sns.scatterplot(chosen, x="seconds", y="test accuracy", legend=start == starts[-1], ax=axis, **which)
        axis.vlines(chosen["seconds"], chosen["low"], chosen["high"], color="grey", linewidth=1, zorder=0)
        axis.set(title=start, xlabel="seconds of training", ylim=(0, 1))
    axes[0, -1].legend(loc="upper left", bbox_to_anchor=(1, 1), frameon=False, fontsize=8)
    return figure


def confusion(run: Run) -> Figure:
    """Test photos by true and predicted breed."""
    breeds = run.record["breeds"]
    figure, axis = make_figure(2.5 + 0.5 * len(breeds), 1.8 + 0.5 * len(breeds))
    matrix = confusion_matrix(run.labels(), run.logits().argmax(axis=1), labels=range(len(breeds)))
    sns.heatmap(
        matrix,
        annot=len(breeds) <= 20,
        fmt="d",
        cmap="Greys",
        cbar=len(breeds) > 20,  # where the numbers would be too small
        ax=axis,
        xticklabels=breeds,
        yticklabels=breeds,
    )
    axis.set(title=run.title, xlabel="predicted", ylabel="true")
    return figure


def reliability(runs: list[Run], bins: int = 10) -> Figure:
    """How often the networks are right, by how sure they say they are: on the diagonal the two are the same."""
    figure, axis = make_figure(5.2, 4.4)
    axis.plot([0, 1], [0, 1], color="grey", linestyle=":", label="as sure as right")
    for run, marker in zip(runs, "osD^v<>", strict=False):
        confidence = softmax(run.logits(), axis=1).max(axis=1)
        right, sure = calibration_curve(run.correct(), confidence, n_bins=bins)
        axis.plot(sure, right, marker=marker, label=run.title)
    axis.set(xlabel="probability of the breed named", ylabel="share right", xlim=(0, 1), ylim=(0, 1))
    axis.legend(loc="lower right", fontsize=8)
    return figure


def confidence(groups: dict[str, Float[np.ndarray, " photos"]]) -> Figure:
    """For each group of photos the share that is named with at most so high a probability."""
    figure, axis = make_figure(6, 3.8)
    for (name, values), dashes in zip(groups.items(), ("-", "--", ":", "-."), strict=False):
        sns.ecdfplot(x=values, ax=axis, label=f"{name} ({len(values)})", linestyle=dashes, linewidth=2)
    axis.set(xlabel="probability of the breed named", ylabel="share of pictures", xlim=(0, 1))
    axis.legend(loc="upper left", fontsize=8)
    return figure


def agreement(table: pd.DataFrame) -> Figure:
    """The share of test photos to which two networks give the same breed."""
    figure, axis = make_figure(1.5 + 0.9 * len(table), 0.8 + 0.7 * len(table))
    sns.heatmap(table, annot=True, fmt=".2f", cmap="Greys", vmin=0, vmax=1, cbar=False, ax=axis)
    return figure


def gates(means: pd.DataFrame, units: list[str], channels: int = 48) -> Figure:
    """Mean gate of the first channels, a panel a unit, a line a breed (as figure 8 of Hu et al., 2017)."""
    figure, axes = make_figure(4 * len(units), 2.8, ncols=len(units), sharey=True, squeeze=False)
    for axis, unit in zip(axes[0], units, strict=True):
        for (breed, row), dashes in zip(means[unit].iterrows(), cycle(("-", "--", ":", "-."))):
            axis.plot(row.to_numpy()[:channels], dashes, label=breed, linewidth=1.2)
        axis.set(title=unit, xlabel="channel")
    axes[0, 0].set_ylabel("mean gate")
    axes[0, -1].legend(loc="upper left", bbox_to_anchor=(1, 1), frameon=False, fontsize=8)
    return figure
