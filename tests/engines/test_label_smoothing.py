from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from byhand import engines
from byhand.errors import InputError
from byhand.layers import Dense, Embedding, Sequential
from byhand.losses import SoftmaxCrossEntropy
from byhand.optimizers import SGD


def compiled(engine: str) -> Any:
    model = Sequential(Embedding(5, 3), Dense(3, 4)).initialize(0)
    return engines.compile(model, SoftmaxCrossEntropy(smoothing=0.1), SGD(0.5), engine=engine)


def test_pytorch_smooths_as_numpy_does() -> None:
    rng = np.random.default_rng(0)
    ids, t = rng.integers(5, size=(6, 3)), rng.integers(4, size=(6, 3))
    ids[1, 2] = t[1, 2] = -1
    results = []
    for engine in ("numpy", "torch"):
        program = compiled(engine)
        loss, gradients = program.gradients(ids, t)
        losses = program.train(ids, t, np.arange(6), 3, 0, [0.5, 0.5])
        evaluated = program.evaluate(ids, t).loss
        results.append([loss, *gradients.values(), losses, evaluated])
    for a, b in zip(*results, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-14)


def test_the_native_engine_does_not_leave_it_out_unsaid() -> None:
    if missing := engines.available("native"):
        pytest.skip(missing)
    with pytest.raises(InputError) as error:
        compiled("native")
    assert str(error.value) == (
        "SoftmaxCrossEntropy: smoothing = 0.1 is not written in C++; use engine numpy"
    )
