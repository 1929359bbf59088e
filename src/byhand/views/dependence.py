"""What the next character depended on: each character before it coloured by its gradient.

    g[t] = ‖∂ log p(next | x₁ … x_T) / ∂x_t‖

where x_t is what the first layer makes of token t: its row of the embedding, or its one-hot row. It
says how much the answer would change with a small change of x_t. The derivative is that of our own
layers, through all steps between t and T.

Source      Simonyan, Vedaldi, Zisserman, Deep inside convolutional networks (2013), for images; Li,
            Chen, Hovy, Jurafsky, Visualizing and understanding neural models in NLP (2016), section
            5, for texts.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from byhand.data import Vocabulary
from byhand.layers import Sequential
from byhand.layers.softmax import softmax
from byhand.views.passage import ROW, bar_under, draw_passage, lines_of
from byhand.views.reading import chosen_layers, one_thread, pieces_of, tokens_of
from byhand.views.style import BLUE, figure, plain, styled
from byhand.views.subject import Subject, in_our_layers

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Array = NDArray[Any]
BACK = 200
"""Tokens that come before the next one."""
PLACES = 100
"""Of the test text, at equal distances."""
SHOWN = 6
ROWS = 8
COLOURS = "Oranges"
LEAST = 1e-3
"""The smallest gradient that the colours tell from none, as a share of the largest."""
HALF = 0.5
REACH = 2.0
"""Inches of the curve over the distance."""


@dataclass(frozen=True)
class Dependence:
    """Places of a text, and what the token that comes next there depended on.

    pieces      [shown][BACK + 1]   the text before each shown place, and what came next
    gradients   [places, BACK]      g of each token, the first of them those of the shown places
    p           [places]            the probability of what came next
    """

    about: str
    unit: str
    pieces: list[list[str]]
    gradients: Array
    p: Array

    @property
    def reach(self) -> NDArray[np.int64]:
        """[places] From how many tokens before it half of the sum of g comes, at least."""
        from_end = np.cumsum(self.gradients[:, ::-1], axis=1)
        reached: NDArray[np.int64] = (from_end < HALF * from_end[:, -1:]).sum(axis=1) + 1
        return reached

    @property
    def words(self) -> str:
        low, middle, high = np.quantile(self.reach, [0.1, 0.5, 0.9])
        return (
            f"half of the gradient lies in the last {middle:.0f} {self.unit}s (median of "
            f"{len(self.p)} places; {low:.0f} to {high:.0f} at four of five)"
        )


def compute(subject: Subject) -> Dependence:
    """Ask at places all over the test text, and show some from the shortest reach to the farthest;
    or ask for what comes after the test example that is asked for.

    Raises      DoesNotApply for a run that was not trained on a text, for a network without
                recurrent layers, or before the first epoch is finished.
    """
    vocabulary, test, example = subject.vocabulary, subject.dataset.test, subject.example
    model = in_our_layers(subject.program)
    # Attention has a context, which places far back would be beyond.
    chosen_layers(model, None)
    ids = np.append(tokens_of(test, test.inputs.size), test.targets[-1, -1])
    last = len(ids) - 1
    if example is None:
        places = np.unique(np.linspace(min(BACK, max(1, last // 2)), last, PLACES).astype(int))
    else:
        places = np.array([(example + 1) * test.inputs.shape[1]])
    return dependence_at(model, vocabulary, ids, places, subject.about_best)


def dependence_at(
    model: Sequential, vocabulary: Vocabulary, ids: Array, places: Array, about: str
) -> Dependence:
    """What the network's answer before each of these places of ids[time] depended on."""
    back = min(BACK, int(places.min()))
    x = np.stack([ids[place - back : place] for place in places])
    g, p = gradients(model, x, ids[places])
    view = Dependence(about, vocabulary.unit, [], g, p)
    order = np.argsort(view.reach, kind="stable")
    shown = order[np.linspace(0, len(order) - 1, min(SHOWN, len(order))).astype(int)]
    first = np.concatenate([shown, np.setdiff1d(order, shown)])
    pieces = [pieces_of(np.append(x[place], ids[places[place]]), vocabulary) for place in shown]
    return Dependence(about, vocabulary.unit, pieces, g[first], p[first])


def gradients(model: Sequential, ids: Array, following: Array) -> tuple[Array, Array]:
    """g of each token, and the probability of what follows.

    Shapes      ids[places, time], following[places] -> g[places, time], p[places]
    """
    first, above = model.layers[0], Sequential(*model.layers[1:])
    x, _ = first.forward(ids)
    each = np.arange(len(ids))
    with one_thread():
        z, caches = above.forward(x)
        p = softmax(z[:, -1])
        # With z the scores, log p_k = z_k − log Σ exp z, and its derivative is 1[k] − p.
        dz = np.zeros_like(z)
        dz[:, -1] = -p
        dz[each, -1, following] += 1
        dx, _ = above.backward(dz, caches)
    return np.linalg.norm(dx, axis=2), p[each, following]


@styled
def draw(view: Dependence) -> Figure:
    from matplotlib.colors import LogNorm

    per_row = min(2, len(view.pieces))
    rows = -(-len(view.pieces) // per_row)
    heights = [*[ROWS * ROW + 0.3] * rows, REACH]
    headline = f"What the next {view.unit} depended on"
    page = figure(sum(heights) + 1.2, headline, f"{view.about}\n{view.words}")
    grid = page.add_gridspec(rows + 1, per_row, height_ratios=heights)
    panels = [page.add_subplot(grid[divmod(k, per_row)]) for k in range(len(view.pieces))]
    for k, (axes, pieces) in enumerate(zip(panels, view.pieces, strict=True)):
        share = view.gradients[k] / (view.gradients[k].max() or 1)
        colours = np.append(np.maximum(share, LEAST), np.nan)
        lines = lines_of(pieces)[-ROWS:]
        image = draw_passage(axes, lines, colours, ROWS, COLOURS, LogNorm(LEAST, 1))
        half = f"half of it in the last {view.reach[k]}"
        axes.set_title(f"{plain(repr(pieces[-1]), 20)}, p = {view.p[k]:.2g}; {half}", size=9)
    bar_under(page, panels, image, "gradient, as a share of the largest before this place")
    _over_distance(page.add_subplot(grid[rows, :]), view)
    return page


def _over_distance(axes: Axes, view: Dependence) -> None:
    """The gradient of all places against how far back it is."""
    back = np.arange(1, view.gradients.shape[1] + 1)
    low, middle, high = np.quantile(view.gradients[:, ::-1], [0.1, 0.5, 0.9], axis=0)
    axes.fill_between(back, low, high, color=BLUE, alpha=0.2, lw=0, label="four of five places")
    axes.plot(back, middle, color=BLUE, label="median")
    axes.set_xscale("log")
    axes.set_yscale("log" if middle.any() else "linear")
    axes.set_xlim(1, back[-1])
    axes.xaxis.set_major_formatter("{x:g}")
    axes.set_xlabel(f"{view.unit}s back")
    axes.set_ylabel("gradient g")
    axes.set_title(f"How far back the answer reaches, at {len(view.p)} places")
    axes.legend()
