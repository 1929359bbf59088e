"""What every head looks at: all heads as thumbnails, one of them as a matrix, and the arithmetic of
one cell of it, the product of a query and a key.

Source      Vaswani et al., Attention is all you need (2017), eq. 1 and figures 3 to 5.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from byhand.data.languages import tokens
from byhand.layers import PADDING, Sequential
from byhand.views.focus import Focus, check_unit
from byhand.views.looking import Look, block_of, looks, named, smaller
from byhand.views.passage import FONT, shown
from byhand.views.reading import pieces_of
from byhand.views.style import figure, plain, styled
from byhand.views.subject import Subject, in_our_layers
from byhand.views.tiles import show_signed

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Array = NDArray[Any]
THUMBNAIL = 64
"""Rows and columns of a thumbnail at most: 512 tokens are eight to a row."""
SHOWN = 40
"""Tokens of the one matrix whose characters can be read; the last ones."""


class Text(NamedTuple):
    """What a network reads, and how each token is written."""

    ids: Array
    pieces: Sequence[str]


@dataclass(frozen=True)
class Attention:
    """What the heads do with one text, or with a source and a target.

    tokens          of each of them
    thumbnails      {layer: [heads, side, side]}    rows look at columns; each sums to 1
    layer, head     one head, the one whose weights lie closest together unless it was asked for
    queries, keys   [shown], [shown]                the last tokens that look, and are looked at
    matrix          [shown, shown]                  p of that head among them
    query, key      the cell, by place in these: the last token and what it looks at most of them
    products        [d]                             q_c k_c of the cell
    S, Z            (Σ products)/√d, and Σ e^S over all tokens that the query may look at
    p               e^S / Z, the number in the matrix
    """

    about: str
    tokens: list[int]
    thumbnails: dict[str, Array]
    layer: str
    head: int
    queries: Sequence[str]
    keys: Sequence[str]
    matrix: Array
    query: int
    key: int
    products: Array
    S: float
    Z: float
    p: float

    @property
    def words(self) -> str:
        q, k = _written(self.queries[self.query]), _written(self.keys[self.key])
        total, d = float(self.products.sum()), len(self.products)
        return (
            f"{self.layer} head {self.head}, {q} looks at {k}: q·k/√d = {total:.2f}/√{d} = "
            f"{self.S:.2f}, p = e^{self.S:.2f} / {self.Z:.2f} = {self.p:.2f}"
        ).replace("-", "−")


def compute(subject: Subject) -> Attention:
    """Look at the heads over the test example that is asked for, or the first: a window of a text,
    or a sentence and its translation as it stands there; at the layer and, as the unit, the head
    that is asked for.

    Raises      DoesNotApply for a run that was trained on neither, for a network without
                attention in heads, or before the first epoch is finished.
    """
    languages = subject.run.languages
    if languages is None:
        vocabulary = subject.vocabulary
        ids = subject.dataset.test.inputs[subject.example or 0]
        texts = [Text(ids, pieces_of(ids, vocabulary))]
    else:
        pair = subject.dataset.test.inputs[subject.example or 0]
        sides = [ids[ids != PADDING] for ids in pair]
        texts = [
            Text(ids, tokens(language, ids.tolist()))
            for ids, language in zip(sides, languages, strict=True)
        ]
    return attention_of(in_our_layers(subject.program), texts, subject.about_best, subject.focus)


def attention_of(
    model: Sequential, texts: Sequence[Text], about: str, focus: Focus = Focus()
) -> Attention:
    """What the heads of a network do with a text, or with a source and a target.

    Raises      InputError for a text that is longer than the positions that the network knows.
    """
    found = looks(model, [text.ids for text in texts])
    look, head = _chosen(found, focus)
    queries, keys = texts[look.queries].pieces, texts[look.keys].pieces
    top, left = (max(0, len(pieces) - SHOWN) for pieces in (queries, keys))
    p = look.attended.p[0, head]
    query = len(queries) - 1
    key = left + int(p[query, left:].argmax())
    # Heads may share their keys.
    own = head * look.layer.kv_heads // look.layer.heads
    q, k = look.attended.q[0, head], look.attended.k[0, own]
    root = math.sqrt(q.shape[-1])
    products = q[query] * k[key]
    S = float(products.sum() / root)
    return Attention(
        about=about,
        tokens=[len(text.ids) for text in texts],
        thumbnails={each.name: smaller(each.attended.p[0], THUMBNAIL) for each in found},
        layer=look.name,
        head=head,
        queries=queries[top:],
        keys=keys[left:],
        matrix=p[top:, left:],
        query=query - top,
        key=key - left,
        products=products,
        S=S,
        # The last token may look at all the others, causal or not.
        Z=float(np.exp(k @ q[query] / root).sum()),
        p=float(p[query, key]),
    )


def _chosen(found: list[Look], focus: Focus) -> tuple[Look, int]:
    """The layer and the head that are asked for; else the head whose queries look at the fewest
    tokens, by the mean of Σ p²."""
    if focus.layer is not None:
        found = [found[named([each.name for each in found], focus.layer)]]
    closeness = [(each.attended.p[0] ** 2).sum(axis=-1).mean(axis=-1) for each in found]
    look = found[int(np.argmax([each.max() for each in closeness]))]
    if focus.unit is not None:
        check_unit(look.layer, look.layer.heads, focus.unit)
        return look, focus.unit
    return look, int(max(closeness, key=lambda each: float(each.max())).argmax())


def _written(piece: str) -> str:
    return f"“{plain(''.join(map(shown, piece)), 12)}”"


@styled
def draw(view: Attention) -> Figure:
    layers, heads = len(view.thumbnails), max(map(len, view.thumbnails.values()))
    side = min(1.3, 9 / heads)
    tall = side * layers + 0.3
    count = " + ".join(map(str, view.tokens))
    page = figure(
        tall + 5.2,
        f"What each head looks at, over {count} tokens",
        f"{view.about}\n{plain(view.words)}",
    )
    parts = page.add_gridspec(3, 1, height_ratios=[tall, 4.4, 0.8])
    grid = parts[0].subgridspec(layers, heads)
    for row, (layer, thumbnails) in enumerate(view.thumbnails.items()):
        for head, weights in enumerate(thumbnails):
            axes = page.add_subplot(grid[row, head])
            _weights(axes, weights)
            axes.set_xticks([])
            axes.set_yticks([])
            if head == 0:
                blocks = (plain(each, 16) for each in block_of(layer).split("."))
                axes.set_ylabel("\n".join(blocks), size=7)
            if row == 0:
                axes.set_title(f"head {head}", size=8)
    axes = page.add_subplot(parts[1])
    _weights(axes, view.matrix)
    asking, asked = (
        [plain("".join(map(shown, piece)), 8) for piece in pieces]
        for pieces in (view.queries, view.keys)
    )
    turned = 90 if max(map(len, view.keys)) > 1 else 0
    axes.set_xticks(range(len(asked)), asked, family=FONT, size=6, rotation=turned)
    axes.set_yticks(range(len(asking)), asking, family=FONT, size=6)
    axes.set_title(f"{plain(view.layer, 40)} head {view.head}: each row looks, 0 white to 1 dark")
    axes.plot(view.key, view.query, "s", mfc="none", mec="red", ms=7)
    axes = page.add_subplot(parts[2])
    show_signed(axes, view.products[None])
    axes.set_aspect("auto")
    axes.set_title("the cell in red: the products q_c k_c, c = 1 … d, whose sum is q·k", size=9)
    return page


def _weights(axes: Axes, p: Array) -> None:
    axes.imshow(p, cmap="Blues", vmin=0, vmax=1, interpolation="none")
    axes.grid(visible=False)
