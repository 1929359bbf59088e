"""The multi-layer perceptron."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from byhand.errors import InputError
from byhand.initializers import Initializer, NormalFanIn, Zeros
from byhand.layers import Dense, Dropout, Flatten, Layer, Sequential
from byhand.models.choices import ACTIVATIONS, OUTPUTS, check_choices


def mlp(
    sizes: Sequence[int],
    *,
    activation: str = "sigmoid",
    output: str | None = None,
    dropout: float = 0.0,
    input_dropout: float = 0.0,
    weights: Initializer = NormalFanIn(),
    biases: Initializer = Zeros(),
) -> Sequential:
    """Dense layers with an activation after each but the last: `mlp([784, 30, 10])`.

    sizes           inputs, hidden units of each layer, outputs
    activation      after each hidden layer: sigmoid, tanh or relu
    output          after the last layer: None (scores, for a loss "with logits"), sigmoid, tanh or
                    softmax
    dropout         share of hidden units dropped in training; input_dropout: of the inputs
    weights, biases how the parameters start

    The dense layers are named hidden1, hidden2, …, output.
    Raises          InputError, which names the argument.
    """
    if len(sizes) < 2 or min(sizes) < 1:
        raise InputError(
            f"sizes needs at least inputs and outputs, each at least 1, such as [784, 30, 10]; "
            f"found {list(sizes)}"
        )
    check_choices(activation, output)
    layers: list[Layer] = [Flatten()]
    if input_dropout:
        layers.append(Dropout(input_dropout))
    for k, (n_in, n_out) in enumerate(pairwise(sizes[:-1]), start=1):
        layers.append(Dense(n_in, n_out, name=f"hidden{k}", weights=weights, biases=biases))
        layers.append(ACTIVATIONS[activation]())
        if dropout:
            layers.append(Dropout(dropout))
    layers.append(Dense(sizes[-2], sizes[-1], name="output", weights=weights, biases=biases))
    if output is not None:
        layers.append(OUTPUTS[output]())
    return Sequential(*layers)
