"""A repair in words: every kind has its sentence, and the sentence names the part that matters."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import byhand.doctor
from byhand.doctor import check_file, explain

ROOT = Path(byhand.doctor.__file__).parent
KIND = {"Edit": 2, "Change": 1}
NET = """
import numpy as np


def forward(x, W, b, m):
    z = x @ W + b
    a = np.tanh(z)
    return a / m, (x, W, a)


def backward(dout, cache, m):
    x, W, a = cache
    da = dout / m
    dz = da * (1 - a ** 2)
    return {"dW": x.T @ dz, "db": dz.sum(axis=0), "dx": dz @ W.T}


def example(rng):
    return {
        "x": rng.normal(size=(5, 4)),
        "W": rng.normal(size=(4, 3)),
        "b": rng.normal(size=3),
        "m": 7,
    }
"""
SAID = {
    "a division": ("dout / m", "dout", "The size is off: the division by m is missing."),
    "a factor too many": (
        "dout / m",
        "dout / m * m",
        "The size is off: m is a factor too many.",
    ),
    "a name": (
        "x.T @ dz",
        "x.T @ da",
        "The line uses da where dz belongs.",
    ),
    "a term too many": (
        "da * (1 - a ** 2)",
        "da * (1 - a ** 2) + a",
        "There is a term too many: a has no place in the derivative.",
    ),
    "a sum": (
        "dz.sum(axis=0)",
        "dz",
        "db is (5, 3), b is (3,). A variable that was broadcast gets the sum over what it was "
        "spread to: dz.sum(axis=0).",
    ),
}


def kinds(path: Path) -> set[str]:
    """The kinds that a module gives to its edits, as far as its text says them."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        name = (
            node.func.id if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) else ""
        )
        if name in KIND and isinstance(node, ast.Call) and len(node.args) > KIND[name]:
            inside = ast.walk(node.args[KIND[name]])
            found |= {n.value for n in inside if isinstance(n, ast.Constant)}
    return {kind for kind in found if isinstance(kind, str)}


def test_every_kind_has_its_sentence() -> None:
    found = set().union(*map(kinds, [*ROOT.glob("edits/*.py"), ROOT / "statements.py"]))
    assert "missing-transpose" in found
    assert "extra-term" in found
    assert found <= set(explain.SAYINGS)


@pytest.mark.parametrize("case", SAID)
def test_the_sentence_names_the_part(case: str, tmp_path: Path) -> None:
    right, wrong, message = SAID[case]
    assert right in NET
    path = tmp_path / "net.py"
    path.write_text(NET.replace(right, wrong))
    (finding,) = check_file(path).findings
    assert finding.fix is not None
    assert right in finding.fix.new
    assert finding.message == message


def test_a_product_that_does_not_fit_gets_its_equation(tmp_path: Path) -> None:
    path = tmp_path / "net.py"
    text = NET.replace("(1 - a ** 2)", "(1 - a ** 2)  # (batch, out)").replace(
        "def forward(x, W, b, m):", 'def forward(x, W, b, m):\n    """x: (batch, in)"""'
    )
    path.write_text(text.replace('return {"dW": x.T @ dz,', 'dW = x @ dz\n    return {"dW": dW,'))
    report = check_file(path)
    assert report.verdict == "shape"
    (finding,) = report.findings
    assert finding.message == (
        "x (batch 5, in 4) @ dz (batch 5, out 3) does not fit. dW[in, out] = Σ_batch x[batch, in] "
        "· dz[batch, out]. A product backwards goes through the transpose: x.T, not x."
    )
