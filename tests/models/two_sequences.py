"""Pairs of sentences, and what holds for every model that reads one and writes the other."""

from __future__ import annotations

from typing import Any

import numpy as np

from byhand.engines.numpy import NumPyProgram
from byhand.engines.program import Description
from byhand.layers import PADDING, Sequential
from byhand.losses import SoftmaxCrossEntropy
from byhand.optimizers import SGD

Array = Any
SOURCE, TARGET, TIME = 7, 5, 6


def pairs(seed: int = 0) -> tuple[Array, Array]:
    """Three pairs, two of them with padding behind the source or the target."""
    rng = np.random.default_rng(seed)
    ids = np.stack((rng.integers(SOURCE, size=(3, TIME)), rng.integers(TARGET, size=(3, TIME))), 1)
    ids[0, 0, 4:] = ids[1, 1, 3:] = ids[2, 0, 2:] = PADDING
    targets = rng.integers(TARGET, size=(3, TIME))
    targets[ids[:, 1] == PADDING] = PADDING
    return ids, targets


def program(model: Sequential) -> NumPyProgram:
    return NumPyProgram(Description(model.initialize(1), SoftmaxCrossEntropy(), SGD(0.1)))


def assert_gradients(model: Sequential, seed: int = 0) -> None:
    """One number of every parameter is moved, and the loss with it."""
    own, (ids, targets) = program(model), pairs()
    rng = np.random.default_rng(seed)
    _, gradients = own.gradients(ids, targets)
    values = own.parameters()
    assert set(gradients) == set(values)
    for name, value in values.items():
        place = tuple(int(rng.integers(size)) for size in value.shape)
        losses = []
        for step in (1e-6, -1e-6):
            moved = value.copy()
            moved[place] += step
            own.set_parameters(values | {name: moved})
            losses.append(own.gradients(ids, targets)[0])
        own.set_parameters(values)
        measured = (losses[0] - losses[1]) / 2e-6
        assert abs(gradients[name][place] - measured) < 1e-8, name


def assert_step_by_step(model: Sequential) -> None:
    """A decoder that reads its words one by one says what it says when it is given all of them."""
    own, (ids, _) = program(model), pairs()
    whole = own.predict(ids)
    first = ids.copy()
    first[:, 1, 1:] = PADDING
    p, states = own.predict_from(first, {})
    steps = [p[:, :1]]
    for t in range(1, TIME):
        later = ids[:, :, t : t + 1].copy()
        later[:, 0] = 0  # the source is in the states
        p, states = own.predict_from(later, states)
        steps.append(p)
    real = ids[:, 1] != PADDING
    assert np.allclose(np.concatenate(steps, axis=1)[real], whole[real], rtol=0, atol=1e-12)


def assert_sees_no_word_after(model: Sequential) -> None:
    """What a step says depends on every word of the source, and on no later one of the target."""
    own, (ids, _) = program(model), pairs()
    before = own.predict(ids)
    changed = ids.copy()
    changed[0, 1, 3] = (changed[0, 1, 3] + 1) % TARGET
    after = own.predict(changed)
    assert np.array_equal(after[0, :3], before[0, :3])
    assert not np.allclose(after[0, 3:], before[0, 3:])
    changed = ids.copy()
    changed[0, 0, 3] = (changed[0, 0, 3] + 1) % SOURCE
    after = own.predict(changed)
    assert (np.abs(after[0] - before[0]).max(axis=-1) > 1e-9).all()
    assert np.array_equal(after[1:], before[1:])


def assert_shorter_batch(model: Sequential) -> None:
    """With padding behind all sentences of a batch the loss and the gradients are the same."""
    own, (ids, targets) = program(model), pairs()
    loss, gradients = own.gradients(ids, targets)
    wider = np.pad(ids, ((0, 0), (0, 0), (0, 3)), constant_values=PADDING)
    same, others = own.gradients(wider, np.pad(targets, ((0, 0), (0, 3)), constant_values=PADDING))
    assert same == loss
    assert all(np.array_equal(gradients[name], others[name]) for name in gradients)
