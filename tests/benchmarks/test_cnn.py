"""The benchmark of convolutional networks, which shares its method and its tests with mlp.py."""

from __future__ import annotations

import math
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from byhand import engines

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))

import cnn
import mlp


def test_useful_flops() -> None:
    # dW and z of the first convolution; dx as well in the second; the dense layers.
    first, second, dense = 2 * 24**2 * 20 * 25, 3 * 8**2 * 40 * 500, 3 * (640 * 100 + 100 * 10)
    assert cnn.WORKLOADS[0].flops == 2 * 10 * (first + second + dense)


def test_workloads_have_different_names() -> None:
    assert [workload.name for workload in cnn.WORKLOADS] == [
        "train convolutions [20,40] batch 10",
        "train convolutions [20,40] batch 32",
        "train convolutions [32,64] batch 128",
    ]


@pytest.mark.parametrize("engine", ["native", "pytorch"])
def test_engines_do_the_same_work(
    engine: str, one_thread: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In float64, where rounding hides nothing: the proof, twice, and the loss of each step."""
    if engine == "native" and (reason := engines.available(engine)):
        pytest.skip(reason)
    monkeypatch.setattr(mlp, "PROOF_STEPS", 4)
    monkeypatch.setattr(mlp, "PROOF_DIGITS", 2)
    workload = cnn.WORKLOADS[0]
    rng = np.random.default_rng(1)
    inputs = rng.random((4 * workload.batch, 1, 28, 28)) * (rng.random((28, 28)) < 0.2)
    labels = rng.integers(0, 10, len(inputs))
    ours, theirs = (
        cnn.task(name, one_thread, workload, inputs, labels) for name in ("numpy", engine)
    )
    expected: list[Any] = ours.prove()
    assert all(map(math.isfinite, expected))
    for _ in range(2):
        np.testing.assert_allclose(theirs.prove(), expected, rtol=1e-10)
    ours.reset()
    theirs.reset()
    losses = ours.train(4)
    assert len(set(losses)) == 4
    np.testing.assert_allclose(theirs.train(4), losses, rtol=1e-10)
