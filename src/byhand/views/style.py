"""How every figure looks: one size, one palette, a heading on the left, light axes."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Callable
from functools import wraps
from typing import TYPE_CHECKING, Any, TypeVar

from numpy.typing import NDArray

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

View = TypeVar("View")

# The colours of Okabe and Ito, "Color Universal Design" (2008), that read well on white: they stay
# apart for readers with any of the common kinds of colour blindness.
BLACK, GREY, FAINT = "#000000", "#6B6B6B", "#D9D9D9"
BLUE, ORANGE, GREEN, RED = "#0072B2", "#E69F00", "#009E73", "#D55E00"
PINK, SKY = "#CC79A7", "#56B4E9"
PALETTE = (BLUE, ORANGE, GREEN, RED, PINK, SKY, BLACK)
SPLITS = {"training": BLUE, "validation": ORANGE, "test": GREEN}

WIDTH = 8.0  # inches
DPI = 150
CHARACTERS = 100  # of the small text of the heading, across the figure

STYLE: dict[Any, Any] = {
    "axes.axisbelow": True,
    "axes.edgecolor": GREY,
    "axes.grid": True,
    "axes.labelsize": 10,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlelocation": "left",
    "axes.titlesize": 10,
    "figure.facecolor": "white",
    "font.family": "DejaVu Sans",
    "font.size": 9,
    "grid.color": FAINT,
    "grid.linewidth": 0.6,
    "legend.frameon": False,
    "legend.fontsize": 9,
    "lines.linewidth": 1.8,
    "xtick.color": GREY,
    "xtick.labelcolor": BLACK,
    "ytick.color": GREY,
    "ytick.labelcolor": BLACK,
}


def styled(draw: Callable[[View], Figure]) -> Callable[[View], Figure]:
    """Draw in this style, and leave matplotlib's own settings as they were."""

    @wraps(draw)
    def drawn(view: View) -> Figure:
        import matplotlib

        with matplotlib.rc_context(STYLE):
            return draw(view)

    return drawn


def figure(height: float, headline: str, about: str) -> Figure:
    """An empty figure of `height` inches under a heading: what is shown, and of which run."""
    from matplotlib.figure import Figure
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    lines = [line for text in about.splitlines() for line in textwrap.wrap(text, CHARACTERS)]
    top = 0.45 + 0.17 * len(lines) + 0.08
    height += top
    below = ConstrainedLayoutEngine(rect=(0.006, 0.006, 0.988, 1 - top / height - 0.006))
    new = Figure(figsize=(WIDTH, height), dpi=DPI, layout=below)
    new.text(0.012, 1 - 0.14 / height, headline, size=14, weight="bold", va="top")
    small = {"size": 9, "color": GREY, "linespacing": 1.25}
    new.text(0.012, 1 - 0.45 / height, plain("\n".join(lines)), va="top", fontdict=small)
    return new


def plain(text: str, limit: int = 1000) -> str:
    """Somebody's text for matplotlib: at most `limit` characters, cut in the middle because names
    often differ at their ends, and a $ that begins no formula."""
    half = limit // 2
    short = text if len(text) <= limit else f"{text[:half]}…{text[half + 1 - limit :]}"
    return short.replace("$", r"\$")


def log_scale(axes: Axes) -> None:
    """Make y logarithmic, with its ticks as plain numbers: 0.05, 0.1, 0.2."""
    from matplotlib.ticker import LogLocator, MaxNLocator, NullFormatter

    axes.set_yscale("log")
    low, high = axes.get_ylim()
    decades = math.log10(high / low)
    # Below a factor of five there may be no 1, 2 or 5 times a power of ten.
    ticks = LogLocator(subs=(1, 2, 5) if decades < 2.5 else (1,))
    axes.yaxis.set_major_locator(ticks if decades > 0.7 else MaxNLocator(5))
    axes.yaxis.set_major_formatter("{x:g}")
    axes.yaxis.set_minor_formatter(NullFormatter())


def picture(axes: Axes, image: NDArray[Any]) -> None:
    """An image [channels, height, width], from black at 0 to white at 1, or at its brightest pixel
    where that is above 1; RGB for three channels."""
    image = (image / max(1.0, float(image.max()))).clip(0, 1)
    if len(image) == 3:
        axes.imshow(image.transpose(1, 2, 0), interpolation="nearest")
    else:
        axes.imshow(image.mean(axis=0), cmap="gray", vmin=0, vmax=1, interpolation="nearest")
    axes.set_axis_off()
