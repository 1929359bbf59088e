"""What each head is good for: the loss without it.

A head's output goes into the sum through its own rows of Wo. With these rows at 0 the head says
nothing, and everything else is as it was trained.

Source      Michel, Levy, Neubig, Are sixteen heads really better than one? (2019), section 3.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from byhand.data import Split
from byhand.engines import Program
from byhand.views.looking import block_of, named_heads
from byhand.views.style import figure, plain, styled
from byhand.views.subject import Subject
from byhand.views.tiles import bar_beside, show_signed

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Array = NDArray[Any]
EXAMPLES = 64
"""Of the test set; the network reads them once for each head."""


@dataclass(frozen=True)
class Heads:
    """loss          with all heads
    changes         {layer: [heads]}    the loss without this head, minus that
    """

    about: str
    loss: float
    changes: dict[str, Array]

    @property
    def words(self) -> str:
        layer = max(self.changes, key=lambda name: float(self.changes[name].max()))
        head = int(self.changes[layer].argmax())
        more = f"{self.changes[layer][head]:+.3f}".replace("-", "−")
        return f"loss {self.loss:.3f}; most by {layer} head {head}: {more} without it"


def compute(subject: Subject) -> Heads:
    """Leave out every head in turn, on the first test examples.

    Raises      DoesNotApply for a network without attention in heads, or before the first epoch is
                finished.
    """
    test = subject.dataset.test.first(min(EXAMPLES, len(subject.dataset.test)))
    return heads_of(subject.program, test, subject.about_best)


def heads_of(program: Program, test: Split, about: str) -> Heads:
    """The losses without each head; the parameters are afterwards what they were before."""
    layers = named_heads(program.description.model)
    trained = program.parameters()
    loss = program.evaluate(test.inputs, test.targets).loss
    changes = {name: np.zeros(layer.heads) for name, layer in layers.items()}
    try:
        for name, layer in layers.items():
            Wo = trained[f"{name}.Wo"]
            for head in range(layer.heads):
                without = Wo.copy()
                without[head * layer.d : (head + 1) * layer.d] = 0
                program.set_parameters(trained | {f"{name}.Wo": without})
                left = program.evaluate(test.inputs, test.targets).loss
                changes[name][head] = left - loss
    finally:
        program.set_parameters(trained)
    return Heads(about, loss, changes)


@styled
def draw(view: Heads) -> Figure:
    layers = list(view.changes)
    table = np.full((len(layers), max(map(len, view.changes.values()))), np.nan)
    for row, changes in enumerate(view.changes.values()):
        table[row, : len(changes)] = changes
    about = f"{view.about}\n{plain(view.words)}"
    page = figure(0.6 * len(layers) + 1.2, "The loss without each head", about)
    axes = page.subplots()
    image = show_signed(axes, table)
    axes.set_axis_on()
    axes.set_aspect("auto")
    axes.grid(visible=False)
    axes.set_xticks(range(table.shape[1]), [f"head {head}" for head in range(table.shape[1])])
    axes.set_yticks(range(len(layers)), [plain(block_of(name), 30) for name in layers])
    largest = np.nanmax(np.abs(table))
    for (row, head), change in np.ndenumerate(table):
        if np.isfinite(change):
            words = f"{change:+.3f}".replace("-", "−")
            colour = "white" if abs(change) > 0.7 * largest else "black"
            axes.text(head, row, words, ha="center", va="center", size=8, color=colour)
    bar_beside(axes, image)
    return page
