"""The score counts what the doctor says and no more, and survives whatever it does."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks/doctor"))

import score
from _corpus import Edit, Mistake, Program
from _workers import THREADS, TimeLimitError, Worker, WorkerError

from byhand.doctor.report import Finding, Fix, Report

from .square import SHEET, SOURCE

HALF = Mistake("half", "scale", (Edit("    dz = 2 * z", "    dz = z"),))
SUM = Mistake("sum", "missing-factor", (Edit("    dw = (dz * x).sum()", "    dw = dz.sum()"),))
BOTH = Mistake("both", "scale", HALF.edits + SUM.edits, double=True)
PROGRAM = Program(
    Path("corpus/pair/square.py"),
    SOURCE,
    'loss, cache = m.forward(**inputs)\ngrads = {"w": m.backward(cache)}',
    mistakes=(HALF, SUM, BOTH),
)
FIX_HALF = Fix(8, "    dz = z", "    dz = z * 2")
FIX_SUM = Fix(9, "    dw = dz.sum()", "    dw = (dz * x).sum()")


@pytest.fixture(autouse=True)
def environment_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker's threads are set for all processes to come; in the tests others come after it."""
    for name in THREADS:
        monkeypatch.setenv(name, "1")


def finding(line: int, fix: Fix | None = None, kind: str = "scale") -> Finding:
    return Finding(line, 0, 0, "dw", kind, "m", fix)


def wrong(*findings: Finding, verdict: str = "wrong") -> Report:
    return Report("square.py", verdict, findings=findings)


class Here:
    """A worker that says this of every program, and judges in this process."""

    def __init__(self, said: Report | Exception) -> None:
        self.said = said

    def ask(self, limit: float, task: Callable[..., Any], *arguments: Any) -> Any:
        if task is not score.checked:
            return task(*arguments)
        assert arguments[0] == "square.py"
        if isinstance(self.said, Exception):
            raise self.said
        return self.said, 0.25


def scored(said: Report | Exception, mistake: Mistake | None) -> score.Result:
    return score.score(score.Case(PROGRAM, mistake), Here(said))  # type: ignore[arg-type]


def test_a_right_program_that_is_called_right() -> None:
    result = scored(Report("square.py", "right"), None)
    assert (result.detected, result.failure, result.seconds) == (False, "", 0.25)


@pytest.mark.parametrize(
    ("said", "failure"),
    [
        (wrong(finding(8, FIX_HALF)), "wrong, line 8 dw scale -> dz = z * 2"),
        (Report("f", "undecided", reason="no inputs"), "undecided: no inputs"),
        (Report("f", "error"), "error"),
        (WorkerError("ValueError: no"), "ValueError: no"),
    ],
)
def test_a_right_program_that_is_not(said: Report | Exception, failure: str) -> None:
    assert scored(said, None).failure == failure


@pytest.mark.parametrize(
    ("mistake", "said", "counts", "failure"),
    [
        (HALF, wrong(finding(8, FIX_HALF)), (True, True, True, True), ""),
        (HALF, wrong(finding(8, FIX_HALF, "sign")), (True, True, True, False), ""),
        # The finding points elsewhere, its correction is where the mistake is.
        (HALF, wrong(finding(9, FIX_HALF)), (True, True, True, True), ""),
        (
            HALF,
            wrong(finding(8)),
            (True, True, False, True),
            "no fix: wrong, line 8 dw scale",
        ),
        (
            HALF,
            wrong(finding(10, Fix(10, "    return dw", "    return 2 * dw"))),
            (True, False, True, True),
            "expected line 8, wrong, line 10 dw scale -> return 2 * dw",
        ),
        (
            HALF,
            wrong(finding(8, Fix(8, "    dz = 7", "    dz = 8"))),
            (True, True, False, True),
            "fix cannot be judged: the file, line 8: expected '    dz = 7', found '    dz = z'; "
            "the file was changed since it was checked: check it again: wrong, line 8 dw scale "
            "-> dz = 8",
        ),
        (
            SUM,
            wrong(finding(9, FIX_SUM, "missing-factor"), verdict="shape"),
            (True, True, True, True),
            "",
        ),
        (
            HALF,
            Report("f", "right"),
            (False, False, False, False),
            "missed: right",
        ),
        (BOTH, wrong(finding(8, FIX_HALF), finding(9, FIX_SUM)), (True, True, True, True), ""),
    ],
)
def test_a_mistake(mistake: Mistake, said: Report, counts: tuple[bool, ...], failure: str) -> None:
    result = scored(said, mistake)
    assert (result.detected, result.line, result.fix, result.kind) == counts
    assert result.failure == failure


def test_a_fix_of_one_of_two_mistakes_is_not_enough() -> None:
    result = scored(wrong(finding(8, FIX_HALF)), BOTH)
    assert (result.line, result.fix) == (True, False)
    assert result.failure.startswith("fix is wrong (w: expected central differences, found a rel")


def test_a_time_limit_counts_as_the_whole_time() -> None:
    result = scored(TimeLimitError("no answer within 10 s"), HALF)
    assert (result.seconds, result.detected) == (score.LIMIT, False)
    assert result.failure == "no answer within 10 s"


def some_results() -> list[score.Result]:
    other = replace(PROGRAM, path=Path("corpus/loops/cube.py"))
    hidden = replace(HALF, hidden=True)
    return [
        score.Result(score.Case(PROGRAM), "right", 0.1),
        score.Result(score.Case(PROGRAM, HALF), "wrong", 0.2, True, True, False),
        score.Result(score.Case(PROGRAM, BOTH), "wrong", 0.3, True, False, True),
        score.Result(score.Case(other), "wrong", 0.4),
        score.Result(score.Case(other), "undecided", 0.5),
        score.Result(score.Case(other, hidden), "right", 2.345),
    ]


