"""Diagrams of the network architectures, and the ILSVRC errors by year, for the presentation."""

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch, Rectangle

from dogbreeds.figures.style import make_figure
from dogbreeds.translation import _, number

PLAIN, STRONG, SHORTCUT, GATE = "#eef2f6", "#cfe3f2", "#8a5a00", "#fde3b5"  # distinguishable in greyscale, too
# Top-5 error in per cent of the best entry for classification. 2010 to 2014: Russakovsky et al., ImageNet large scale
# visual recognition challenge, IJCV 115, 2015, arXiv:1409.0575, table 7. 2015: He et al., arXiv:1512.03385, table 5.
# 2016 (Trimps-Soushen) and 2017 (SENet): Hu et al., arXiv:1709.01507v4, section 5.1, with 2.251 for SENet.
ILSVRC_ERRORS = {2010: 28.2, 2011: 25.8, 2012: 16.4, 2013: 11.7, 2014: 6.7, 2015: 3.57, 2016: 2.99, 2017: 2.251}


def _canvas(width: int | float, height: int | float) -> tuple[Figure, Axes]:
    figure, axis = make_figure(width, height)
    axis.set(xlim=(0, width), ylim=(0, height), aspect="equal")
    axis.axis("off")
    return figure, axis


def _text(axis: Axes, x: float, y: float, text: str, fontsize: int = 12, **style) -> None:
    """A text centred at (x, y)."""
    axis.text(x, y, text, ha="center", va="center", fontsize=fontsize, **style)


def _box(axis: Axes, x: float, y: float, text: str, width: float = 2.2, height: float = 0.55, colour: str = PLAIN):
    """A box with a text, centred at (x, y)."""
    corner, style = (x - width / 2, y - height / 2), "round,pad=0,rounding_size=0.08"
    axis.add_patch(FancyBboxPatch(corner, width, height, boxstyle=style, facecolor=colour, edgecolor="0.2", zorder=3))
    _text(axis, x, y, text, zorder=4)


def _arrow(axis: Axes, *points: tuple[float, float], colour: str = "0.2", width: float = 1.6) -> None:
    """A line through all points, with an arrowhead at the last one."""
    axis.plot(*zip(*points[:-1], strict=True), color=colour, linewidth=width)
    head = {"arrowstyle": "-|>", "mutation_scale": 15, "shrinkA": 0, "shrinkB": 0}
    axis.add_patch(FancyArrowPatch(points[-2], points[-1], color=colour, linewidth=width, **head))


def _sign(axis: Axes, x: float, y: float, sign: str) -> None:
    _text(axis, x, y, sign, 15, bbox={"boxstyle": "circle,pad=0.15", "fc": "white", "ec": "0.2"})


def residual_unit() -> Figure:
    """The bottleneck unit of ResNet50 without and with projection (He et al., arXiv:1512.03385, figure 5, right)."""
    figure, axis = _canvas(9, 4.9)
    for x, title, projected in ((1.6, _("same size"), False), (6.0, _("size changes"), True)):
        _text(axis, x, 4.75, title, 13, weight="bold")
        for y, size in ((3.7, "1 x 1"), (2.75, "3 x 3"), (1.8, "1 x 1")):
            _box(axis, x, y, _("{size} convolution").format(size=size))
        for top, bottom in ((4.5, 4.0), (3.42, 3.05), (2.47, 2.1), (1.52, 1.0), (0.55, 0.1)):
            _arrow(axis, (x, top), (x, bottom))
        around = x + 1.8
        _arrow(axis, (x, 4.3), (around, 4.3), (around, 0.77), (x + 0.27, 0.77), colour=SHORTCUT, width=2.6)
        if projected:
            _box(axis, around, 2.75, _("1 x 1,\nstride 2"), 1.1, 0.75, GATE)
        else:
            axis.text(around + 0.1, 2.75, _("identity"), va="center", fontsize=12, color=SHORTCUT)
        _sign(axis, x, 0.77, "+")
    return figure


def _map(axis: Axes, x: float, y: float, channels: int, colours: list[str], size: float = 0.9) -> None:
    """Feature maps as overlapping squares, with the first one in front."""
    for place in reversed(range(channels)):
        shift = 0.16 * place
        corner = (x + shift - size / 2, y + shift - size / 2)
        axis.add_patch(Rectangle(corner, size, size, facecolor=colours[place % len(colours)], edgecolor="0.2"))


