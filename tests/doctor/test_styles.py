"""Ways to keep parameters, caches and numbers that the doctor reads without being told."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from byhand.doctor import check_file

PROGRAMS: dict[str, tuple[str, str, str]] = {
    # name: (a right program, what of it to exchange, for what so that it is wrong)
    "one array under two names": (
        """
W = np.random.default_rng(1).normal(size=(3, 4))
params = [W, np.zeros(4)]

def forward(x):
    h = np.tanh(x @ params[0] + params[1])
    return h, (x, h)

def backward(dh, cache):
    x, h = cache
    dz = dh * (1 - h ** 2)
    return dz @ W.T, x.T @ dz, dz.sum(0)

def example(rng):
    return {"x": rng.normal(size=(5, 3))}
""",
        "1 - h ** 2",
        "1 - h",
    ),
    "gradients that are global": (
        """
W = np.random.default_rng(1).normal(size=(3, 2))

def forward(x):
    global kept
    h = np.tanh(x @ W)
    kept = x, h
    return h

def backward(dh):
    "Leaves dW."
    global dW
    x, h = kept
    dz = dh * (1 - h * h)
    dW = x.T @ dz

def example(rng):
    return {"x": rng.normal(size=(5, 3))}
""",
        "dh * (1 - h * h)",
        "np.sin(3 * dh) ** 2 - np.exp(h) / (2 + dh)",
    ),
    "an attribute that is also in a dictionary": (
        """
class Layer:
    def __init__(self, n, m):
        self.W = np.random.randn(n, m)
        self.params = {"W": self.W}
        self.grads = {}

    def forward(self, x):
        self.x, self.h = x, np.tanh(x @ self.params["W"])
        return self.h

    def backward(self, dout):
        dz = dout * (1 - self.h ** 2)
        self.grads["W"] = self.x.T @ dz
        return dz @ self.W.T

def example(rng):
    return {"init": {"n": 3, "m": 4}, "forward": {"x": rng.normal(size=(5, 3))}}
""",
        "self.x.T @ dz",
        "self.x.T @ dout",
    ),
    "methods that need no object": (
        """
class Softplus:
    @staticmethod
    def forward(x):
        return np.logaddexp(0, x)

    @staticmethod
    def backward(x, upstream):
        return upstream / (1 + np.exp(-x))

def example(rng):
    return {"init": {}, "forward": {"x": rng.normal(size=(4, 3))}}
""",
        "np.exp(-x)",
        "np.exp(x)",
    ),
    "an input of ids, and a table that the constructor draws": (
        """
class Embedding:
    def __init__(self, names, width):
        self.table = np.random.default_rng(5).normal(size=(names, width))
        self.table_grad = np.zeros_like(self.table)

    def forward(self, ids):
        self.ids = ids
        return self.table[ids].mean(axis=1)

    def backward(self, d):
        for row, g in zip(self.ids, d):
            for name in row:
                self.table_grad[name] += g / len(row)

def example(rng):
    return {"init": {"names": 6, "width": 3}, "forward": {"ids": rng.integers(0, 6, (4, 5))}}
""",
        "+= g / len(row)",
        "= g / len(row)",
    ),
    "an object of the module": (
        """
class Params:
    pass

p = Params()
p.W = np.random.randn(3, 4)

def forward(x):
    h = np.tanh(x @ p.W)
    return h, (x, h)

def backward(dh, cache):
    x, h = cache
    dz = dh * (1 - h ** 2)
    p.dW = x.T @ dz
    return dz @ p.W.T

def example(rng):
    return {"x": rng.normal(size=(5, 3))}
""",
        "x.T @ dz",
        "x.T @ dh",
    ),
    "keywords": (
        """
def forward(x, **params):
    h = np.tanh(x @ params["W"])
    return h, {"x": x, "h": h, **params}

def backward(dh, cache, **params):
    dz = dh * (1 - cache["h"] ** 2)
    return {"x": dz @ params["W"].T, "W": cache["x"].T @ dz}

def example(rng):
    return {"x": rng.normal(size=(5, 3)), "W": rng.normal(size=(3, 4))}
""",
        'cache["x"].T @ dz',
        'cache["x"].T @ dh',
    ),
    "caches in tuples in tuples": (
        """
def lin(x, w):
    return x @ w, (x, w)

def lin_back(d, cache):
    x, w = cache
    return d @ w.T, x.T @ d

def net_forward(x, w1, w2):
    a, c1 = lin(x, w1)
    h = np.maximum(0, a)
    o, c2 = lin(h, w2)
    return o, (c1, (a, c2))

def net_backward(dout, cache):
    c1, (a, c2) = cache
    dh, dw2 = lin_back(dout, c2)
    dx, dw1 = lin_back(dh * (a > 0), c1)
    return dx, (dw1, dw2)

def example(rng):
    return {"x": rng.normal(size=(5, 3)), "w1": rng.normal(size=(3, 4)),
            "w2": rng.normal(size=(4, 2))}
""",
        "dh * (a > 0)",
        "dh",
    ),
    "single precision made inside": (
        """
single = getattr(np, "float" + "32")

def forward(x, W):
    out = np.zeros((len(x), W.shape[1]), dtype=single)
    out[:] = np.tanh(x @ W)
    return out, (x, W, out)