def test_the_counts() -> None:
    counts = score.summary(some_results())
    assert list(counts) == ["loops", "pair", "all", "one mistake", "double", "hidden"]
    assert counts["all"] == {
        "right": 3,
        "blamed": 1,
        "undecided": 1,
        "mistakes": 3,
        "detected": 2,
        "line": 2,
        "fix": 1,
        "kind": 1,
        "median_seconds": 0.35,
        "max_seconds": 2.3,
    }
    assert (counts["loops"]["right"], counts["loops"]["detected"]) == (2, 0)
    assert (counts["one mistake"]["mistakes"], counts["hidden"]["mistakes"]) == (1, 1)


def test_the_table() -> None:
    header, *rows = score.table(score.summary(some_results()))
    assert header.split() == [
        *("right", "blamed", "undecided", "mistakes"),
        *("detected", "line", "fix", "kind", "median", "max"),
    ]
    loops, pair, *_ = (" ".join(row.split()) for row in rows)
    assert loops == "loops 2 1 1 1 0 0% 0 0% 0 0% 0 0% 0.50 s 2.30 s"
    assert pair == "pair 1 0 0 2 2 100% 2 100% 1 50% 1 50% 0.20 s 0.30 s"
    assert len({len(row) for row in (header, *rows)}) == 1


def test_the_results_keep_those_of_the_other_root(tmp_path: Path) -> None:
    path = tmp_path / "results.json"
    score.write_results("programs", {"all": {"right": 1}}, path)
    score.write_results("holdout", {"all": {"right": 2}, "pair": {"right": 2}}, path)
    score.write_results("programs", {"all": {"right": 3}}, path)
    text = path.read_text("utf-8")
    assert json.loads(text) == {
        "holdout": {"all": {"right": 2}, "pair": {"right": 2}},
        "programs": {"all": {"right": 3}},
    }
    assert '\n  "pair": {"right": 2}\n' in text, "one row in each line"


def test_cases_are_chosen_by_a_part_of_their_names() -> None:
    names = [case.name for case in score.cases([PROGRAM])]
    assert names == [f"pair/square {id}" for id in ("right", "half", "sum", "both")]
    assert [case.mistake for case in score.cases([PROGRAM], "square ha")] == [HALF]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "corpus/pair").mkdir(parents=True)
    (tmp_path / "corpus/pair/square.py").write_text(SOURCE, "utf-8")
    (tmp_path / "corpus/pair/square.toml").write_text(SHEET, "utf-8")
    return tmp_path / "corpus"


def test_the_doctor_itself_is_scored(
    root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    kept: dict[str, Any] = {}
    monkeypatch.setattr(score, "write_results", kept.__setitem__)
    assert score.main([str(root), "--jobs", "1", "--failures"]) == 0
    assert kept["corpus"]["pair"] == kept["corpus"]["all"]
    counts = {key: kept["corpus"]["all"][key] for key in ("right", "blamed", "detected", "fix")}
    assert counts == {"right": 1, "blamed": 0, "detected": 1, "fix": 1}
    *table, loading = capsys.readouterr().out.splitlines()
    assert [row.split()[0] for row in table] == ["right", "pair", "all", "one"]
    assert loading.startswith("loading takes ")


def test_a_part_of_a_root_is_not_kept(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(score, "write_results", lambda *_: pytest.fail("written"))
    assert score.main([str(root), "--only", "right", "--jobs", "1"]) == 0
    assert score.main([str(root), "--style", "pair", "--only", "half", "--jobs", "1"]) == 0


@pytest.mark.parametrize("options", [["--only", "nothing"], ["--style", "nothing"]])
def test_nothing_to_check(
    root: Path, options: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert score.main([str(root), *options]) == 2
    said = "expected a case to check, found none of that name and style\n"
    assert capsys.readouterr().err == said


def test_no_corpus(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert score.main([str(tmp_path)]) == 2
    assert capsys.readouterr().err == (
        f"{tmp_path}: expected <style>/<name>.py, found none; give the corpus' root\n"
    )


@pytest.fixture
def worker() -> Iterator[Worker]:
    made = Worker()
    yield made
    made.close()


def test_a_worker_answers_after_whatever_happened_to_it(worker: Worker) -> None:
    first = worker.ask(60, os.getpid)
    assert first != os.getpid()
    with pytest.raises(WorkerError) as failure:
        worker.ask(60, int, "no\nnumber")
    assert str(failure.value) == (
        "ValueError: invalid literal for int() with base 10: 'no\\nnumber'"
    )
    assert worker.ask(60, os.getpid) == first, "an error does not end it"
    assert worker.ask(60, os.getenv, "OMP_NUM_THREADS") == "1"
    with pytest.raises(TimeLimitError) as failure:
        worker.ask(0.2, time.sleep, 60)
    assert str(failure.value) == "no answer within 0.2 s"
    second = worker.ask(60, os.getpid)
    assert second != first
    with pytest.raises(WorkerError) as failure:
        worker.ask(60, os._exit, 3)
    assert str(failure.value) == "its process ended with exit code 3"
    assert worker.ask(60, os.getpid) not in (first, second)


def test_a_closed_worker_leaves_no_process(worker: Worker) -> None:
    process = worker.ask(60, os.getpid)
    worker.close()
    with pytest.raises(ProcessLookupError):
        os.kill(process, 0)
