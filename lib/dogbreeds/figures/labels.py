"""Names written beside the points and lines that they name, instead of a legend."""

import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.text import Text

SIZE = 12  # points, as large as the smallest text on a slide


def label_points(axis: Axes, points: Float[np.ndarray, "points 2"], names: list[str], colours: list) -> None:
    """Writes each name near its point where it covers no line, no point and no other name, as far as there is room.

    A thin line joins a name to its point. The places in pixels must be final: all limits are set, and the figure has
    been drawn without rendering, which makes its layout.
    """
    lines = [_dense(axis.transData.transform(line.get_xydata())) for line in axis.lines]
    drawn, taken = np.concatenate(lines), []
    for point, name, colour in zip(points, names, colours, strict=True):
        line = {"arrowstyle": "-", "color": colour, "linewidth": 0.7, "shrinkA": 1, "shrinkB": 3}
        label = axis.annotate(name, point, (0, 0), textcoords="offset points", color=colour, arrowprops=line)
        label.set(fontsize=SIZE, ha="center", va="center", in_layout=False)
        label.get_window_extent()  # makes positions offsets from the point
        size = Text.get_window_extent(label).size * 72 / axis.figure.dpi  # in points, without the line
        # Directions from the point, nearest places first: right, left, above, below, and between them.
        away = [
            (across * (size[0] / 2 + distance), up * (size[1] / 2 + distance))
            for distance in (10, 16, 24, 36, 50)
            for across, up in ((1, 0), (-1, 0), (0, 1), (0, -1), (1, 1), (1, -1), (-1, 1), (-1, -1))
        ]
        covered = []
        for place in away:
            label.set_position(place)
            box = Text.get_window_extent(label).padded(2)
            outside = not (axis.bbox.contains(*box.min) and axis.bbox.contains(*box.max))
            covered.append(box.count_contains(drawn) + 1000 * (outside + box.count_overlaps(taken)))
        label.set_position(away[int(np.argmin(covered))])
        taken.append(Text.get_window_extent(label).padded(2))


def label_lines(axis: Axes, lines: list[Line2D], names: list[str]) -> None:
    """Writes the name of each line near its middle."""
    middles = [line.get_xydata()[len(line.get_xydata()) // 2] for line in lines]
    label_points(axis, np.array(middles), names, [line.get_color() for line in lines])


def _dense(corners: Float[np.ndarray, "corners 2"]) -> Float[np.ndarray, "places 2"]:
    """Places along a line through these corners, 50 for each of its pieces."""
    steps = np.linspace(0, len(corners) - 1, 50 * len(corners))
    return np.stack([np.interp(steps, range(len(corners)), values) for values in corners.T], axis=1)
