"""The gates of an LSTM or a GRU over a text: how often they are shut or open, and what they do at
each character.

A gate below 0.1 is shut, left-saturated, and above 0.9 open, right-saturated. A unit whose forget
gate is always open adds up; one whose gates are neither nor is an average of its past.

Source      Karpathy, Johnson, Fei-Fei, Visualizing and understanding recurrent networks (2016),
            section 4.2 and figure 3.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from byhand.data import Vocabulary
from byhand.layers import Sequential
from byhand.views.focus import Focus, check_unit, place_of
from byhand.views.passage import FONT, shown
from byhand.views.reading import chosen_layers, pieces_of, read, tokens_of
from byhand.views.style import GREY, PALETTE, figure, plain, styled
from byhand.views.subject import DoesNotApply, Subject, in_our_layers

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.image import AxesImage

Array = NDArray[Any]
TOKENS = 20_000
"""Of the test text."""
PASSAGE = 90
SHUT, OPEN = 0.1, 0.9


@dataclass(frozen=True)
class Gates:
    """By layer, then by gate, such as means["lstm1"]["forget"].

    shut, open      {layer: {gate: [units]}}    the share of the text at which it is below 0.1, or
                                                above 0.9
    means           {layer: {gate: number}}     over the units and the text
    pieces          [passage]                   the tokens of a passage
    over            {layer: {gate: [passage]}}  the mean of all units, after each token of it
    layer, unit     one unit, the one whose gates move most unless it was asked for
    single          {gate: [passage]}           its gates
    """

    about: str
    shut: dict[str, dict[str, Array]]
    open: dict[str, dict[str, Array]]
    means: dict[str, dict[str, float]]
    pieces: list[str]
    over: dict[str, dict[str, Array]]
    layer: str
    unit: int
    single: dict[str, Array]

    @property
    def words(self) -> str:
        return "; ".join(
            f"{layer}: mean of the gates " + ", ".join(f"{g} {m:.2f}" for g, m in own.items())
            for layer, own in self.means.items()
        )


def compute(subject: Subject) -> Gates:
    """Look at the gates of the layer that is asked for, or of all, over the test text, from the
    test example on that is asked for.

    Raises      DoesNotApply for a run that was not trained on a text, for a network without gates,
                or before the first epoch is finished.
    """
    vocabulary, model = subject.vocabulary, in_our_layers(subject.program)
    ids = tokens_of(subject.dataset.test, TOKENS, subject.example or 0)
    return gates_of(model, vocabulary, ids, subject.about_best, subject.focus)


def gates_of(
    model: Sequential, vocabulary: Vocabulary, ids: Array, about: str, focus: Focus = Focus()
) -> Gates:
    """The gates of a network over a text, given as ids[time]; the passage is its beginning."""
    chosen = chosen_layers(model, focus.layer)
    found = {k: own for k, own in read(model, ids).gates.items() if k in chosen and own}
    if not found:
        raise DoesNotApply(f"gates are needed, and there are none in {', '.join(chosen)}")
    layer, unit = _most_moved(found)
    if focus.unit is not None:
        layer, unit = layer if focus.layer is None else focus.layer, focus.unit
        units = next(iter(found[layer].values())).shape[1]
        check_unit(model.layers[place_of(model, layer)], units, unit)

    def each(of: Any) -> dict[str, dict[str, Any]]:
        return {k: {gate: of(a) for gate, a in own.items()} for k, own in found.items()}

    return Gates(
        about=about,
        shut=each(lambda a: (a < SHUT).mean(axis=0)),
        open=each(lambda a: (a > OPEN).mean(axis=0)),
        means=each(lambda a: float(a.mean())),
        pieces=pieces_of(ids[:PASSAGE], vocabulary),
        over=each(lambda a: a[:PASSAGE].mean(axis=1)),
        layer=layer,
        unit=unit,
        single={gate: a[:PASSAGE, unit] for gate, a in found[layer].items()},
    )


def _most_moved(found: dict[str, dict[str, Array]]) -> tuple[str, int]:
    """The layer and the unit whose gates have the largest variance, summed over the gates."""
    moved = {layer: sum(a.var(axis=0) for a in own.values()) for layer, own in found.items()}
    layer = max(moved, key=lambda name: float(moved[name].max()))
    return layer, int(moved[layer].argmax())


@styled
def draw(view: Gates) -> Figure:
    layers, gates = list(view.means), list(view.single)
    heights = [2.3, *[1.25] * len(layers), 0.3 + 0.16 * len(gates)]
    page = figure(sum(heights) + 1.0, "Gates over a text", f"{view.about}\n{view.words}")
    grid = page.add_gridspec(len(heights), len(gates), height_ratios=heights)
    for k, gate in enumerate(gates):
        _saturation(page.add_subplot(grid[0, k]), view, gate, first=k == 0)
    for row, layer in enumerate(layers, start=1):
        axes = page.add_subplot(grid[row, :])
        for gate, values in view.over[layer].items():
            axes.plot(values, lw=1.2, color=PALETTE[gates.index(gate)], label=gate)
        axes.set_title(f"{plain(layer, 40)}, mean of its units")
        axes.set_ylabel("gate")
        _characters(axes, view.pieces)
        if row == 1:
            axes.legend(ncols=len(gates), loc="lower right", bbox_to_anchor=(1, 0.98))
    axes = page.add_subplot(grid[-1, :])
    image = _strip(axes, view)
    bar = page.colorbar(image, ax=axes, location="bottom", shrink=0.5, aspect=40, pad=0.04)
    bar.set_label("gate: 0 is shut, 1 is open")
    bar.outline.set_visible(False)
    return page


def _saturation(axes: Axes, view: Gates, gate: str, first: bool) -> None:
    """A point for each unit: how often this gate of it is shut, and how often open."""
    for k, layer in enumerate(view.shut):
        x, y = (100 * share[layer][gate] for share in (view.shut, view.open))
        # Other colours than those of the gates below.
        marker, colour = "os^Dv"[k % 5], PALETTE[(k + len(view.single)) % len(PALETTE)]
        axes.scatter(x, y, s=12, alpha=0.6, lw=0, marker=marker, color=colour, label=plain(layer))
    axes.plot([0, 100], [100, 0], color=GREY, lw=0.8)
    axes.set_xlim(-3, 103)
    axes.set_ylim(-3, 103)
    axes.set_title(f"{gate} gates")
    axes.set_xlabel("shut, below 0.1 (%)")
    if first:
        axes.set_ylabel("open, above 0.9 (%)")
        axes.legend(loc="upper right", handletextpad=0.1)


def _strip(axes: Axes, view: Gates) -> AxesImage:
    image = axes.imshow(
        np.stack(list(view.single.values())),
        cmap="cividis",
        vmin=0,
        vmax=1,
        aspect="auto",
        interpolation="none",
    )
    axes.set_title(f"{plain(view.layer, 40)} unit {view.unit}")
    axes.set_yticks(range(len(view.single)), list(view.single))
    axes.grid(visible=False)
    _characters(axes, view.pieces)
    return image


def _characters(axes: Axes, pieces: list[str]) -> None:
    """The text as what the axis counts."""
    labels = [plain("".join(map(shown, piece)), 12) for piece in pieces]
    turned = 90 if max(map(len, pieces)) > 1 else 0
    axes.set_xticks(range(len(pieces)), labels, family=FONT, size=6, rotation=turned)
    axes.tick_params(axis="x", length=0, pad=1 if turned else 7)
    if not turned:
        for label in axes.get_xticklabels():
            label.set_verticalalignment("baseline")
    axes.grid(visible=False, axis="x")
    axes.set_xlim(-0.5, len(pieces) - 0.5)
