"""Large inputs are checked as small ones, and the report says so."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from byhand.doctor import check_file
from byhand.doctor.shrinking import LONG, large, shrunk, sizes


def test_what_is_large() -> None:
    assert large({"x": np.zeros((60000, 1))})
    assert large({"x": np.zeros((100, 100, 10))})
    assert large({"init": {"hidden": 4096}})
    assert large({"steps": [0] * 1000})
    assert not large({"x": np.zeros((64, 128)), "lr": 0.1, "name": "net", "deep": [[1, 2], None]})


def test_each_length_gets_a_size_of_its_own() -> None:
    given = {"x": np.zeros((60000, 784)), "W": np.zeros((784, 51)), "b": np.zeros(51), "k": 5}
    assert sizes(given, LONG, 2) == {60000: 6, 784: 8, 51: 7}
    assert sizes(given, LONG, 8) == {60000: 8, 784: 16, 51: 7}
    assert sizes({"x": np.zeros((9, 8))}, 8, 2) == {9: 5}
    assert sizes({"x": np.zeros((32, 8))}, LONG, 2) == {}


def test_lengths_indices_and_numbers_go_together() -> None:
    given = {
        "x": np.arange(120.0).reshape(40, 3),
        "y": np.array([49, 7, 12] * 20)[:40],
        "E": np.ones((50, 4)),
        "init": {"sizes": [50, 3], "deep": (40, True)},
        "ids": [49] * 40,
        "lr": 0.5,
    }
    found = shrunk(given, {50: 8, 40: 6})
    np.testing.assert_array_equal(found["x"], given["x"][:6])
    np.testing.assert_array_equal(found["y"], np.array([1, 7, 4] * 2))
    assert found["E"].shape == (8, 4)
    assert found["init"] == {"sizes": [8, 3], "deep": (6, True)}
    assert found["init"]["deep"][1] is True
    assert found["ids"] == [1] * 6
    assert found["lr"] == 0.5
    assert given["x"].shape == (40, 3), "what was given is as it was"


SOFTMAX = """
import numpy as np
{world}
def softmax_forward(x, y, {W}scale):
    s = x @ W * scale
    p = np.exp(s - s.max(axis=1, keepdims=True))
    p /= p.sum(axis=1, keepdims=True)
    return -np.log(p[np.arange(len(x)), y]).mean(), (x, y, W, p, scale)

def softmax_backward(cache):
    x, y, W, p, scale = cache
    ds = p.copy()
    ds[np.arange(len(x)), y] -= 1
    ds /= len(x)
    return {{"dW": {dW}, "dx": ds @ W.T * scale}}

def example(rng):
    return {{
        "x": rng.normal(size=(3000, 784)), "y": rng.integers(0, 10, size=3000),
        {example}"scale": 0.3,
    }}
"""
INSIDE = {"world": "", "W": "W, ", "example": '"W": rng.normal(size=(784, 10)), '}
OUTSIDE = {"world": "W = np.ones((784, 10)) / 784\n", "W": "", "example": ""}


@pytest.mark.parametrize(("dW", "verdict"), [("x.T @ ds * scale", "right"), ("x.T @ ds", "wrong")])
def test_large_inputs_are_cut(tmp_path: Path, dW: str, verdict: str) -> None:
    path = tmp_path / "net.py"
    path.write_text(SOFTMAX.format(dW=dW, **INSIDE))
    report = check_file(path)
    assert report.verdict == verdict
    assert report.notes == ("checked with smaller inputs than it was given: 6 for 3000, 8 for 784",)
    assert [f.fix.new.strip() for f in report.findings if f.fix] == (
        [] if verdict == "right" else ['return {"dW": x.T @ ds * scale, "dx": ds @ W.T * scale}']
    )


def test_what_raises_is_cut_where_it_raises_alike(tmp_path: Path) -> None:
    path = tmp_path / "net.py"
    path.write_text(SOFTMAX.format(dW="x @ ds * scale", **INSIDE))
    report = check_file(path)
    assert report.verdict == "shape"
    assert report.notes == ("checked with smaller inputs than it was given: 6 for 3000, 8 for 784",)
    assert "(size 3000 is different from 784)" in report.reason, "what Python says of its own"
    (finding,) = report.findings
    assert finding.fix is not None
    assert finding.fix.new.strip() == 'return {"dW": x.T @ ds * scale, "dx": ds @ W.T * scale}'


def test_an_axis_that_is_needed_stays(tmp_path: Path) -> None:
    path = tmp_path / "net.py"
    path.write_text(SOFTMAX.format(dW="x.T @ ds * scale", **OUTSIDE))
    report = check_file(path)
    assert report.verdict == "right"
    assert report.notes == ("checked with smaller inputs than it was given: 8 for 3000",)


def test_a_sequence_in_a_list_is_cut(tmp_path: Path) -> None:
    path = tmp_path / "net.py"
    path.write_text(
        """
import numpy as np

def rnn_forward(inputs, E, W):
    hs = [np.zeros(W.shape[0])]
    for i in inputs:
        hs.append(np.tanh(E[i] + W @ hs[-1]))
    return sum((h ** 2).sum() for h in hs) / 2, (inputs, E, W, hs)

def rnn_backward(cache):
    inputs, E, W, hs = cache
    dE, dW, dh = np.zeros_like(E), np.zeros_like(W), np.zeros(W.shape[0])
    for t in reversed(range(len(inputs))):
        dz = (dh + hs[t + 1]) * (1 - hs[t + 1] ** 2)
        dE[inputs[t]] += dz
        dW += np.outer(dz, hs[t])
        dh = W.T @ dz
    return {"dE": dE, "dW": dW}

def example(rng):
    inputs = [int(i) for i in rng.integers(0, 90, size=5000)]
    return {"inputs": inputs, "E": rng.normal(size=(90, 4)), "W": rng.normal(size=(4, 4))}
"""
    )
    report = check_file(path)
    assert report.verdict == "right"
    assert report.notes == ("checked with smaller inputs than it was given: 6 for 5000, 8 for 90",)


def test_a_slow_program_is_tried_on_less(tmp_path: Path) -> None:
    path = tmp_path / "net.py"
    path.write_text(
        """
import time
import numpy as np

def scale_forward(x, w):
    for _ in x:
        time.sleep(0.003)
    return x * w, (x, w)

def scale_backward(dout, cache):
    x, w = cache
    return dout * w, (dout * x).sum(axis=0)

def example(rng):
    return {"x": rng.normal(size=(40, 3)), "w": rng.normal(size=3)}
"""
    )
    report = check_file(path)
    assert report.verdict == "right"
    assert report.notes == ("checked with smaller inputs than it was given: 6 for 40",)
