"""What to look at: each view computes its data from a run, then draws it.

curves, gradient_flow, histograms, confusion, most_wrong, weights, predictions,
filters, feature_maps, strongest_patches, saliency, cells, gates, dependence, samples, attention,
heads, positions, alignment, landscape, path
    one view each: compute(subject) -> a frozen dataclass of plain arrays; draw(view) -> Figure
reading, passage
    what goes on in recurrent layers that read a text, and how a text is drawn
looking
    the attentions of a network and what they look at
projection, occlusion, receptive_field
    what patches and saliency are made of: from a unit back to the pixels, which of them it sees
terminal
    digits as text
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from byhand.data import Dataset
from byhand.errors import InputError, nearest
from byhand.storage import atomic
from byhand.training import Run
from byhand.views import (
    alignment,
    attention,
    cells,
    confusion,
    curves,
    dependence,
    feature_maps,
    filters,
    gates,
    gradient_flow,
    heads,
    histograms,
    landscape,
    most_wrong,
    path,
    positions,
    predictions,
    saliency,
    samples,
    strongest_patches,
    weights,
)
from byhand.views.focus import Focus
from byhand.views.subject import DoesNotApply, Subject

VIEWS = {
    "curves": "loss and accuracy on training, validation and test data, epoch by epoch",
    "gradient-flow": "gradient norm, update-to-weight ratio and idle units by layer and step",
    "histograms": "how the weights and outputs of each layer are distributed, epoch by epoch",
    "confusion": "what each class of the test set was taken for",
    "most-wrong": "the wrong answers that the network was surest of",
    "weights": "the weights of each first-layer unit, as an image",
    "filters": "the filters of the convolutional layers",
    "feature-maps": "what each layer makes of one image",
    "patches": "the nine patches that each unit answers to most, and what it has found in them",
    "saliency": "which pixels speak for the answer, in four ways beside each other",
    "predictions": "a few test images with the likeliest answers",
    "cells": "single cells of a recurrent network that follow something in the text",
    "gates": "how far the gates of an LSTM or a GRU are open, over the text",
    "dependence": "which of the characters before it the next one depended on",
    "samples": "what the network writes, epoch by epoch, and how much of that is copied",
    "attention": "what each head looks at: all, one as a matrix, one cell in its arithmetic",
    "heads": "the loss without each head",
    "positions": "how a network tells apart the places in a text",
    "alignment": "what each word of a translation looks at, as it is written",
    "landscape": "the loss around the trained parameters, on a random plane",
    "path": "the parameters' way through training, on the plane that holds most of it",
}
ON_REQUEST = ("landscape", "path")
"""Views that evaluate the network hundreds of times, and are drawn where they are named only."""
_MODULES: dict[str, Any] = {
    "curves": curves,
    "gradient-flow": gradient_flow,
    "histograms": histograms,
    "confusion": confusion,
    "most-wrong": most_wrong,
    "weights": weights,
    "filters": filters,
    "feature-maps": feature_maps,
    "patches": strongest_patches,
    "saliency": saliency,
    "predictions": predictions,
    "cells": cells,
    "gates": gates,
    "dependence": dependence,
    "samples": samples,
    "attention": attention,
    "heads": heads,
    "positions": positions,
    "alignment": alignment,
    "landscape": landscape,
    "path": path,
}

__all__ = ["VIEWS", "DoesNotApply", "Focus", "Subject", "show"]


def show(
    run: Run,
    names: Sequence[str] | None = None,
    folder: Path | None = None,
    dataset: Dataset | None = None,
    engine: str | None = None,
    focus: Focus = Focus(),
    tell: Callable[[str], None] = lambda text: None,
) -> list[Path]:
    """Draw views of a run as PNG files, and return where they are.

    names       of `VIEWS`; without names, all that apply to this run, but those `ON_REQUEST`
    folder      where the files go; the run's figures/ by default
    dataset     the run's data set, where it is loaded already
    engine      what runs the network; the engine it was trained on by default
    focus       the image, layer or unit to look at, where a view can choose
    tell        hears what a figure shows in numbers, where a view says so
    Raises      InputError for an unknown name, for a named view that does not apply, and for a
                focus that there is not.
    """
    for name in names or ():
        if name not in VIEWS:
            advice = nearest(name, VIEWS, f"there is {', '.join(VIEWS)}")
            raise InputError(f"no view {name!r}; {advice}")
    subject = Subject(run, dataset, engine, focus)
    paths = []
    for name in names or (name for name in VIEWS if name not in ON_REQUEST):
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
        if words := getattr(view, "words", None):
            tell(words)
    return paths
