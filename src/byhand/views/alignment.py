"""What each word of a translation has looked at in its source, as the translation grows.

Source      Bahdanau, Cho, Bengio, Neural machine translation by jointly learning to align and
            translate (2014), figure 3.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from byhand.errors import InputError
from byhand.views.style import figure, plain, styled
from byhand.views.subject import DoesNotApply, Subject

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Array = NDArray[Any]
PANELS = 3


@dataclass(frozen=True)
class Alignment:
    """layer, heads      the attention, and how many heads p is the mean of
    read, wrote     the tokens of the source, and those of the translation
    p               [wrote, read]   how much each looked at each; a row sums to 1
    """

    about: str
    layer: str
    heads: int
    read: tuple[str, ...]
    wrote: tuple[str, ...]
    p: Array

    def after(self, steps: int) -> Array:
        """The matrix when so many tokens are written; NaN where none is yet."""
        grown = np.full(self.p.shape, np.nan)
        grown[:steps] = self.p[:steps]
        return grown

    @property
    def words(self) -> str:
        best = self.p.argmax(axis=1)
        pairs = (f"{w} ← {self.read[k]}" for w, k in zip(self.wrote, best, strict=True))
        return "looked at most: " + ", ".join(pairs)


def compute(subject: Subject) -> Alignment:
    """Translate the source of the test pair that is asked for, or of the first, greedily.

    Raises      DoesNotApply for a run that was not trained on pairs of sentences, for a model
                without attention to the source, or before the first epoch is finished.
    """
    from byhand.data.languages import read
    from byhand.training.translation import Translator

    if subject.recipe.data.kind not in ("pairs", "task"):
        raise DoesNotApply(
            f"pairs of sentences are needed, and run {subject.run.name} was trained on none"
        )
    source = subject.dataset.test.inputs[subject.example or 0, 0]
    translator = Translator(subject.run)
    (found,) = translator.translate([read(translator.languages.source, source)], beam=1)
    try:
        look = translator.look(found)
    except InputError:
        raise DoesNotApply("attention to the source is needed, and the network has none") from None
    return Alignment(subject.about_best, look.layer, look.heads, look.read, look.wrote, look.p)


@styled
def draw(view: Alignment) -> Figure:
    of_heads = f", the mean of its {view.heads} heads" if view.heads > 1 else ""
    about = f"{view.about}\n{view.layer}{of_heads}\n{plain(view.words, 300)}"
    page = figure(1.2 + 0.22 * len(view.wrote), "The alignment as it grows", about)
    steps = np.unique(np.linspace(1, len(view.wrote), PANELS).astype(int))
    for axes, count in zip(page.subplots(1, len(steps), squeeze=False).flat, steps, strict=True):
        axes.imshow(
            view.after(count), cmap="Blues", vmin=0, vmax=1, aspect="auto", interpolation="none"
        )
        axes.grid(visible=False)
        axes.set_title(f"{count} of {len(view.wrote)} tokens written", size=9)
        read, wrote = ([plain(word, 12) for word in side] for side in (view.read, view.wrote))
        axes.set_xticks(range(len(read)), read, size=7, rotation=90)
        axes.set_yticks(range(len(wrote)), [*wrote[:count], *[""] * (len(wrote) - count)], size=7)
    return page
