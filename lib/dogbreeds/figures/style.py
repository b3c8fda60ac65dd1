"""The common style of all figures."""

import matplotlib.pyplot as plt
import seaborn as sns

sns.set_theme("notebook", style="whitegrid", palette="colorblind")
MARKERS = {"Keras": "o", "PyTorch": "s"}


def make_figure(width: int | float, height: int | float, **grid):
    """A figure and its axes; `width` and `height` are in inches, and `grid` is passed to `plt.subplots`.

    The figure is closed in pyplot, so that a notebook shows it only once, where it is returned.
    """
    figure, axes = plt.subplots(figsize=(width, height), layout="constrained", **grid)
    plt.close(figure)
    return figure, axes
