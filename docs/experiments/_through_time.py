"""What the experiments on recurrent layers share: a text to learn from, and one answer's gradient
on its way back through the steps."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from byhand import Adam, Dense, Sequential, SoftmaxCrossEntropy, data, engines
from byhand.clipping import ClipByGlobalNorm
from byhand.data import Dataset
from byhand.initializers import NormalFanIn
from byhand.layers import OneHot
from byhand.layers.recurrent import RecurrentLayer
from byhand.losses import Loss
from byhand.randomness import batch_order

ENGINE = "numpy" if engines.available("native") else "native"


@dataclass(frozen=True)
class Scaled(NormalFanIn):
    """w ~ N(0, g²/fan_in)."""

    g: float = 1.0

    def sample(self, *arguments: Any) -> np.ndarray:
        return self.g * super().sample(*arguments)


@cache
def shakespeare(steps: int) -> Dataset:
    """Tiny Shakespeare, in windows of so many characters."""
    return data.text("tiny-shakespeare", steps=steps)


def network(recurrent: RecurrentLayer) -> Sequential:
    """Characters in, scores of the next character out, at its start."""
    characters, hidden = recurrent.sizes["in"], recurrent.sizes["hidden"]
    return Sequential(OneHot(characters), recurrent, Dense(hidden, characters)).initialize(0)


def trained(model: Sequential, text: Dataset, steps: int, batch: int, rate: float) -> Sequential:
    """What `network` made, after so many steps of Adam with clipping, taken in float32."""
    order = np.resize(batch_order(0, 0, len(text.train)), steps * batch)
    start = copy.deepcopy(model).initialize(0, np.float32)
    loss, clipping = SoftmaxCrossEntropy(), ClipByGlobalNorm(1.0)
    program = engines.compile(start, loss, Adam(rate), clipping=clipping, engine=ENGINE, threads=1)
    program.train(text.train.inputs, text.train.targets, order, batch, 0, [rate] * steps)
    learned = program.parameters()
    model.set_parameters({name: value.astype(np.float64) for name, value in learned.items()})
    return model


def way_back(model: Sequential, loss: Loss, inputs: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """‖∂L_T/∂stateₜ‖ of each example for t = T, T − 1, …, 1, where L_T is the loss of the answer at
    the last step, and no other: [steps back, examples]. An LSTM's state is h and c."""
    outputs, caches = model.forward(inputs)
    if outputs.ndim == 3:
        outputs, targets = outputs[:, -1], targets[:, -1]
    _, cache = loss.forward(outputs, targets)
    # The loss is a mean over the examples; each is looked at by itself.
    dh = loss.backward(cache) * len(inputs) @ model.layers[-1].W.T
    ((recurrent, kept),) = (
        (layer, cache.kept)
        for layer, cache in zip(model.layers, caches, strict=True)
        if isinstance(layer, RecurrentLayer)
    )
    dstate = recurrent.zero_state(len(inputs))
    recurrent.output_of(dstate)[...] = dh
    lengths = []
    for step in reversed(kept):
        squares = (dstate**2).sum(axis=-1)
        lengths.append(np.sqrt(squares.reshape(-1, len(inputs)).sum(axis=0)))
        _, dstate = recurrent.step_backward(dstate, step)
    return np.array(lengths)


def typical(lengths: np.ndarray) -> np.ndarray:
    """The geometric mean over the examples, relative to the last step: what is left of it."""
    mean = np.exp(np.log(lengths).mean(axis=1))
    return mean / mean[0]
