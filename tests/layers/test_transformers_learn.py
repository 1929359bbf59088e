"""Attention through the NumPy engine: training, and dropout within blocks."""

from __future__ import annotations

from typing import Any

import numpy as np

from byhand import engines
from byhand.finite_differences import numerical_gradient, relative_error
from byhand.layers import Dense, Dropout, Embedding, LayerNorm, Sequential
from byhand.layers.gelu import GELU
from byhand.layers.learned_positions import LearnedPositions
from byhand.layers.residual import Residual
from byhand.layers.self_attention import SelfAttention
from byhand.losses import SoftmaxCrossEntropy
from byhand.optimizers import Adam


def gpt(dropout: float = 0.0) -> Sequential:
    def left_out() -> list[Any]:
        return [Dropout(dropout)] if dropout else []

    return Sequential(
        Embedding(6, 16),
        LearnedPositions(9, 16),
        *left_out(),
        Residual(LayerNorm(16), SelfAttention(16, 2, causal=True), *left_out(), name="attention"),
        Residual(LayerNorm(16), Dense(16, 32), GELU(), Dense(32, 16), *left_out(), name="forward"),
        LayerNorm(16),
        Dense(16, 6),
    ).initialize(0)


def test_it_learns_to_say_again_what_it_has_read() -> None:
    """A word, three others, and the first again: without looking back it is one in five."""
    rng = np.random.default_rng(0)
    text = rng.integers(5, size=(256, 5))
    text[:, 4] = text[:, 0]
    ids, t = text[:, :4], np.full((256, 4), -1)
    t[:, 3] = text[:, 4]
    program = engines.compile(gpt(), SoftmaxCrossEntropy(), Adam(0.01))
    order = np.concatenate([rng.permutation(256) for _ in range(10)])
    losses = program.train(ids, t, order, 32, 0, [0.01] * 80)
    assert losses[0] > 1
    assert program.evaluate(ids, t).loss < 0.05


def test_gradients_with_the_masks_of_a_step() -> None:
    model = gpt(dropout=0.3)
    program = engines.compile(model, SoftmaxCrossEntropy(), Adam(0.01))
    rng = np.random.default_rng(1)
    ids, t = rng.integers(6, size=(2, 2, 5))
    ids[1, 3:] = t[1, 3:] = -1
    _, gradients = program.gradients(ids, t, step=4)
    values = program.parameters()
    for name in ("attention.selfattention1.Wk", "forward.dense1.b", "learnedpositions1.P"):

        def objective() -> float:
            program.set_parameters(values)
            return float(program.gradients(ids, t, step=4)[0])

        measured = numerical_gradient(objective, values[name])
        assert relative_error(gradients[name], measured) < 1e-7
