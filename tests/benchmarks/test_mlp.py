"""The benchmarks' arithmetic, texts and files; nothing here looks at a clock's answer."""

from __future__ import annotations

import json
import math
import os
import signal
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from byhand import engines
from byhand.data import Dataset
from byhand.errors import ByhandError

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))

import _measure
import _report
import _sgemm
import mlp

HERE = {"processor": "P", "cores": 2, "os": "Linux x86_64", "python": "3.11.7", "numpy": "2.4.6"}
SCRIPT = """
import os, sys
sys.path.insert(0, {folder!r})
from _measure import serve
from byhand.errors import InputError

class Task:
    def __init__(self, factor):
        self.factor = factor
    def times(self, number):
        print("this is not an answer")
        return self.factor * number
    def threads(self):
        return os.environ["OMP_NUM_THREADS"]
    def refuse(self):
        raise InputError("expected more, found less")
    def fail(self):
        raise ValueError("a first line\\nand a second" + " with many words" * 50)
    def die(self):
        print("the last words", file=sys.stderr, flush=True)
        os._exit(3)
    def fall(self):
        os.kill(os.getpid(), 9)

serve(lambda argument: Task(**argument))
"""


class Scripted:
    """A worker that answers from a list and writes down what it was asked."""

    def __init__(self, name: str, asked: list[tuple[str, str]], fails_at: str = "") -> None:
        self.name, self.asked, self.fails_at = name, asked, fails_at

    def ask(self, method: str, *_: Any) -> Any:
        self.asked.append((self.name, method))
        if method == self.fails_at:
            raise _measure.WorkerError("no more")
        return {"prove": [0.5], "calibrate": 7, "measure": 0.25, "peak_memory": 100.0}[method]


def contender(
    engine: str,
    seconds: list[float],
    threads: int = 1,
    failure: str = "",
    proof: float = 0.5,
    paces: list[float] | None = None,
) -> Any:
    """Someone who has been measured, by default on a machine that keeps a pace of 1e9."""
    return _measure.Contender(
        engine,
        threads,
        Scripted(engine, []),
        None,
        seconds,
        paces or [1e9] * len(seconds),
        [proof],
        123.4,
        failure,
    )


def contest(*contenders: Any, target: Any = None, flops: int = 1000) -> Any:
    wanted = target or _report.Target(12, 18, 0.45)
    return _report.Contest("train [2]", "step", "mean loss", flops, wanted, contenders)


def row(workload: str, engine: str = "numpy", threads: int = 1, **more: Any) -> dict[str, Any]:
    return {"workload": workload, "engine": engine, "threads": threads, "machine": HERE} | more


@pytest.fixture
def worker(tmp_path: Path) -> Iterator[Any]:
    script = tmp_path / "task.py"
    script.write_text(SCRIPT.format(folder=str(Path(_measure.__file__).parent)))
    started = _measure.Worker(script, {"factor": 3}, threads=2)
    yield started
    started.close()
    assert started._process.poll() is not None


@pytest.mark.parametrize(
    ("place", "expected"),
    [
        # x W and xᵀ dz in both layers, dz Wᵀ in the second alone.
        (0, 2 * 10 * (2 * 784 * 30 + 3 * 30 * 10)),
        (2, 2 * 128 * (2 * 784 * 512 + 3 * 512 * 512 + 3 * 512 * 10)),
        (3, 2 * (2 * 784 * 30 + 3 * 30 * 10)),
        (4, 2 * (784 * 100 + 100 * 10)),
    ],
)
def test_useful_flops(place: int, expected: int) -> None:
    assert mlp.WORKLOADS[place].flops == expected


def test_workloads_have_different_names() -> None:
    names = [workload.name for workload in mlp.WORKLOADS]
    assert names[0] == "train [784,30,10] batch 10"
    assert names[-1] == "predict [784,100,10]"
    assert len(set(names)) == len(names)


def test_a_ratio_is_the_median_of_those_within_the_rounds() -> None:
    ours, theirs = contender("native", [1.0, 2.0, 10.0]), contender("pytorch", [2.0, 8.0, 10.0])
    assert _report.speedup(ours, theirs) == 2.0  # of 2, 4 and 1; the medians have the ratio 4
    assert _report.speedup(ours, None) is None


