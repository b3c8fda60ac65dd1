"""Figures that show numbers; figures that show dogs are in `photos`.

Each function returns a matplotlib Figure; `Study.save` writes it to figures/. Colour-blind readers can distinguish the
colours, and markers, dashes or positions repeat the information that colours carry.
"""

from itertools import cycle

import numpy as np
import pandas as pd
import seaborn as sns
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from sklearn.calibration import calibration_curve
from sklearn.metrics import confusion_matrix

from dogbreeds.analysis import metrics
from dogbreeds.figures.labels import label_lines, label_points
from dogbreeds.figures.style import MARKERS, make_figure
from dogbreeds.training.runs import OTHER_BREEDS, SCRATCH, Run
from dogbreeds.translation import _

KINDS = (SCRATCH, OTHER_BREEDS, "imagenet")  # the order of panels by initial weights; others follow by their names


def learning_curves(runs: list[Run], titles: list[str] | None = None) -> Figure:
    """Training and validation accuracy by epoch: one panel per run, under what differs between the runs or `titles`.

    What all runs have in common is the title of the figure.
    """
    columns = 2 if len(runs) == 4 else min(3, len(runs))
    rows = -(-len(runs) // columns)
    grid = {"nrows": rows, "ncols": columns, "sharey": True, "squeeze": False}
    figure, axes = make_figure(3.4 * columns + 0.6, 2.9 * rows + 0.6, **grid)
    common, names = ("", titles) if titles else _titles(runs)
    lowest = min(run.history[["training_accuracy", "validation_accuracy"]].min().min() for run in runs)
    for axis, run, title in zip(axes.flat, runs, names, strict=False):
        for stage, dashes, label in (("training", "--", _("training")), ("validation", "-", _("validation"))):
            axis.plot(run.history["epoch"], run.history[f"{stage}_accuracy"], dashes, marker="o", label=label)
        axis.axhline(1 / len(run.record["breeds"]), color="grey", linewidth=1, linestyle=":", label=_("chance"))
        axis.set(title=title, ylim=_accuracy_limits(lowest), xlabel=_("epoch"))
        axis.set_xticks(run.history["epoch"][:: 1 + len(run.history) // 10])
    figure.suptitle(common)
    for row in axes:
        row[0].set_ylabel(_("accuracy"))
    figure.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=3, frameon=False)
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
    below.set(yscale="log", xlabel="step", ylabel="distance, nats", xticks=steps[4::5])
    return figure


def accuracies(table: pd.DataFrame, chance: float) -> Figure:
    """Test accuracy with its 95 % interval, one panel per initial weights, one row per network and framework.

    The axis of the accuracy begins at 0.5 if all intervals are above it, else at 0.
    """
    common, names = _shortened(table[["network", "framework"]])
    figure, panels = _panels(table.assign(name=names), common, 4, 1.3 + 0.35 * names.nunique())
    for axis, rows in panels:
        _intervals(axis, rows["name"], rows[["test accuracy", "low", "high"]], rows["framework"], names.unique())
        axis.set(xlim=_accuracy_limits(table["low"].min()), xlabel=_("test accuracy, 95 % interval"))
        if chance > axis.get_xlim()[0]:
            axis.axvline(chance, color="grey", linestyle=":")
            axis.text(chance, -0.6, " " + _("chance"), color="grey", fontsize=9, va="center")
    return figure


def differences(table: pd.DataFrame) -> Figure:
    """The differences of `tables.comparisons` or `tables.factor_table` in points of accuracy, one row per difference.

    The lines are 95 % intervals. There is one panel per initial weights, or one panel for comparisons between initial
    weights.
    """
    words = table[[name for name in ("factor", "network", "framework") if name in table]].map(_)
    if "first" in table:
        words.insert(0, "pair", table["first"].map(_) + " - " + table["second"].map(_))
    common, names = _shortened(words)
    figure, panels = _panels(table.assign(name=names), common, 5.5, 1.3 + 0.35 * names.nunique())
    for axis, rows in panels:
        intervals = 100 * rows[["difference", "low", "high"]]
        _intervals(axis, rows["name"], intervals, ["Keras"] * len(rows), names.unique())
        axis.axvline(0, color="grey", linestyle=":")
        axis.set_xlabel(_("points of accuracy ahead, with 95 % interval"))
    return figure


def _panels(table: pd.DataFrame, title: str, width: int | float, height: int | float) -> tuple[Figure, list]:
    """A figure with one panel of this size per initial weights, and pairs of a panel and its rows of the table.

    The title of a panel is `title` and its initial weights. Random weights come first, then those learned on other
    breeds, then ImageNet's, then all others by their names. A table without initial weights has one panel.
    """
    kinds = table.get("initial weights", pd.Series("", table.index))
    found = sorted(kinds.unique())
    order = [kind for kind in KINDS if kind in found] + [kind for kind in found if kind not in KINDS]
    grid = {"ncols": len(order), "sharex": True, "sharey": True, "squeeze": False}
    figure, axes = make_figure(width * len(order) + 1.5, height, **grid)
    figure.get_layout_engine().set(wspace=0.06)
    for axis, kind in zip(axes[0], order, strict=True):
        axis.set_title("\n".join(line for line in (title, kind and _from(kind)) if line))
    return figure, [(axis, table[kinds == kind]) for axis, kind in zip(axes[0], order, strict=True)]


def _from(kind: str) -> str:
    return _("initial weights: {kind}").format(kind=_(kind))


def _choices(runs: list[Run]) -> pd.DataFrame:
    """One row of words per run: network, framework and initial weights."""
    words = pd.DataFrame([run.choice for run in runs], columns=["network", "framework", "initial weights"])
    return words.assign(**{"initial weights": words["initial weights"].map(_from)})


def _shortened(words: pd.DataFrame, separator: str = ", ") -> tuple[str, pd.Series]:
    """The words that are the same in all rows as one text, and for each row the words that differ.

    A single row keeps all its words.
    """
    same = [name for name in words if len(words) > 1 and (words[name] == words[name].iloc[0]).all()]
    return ", ".join(words[same].head(1).to_numpy().ravel()), words.drop(columns=same).agg(separator.join, axis=1)


def _titles(runs: list[Run]) -> tuple[str, pd.Series]:
    """What all runs have in common as text, and the title of each run, with its initial weights on a second line."""
    words = _choices(runs)
    names = words["network"] + ", " + words["framework"]
    return _shortened(pd.DataFrame({"name": names, "initial weights": words["initial weights"]}), "\n")


def _accuracy_limits(lowest: float) -> tuple[float, float]:
    """The limits of an axis of accuracies whose lowest value is `lowest`, both in 0 to 1."""
    return 0.5 if lowest > 0.5 else 0.0, 1.0


def _intervals(axis: Axes, names, intervals: pd.DataFrame, frameworks, order) -> None:
    """One row per name: the interval as a line, and the value with the colour and the marker of its framework.

    The rows are in the `order` of the names, from top to bottom.
    """
    order = list(order)
    for name, (value, low, high), framework in zip(names, intervals.to_numpy(), frameworks, strict=True):
        place, colour = order.index(name), _colour(framework)
        axis.plot([low, high], [place, place], color=colour, linewidth=2)
        axis.plot(value, place, MARKERS[framework], color=colour, markersize=8)
    axis.set(yticks=range(len(order)), yticklabels=order, ylim=(len(order) - 0.5, -0.9))


def _colour(framework: str) -> tuple[float, float, float]:
    return sns.color_palette()[list(MARKERS).index(framework)]


def accuracy_against_cost(table: pd.DataFrame) -> Figure:
    """Test accuracy with its 95 % interval against seconds of training, one panel per initial weights.

    Each point has its name. The axis of the accuracy begins at 0.5 if all intervals are above it, else at 0.
    """
    common, names = _shortened(table[["network", "framework"]])
    figure, panels = _panels(table.assign(name=names), common, 5.5, 4)
    panels[0][0].set_ylabel(_("test accuracy"))
    for axis, rows in panels:
        for _place, row in rows.iterrows():
            axis.plot([row["seconds"]] * 2, row[["low", "high"]], color="lightgrey", linewidth=2, zorder=0)
            colour, marker = _colour(row["framework"]), MARKERS[row["framework"]]
            axis.plot(row["seconds"], row["test accuracy"], marker, color=colour, markersize=8)
        axis.margins(x=0.4)  # room for the names
        axis.set(ylim=_accuracy_limits(table["low"].min()), xlabel=_("seconds of training"))
    figure.draw_without_rendering()
    for axis, rows in panels:
        colours = [_colour(framework) for framework in rows["framework"]]
        label_points(axis, rows[["seconds", "test accuracy"]].to_numpy(float), list(rows["name"]), colours)
    return figure


def confusion(run: Run) -> Figure:
    """The confusion matrix: number of test photos by true and predicted breed."""
    breeds = run.record["breeds"]
    figure, axis = make_figure(2.5 + 0.5 * len(breeds), 1.8 + 0.5 * len(breeds))
    matrix = confusion_matrix(run.labels(), run.logits().argmax(axis=1), labels=range(len(breeds)))
    few = len(breeds) <= 20  # with more breeds the numbers would be too small to read
    sns.heatmap(pd.DataFrame(matrix, breeds, breeds), annot=few, cbar=not few, fmt="d", cmap="Greys", ax=axis)
    axis.set(title=_titles([run])[1][0], xlabel="predicted", ylabel="true")
    return figure


def reliability(runs: list[Run]) -> Figure:
    """Reliability diagrams: accuracy by predicted probability; a perfectly calibrated network is on the diagonal.

    There is one panel per network and one line with its name per run. What all runs share is the title of the figure.
    """
    words = _choices(runs)
    common, names = _shortened(words.drop(columns="network"))
    networks = words.groupby("network", sort=False).groups
    grid = {"ncols": len(networks), "sharex": True, "sharey": True, "squeeze": False}
    figure, axes = make_figure(3.9 * len(networks), 4.2, **grid)
    figure.get_layout_engine().set(wspace=0.06)
    figure.suptitle(common)
    axes[0, 0].set_ylabel("accuracy")
    for axis, (network, places) in zip(axes[0], networks.items(), strict=True):
        axis.plot([0, 1], [0, 1], color="grey", linestyle=":")
        axis.set(title=network, xlabel="probability of the predicted breed", xlim=(0, 1), ylim=(0, 1))
        for run in (runs[place] for place in places):
            right, sure = calibration_curve(run.correct(), metrics.confidence(run.logits()), n_bins=10)
            axis.plot(sure, right, marker=MARKERS[run.choice[1]], color=_colour(run.choice[1]))
    figure.draw_without_rendering()
    for axis, places in zip(axes[0], networks.values(), strict=True):
        label_lines(axis, axis.lines[1:], list(names[places]))
    return figure


def confidence(groups: dict[str, Float[np.ndarray, " photos"]]) -> Figure:
    """Cumulative distribution of the probability of the predicted breed, one line per group of photos."""
    figure, axis = make_figure(6.5, 4)
    for (name, values), dashes in zip(groups.items(), ("-", "--", ":", "-."), strict=False):
        sns.ecdfplot(x=values, ax=axis, label=f"{name} ({len(values)})", linestyle=dashes, linewidth=2)
    axis.set(xlabel="probability of the predicted breed", ylabel="share of images", xlim=(0, 1))
    axis.legend(loc="upper left", fontsize=10)
    return figure


def agreement(runs: list[Run]) -> Figure:
    """The share of test photos for which two runs predict the same breed (`metrics.agreement`).

    What all runs have in common is the title of the figure.
    """
    common, names = _shortened(_choices(runs))
    figure, axis = make_figure(1.5 + 0.9 * len(runs), 1.2 + 0.7 * len(runs))
    table = metrics.agreement(runs).set_axis(names, axis="index").set_axis(names, axis="columns")
    sns.heatmap(table, annot=True, fmt=".2f", cmap="Greys", vmin=0, vmax=1, cbar=False, ax=axis)
    axis.set(title=common, xlabel="", ylabel="")
    return figure


def gates(means: pd.DataFrame, units: list[str]) -> Figure:
    """Mean gate of 48 channels: one panel per unit, one line per breed (as in figure 8 of Hu et al., 2017)."""
    figure, axes = make_figure(4 * len(units), 2.8, ncols=len(units), sharey=True, squeeze=False)
    for axis, unit in zip(axes[0], units, strict=True):
        for (breed, row), dashes in zip(means[unit].iterrows(), cycle(("-", "--", ":", "-."))):
            axis.plot(row.to_numpy()[:48], dashes, label=breed, linewidth=1.2)
        axis.set(title=unit, xlabel="channel")
    axes[0, 0].set_ylabel("mean gate")
    axes[0, -1].legend(loc="upper left", bbox_to_anchor=(1, 1), frameon=False, fontsize=10)
    return figure
