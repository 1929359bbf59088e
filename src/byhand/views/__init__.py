"""What to look at: each view computes its data from a run, then draws it.

curves, confusion, most_wrong, weights, gradients, predictions
    one view each: compute(subject) -> a frozen dataclass of plain arrays; draw(view) -> Figure
terminal
    digits as text
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from byhand.data import Dataset
from byhand.errors import InputError, nearest
from byhand.storage import atomic
from byhand.training import Run
from byhand.views import confusion, curves, gradients, most_wrong, predictions, weights
from byhand.views.subject import DoesNotApply, Subject

VIEWS = {
    "curves": "loss and accuracy on training, validation and test data, epoch by epoch",
    "gradients": "gradient norm and update-to-weight ratio of each layer, step by step",
    "confusion": "what each class of the test set was taken for",
    "most-wrong": "the wrong answers that the network was surest of",
    "weights": "the weights of each first-layer unit, as an image",
    "predictions": "a few test images with the likeliest answers",
}
_MODULES: dict[str, Any] = {
    "curves": curves,
    "gradients": gradients,
    "confusion": confusion,
    "most-wrong": most_wrong,
    "weights": weights,
    "predictions": predictions,
}

__all__ = ["VIEWS", "DoesNotApply", "Subject", "show"]


def show(
    run: Run,
    names: Sequence[str] | None = None,
    folder: Path | None = None,
    dataset: Dataset | None = None,
    engine: str | None = None,
) -> list[Path]:
    """Draw views of a run as PNG files, and return where they are.

    names       of `VIEWS`; without names, all that apply to this run
    folder      where the files go; the run's figures/ by default
    dataset     the run's data set, where it is loaded already
    engine      what runs the network; the engine it was trained on by default
    Raises      InputError for an unknown name, or for a named view that does not apply.
    """
    for name in names or ():
        if name not in VIEWS:
            advice = nearest(name, VIEWS, f"there is {', '.join(VIEWS)}")
            raise InputError(f"no view {name!r}; {advice}")
    subject = Subject(run, dataset, engine)
    paths = []
    for name in names or VIEWS:
        try:
            view = _MODULES[name].compute(subject)
        except DoesNotApply as reason:
            if names:
                raise InputError(f"view {name} does not apply: {reason}; leave it out") from None
            continue
        path = (folder or run.figures) / f"{name}.png"
        with atomic(path) as temporary:
            _MODULES[name].draw(view).savefig(temporary, format="png")
        paths.append(path)
    return paths