def test_rows_compare_with_the_same_number_of_threads() -> None:
    found = contest(
        contender("native", [1e-6, 3e-6, 2e-6]),
        contender("native", [1e-6, 1e-6, 1e-6], threads=2, paces=[math.nan] * 3),
        contender("pytorch", [4e-6, 12e-6, 8e-6]),
        contender("torch.compile", [math.nan] * 3, failure="no compiler"),
    )
    first, second, peer = _report.rows(found)
    assert first == {
        "workload": "train [2]",
        "engine": "native",
        "threads": 1,
        "median_seconds": 2e-6,
        "ratio_to_pytorch_eager": 4.0,
        "share_of_sgemm_rate": 0.5,
        "peak_memory_mib": 123,
    }
    assert second["ratio_to_pytorch_eager"] is None
    assert second["share_of_sgemm_rate"] is None
    assert peer["ratio_to_pytorch_eager"] == 1.0


def test_the_table_has_a_line_for_everyone() -> None:
    found = contest(
        contender("numpy", [4e-5] * 3),
        contender("native", [1.23456e-5] * 3, proof=0.50001),
        contender("pytorch", [], failure="PyTorch is not installed"),
    )
    header = "engine threads µs per step to PyTorch SGEMM share peak MiB mean loss difference"
    lines = _report.table(found, _report.rows(found))
    assert [line.split() for line in lines] == [
        header.split(),
        ["numpy", "1", "40", "unknown", "2.5%", "123", "0.500000", "0.0e+00"],
        ["native", "1", "12.3", "unknown", "8.1%", "123", "0.500010", "2.0e-05"],
        ["pytorch", "1", "PyTorch", "is", "not", "installed"],
    ]
    assert len({len(line) for line in lines[:3]}) == 1


def test_targets_are_met_or_missed() -> None:
    found = contest(
        contender("native", [2e-6] * 3),
        contender("pytorch", [24e-6] * 3),
        contender("torch.compile", [1.9e-6] * 3),
        target=_report.Target(12, 18, 0.65, never_slower_than_compiled=True),
    )
    assert _report.verdicts(found) == [
        "native, 1 thread: must 12 x met, stretch 18 x missed, share 65% missed, "
        "never slower than torch.compile missed (0.95 x)",
    ]
    found = contest(contender("numpy", [1.0], threads=2))
    assert _report.verdicts(found) == ["native, 2 threads: nothing to compare"]


def test_a_share_is_of_the_rate_right_after() -> None:
    """A machine at half its clock halves both; of the medians, 5e9 and 2e-6, it would be 0.1."""
    ours = contender("native", [1e-6, 2e-6, 4e-6], paces=[5e9, 2.5e9, 8e9])
    assert _report.share(contest(ours), ours) == pytest.approx(0.2)
    assert _report.share(contest(ours), contender("native", [1.0], paces=[math.nan])) is None


def test_a_target_is_not_met_by_rounding() -> None:
    found = contest(contender("native", [1.0]), contender("pytorch", [11.999]))
    assert _report.rows(found)[0]["ratio_to_pytorch_eager"] == 12.0
    assert "must 12 x missed" in _report.verdicts(found)[0]


def test_everyone_is_asked_in_turn_and_a_failure_stays_alone() -> None:
    asked: list[tuple[str, str]] = []
    racers = [
        _measure.Contender("a", 1, Scripted("a", asked)),
        _measure.Contender("b", 1, Scripted("b", asked, fails_at="calibrate")),
        _measure.Contender("c", 1, Scripted("c", asked)),
    ]
    _measure.race(racers, rounds=2, seconds=0.1, tolerance=1e-3)
    assert asked == [
        *[("a", "prove"), ("b", "prove"), ("c", "prove")],
        *[("a", "calibrate"), ("b", "calibrate"), ("c", "calibrate")],
        *[("a", "measure"), ("c", "measure")] * 2,
        *[("a", "peak_memory"), ("c", "peak_memory")],
    ]
    assert [racer.failure for racer in racers] == ["", "no more", ""]
    assert racers[2].seconds == [0.25, 0.25]