def backward(dout, cache):
    x, W, out = cache
    dz = dout * (1 - out ** 2)
    return dz @ W.T, x.T @ dz

def example(rng):
    return {"x": rng.normal(size=(5, 3)), "W": rng.normal(size=(3, 4))}
""",
        "1 - out ** 2",
        "1 - out",
    ),
    "dataclasses and named tuples": (
        """
from dataclasses import dataclass
from typing import NamedTuple

@dataclass
class Cache:
    x: np.ndarray
    h: np.ndarray

class Grads(NamedTuple):
    x: np.ndarray
    W: np.ndarray

def forward(x, W):
    h = np.tanh(x @ W)
    return h, Cache(x, h)

def backward(dh, cache: Cache, W) -> Grads:
    dz = dh * (1 - cache.h ** 2)
    return Grads(dz @ W.T, cache.x.T @ dz)

def example(rng):
    return {"x": rng.normal(size=(5, 3)), "W": rng.normal(size=(3, 4))}
""",
        "cache.x.T @ dz",
        "cache.x.T @ dh",
    ),
}
TORCH: dict[str, tuple[str, str, str]] = {
    "tensors": (
        """
import torch

def forward(x, W, b):
    a = torch.sigmoid(x @ W + b)
    return a, (x, W, a)

def backward(grad_out, cache):
    x, W, a = cache
    dz = grad_out * a * (1 - a)
    return dz @ W.t(), x.t() @ dz, dz.sum(dim=0)

def example(rng):
    return {"x": torch.randn(5, 3), "W": torch.randn(3, 4, requires_grad=True),
            "b": torch.randn(4)}
""",
        "x.t() @ dz",
        "x.t() @ grad_out",
    ),
    "a module with a backward of its own": (
        """
import torch
import torch.nn as nn

class Net(nn.Module):
    def __init__(self, n, m):
        super().__init__()
        self.W = nn.Parameter(torch.randn(n, m))

    def forward(self, x):
        self.x, self.h = x, torch.tanh(x @ self.W)
        return self.h

    def backward(self, dout):
        dz = dout * (1 - self.h ** 2)
        self.dW = self.x.t() @ dz
        return dz @ self.W.t()

def example(rng):
    return {"init": {"n": 3, "m": 4}, "forward": {"x": torch.randn(5, 3)}}
""",
        "self.x.t() @ dz",
        "self.x.t() @ dout",
    ),
}
SCIPY = (
    """
from scipy.special import erf, expit, logsumexp, softmax

def forward(x, W, y):
    a = expit(x @ W)
    g = a * (1 + erf(a))
    return np.mean(logsumexp(g, axis=1) - g[np.arange(len(y)), y]), (x, W, y, a, g)

def backward(cache):
    x, W, y, a, g = cache
    dg = softmax(g, axis=1)
    dg[np.arange(len(y)), y] -= 1
    dg /= len(y)
    da = dg * (1 + erf(a) + a * 2 / np.sqrt(np.pi) * np.exp(-a ** 2))
    dz = da * a * (1 - a)
    return {"W": x.T @ dz, "x": dz @ W.T}

def example(rng):
    return {"x": rng.normal(size=(5, 3)), "W": rng.normal(size=(3, 4)),
            "y": rng.integers(0, 4, 5)}
""",
    "da * a * (1 - a)",
    "da * (1 - a)",
)


def judged(folder: Path, program: tuple[str, str, str]) -> tuple[str, str]:
    """The verdicts on a program as it stands and with its mistake."""
    text, right, wrong = program
    assert text.count(right) == 1
    found = []
    for number, version in enumerate((text, text.replace(right, wrong))):
        path = folder / f"net{number}.py"
        path.write_text("import numpy as np\n" + version)
        found.append(check_file(path).verdict)
    return found[0], found[1]


@pytest.mark.parametrize("name", PROGRAMS)
def test_numpy(tmp_path: Path, name: str) -> None:
    assert judged(tmp_path, PROGRAMS[name]) == ("right", "wrong")


@pytest.mark.parametrize("name", TORCH)
def test_pytorch(tmp_path: Path, name: str) -> None:
    torch: Any = pytest.importorskip("torch")
    before = torch.get_default_dtype(), torch.get_num_threads()
    assert judged(tmp_path, TORCH[name]) == ("right", "wrong")
    assert (torch.get_default_dtype(), torch.get_num_threads()) == before


def test_scipy(tmp_path: Path) -> None:
    pytest.importorskip("scipy")
    assert judged(tmp_path, SCIPY) == ("right", "wrong")


def test_arrays_where_tensors_belong(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    path = tmp_path / "net.py"
    path.write_text(
        "import torch\ndef net_forward(x):\n    return torch.sigmoid(x), x\n"
        "def net_backward(dout, x):\n    return dout\n"
        "def example(rng):\n    return {'x': rng.normal(size=3)}\n"
    )
    report = check_file(path)
    assert report.reason == (
        "net_forward() fails: line 3: TypeError: sigmoid(): argument 'input' (position 1) must be "
        "Tensor, not numpy.ndarray; return tensors from example(rng): torch.from_numpy(...)"
    )
