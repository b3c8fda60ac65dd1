"""Figures that show dogs. They are written to outputs/, which git ignores; no photograph is ever committed."""

import math

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float, UInt8
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.figure import Figure
from torch import nn

from dogbreeds.analysis import se_gates
from dogbreeds.analysis.prediction import Prediction
from dogbreeds.data.datasets import Dataset
from dogbreeds.data.splits import SPLITS
from dogbreeds.figures.style import make_figure
from dogbreeds.training import inference
from dogbreeds.translation import _


def contact_sheet(dataset: Dataset, pixels: UInt8[np.ndarray, "photos size size 3"], columns: int = 6) -> Figure:
    """The first training photos of up to eight breeds, one row per breed, as the networks receive them."""
    breeds, train = dataset.breeds[:8], dataset.photos["split"] == "train"
    figure, axes = _image_grid(len(breeds), columns, 1.3, 1.4)
    for breed, row in zip(breeds, axes, strict=True):
        row[0].set_title(breed, loc="left", fontsize=9)
        for axis, index in zip(row, np.flatnonzero(train & (dataset.photos["breed"] == breed)), strict=False):
            axis.imshow(pixels[index])
    figure.suptitle(_("Training images: {kind}").format(kind=dataset.kind))
    return figure


def _image_grid(rows: int, columns: int, width: float, height: float) -> tuple[Figure, np.ndarray]:
    """A figure with a grid of places for images, each `width` x `height` inches."""
    figure, axes = make_figure(width * columns, height * rows, nrows=rows, ncols=columns, squeeze=False)
    for axis in axes.flat:
        axis.axis("off")
    return figure, axes


def of_breed(dataset: Dataset, pixels: UInt8[np.ndarray, "photos size size 3"], breed: str) -> Figure:
    """The first twelve training photos of a breed, each with its file name above it."""
    photos = dataset.photos
    chosen = np.flatnonzero((photos["breed"] == breed) & (photos["split"] == "train"))[:12]
    return captioned(pixels[chosen], [path.name for path in photos["path"].iloc[chosen]], columns=6)


def excitation(network: nn.Module, image: UInt8[np.ndarray, "size size 3"], unit: str) -> Figure:
    """An image, the channels with the largest and smallest gate in a unit of an SE-ResNet50, and all gates in order.

    Gates are factors in 0 to 1 (Hu et al., https://arxiv.org/abs/1709.01507, section 3).
    """
    ready = torch.from_numpy(inference.prepared(image[None] / 255, "se_resnet50"))
    maps, gates = se_gates.excitation(network, ready[0], unit)
    figure, axes = make_figure(12, 3, ncols=4, width_ratios=[1, 1, 1, 1.6])
    order = gates.argsort(descending=True)
    most, least = order[0], order[-1]
    titles = ["the image", f"largest gate: {gates[most]:.2f}", f"smallest gate: {gates[least]:.2f}"]
    for axis, title, shown in zip(axes, titles, [image, maps[most], maps[least]], strict=False):
        axis.imshow(shown)
        axis.set_title(title, fontsize=10)
        axis.axis("off")
    axes[3].plot(gates[order])
    axes[3].set(xlabel="channels, in order", ylabel="gate", ylim=(0, 1))
    return figure


def captioned(photos: UInt8[np.ndarray, "photos size size 3"], captions: list[str], columns: int = 4) -> Figure:
    """Photos in rows of `columns`, each with its caption above it."""
    figure, axes = _image_grid(max(math.ceil(len(photos) / columns), 1), columns, 2.3, 2.7)
    for axis, photo, caption in zip(axes.flat, photos, captions, strict=False):
        axis.imshow(photo)
        axis.set_title(caption, fontsize=8)
    return figure


def activation_maps(
    photos: Float[np.ndarray, "photos size size 3"],
    maps: list[Float[np.ndarray, "photos height width"]],
    titles: list[str],
) -> Figure:
    """One row per network: the photos, each overlaid with its class activation map, and the scale of the colours."""
    figure, axes = _image_grid(len(maps), len(photos), 2.1, 1.8)  # wider than the images, for the scale
    scale = figure.colorbar(ScalarMappable(cmap="inferno"), ax=axes, shrink=0.6, ticks=[0, 1])
    scale.ax.set_yticklabels(["least evidence", "most evidence"])
    for row, row_maps, title in zip(axes, maps, titles, strict=True):
        row[0].set_title(title, loc="left", fontsize=9)
        for axis, photo, activation in zip(row, photos, row_maps, strict=True):
            _overlay(axis, photo, activation)
    return figure


def _overlay(axis: Axes, image: np.ndarray, activation: np.ndarray) -> None:
    """An image under its class activation map."""
    height, width = image.shape[:2]
    axis.imshow(image)
    axis.imshow(activation, cmap="inferno", alpha=0.5, interpolation="bilinear", extent=(0, width, height, 0))


def prediction(answer: Prediction, title: str) -> Figure:
    """An image, its class activation map, and the most likely breeds with their probabilities."""
    figure, (plain, overlay, bars) = make_figure(11, 3.4, ncols=3, width_ratios=[1, 1, 1.3])
    plain.imshow(answer.image)
    _overlay(overlay, answer.image, answer.activation)
    for axis in (plain, overlay):
        axis.axis("off")
    overlay.set_title(f"evidence for {answer.explained}", fontsize=10)
    best = answer.best()
    bars.barh(list(best), list(best.values()), edgecolor="black")
    bars.bar_label(bars.containers[0], fmt="{:.1%}", padding=3)
    bars.invert_yaxis()
    bars.set(xlim=(0, 1.15), xlabel="probability")
    figure.suptitle(title + (": out of distribution" if answer.out_of_distribution else ""))
    return figure


def photos_per_split(dataset: Dataset) -> Figure:
    """Number of photos per breed and split."""
    figure, axis = make_figure(7, 0.8 + 0.3 * len(dataset.breeds))
    counts = pd.crosstab(dataset.photos["breed"], dataset.photos["split"])[list(SPLITS)]
    counts.plot.barh(stacked=True, ax=axis, width=0.8)
    axis.set(xlabel=dataset.kind, ylabel="")
    axis.legend(loc="upper left", bbox_to_anchor=(1, 1), frameon=False)
    return figure


def sizes(dataset: Dataset) -> Figure:
    """Height against width of every photo, and a histogram of the ratio of width to height."""
    figure, (points, ratios) = make_figure(9, 3.6, ncols=2)
    photos = dataset.photos
    points.scatter(photos["width"], photos["height"], s=8, alpha=0.3)
    points.set(xlabel="width in pixels", ylabel="height in pixels")
    ratios.hist(photos["width"] / photos["height"], bins=30)
    ratios.axvline(1, color="grey", linestyle=":")
    ratios.set(xlabel="width / height", ylabel=dataset.kind)
    return figure