def test_other_work_does_not_count() -> None:
    racers = [
        contender("numpy", []),
        contender("native", [], proof=0.5004),
        contender("pytorch", [], proof=0.51),
        contender("torch.compile", [], proof=math.nan),
    ]
    _measure.compare(racers, 1e-3)
    assert [racer.failure for racer in racers] == [
        "",
        "",
        "did other work: its results differ from numpy's by 2.0e-02, expected at most 1e-03",
        "did other work: its results differ from numpy's by inf, expected at most 1e-03",
    ]


@pytest.mark.parametrize("workload", mlp.WORKLOADS, ids=lambda workload: workload.name)
@pytest.mark.parametrize("engine", ["native", "pytorch"])
def test_engines_do_the_same_work(
    engine: str, workload: Any, one_thread: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In float64, where rounding hides nothing: the proof, twice, and the loss of each step."""
    if reason := engines.available(engine):
        pytest.skip(reason)
    monkeypatch.setattr(mlp, "PROOF_STEPS", 8)
    monkeypatch.setattr(mlp, "PROOF_DIGITS", 3)
    rng = np.random.default_rng(1)
    inputs = rng.random((8 * workload.batch + 1, 784)) * (rng.random(784) < 0.2)
    labels = rng.integers(0, 10, len(inputs))
    ours, theirs = (
        mlp.task(name, one_thread, workload, inputs, labels) for name in ("numpy", engine)
    )
    expected = ours.prove()
    assert all(map(math.isfinite, expected))
    for _ in range(2):
        np.testing.assert_allclose(theirs.prove(), expected, rtol=1e-10)
    ours.reset()
    theirs.reset()
    losses = ours.train(8)
    assert len(set(losses)) == 8
    np.testing.assert_allclose(theirs.train(8), losses, rtol=1e-10)


def test_a_measurement_runs_as_many_steps_as_it_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    workload = mlp.WORKLOADS[0]
    task = mlp.task("numpy", 1, workload, np.zeros((35, 784), np.float32), np.zeros(35, np.int64))
    steps: list[int] = []
    monkeypatch.setattr(task, "train", steps.append)
    task.measure(8)  # an epoch is three whole batches
    assert steps == [3, 3, 2]


def test_a_worker_answers(worker: Any) -> None:
    assert worker.ask("times", 4) == 12
    worker._process.send_signal(signal.SIGINT)  # as Ctrl-C does to the whole process group
    assert worker.ask("times", 5) == 15
    assert worker.ask("threads") == "2"
    assert worker.ask("peak_memory") > 1


def test_a_worker_s_error_is_one_line(worker: Any) -> None:
    with pytest.raises(_measure.WorkerError, match=r"^expected more, found less$"):
        worker.ask("refuse")
    with pytest.raises(_measure.WorkerError) as caught:
        worker.ask("fail")
    assert str(caught.value).startswith("ValueError: a first line and a second with many words")
    assert str(caught.value).endswith(" …")
    assert worker.ask("times", 4) == 12


@pytest.mark.parametrize(
    ("method", "expected"),
    [
        ("die", "its process ended with exit code 3: the last words"),
        ("fall", "its process ended with signal 9: no message"),
    ],
)
def test_a_worker_s_end_is_reported(worker: Any, method: str, expected: str) -> None:
    for question in (method, "times"):
        with pytest.raises(_measure.WorkerError) as caught:
            worker.ask(question)
        assert str(caught.value) == expected


def test_rows_replace_those_of_the_same_workload_and_machine(tmp_path: Path) -> None:
    path = tmp_path / "results.json"
    elsewhere = {**HERE, "cores": 64}
    old = [row("b", "native"), row("b", "gone"), row("a"), row("b") | {"machine": elsewhere}]
    _report.write_rows(old, path)
    newer = {**HERE, "numpy": "3.0.0"}
    new = [row("b", "pytorch"), row("b", "native", 2), row("b", "native", machine=newer)]
    _report.write_rows(new, path)
    found = json.loads(path.read_text("utf-8"))
    assert [(r["workload"], r["engine"], r["threads"], r["machine"]["cores"]) for r in found] == [
        ("a", "numpy", 1, 2),
        ("b", "native", 1, 2),
        ("b", "native", 2, 2),
        ("b", "pytorch", 1, 2),
        ("b", "numpy", 1, 64),
    ]
    assert found[1]["machine"]["numpy"] == "3.0.0"
    text = path.read_text("utf-8")
    assert len(text.splitlines()) == len(found) + 2
    _report.write_rows(list(reversed(new)), path)
    assert path.read_text("utf-8") == text
    assert os.listdir(tmp_path) == ["results.json"]  # noqa: PTH208


def test_a_machine_at_work_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "getloadavg", lambda: (0.49, 8.0, 8.0))
    assert _measure.busy() is None
    monkeypatch.setattr(os, "getloadavg", lambda: (3.14, 0.0, 0.0))
    assert _measure.busy() == (
        "the machine is not quiet (load average 3.1, expected less than 0.5): times will be too "
        "long, most of all those of PyTorch with 2 threads; wait and run again"
    )


def test_a_missing_pytorch_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mlp.importlib.util, "find_spec", lambda name: None)
    inputs, labels = np.zeros((10, 784), np.float32), np.zeros(10, np.int64)
    with pytest.raises(ByhandError) as caught:
        mlp.task("torch.compile", 1, mlp.WORKLOADS[0], inputs, labels)
    assert str(caught.value) == "PyTorch is not installed: pip install 'byhand[torch]'"


def test_a_machine_is_described() -> None:
    found = _report.machine()
    assert list(found) == ["processor", "cores", "os", "python", "numpy", "torch"]
    assert found["numpy"] == np.__version__
    assert found["cores"] == os.cpu_count()


@pytest.mark.parametrize("library", _sgemm.LIBRARIES)
def test_the_yardstick_multiplies(library: str, one_thread: int) -> None:
    if library == "Eigen" and (reason := engines.available("native")):
        pytest.skip(reason)
    rng = np.random.default_rng(0)
    a, b = rng.random((5, 7), np.float32), rng.random((7, 3), np.float32)
    product = _sgemm.Products(library, one_thread).multiply(a, b)()
    np.testing.assert_allclose(np.asarray(product), a @ b, rtol=1e-6)


def test_a_rate_says_what_each_library_reached() -> None:
    rate = _sgemm.Rate(2, 5e9, {"Eigen": "it crashed", "NumPy": 3e9, "PyTorch": 5e9})
    assert str(rate) == (
        "SGEMM with 2 threads: 5.0 GFLOP/s (Eigen none (it crashed), NumPy 3.0, PyTorch 5.0)"
    )
    nothing = _sgemm.Rate(1, math.nan, {"NumPy": "it crashed"})
    assert str(nothing) == "SGEMM with 1 thread: nan GFLOP/s (NumPy none (it crashed))"


def test_a_yardstick_tells_the_pace() -> None:
    worker = _sgemm.Rate(1, 1e9, {}, ("NumPy", (8, 16, 4))).yardstick()
    try:
        assert 1e5 < worker.ask("pace") < 1e15
    finally:
        worker.close()


def test_the_whole_benchmark(
    tmp_path: Path,
    mnist: Dataset,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert len(mnist.train) == 50_000
    path = tmp_path / "results.json"
    for name, value in {
        "ENGINES": ("numpy", "abacus"),
        "ROUNDS": 1,
        "SECONDS": 0.01,
        "machine": lambda: {**HERE, "cores": 1},
        "measure_rate": lambda threads: _sgemm.Rate(threads, 1e9, {"NumPy": 1e9}),
        "write_rows": partial(_report.write_rows, path=path),
    }.items():
        monkeypatch.setattr(mlp, name, value)
    mlp.main(mlp.__file__, mlp.WORKLOADS[:1])
    (found,) = json.loads(path.read_text("utf-8"))
    assert (found["workload"], found["engine"], found["threads"]) == (
        *(mlp.WORKLOADS[0].name, "numpy", 1),
    )
    assert found["machine"]["cores"] == 1
    assert found["median_seconds"] > 0
    assert found["peak_memory_mib"] > mnist.train.inputs.nbytes / 2**20
    printed = capsys.readouterr().out
    assert "\nSGEMM with 1 thread: 1.0 GFLOP/s (NumPy 1.0)\n" in printed
    assert (
        "abacus              1   engine is one of numpy, native, torch; found 'abacus'\n" in printed
    )
    assert printed.endswith("native, 1 thread: nothing to compare\n\n")
