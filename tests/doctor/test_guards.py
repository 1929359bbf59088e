"""A 1e-7 that keeps a logarithm from infinity is part of no derivative."""

from __future__ import annotations

from pathlib import Path

import pytest

from byhand.doctor import check_file

NET = """
import numpy as np


class Dense:
    def __init__(self, W, b):
        self.W, self.b = W, b

    def forward(self, x):
        self.x = x
        return x @ self.W + self.b

    def backward(self, dout):
        self.dW = self.x.T @ dout
        self.db = dout.sum(axis=0)
        return dout @ self.W.T


class CrossEntropy:
    def forward(self, z, t):
        e = np.exp(z - z.max(axis=1, keepdims=True))
        self.p, self.t = e / e.sum(axis=1, keepdims=True), t
        return -np.sum(t * np.log(self.p + 1e-7)) / len(t)

    def backward(self, dout=1):
        return dout * (self.p - self.t) / len(self.t)


class Net:
    def __init__(self, W1, b1, W2, b2):
        self.params = {"W1": W1, "b1": b1, "W2": W2, "b2": b2}
        self.layers = {"one": Dense(W1, b1), "two": Dense(W2, b2)}
        self.last = CrossEntropy()

    def loss(self, x, t):
        for layer in self.layers.values():
            x = layer.forward(x)
        return self.last.forward(x, t)

    def gradient(self, x, t):
        self.loss(x, t)
        dout = self.last.backward()
        for layer in reversed(self.layers.values()):
            dout = layer.backward(dout)
        one, two = self.layers["one"], self.layers["two"]
        return {"W1": one.dW, "b1": one.db, "W2": two.dW, "b2": two.db}


def example(rng):
    init = {"W1": (4, 5), "b1": 5, "W2": (5, 3), "b2": 3}
    return {
        "init": {name: 2 * rng.normal(size=size) for name, size in init.items()},
        "forward": {"x": rng.normal(size=(6, 4)), "t": np.eye(3)[rng.integers(0, 3, 6)]},
    }
"""


def written(path: Path, old: str = "", new: str = "") -> Path:
    assert old in NET
    file = path / "net.py"
    file.write_text(NET.replace(old, new) if old else NET)
    return file


def test_without_it_in_the_derivative_a_program_is_right(tmp_path: Path) -> None:
    report = check_file(written(tmp_path))
    assert report.verdict == "right"
    assert {"W1", "b1", "W2", "b2"} <= {g.name for g in report.gradients}
    line = NET.splitlines().index(next(k for k in NET.splitlines() if "1e-7" in k)) + 1
    assert report.notes[0] == (
        f"right but for guards against infinity, taken for 0 here: 1e-7 in line {line}"
    )


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ("return dout @ self.W.T", "return 2 * dout @ self.W.T"),
        ("self.db = dout.sum(axis=0)", "self.db = dout.mean(axis=0)"),
        ("dout * (self.p - self.t) / len(self.t)", "dout * (self.p - self.t)"),
        ('"W2": two.dW', '"W2": one.dW'),
    ],
)
def test_beside_it_a_mistake_is_found(tmp_path: Path, right: str, wrong: str) -> None:
    file = written(tmp_path, right, wrong)
    report = check_file(file)
    assert report.verdict == "wrong"
    (finding,) = report.findings
    line = next(k for k, text in enumerate(file.read_text().splitlines(), 1) if wrong in text)
    assert finding.line == line
    assert finding.fix is not None
    assert report.source == tuple(file.read_text().splitlines())


@pytest.mark.parametrize(
    ("loss", "verdict"),
    [
        ("np.log(np.clip(p, 1e-4, 1))", "right"),
        ("np.log(p + 1e-3)", "wrong"),  # too large for a guard
        ("1e-6 * np.log(p)", "wrong"),  # a factor
        ("np.log(np.maximum(p, 1e-12) + TINY)", "right"),
    ],
)
def test_what_is_a_guard(tmp_path: Path, loss: str, verdict: str) -> None:
    file = tmp_path / "loss.py"
    file.write_text(f"""
import numpy as np
TINY = 1e-6

def forward(p):
    return {loss}, p

def backward(dy, p):
    return dy / p

def example(rng):
    return {{"p": rng.uniform(0.01, 0.9, size=(4, 3))}}
""")
    assert check_file(file).verdict == verdict
