"""How healthy a step is: what is measured every so many steps, through the program's interface
alone, so that it means the same for every engine."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from byhand.data import Split
from byhand.engines import Program, answers
from byhand.engines.program import are_answers
from byhand.layers import RNN, ReLU, Sigmoid, Tanh
from byhand.losses import are_labels

Array = NDArray[Any]
PROBE = 256
"""Training examples, always the same, on which accuracy and unit health are measured."""
PROBE_STEPS = 2048
"""Of sequences, as many as have so many steps together."""
SATURATED = 0.05
"""A unit counts as saturated where its output is within 5 % of an end of its range."""


def probe(split: Split) -> Split:
    """The training examples to measure on."""
    if are_labels(split.inputs):
        return split.first(max(1, PROBE_STEPS // split.inputs.shape[1]))
    return split.first(PROBE)


def layer_norms(arrays: Mapping[str, Array]) -> dict[str, float]:
    """The Euclidean norm of each layer's arrays together, by the layer's name."""
    squares: dict[str, float] = {}
    for name, value in arrays.items():
        layer = name.split(".")[0]
        # einsum, for a product of BLAS wakes a second thread for large ones.
        exact = value.astype(np.float64).ravel()
        squares[layer] = squares.get(layer, 0.0) + float(np.einsum("i,i", exact, exact))
    return {layer: square**0.5 for layer, square in squares.items()}


def update_ratios(before: Mapping[str, Array], after: Mapping[str, Array]) -> dict[str, float]:
    """‖Δw‖ / ‖w‖ of one step for each layer; about 1e-3 is healthy. 0 where all of w is 0."""
    change = layer_norms({name: after[name] - before[name] for name in before})
    size = layer_norms(before)
    return {layer: change[layer] / size[layer] if size[layer] else 0.0 for layer in size}


def accuracy(program: Program, activations: Mapping[str, Array], targets: Array) -> float | None:
    """The share of right answers, from activations at hand; None without one class label for each
    example."""
    if not are_answers(targets):
        return None
    model = program.description.model
    y = activations[str(model.layers[-1].name)]
    return float(np.mean(answers(y, program.description) == targets))


def unit_health(
    program: Program, activations: Mapping[str, Array]
) -> tuple[dict[str, float], dict[str, float]]:
    """Two shares for each activation layer, over a probe of examples.

    dead        of ReLU units that are 0 for every example: no gradient reaches them
    saturated   of sigmoid and tanh outputs, those of an RNN among them, near an end of their
                range: hardly any gradient passes
    """
    dead, saturated = {}, {}
    for layer in program.description.model.layers:
        a = activations[str(layer.name)]
        if isinstance(layer, ReLU):
            dead[str(layer.name)] = float((a.max(axis=0) <= 0).mean())
        elif isinstance(layer, Sigmoid):
            saturated[str(layer.name)] = float((np.abs(a - 0.5) > 0.5 - SATURATED).mean())
        elif isinstance(layer, Tanh | RNN):
            saturated[str(layer.name)] = float((np.abs(a) > 1 - 2 * SATURATED).mean())
    return dead, saturated
