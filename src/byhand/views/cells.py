"""Cells that follow something in a text: the activation of one as colour under the characters.

What a cell follows is measured: the correlation r of its activation after each character with a
number that the text has there, such as how far the line has come. The cell is chosen on the
validation text, where some cell would fit by chance, and r is given on the test text.

Source      Karpathy, The unreasonable effectiveness of recurrent neural networks (2015); Karpathy,
            Johnson, Fei-Fei, Visualizing and understanding recurrent networks (2016), figure 2.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from byhand.data import Vocabulary
from byhand.layers import Sequential
from byhand.views.focus import Focus, check_unit, place_of
from byhand.views.passage import ROW, bar_under, draw_passage, lines_of
from byhand.views.reading import chosen_layers, pieces_of, read, tokens_of
from byhand.views.style import figure, plain, styled
from byhand.views.subject import DoesNotApply, Subject, in_our_layers
from byhand.views.tiles import SIGNED

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Array = NDArray[Any]
TOKENS = 20_000
"""Of the validation text, to choose cells on, and of the test text, to measure them on."""
ROWS = 9
PASSAGE = 300
"""Tokens, more than the rows mostly hold."""
SHOWN = 6
OPENING, CLOSING = "([{", ")]}"
FEATURES = (
    "inside quotes",
    "depth of brackets",
    "position in the line",
    "indentation",
    "a line begins",
    "first line after an empty one",
    "position in the word",
)


@dataclass(frozen=True)
class Follower:
    """A cell, what it follows, and a passage of the test text where that goes up and down.

    chosen, r       the correlation on the validation text, and on the test text
    pieces          [tokens] of the passage
    activation      [tokens] from −1 to 1, after each of them
    """

    feature: str
    layer: str
    unit: int
    chosen: float
    r: float
    pieces: list[str]
    activation: Array


@dataclass(frozen=True)
class Cells:
    """The best cell for each feature, those that follow most closely first."""

    about: str
    found: list[Follower]

    @property
    def words(self) -> str:
        return "; ".join(
            f"{each.feature}: {each.layer} cell {each.unit}, r = {signed(each.r)}"
            for each in self.found
        )


def compute(subject: Subject) -> Cells:
    """Find the cells, of the layer or the unit that is asked for or of all, that follow a feature
    most closely; on the passage at the test example that is asked for, or where the feature varies
    most.

    Raises      DoesNotApply for a run that was not trained on a text, or before its first epoch is
                finished.
    """
    vocabulary, data, example = subject.vocabulary, subject.dataset, subject.example
    return cells_of(
        in_our_layers(subject.program),
        vocabulary,
        tokens_of(data.validation, TOKENS),
        tokens_of(data.test, TOKENS, example or 0),
        f"{subject.about_best}\n"
        "each cell chosen on the validation text, its r measured on the test text",
        subject.focus,
    )


def cells_of(
    model: Sequential,
    vocabulary: Vocabulary,
    chosen_on: Array,
    measured_on: Array,
    about: str,
    focus: Focus = Focus(),
) -> Cells:
    """The cells of a network that follow a feature of a text, given as ids[time]."""
    layers = chosen_layers(model, focus.layer)
    names, first, text = _activations(model, layers, chosen_on, vocabulary, focus.unit)
    _, second, other = _activations(model, layers, measured_on, vocabulary, focus.unit)
    there, here = features(text), features(other)
    found = []
    for feature, wanted in here.items():
        chosen = correlations(first, _at_tokens(there[feature], text))
        values = _at_tokens(wanted, other)
        r = correlations(second, values)
        # A text without quotes has no cell that follows them.
        if chosen.any() and r.any():
            best = int(np.abs(chosen).argmax())
            start = 0 if focus.example is not None else most_varied(values, other)
            end = start + PASSAGE
            found.append(
                Follower(
                    feature,
                    *names[best],
                    float(chosen[best]),
                    float(r[best]),
                    other[start:end],
                    second[start:end, best],
                )
            )
    if not found:
        raise DoesNotApply("cells that change along the text are needed, and none does")
    return Cells(about, sorted(found, key=lambda each: -abs(each.r))[:SHOWN])


def _activations(
    model: Sequential, layers: list[str], ids: Array, vocabulary: Vocabulary, unit: int | None
) -> tuple[list[tuple[str, int]], Array, list[str]]:
    """The cells' layers and units, their activations[time, cells], and the pieces of the text."""
    cells = read(model, ids).cells
    names, columns = [], []
    for layer, own in cells.items():
        if layer in layers:
            if unit is not None:
                check_unit(model.layers[place_of(model, layer)], own.shape[1], unit)
            units = range(own.shape[1]) if unit is None else [unit]
            names += [(layer, each) for each in units]
            columns.append(own[:, units])
    return names, np.concatenate(columns, axis=1), pieces_of(ids, vocabulary)


