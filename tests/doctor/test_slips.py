"""Slips in slices, lists, masks and whole lines: each is found on its line and mended."""

from __future__ import annotations

from pathlib import Path

import pytest

from byhand.doctor import check_file
from byhand.doctor.fixing import applied

BIAS = """
def forward(theta, x, t, lam):
    a = np.hstack([np.ones((len(x), 1)), x])
    y = a @ theta
    return 0.5 * ((y - t) ** 2).sum() + 0.5 * lam * (theta[1:] ** 2).sum(), (a, y, t)

def backward(theta, lam, cache):
    a, y, t = cache
    grad = a.T @ (y - t)
    grad[1:] += lam * theta[1:]
    return {"theta": grad, "x": (y - t) @ theta[1:].T}

def example(rng):
    return {"theta": rng.normal(size=(4, 2)), "x": rng.normal(size=(5, 3)),
            "t": rng.normal(size=(5, 2)), "lam": 0.4}
"""
DEEP = """
def forward(ws, x):
    hs = [x]
    for w in ws:
        hs.append(np.tanh(hs[-1] @ w))
    return hs[-1], hs

def backward(dy, ws, hs):
    grads = []
    d = dy
    for k in range(len(ws) - 1, -1, -1):
        dz = d * (1 - hs[k + 1] ** 2)
        grads.append(hs[k].T @ dz)
        d = dz @ ws[k].T
    grads.reverse()
    return {"ws": grads, "x": d}

def example(rng):
    return {"ws": [rng.normal(size=(3, 4)), rng.normal(size=(4, 5)), rng.normal(size=(5, 2))],
            "x": rng.normal(size=(6, 3))}
"""
PADDED = """
def forward(x, w, pad):
    wide = np.pad(x, pad)
    y = sum(w[k] * wide[k:k + len(x)] for k in range(len(w)))
    return y, (wide, w, pad)

def backward(dy, cache):
    wide, w, pad = cache
    d = np.zeros_like(wide)
    for k in range(len(w)):
        d[k:k + len(dy)] += w[k] * dy
    dx = d[pad:-pad]
    dw = np.array([(wide[k:k + len(dy)] * dy).sum() for k in range(len(w))])
    return dx, dw

def example(rng):
    return {"x": rng.normal(size=9), "w": rng.normal(size=5), "pad": 2}
"""
LAYER = """
class Leaky:
    slope = 0.2

    def __init__(self, w):
        self.w = w

    def forward(self, x):
        self.x = x
        self.z = x @ self.w
        self.low = self.z < 0
        return np.where(self.low, self.slope * self.z, self.z)

    def backward(self, dout):
        d = dout * np.where(self.low, self.slope, 1.0)
        self.dw = self.x.T @ d
        return d @ self.w.T

def example(rng):
    return {"init": {"w": rng.normal(size=(3, 4))}, "forward": {"x": rng.normal(size=(5, 3))}}
"""
MASKED = """
def forward(x, w, real):
    return (x @ w) * real[:, :, None], (x, w, real)

def backward(dout, cache):
    x, w, real = cache
    dout = dout * real[:, :, None]
    dw = np.einsum("bti,bto->io", x, dout)
    dx = dout @ w.T
    return dx, dw

def example(rng):
    real = np.array([[True, True, False], [True, False, False]])
    return {"x": rng.normal(size=(2, 3, 4)), "w": rng.normal(size=(4, 5)), "real": real}
"""
HINGE = """
def loss_and_grad(w, x, y):
    total, dw = 0.0, np.zeros_like(w)
    for i in range(len(x)):
        s = x[i] @ w
        for j in range(w.shape[1]):
            if j != y[i] and s[j] - s[y[i]] + 1 > 0:
                total += s[j] - s[y[i]] + 1
                dw[:, j] += x[i]
                dw[:, y[i]] -= x[i]
    return total, dw

def example(rng):
    return {"w": rng.normal(size=(4, 3)), "x": rng.normal(size=(5, 4)),
            "y": rng.integers(0, 3, size=5)}
"""
TWO = """
def forward(w1, w2, x, lam):
    h = x @ w1
    return (h @ w2).sum() + lam * ((w1 ** 2).sum() + (w2 ** 2).sum()), (x, h)

def backward(w1, w2, lam, cache):
    x, h = cache
    one = np.ones((len(x), w2.shape[1]))
    dw1 = x.T @ (one @ w2.T)
    dw2 = h.T @ one
    dw1 += 2 * lam * w1
    dw2 += 2 * lam * w2
    return dw1, dw2

def example(rng):
    return {"w1": rng.normal(size=(3, 4)), "w2": rng.normal(size=(4, 2)),
            "x": rng.normal(size=(5, 3)), "lam": 0.3}
"""
STEEP = """
def forward(x, w):
    z = x @ w
    return np.where(z < 0, 0.2 * z, z), (x, w, z)

def backward(dout, cache):
    x, w, z = cache
    d = dout.copy()
    d[z < 0] *= 0.2
    return d @ w.T, x.T @ d

def example(rng):
    return {"x": rng.normal(size=(5, 4)), "w": rng.normal(size=(4, 4))}
"""
WINDOWS = """
def forward(x, k, stride):
    n = (len(x) - len(k)) // stride + 1
    y = np.zeros((n, n))
    for i in range(n):
        for j in range(n):
            y[i, j] = (x[i * stride:i * stride + len(k), j * stride:j * stride + len(k)] * k).sum()
    return y, (x, k, stride)

def backward(dy, cache):
    x, k, stride = cache
    dx, dk, size = np.zeros_like(x), np.zeros_like(k), len(k)
    for i in range(len(dy)):
        for j in range(len(dy)):
            top, left = i * stride, j * stride
            dk += x[top:top + size, left:left + size] * dy[i, j]
            dx[top:top + size, left:left + size] += k * dy[i, j]
    return dx, dk

def example(rng):
    return {"x": rng.normal(size=(7, 7)), "k": rng.normal(size=(3, 3)), "stride": 2}
"""
MODULES = """
class Scale:
    def __init__(self, by):
        self.by = by

    def forward(self, x):
        self.x = x
        return np.tanh(x * self.by)

    def backward(self, d):
        d = d * (1 - np.tanh(self.x * self.by) ** 2)
        self.dby = (d * self.x).sum(axis=0)
        return d * self.by

class Net:
    def __init__(self, a, b, c):
        self.first, self.second, self.third = Scale(a), Scale(b), Scale(c)

    def forward(self, x):
        return self.third.forward(self.second.forward(self.first.forward(x)))

    def backward(self, d):
        for module in (self.third, self.second, self.first):
            d = module.backward(d)
        return d

def example(rng):
    return {"init": {n: rng.normal(size=4) for n in "abc"},
            "forward": {"x": rng.normal(size=(5, 4))}}
"""
RESIDUAL = """
def forward(xs, w, u):
    s, tape = np.zeros(len(u)), []
    for x in xs:
        a = np.tanh(w @ x)
        tape.append((x, s, a))
        s = np.tanh(u @ s + a)
    return s, (tape, s, w, u)

def backward(ds, cache):
    tape, after, w, u = cache
    dw, du, dxs = np.zeros_like(w), np.zeros_like(u), []
    for x, s, a in reversed(tape):
        dz = ds * (1 - after ** 2)
        ds = u.T @ dz
        da = dz * (1 - a ** 2)
        dw += np.outer(da, x)
        dxs.insert(0, w.T @ da)
        after = s
        du += np.outer(dz, s)
    return {"dxs": np.array(dxs), "dw": dw, "du": du}

def example(rng):
    return {"xs": rng.normal(size=(4, 3)), "w": rng.normal(size=(5, 3)),
            "u": rng.normal(size=(5, 5)) / 2}
"""
CASES = {
    # what is wrong: (a right program, a line of it, what stands there, whether it raises)
    "the bias is regularised too": (
        BIAS,
        "    grad[1:] += lam * theta[1:]",
        "    grad += lam * theta",
        "wrong",
    ),
    "the wrong end is cut off": (BIAS, "theta[1:].T}", "theta[:-1].T}", "wrong"),
    "the bias is not cut off": (
        BIAS,
        "grad[1:] += lam * theta[1:]",
        "grad[1:] += lam * theta",
        "shape",
    ),
    "a list is left as it was collected": (DEEP, "    grads.reverse()\n", "", "wrong"),
    "the edge is cut off on one side": (PADDED, "d[pad:-pad]", "d[2 * pad:]", "wrong"),
    "the edge is not cut off": (PADDED, "d[pad:-pad]", "d", "wrong"),
    "a slope is forgotten": (LAYER, "self.slope, 1.0)", "0.0, 1.0)", "wrong"),
    "padding has a part in it": (MASKED, "    dout = dout * real[:, :, None]\n", "", "wrong"),
    "only one of two places": (HINGE, "                dw[:, y[i]] -= x[i]\n", "", "wrong"),
    "= for *=": (STEEP, "d[z < 0] *= 0.2", "d[z < 0] = 0.2", "wrong"),
    "a slope that is zero": (STEEP, "d[z < 0] *= 0.2", "d[z < 0] = 0", "wrong"),
    "unpacked in another order": (STEEP, "x, w, z = cache", "z, w, x = cache", "wrong"),
    "two indices for two others": (
        WINDOWS,
        "dx[top:top + size, left:left + size] +=",
        "dx[i:i + size, j:j + size] +=",
        "wrong",
    ),
    "an object left out of a row": (
        MODULES,
        "in (self.third, self.second, self.first)",
        "in (self.third, self.first)",
        "wrong",
    ),
    "a slope that was there already": (
        RESIDUAL,
        "dz = ds * (1 - after ** 2)",
        "dz = ds * (1 - after ** 2) * a * (1 - a)",
        "wrong",
    ),
    "a sum that a loop leaves out": (RESIDUAL, "        du += np.outer(dz, s)\n", "", "wrong"),
    "a line that was copied": (TWO, "    dw2 += 2 * lam * w2", "    dw1 += 2 * lam * w1", "wrong"),
}


@pytest.mark.parametrize("name", CASES)
def test_a_slip_is_found_on_its_line_and_mended(name: str, tmp_path: Path) -> None:
    right, old, new, verdict = CASES[name]
    assert right.count(old) == 1
    text = "import numpy as np\n" + right.replace(old, new)
    path = tmp_path / "net.py"
    path.write_text(text, encoding="utf-8")
    report = check_file(path)
    assert report.verdict == verdict, str(report)
    fixes = [finding.fix for finding in report.findings if finding.fix]
    assert fixes, str(report)
    path.write_text(applied(text, fixes), encoding="utf-8")
    assert check_file(path).verdict == "right", str(report)
    line = 1 + ("import numpy as np\n" + right).split(old)[0].count("\n")
    lines = {k for fix in fixes for k in range(fix.line, fix.line + len(fix.old.splitlines()))}
    assert lines & ({line} if new else {line - 1, line}), str(report)
