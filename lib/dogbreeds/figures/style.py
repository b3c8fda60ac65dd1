"""One style for all figures."""

import matplotlib.pyplot as plt
import seaborn as sns

sns.set_theme("notebook", style="whitegrid", palette="colorblind")
MARKERS = {"Keras": "o", "PyTorch": "s"}


def make_figure(width: int | float, height: int | float, **grid):
    """A figure that pyplot forgets again: a notebook then shows it once, where it is returned."""
    figure, axes = plt.subplots(figsize=(width, height), layout="constrained", **grid)
    plt.close(figure)
    return figure, axes