def features(pieces: list[str]) -> dict[str, Array]:
    """What there is to follow in a text, as a number after each of its characters."""
    rows = []
    quoted = opening = False
    depth = column = indentation = word = 0
    for character in "".join(pieces):
        begins = character == "\n"
        if begins:
            # A quote that is never closed ends with its paragraph.
            quoted, opening = quoted and column > 0, column == 0
            column = indentation = 0
        else:
            indentation += column == indentation and character in " \t"
            column += 1
        quoted = {'"': not quoted, "“": True, "”": False}.get(character, quoted)
        depth = max(0, depth + (character in OPENING) - (character in CLOSING))
        word = word + 1 if character.isalpha() else 0
        rows.append((quoted, depth, column, indentation, begins, opening, word))
    return dict(zip(FEATURES, np.array(rows, np.float64).T, strict=True))


def _at_tokens(values: Array, pieces: list[str]) -> Array:
    """Values after each character as values after each token."""
    ends = np.cumsum([len(piece) for piece in pieces]) - 1
    at_tokens: Array = values[np.maximum(ends, 0)]
    return at_tokens


def correlations(cells: Array, feature: Array) -> Array:
    """Pearson's r of each cell with a feature; 0 where one of them never changes.

        r = Σₜ (aₜ − ā)(fₜ − f̄) / √(Σₜ (aₜ − ā)² · Σₜ (fₜ − f̄)²)

    Shapes      cells[time, cells], feature[time] -> r[cells]
    """
    a = cells.astype(np.float64) - cells.mean(axis=0, dtype=np.float64)
    f = feature - feature.mean()
    below = np.sqrt((a * a).sum(axis=0) * (f * f).sum())
    r: Array = np.divide(f @ a, below, out=np.zeros(len(below)), where=below > 0)
    return r


def most_varied(values: Array, pieces: list[str]) -> int:
    """Where the passage begins in which a feature varies most, with a line if there is one."""
    starts = [0, *(k + 1 for k, piece in enumerate(pieces) if piece.endswith("\n"))]
    # The last passage is no shorter than the others.
    whole = [start for start in starts if start + PASSAGE <= len(pieces)] or [0]
    return max(whole, key=lambda start: float(values[start : start + PASSAGE].var()))


def signed(r: float) -> str:
    return f"{r:.2f}".replace("-", "−")


@styled
def draw(view: Cells) -> Figure:
    from matplotlib.colors import Normalize

    per_row = min(2, len(view.found))
    rows = -(-len(view.found) // per_row)
    page = figure((ROWS * ROW + 0.4) * rows + 0.6, "What single cells follow", view.about)
    panels = page.subplots(rows, per_row, squeeze=False)
    for axes in panels.flat[len(view.found) :]:
        axes.set_axis_off()
    for axes, each in zip(panels.flat, view.found, strict=False):
        lines = lines_of(each.pieces)[:ROWS]
        image = draw_passage(axes, lines, each.activation, ROWS, SIGNED, Normalize(-1, 1))
        name = plain(each.layer, 20)
        axes.set_title(f"{each.feature}: {name} cell {each.unit}, r = {signed(each.r)}", size=9)
    bar_under(page, list(panels.flat), image, "activation of the cell after the character")
    return page
