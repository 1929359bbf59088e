"""The most wrong answers: what the network was surest of and yet was mistaken."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from byhand.views.style import figure, picture, plain, styled
from byhand.views.subject import MEANING, DoesNotApply, Subject

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SHOWN, COLUMNS = 18, 6


@dataclass(frozen=True)
class MostWrong:
    """Test examples that were answered wrongly, the surest first.

    examples        [shown]     their places in the test set
    images          [shown, channels, height, width]
    true, answered  [shown]     class numbers
    outputs         [shown]     of the class that was answered; see `Subject.symbol`
    wrong, total    how many test examples were answered wrongly, of how many
    """

    about: str
    classes: tuple[str, ...]
    symbol: str
    examples: NDArray[np.int64]
    images: NDArray[Any]
    true: NDArray[np.int64]
    answered: NDArray[np.int64]
    outputs: NDArray[Any]
    wrong: int
    total: int


def compute(subject: Subject, shown: int = SHOWN) -> MostWrong:
    """Find the wrong answers with the highest outputs; of equal ones the earlier example first.

    Raises      DoesNotApply for regression, inputs that are not images, a test set without a wrong
                answer, or before the first epoch is finished.
    """
    images, outputs, true = subject.test_images, subject.test_outputs, subject.dataset.test.targets
    answered, surest = outputs.argmax(axis=1), outputs.max(axis=1)
    wrong = np.flatnonzero(answered != true)
    if not len(wrong):
        raise DoesNotApply(
            f"a wrong answer is needed, and run {subject.run.name} answers all {len(true)} test "
            "examples right"
        )
    first = wrong[np.argsort(-surest[wrong], kind="stable")][:shown]
    return MostWrong(
        about=subject.about_best,
        classes=subject.classes,
        symbol=subject.symbol,
        examples=first,
        images=images[first],
        true=true[first],
        answered=answered[first],
        outputs=surest[first],
        wrong=len(wrong),
        total=len(true),
    )


@styled
def draw(view: MostWrong) -> Figure:
    rows = -(-len(view.examples) // COLUMNS)
    between = " " if max(map(len, view.classes)) <= 6 else "\n"
    headline = f"Most wrong: the surest of {view.wrong:,} wrong answers to {view.total:,} images"
    key = f"true class → answer; {view.symbol}: the {MEANING[view.symbol]} of that answer"
    page = figure((1.75 if between == " " else 1.85) * rows, headline, f"{view.about}\n{key}")
    cells = page.subplots(rows, COLUMNS, squeeze=False).flat
    for k, axes in enumerate(cells):
        if k >= len(view.examples):
            axes.set_axis_off()
            continue
        picture(axes, view.images[k])
        true, answered = (plain(view.classes[c[k]], 18) for c in (view.true, view.answered))
        caption = f"{true} →{between}{answered}\n{view.symbol} = {view.outputs[k]:.3f}"
        axes.set_title(caption, loc="center", size=9)
    return page
