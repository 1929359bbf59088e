"""Mistakes of which the second is only seen with the correction of the first in place."""

from __future__ import annotations

from pathlib import Path

import pytest

from byhand.doctor import check_file
from byhand.doctor.fixing import applied
from byhand.doctor.report import Report

LOOP = """
import numpy as np


def forward(xs, h0, W, U, b):
    hs = [h0]
    for x in xs:
        hs.append(np.tanh(W @ x + U @ hs[-1] + b))
    return np.array(hs[1:]), (xs, hs, W, U)


def backward(dhs, cache):
    xs, hs, W, U = cache
    dW, dU, db = np.zeros_like(W), np.zeros_like(U), np.zeros(len(U))
    carry = np.zeros(len(U))
    for t in range(len(xs) - 1, -1, -1):
        da = (dhs[t] + carry) * (1 - hs[t + 1] ** 2)
        dW += np.outer(da, xs[t])
        dU += np.outer(da, hs[t])
        db += da
        carry = U.T @ da
    return {"dW": dW, "dU": dU, "db": db, "dh0": carry}


def example(rng):
    return {
        "xs": rng.normal(size=(4, 3)),
        "h0": rng.normal(size=5),
        "W": rng.normal(size=(5, 3)),
        "U": rng.normal(size=(5, 5)) / 2,
        "b": rng.normal(size=5),
    }
"""


def checked(path: Path, *edits: tuple[str, str]) -> Report:
    """The report on the program with these edits, once its corrections are seen to be right."""
    text = LOOP
    for old, new in edits:
        assert text.count(old) == 1
        text = text.replace(old, new)
    path.write_text(text, "utf-8")
    report = check_file(path)
    path.write_text(applied(text, [f.fix for f in report.findings if f.fix]), "utf-8")
    assert check_file(path).verdict == "right", str(report)
    return report


@pytest.mark.parametrize(
    "second",
    [("db += da", "db = da"), ("np.outer(da, hs[t])", "np.outer(da, hs[t + 1])")],
    ids=["a statement", "an expression"],
)
@pytest.mark.parametrize(
    "first",
    [("carry = U.T @ da", "carry = U @ da"), ("dW += np.outer", "dW = np.outer")],
    ids=["an expression", "a statement"],
)
def test_both_of_two_mistakes_in_one_loop_are_mended(
    first: tuple[str, str], second: tuple[str, str], tmp_path: Path
) -> None:
    report = checked(tmp_path / "loop.py", first, second)
    lines = LOOP.splitlines()
    expected = {n for n, line in enumerate(lines, 1) for old, _ in (first, second) if old in line}
    assert {finding.line for finding in report.findings} == expected


def test_two_corrections_of_one_statement_are_written_as_one(tmp_path: Path) -> None:
    text = """
import numpy as np


def forward(x, W, b):
    return np.sin(x @ W + b), (x, W, b)


def backward(dout, cache):
    x, W, b = cache
    dz = dout * np.cos(x @ W + b)
    dW, db = x.T @ dz / len(x), 3 * dz.sum(axis=0)
    return {"dW": dW, "db": db}


def example(rng):
    return {"x": rng.normal(size=(5, 3)), "W": rng.normal(size=(3, 2)), "b": rng.normal(size=2)}
"""
    path = tmp_path / "pair.py"
    path.write_text(text, "utf-8")
    findings = check_file(path).findings
    assert [finding.line for finding in findings] == [12, 12]
    assert {f.fix.new.strip() for f in findings if f.fix} == {"dW, db = x.T @ dz, dz.sum(axis=0)"}


@pytest.mark.parametrize(
    ("line", "term"),
    [("        dU += np.outer(da, hs[t])\n", "np.outer(da, hs"), ("        db += da\n", "da")],
)
def test_a_line_that_is_missing_in_a_loop_is_put_in(line: str, term: str, tmp_path: Path) -> None:
    report = checked(tmp_path / "loop.py", (line, ""))
    (finding,) = report.findings
    assert finding.kind == "missing-term"
    assert finding.fix is not None
    assert term in finding.fix.new
