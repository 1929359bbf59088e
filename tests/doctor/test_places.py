"""The line that is named: of several that could make up for a mistake the one that has it."""

from __future__ import annotations

from pathlib import Path

import pytest

from byhand.doctor import check_file
from byhand.doctor.fixing import applied

PAIR = """
def forward(x, y, w):
    r = x @ w - y
    return 0.5 * np.mean(r ** 2), (x, y, w, r)

def backward(cache):
    x, y, w, r = cache
    dr = r / len(r)
    return x.T @ dr

def example(rng):
    return {"x": rng.normal(size=(5, 3)), "y": rng.normal(size=5), "w": rng.normal(size=3)}
"""
TOGETHER = """
def loss(x, y, w, v):
    h = np.tanh(x @ w)
    r = h @ v - y
    value = 0.5 * np.sum(r ** 2)
    gv = h.T @ r
    gz = np.outer(r, v) * (1 - h ** 2)
    gw = x.T @ gz
    return value, {"w": gw, "v": gv}

def example(rng):
    return {"x": rng.normal(size=(5, 3)), "y": rng.normal(size=5),
            "w": rng.normal(size=(3, 4)), "v": rng.normal(size=4)}
"""
LAYERS = """
def forward(x, params):
    cache = {"A0": x}
    for l in (1, 2):
        cache[f"Z{l}"] = cache[f"A{l - 1}"] @ params[f"W{l}"]
        H = np.tanh(cache[f"Z{l}"])
        cache[f"A{l}"] = params[f"g{l}"] * H
    return np.sum(cache["A2"] ** 3), cache

def backward(params, cache):
    grads = {}
    dA = 3 * cache["A2"] ** 2
    for l in (2, 1):
        grads[f"dg{l}"] = np.sum(dA * np.tanh(cache[f"Z{l}"]), axis=0)
        dH = dA * params[f"g{l}"]
        dZ = dH * (1 - np.tanh(cache[f"Z{l}"]) ** 2)
        grads[f"dW{l}"] = cache[f"A{l - 1}"].T @ dZ
        dA = dZ @ params[f"W{l}"].T
    return grads

def example(rng):
    return {"x": rng.normal(size=(5, 3)), "params": {
        "W1": rng.normal(size=(3, 4)), "g1": rng.normal(size=4),
        "W2": rng.normal(size=(4, 2)), "g2": rng.normal(size=2)}}
"""
STEPS = """
def forward(x, W, U):
    h, hs = np.zeros((2, 3)), [np.zeros((2, 3))]
    for t in range(4):
        h = np.tanh(x[t] @ U + h @ W)
        hs.append(h)
    return np.array(hs[1:]), (x, W, U, hs)

def backward(dout, cache):
    x, W, U, hs = cache
    dW, dU, dx = np.zeros_like(W), np.zeros_like(U), np.zeros_like(x)
    carry = np.zeros((2, 3))
    for t in range(3, -1, -1):
        dh = dout[t] + carry
        dz = dh * (1 - hs[t + 1] ** 2)
        dx[t] = dz @ U.T
        dU += x[t].T @ dz
        dW += hs[t].T @ dz
        carry = dz @ W.T
    return dx, dW, dU

def example(rng):
    return {"x": rng.normal(size=(4, 2, 5)), "W": rng.normal(size=(3, 3)) * 0.6,
            "U": rng.normal(size=(5, 3))}
"""
GELU = """
def forward(x):
    t = np.tanh(0.8 * (x + 0.04 * x ** 3))
    return 0.5 * x * (1 + t), (x, t)

def backward(dout, cache):
    x, t = cache
    inner = 0.8 * (1 + 0.12 * x ** 2)
    return dout * (0.5 * (1 + t) + 0.5 * x * (1 - t ** 2) * inner)

def example(rng):
    return {"x": rng.normal(size=(3, 4))}
"""
CASES = {
    "the wrong thing kept beside the loss": (PAIR, "(x, y, w, r)\n", "(x, y, w, y)\n"),
    "the wrong thing handed back beside the loss": (TOGETHER, '"v": gv', '"v": gw'),
    "an entry whose key is computed": (LAYERS, ' * params[f"g{l}"]\n', "\n"),
    "what a loop carries to its next round": (STEPS, "carry = dz @ W.T", "carry = dh @ W.T"),
    "a number that is missing in a sum": (GELU, "(1 + 0.12 * x ** 2)", "(0.12 * x ** 2)"),
}


def written(text: str, path: Path) -> Path:
    path.write_text("import numpy as np\n" + text, encoding="utf-8")
    return path


@pytest.mark.parametrize("name", CASES)
def test_the_line_with_the_mistake_is_mended(name: str, tmp_path: Path) -> None:
    right, old, new = CASES[name]
    text = right.replace(old, new, 1)
    assert text != right
    path = written(text, tmp_path / "net.py")
    report = check_file(path)
    line = 1 + ("import numpy as np\n" + right).split(old)[0].count("\n")
    assert [finding.line for finding in report.findings] == [line], str(report)
    fixes = [finding.fix for finding in report.findings if finding.fix]
    path.write_text(applied(path.read_text("utf-8"), fixes), encoding="utf-8")
    assert check_file(path).verdict == "right", str(report)


@pytest.mark.slow
def test_where_nothing_explains_it_the_first_wrong_value_is_named(tmp_path: Path) -> None:
    text = STEPS.replace("dz = dh * (1 - hs[t + 1] ** 2)", "dz = np.sin(3 * t + 7 * dh) ** 3")
    report = check_file(written(text, tmp_path / "net.py"))
    assert report.verdict == "wrong"
    assert [f.kind for f in report.findings] == ["unexplained"], str(report)
    assert "dz = " in text.splitlines()[report.findings[0].line - 2]
