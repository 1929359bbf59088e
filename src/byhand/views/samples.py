"""What a network writes as it learns: one sample from the parameters of each epoch, with one seed.

Beside them, epoch by epoch, two things that are to be told apart. Whether it has learnt to write:
the share of words that occur in the training text. And whether it has learnt the text by heart: the
share of its runs of eight characters that occur there, and the longest run that does. What the
validation text scores, written by the same hand and not copied, is the mark for both.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from byhand.data import Vocabulary
from byhand.engines import Program
from byhand.sampling import Sampling
from byhand.training.sampling import continued, encoded, spelled
from byhand.training.session import context_of
from byhand.views.passage import COLUMNS, FONT, shown
from byhand.views.style import BLUE, ORANGE, figure, plain, styled
from byhand.views.subject import DoesNotApply, Subject

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Array = NDArray[Any]
LENGTH = 1000
"""Tokens of a sample."""
RUN = 8
"""Characters of a run that is looked up in the training text."""
SHOWN, LINES = 6, 9
"""Samples that are drawn, two beside each other, and lines of each."""
LINE = 0.125
"""Inches from one to the next."""
WORD = re.compile(r"[^\W\d_]+(?:'[^\W\d_]+)*")


@dataclass(frozen=True)
class Score:
    """What a text has in common with the training text.

    words       the share of its words that occur there
    copied      the share of its different runs of `RUN` characters that do
    longest     characters of the longest run that does
    """

    words: float
    copied: float
    longest: int


@dataclass(frozen=True)
class Samples:
    """texts[epoch] with their scores, and the score of the validation text of the same length."""

    about: str
    epochs: list[int]
    texts: list[str]
    scores: list[Score]
    validation: Score

    @property
    def words(self) -> str:
        last, text = self.scores[-1], self.validation
        return (
            f"epoch {self.epochs[-1]}: {_percent(last.words)} of the words occur in the training "
            f"text (of the validation text's {_percent(text.words)}), and {_percent(last.copied)} "
            f"of the runs of {RUN} characters ({_percent(text.copied)}); the longest copied run "
            f"has {last.longest} ({text.longest})"
        )


def compute(subject: Subject, length: int = LENGTH) -> Samples:
    """Let the parameters of each epoch that the run has kept write, with the run's seed.

    Raises      DoesNotApply for a run that was not trained on a text, that kept no epochs, or
                before its first epoch is finished.
    """
    vocabulary, data = subject.vocabulary, subject.dataset
    kept = subject.run.kept_parameters()
    if not kept:
        raise DoesNotApply(
            f"the parameters of each epoch are needed, and run {subject.run.name} kept none "
            "(byhand train with --set training.keep_epochs=true keeps all)"
        )
    program, seed = subject.program, subject.recipe.training.seed
    before, context = program.parameters(), context_of(subject.run)
    texts = []
    try:
        for parameters in kept.values():
            program.set_parameters(parameters)
            texts.append(written(program, vocabulary, length, seed, context))
    finally:
        program.set_parameters(before)
    training = vocabulary.decode(data.train.inputs.reshape(-1))
    own = vocabulary.decode(data.validation.inputs.reshape(-1)[:length])
    *scores, validation = scored([*texts, own], training)
    about = f"{subject.about}; {length} {vocabulary.unit}s each, temperature 1, seed {seed}"
    return Samples(about, list(kept), texts, scores, validation)


def written(
    program: Program,
    vocabulary: Vocabulary,
    length: int,
    seed: int,
    context: int | None = None,
) -> str:
    """A sample that begins with a line; `context` as `continued` has it."""
    ids = continued(program, encoded(None, vocabulary), Sampling(), seed, context)
    return "".join(spelled(islice(ids, length), vocabulary))


def scored(texts: list[str], training: str) -> list[Score]:
    """Compare texts with the training text."""
    known = set(WORD.findall(training))
    runs = [{text[k : k + RUN] for k in range(len(text) - RUN + 1)} for text in texts]
    # All runs of the training text would fill the memory; those that are asked for do not.
    wanted = set().union(*runs)
    there = wanted.intersection(training[k : k + RUN] for k in range(len(training) - RUN + 1))
    scores = []
    for text, own in zip(texts, runs, strict=True):
        words = WORD.findall(text)[:-1]  # the last one may have been cut
        scores.append(
            Score(
                words=_share([word in known for word in words]),
                copied=_share([run in there for run in own]),
                longest=longest_copy(text, training),
            )
        )
    return scores


def longest_copy(text: str, training: str) -> int:
    """Characters of the longest run of a text that occurs in the training text."""
    longest = 0
    for start in range(len(text)):
        while start + longest < len(text) and text[start : start + longest + 1] in training:
            longest += 1
    return longest


def _share(right: list[bool]) -> float:
    return sum(right) / len(right) if right else 0.0


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %"


@styled
def draw(view: Samples) -> Figure:
    chosen = np.unique(np.linspace(0, len(view.epochs) - 1, SHOWN).astype(int))
    rows = -(-len(chosen) // 2)
    heights = [2.3, *[LINES * LINE + 0.3] * rows]
    headline = "What the network writes as it learns"
    page = figure(sum(heights) + 0.4, headline, f"{view.about}\n{view.words}")
    grid = page.add_gridspec(len(heights), 2, height_ratios=heights)
    _shares(page.add_subplot(grid[0, 0]), view)
    _longest(page.add_subplot(grid[0, 1]), view)
    for place, k in enumerate(chosen):
        axes = page.add_subplot(grid[1 + place // 2, place % 2])
        axes.set_axis_off()
        epoch, score = view.epochs[k], view.scores[k]
        name = f"epoch {epoch}" if epoch else "before training"
        shares = f"{_percent(score.words)} words, {_percent(score.copied)} copied"
        axes.set_title(f"{name}: {shares}, longest {score.longest}", size=9)
        text = plain("\n".join(first_lines(view.texts[k])))
        axes.text(0, 0.98, text, family=FONT, size=7, va="top", transform=axes.transAxes)
    return page


def first_lines(text: str) -> list[str]:
    """The first lines of a sample with something in them, cut to the width of the figure."""
    lines = [line for line in text.split("\n") if line.strip()]
    pieces = [line[k : k + COLUMNS] for line in lines for k in range(0, len(line), COLUMNS)]
    return ["".join(map(shown, piece)) for piece in pieces[:LINES]]


def _shares(axes: Axes, view: Samples) -> None:
    own = (view.validation.words, view.validation.copied)
    curves = (
        ("words of the training text", [score.words for score in view.scores], BLUE),
        (f"runs of {RUN} copied", [score.copied for score in view.scores], ORANGE),
    )
    for (label, shares, colour), mark in zip(curves, own, strict=True):
        axes.plot(view.epochs, 100 * np.array(shares), "o-", ms=3.5, color=colour, label=label)
        axes.axhline(100 * mark, color=colour, linestyle=":", lw=1.2)
    axes.set_ylim(0, 103)
    axes.set_ylabel("share (%)")
    axes.set_title("Found in the training text (dotted: of validation)", size=9)
    axes.legend(loc="lower right")
    _over_epochs(axes)


def _longest(axes: Axes, view: Samples) -> None:
    lengths = [score.longest for score in view.scores]
    axes.plot(view.epochs, lengths, "o-", ms=3.5, color=BLUE)
    axes.axhline(view.validation.longest, color=BLUE, linestyle=":", lw=1.2)
    axes.set_ylim(bottom=0)
    axes.set_ylabel("characters")
    axes.set_title("The longest run that is copied", size=9)
    _over_epochs(axes)


def _over_epochs(axes: Axes) -> None:
    from matplotlib.ticker import MaxNLocator

    axes.set_xlabel("epoch (0 is the start)")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
