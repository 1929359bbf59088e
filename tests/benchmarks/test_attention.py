"""The benchmark of attention, which shares its method and its tests with mlp.py."""

from __future__ import annotations

import math
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from byhand import engines

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))

import attention


def test_useful_flops() -> None:
    train, sample = (workload.flops for workload in attention.WORKLOADS)
    matrices = sum(
        w.size
        for name, w in attention.WORKLOADS[0].model(np.float32).parameters.items()
        if w.ndim == 2 and not name.endswith((".E", ".P"))
    )
    assert sample == 2 * (matrices + 4 * 64 * 128)
    assert train == 3 * 12 * 64 * sample


def test_workloads_have_different_names() -> None:
    assert [workload.name for workload in attention.WORKLOADS] == [
        "train gpt 4x128 batch 12 x 64 steps",
        "sample gpt 4x128",
    ]


@pytest.mark.parametrize("place", [0, 1])
@pytest.mark.parametrize("engine", ["native", "pytorch"])
def test_engines_do_the_same_work(
    engine: str, place: int, one_thread: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In float64, where rounding hides nothing, and small: the proof, twice, and each loss."""
    if engine == "native" and (reason := engines.available(engine)):
        pytest.skip(reason)
    if engine == "pytorch":
        pytest.importorskip("torch")
    monkeypatch.setattr("rnn.PROOF_STEPS", 3)
    monkeypatch.setattr("rnn.PROOF_CHARACTERS", 9)
    workload = replace(attention.WORKLOADS[place], sizes=(8,), depth=2, heads=2, context=6)
    workload = replace(workload, batch=min(workload.batch, 4))
    ids = np.random.default_rng(1).integers(65, size=(18, 7))
    ours, theirs = (
        attention.task(name, one_thread, workload, ids, np.float64) for name in ("numpy", engine)
    )
    expected = ours.prove()
    assert all(map(math.isfinite, expected))
    for _ in range(2):
        np.testing.assert_allclose(theirs.prove(), expected, rtol=1e-6)
    if workload.trains:
        ours.reset()
        theirs.reset()
        losses = ours.train(4)
        assert len(set(losses)) == 4
        np.testing.assert_allclose(theirs.train(4), losses, rtol=1e-6)
