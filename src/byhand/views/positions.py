"""How a network tells apart the places in a text: the row that each position adds or the angles it
turns by, and how alike two positions are.

Source      Vaswani et al., Attention is all you need (2017), section 3.5; Su et al., RoFormer
            (2021), eq. 34.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from byhand.layers import Layer, SelfAttention, Sequential
from byhand.layers.learned_positions import LearnedPositions
from byhand.layers.positions import Positions
from byhand.layers.rotary import angles
from byhand.views.looking import with_heads
from byhand.views.style import figure, plain, styled
from byhand.views.subject import DoesNotApply, Subject, in_our_layers
from byhand.views.tiles import show_signed

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Array = NDArray[Any]
ROWS = 64
"""Positions that are shown at most."""


@dataclass(frozen=True)
class Places:
    """layer, kind       whose positions they are: learned, sinusoidal or rotary
    rows            [positions, features]   what is added; of rotary cos θ, then sin θ of each pair
    alike           [positions, positions]  the cosine of the angle between two rows
    """

    about: str
    layer: str
    kind: str
    rows: Array
    alike: Array

    @property
    def words(self) -> str:
        near = float(np.diagonal(self.alike, 1).mean())
        far = float(np.diagonal(self.alike, len(self.alike) // 2).mean())
        return (
            f"{self.kind} positions of {self.layer}: neighbours are alike to {near:.2f}, "
            f"{len(self.alike) // 2} steps apart to {far:.2f}"
        ).replace("-", "−")


def compute(subject: Subject) -> Places:
    """Look at the first positions that the network has, as many as its examples have steps.

    Raises      DoesNotApply for a network without, or before the first epoch is finished.
    """
    steps = subject.dataset.test.inputs.shape[-1]
    return positions_of(in_our_layers(subject.program), subject.about_best, min(steps, ROWS))


def positions_of(model: Sequential, about: str, most: int = ROWS) -> Places:
    """The first positions of a network: of its first layer of positions, else of its first rotary
    attention."""
    for name, layer in _positions(model.layers, ""):
        learned = isinstance(layer, LearnedPositions)
        count = min(most, layer.sizes["positions"]) if learned else most
        rows = layer.table(np.arange(count), np.dtype(np.float64))
        return _places(about, name, "learned" if learned else "sinusoidal", rows)
    for name, attention in with_heads(model.layers):
        if isinstance(attention, SelfAttention) and attention.rotary:
            theta = angles(np.arange(most), attention.d)
            rows = np.concatenate((np.cos(theta), np.sin(theta)), axis=-1)
            return _places(about, name, "rotary", rows)
    raise DoesNotApply("positions are needed, and the network has none")


def _positions(layers: Sequence[Layer], within: str) -> Iterator[tuple[str, Positions]]:
    for layer in layers:
        name = f"{within}{layer.name}"
        if isinstance(layer, Sequential):
            yield from _positions(layer.layers, f"{name}.")
        elif isinstance(layer, Positions):
            yield name, layer


def _places(about: str, layer: str, kind: str, rows: Array) -> Places:
    lengths = np.linalg.norm(rows, axis=-1, keepdims=True)
    units = rows / np.maximum(lengths, np.finfo(rows.dtype).tiny)
    return Places(about, layer, kind, rows, units @ units.T)


@styled
def draw(view: Places) -> Figure:
    about = f"{view.about}\n{plain(view.words)}"
    page = figure(4.4, "What positions look like", about)
    left, right = page.subplots(1, 2)
    meaning = "cos θ, then sin θ of each pair" if view.kind == "rotary" else "what is added"
    for axes, values, title, under in (
        (left, view.rows, f"each row a position: {meaning}", "feature"),
        (right, view.alike, "how alike two positions are, −1 blue to 1 red", "position"),
    ):
        show_signed(axes, values, None if axes is left else 1)
        axes.set_axis_on()
        axes.set_aspect("auto")
        axes.grid(visible=False)
        axes.set_title(title, size=9)
        axes.set_xlabel(under)
        axes.set_ylabel("position")
    return page
