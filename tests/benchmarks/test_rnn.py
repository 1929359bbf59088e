"""The benchmark of recurrent networks, which shares its method and its tests with mlp.py."""

from __future__ import annotations

import math
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from byhand import engines

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))

import _report
import rnn
from _measure import Contender


def test_useful_flops() -> None:
    hidden, output = 4 * 256 * 256, 256 * 65
    assert rnn.WORKLOADS[1].flops == 2 * 32 * 64 * 3 * (3 * hidden + output)
    assert rnn.WORKLOADS[2].flops == 2 * (3 * hidden + output)
    assert rnn.WORKLOADS[3].flops == 2 * 25 * 3 * (128 * 128 + 128 * 65)


def test_workloads_have_different_names() -> None:
    assert [workload.name for workload in rnn.WORKLOADS] == [
        "train lstm 1x128 batch 1 x 25 steps",
        "train lstm 2x256 batch 32 x 64 steps",
        "sample lstm 2x256",
        "train rnn 1x128 batch 1 x 25 steps",
    ]


@pytest.mark.parametrize("place", range(len(rnn.WORKLOADS)))
@pytest.mark.parametrize("engine", ["native", "pytorch", rnn.PLAIN])
def test_engines_do_the_same_work(
    engine: str, place: int, one_thread: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In float64, where rounding hides nothing, and small: the proof, twice, and each loss."""
    workload = rnn.WORKLOADS[place]
    if engine not in workload.engines:
        return
    if engine == "native" and (reason := engines.available(engine)):
        pytest.skip(reason)
    monkeypatch.setattr(rnn, "PROOF_STEPS", 3)
    monkeypatch.setattr(rnn, "PROOF_CHARACTERS", 5)
    workload = replace(workload, sizes=(9,) * len(workload.sizes), batch=min(workload.batch, 4))
    ids = np.random.default_rng(1).integers(65, size=(4 * workload.batch + 2, workload.steps + 1))
    ours, theirs = (
        rnn.task(name, one_thread, workload, ids, np.float64) for name in ("numpy", engine)
    )
    expected: list[Any] = ours.prove()
    assert all(map(math.isfinite, expected))
    for _ in range(2):
        np.testing.assert_allclose(theirs.prove(), expected, rtol=1e-10)
    if workload.trains:
        ours.reset()
        theirs.reset()
        losses = ours.train(4)
        assert len(set(losses)) == 4
        np.testing.assert_allclose(theirs.train(4), losses, rtol=1e-10)


def test_numpy_is_held_against_the_plain_loop() -> None:
    def contender(engine: str, seconds: float) -> Contender:
        worker: Any = None
        return Contender(engine, 1, worker, seconds=[seconds], paces=[math.nan])

    for seconds, found in ((0.25, "met (2 x)"), (1.0, "missed (0.5 x)")):
        contenders = [
            contender("native", 0.1),
            contender("numpy", seconds),
            contender(rnn.PLAIN, 0.5),
        ]
        target = rnn.WORKLOADS[3].target
        contest = _report.Contest("w", "step", "loss", 1, target, contenders)
        assert _report.verdicts(contest) == [
            f"native, 1 thread: numpy no slower than plain loop {found}"
        ]


def test_memory_is_told_for_each_number_of_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    class Worker:
        """Takes two MiB for each step, on top of ten."""

        def __init__(self, script: str, argument: dict[str, Any], threads: int) -> None:
            self.steps, self.peak = argument["steps"], 10.0

        def ask(self, method: str, *arguments: Any) -> float:
            if method == "measure":
                self.peak += 2 * self.steps
            return self.peak

        def close(self) -> None:
            pass

    monkeypatch.setattr(rnn, "Worker", Worker)
    monkeypatch.setattr(rnn, "MEMORY_STEPS", (4, 128))
    assert rnn.memory(1) == [
        "memory for train lstm 2x256 batch 32, native:",
        "    4 steps     8.0 MiB, 2.000 for each",
        "  128 steps   256.0 MiB, 2.000 for each",
    ]