def separable_convolution() -> Figure:
    """A depthwise separable convolution (Chollet, arXiv:1610.02357, section 1): first spatial, then across channels."""
    figure, axis = _canvas(9, 3.9)
    shades = ["#cfe3f2", "#9cc4e4", "#5b9bd0"]
    _map(axis, 1.0, 1.7, 3, shades)
    for place, shade in enumerate(shades):
        y = 0.75 + 1.05 * place
        axis.add_patch(Rectangle((2.75, y), 0.75, 0.75, facecolor=shade, edgecolor="0.2"))
        for line in (0.25, 0.5):
            axis.plot([2.75 + line] * 2, [y, y + 0.75], color="0.2", linewidth=0.8)
            axis.plot([2.75, 3.5], [y + line] * 2, color="0.2", linewidth=0.8)
        _arrow(axis, (1.95, 1.9), (2.7, y + 0.37))
        _arrow(axis, (3.55, y + 0.37), (4.25, 1.9))
    _map(axis, 4.8, 1.7, 3, shades)
    _arrow(axis, (5.8, 1.9), (6.5, 1.9))
    _map(axis, 7.3, 1.6, 5, [GATE], 0.85)
    _text(axis, 1.1, 0.3, _("feature maps"))
    _text(axis, 3.1, 0.3, _("3 x 3 within each map:\nplaces"))
    _text(axis, 7.4, 0.3, _("1 x 1 across all maps:\nchannels"))
    return figure


def squeeze_and_excitation() -> Figure:
    """The SE module of Hu et al. (arXiv:1709.01507, figures 1 and 3): squeeze, excitation, and one gate per channel."""
    figure, axis = _canvas(10, 3.6)
    _map(axis, 0.8, 1.6, 4, [PLAIN])
    axis.text(1.0, 0.55, _("C channels"), ha="center", fontsize=12)
    _box(axis, 3.0, 2.7, _("mean over\nall places"), 1.5, 0.85, STRONG)
    _box(axis, 5.0, 2.7, _("C to C/16,\nReLU"), 1.5, 0.85)
    _box(axis, 6.8, 2.7, _("C/16 to C,\nsigmoid"), 1.5, 0.85)
    _text(axis, 3.0, 3.4, _("squeeze"), 13, weight="bold")
    _text(axis, 5.9, 3.4, _("excitation"), 13, weight="bold")
    _arrow(axis, (1.03, 2.55), (1.03, 2.7), (2.22, 2.7))
    _arrow(axis, (3.75, 2.7), (4.22, 2.7))
    _arrow(axis, (5.75, 2.7), (6.02, 2.7))
    _arrow(axis, (1.8, 1.5), (7.7, 1.5), colour=SHORTCUT, width=2.6)
    _arrow(axis, (7.55, 2.7), (8.0, 2.7), (8.0, 1.8))
    _sign(axis, 8.0, 1.5, "x")
    _map(axis, 9.05, 1.3, 4, ["#5b9bd0", PLAIN, "#9cc4e4", "#cfe3f2"])
    _text(axis, 5.0, 1.1, _("the maps themselves"), color=SHORTCUT)
    _text(axis, 9.1, 0.3, _("each map times its gate"))
    _arrow(axis, (8.3, 1.5), (8.55, 1.5))
    return figure


def se_residual_unit() -> Figure:
    """The position of the SE module in SE-ResNet50, before the sum (Hu et al., arXiv:1709.01507, figure 3)."""
    figure, axis = _canvas(4.6, 4.9)
    x = 1.5
    for y, size in ((3.95, "1 x 1"), (3.1, "3 x 3"), (2.25, "1 x 1")):
        _box(axis, x, y, _("{size} convolution").format(size=size))
    _box(axis, x, 1.4, _("SE module"), colour=GATE)
    for top, bottom in ((4.85, 4.25), (3.67, 3.4), (2.82, 2.55), (1.97, 1.7), (1.12, 0.8), (0.35, 0.02)):
        _arrow(axis, (x, top), (x, bottom))
    _arrow(axis, (x, 4.55), (x + 1.6, 4.55), (x + 1.6, 0.57), (x + 0.27, 0.57), colour=SHORTCUT, width=2.6)
    axis.text(x + 1.7, 2.7, _("shortcut"), va="center", fontsize=12, color=SHORTCUT)
    _sign(axis, x, 0.57, "+")
    return figure


def ilsvrc_errors() -> Figure:
    """The top-5 error of each year's winner of ILSVRC, as a bar chart."""
    figure, axis = make_figure(9, 4)
    bars = axis.bar([str(year) for year in ILSVRC_ERRORS], ILSVRC_ERRORS.values(), color="#5b9bd0", edgecolor="0.2")
    axis.bar_label(bars, fmt=lambda error: number(error, ".1f"), fontsize=13)
    axis.set(ylabel=_("top-5 error in %"), ylim=(0, 32))
    axis.grid(axis="x", visible=False)
    axis.tick_params(labelsize=13)
    return figure
