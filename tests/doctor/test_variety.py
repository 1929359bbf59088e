"""Mistakes that a program's own example hides, and right programs that rely on their example."""

from __future__ import annotations

from pathlib import Path

import pytest

from .conftest import checked

pytestmark = pytest.mark.usefixtures("without_repairs")


RELU = """
def forward(x, w, c):
    z = x @ w + c
    return np.maximum(z, 0), (x, w, z)
def backward(da, cache):
    x, w, z = cache
    dz = da * (z > 0)
    return dz @ w.T, x.T @ dz, dz.sum(axis=0)
def example(rng):
    return {"x": rng.random((4, 3)), "w": rng.random((3, 2)), "c": rng.random(2)}
"""
DECAY = """
DECAY = 0.0
def loss(w, x, y):
    r = x @ w - y
    return (r @ r) + DECAY * (w @ w), (w, x, r)
def loss_grad(cache):
    w, x, r = cache
    dw = 2 * x.T @ r + 2 * DECAY * w
    return dw
def example(rng):
    return {"w": rng.normal(size=3), "x": rng.normal(size=(5, 3)), "y": rng.normal(size=5)}
"""
DEFAULT = DECAY.replace("DECAY = 0.0\n", "").replace("y):\n", "y, lam=0.0):\n", 1)
DEFAULT = DEFAULT.replace("DECAY", "lam").replace("(w, x, r)", "(w, x, r, lam)")
DEFAULT = DEFAULT.replace("w, x, r = cache", "w, x, r, lam = cache")
MADE = """
class Ridge:
    def __init__(self, n, lam):
        self.w = np.linspace(-1, 2, n)
        self.lam = lam
    def forward(self, x, y):
        self.x, self.r = x, x @ self.w - y
        return (self.r @ self.r) + self.lam * (self.w @ self.w)
    def backward(self):
        self.dw = 2 * self.x.T @ self.r + 2 * self.lam * self.w
def example(rng):
    return {"init": {"n": 3, "lam": 0.0},
            "forward": {"x": rng.normal(size=(5, 3)), "y": rng.normal(size=5)}}
"""
DROPOUT = """
def forward(x, w, p, training=False):
    mask = np.ones(x.shape)
    if training:
        mask = (np.random.rand(*x.shape) > p) / (1 - p)
    return (x * mask) @ w, (x, w, mask)
def backward(dy, cache):
    x, w, mask = cache
    return dy @ w.T * mask, (x * mask).T @ dy
def example(rng):
    return {"x": rng.normal(size=(4, 3)), "w": rng.normal(size=(3, 2)), "p": 0.4, "training": False}
"""
MASK = """
def loss(w, x, y, mask):
    r = (x @ w - y) * mask
    return (r @ r) / mask.sum(), (x, r, mask)
def loss_grad(cache):
    x, r, mask = cache
    dw = 2 * x.T @ r / mask.sum()
    return dw
def example(rng):
    return {"w": rng.normal(size=3), "x": rng.normal(size=(5, 3)), "y": rng.normal(size=5),
            "mask": np.ones(5)}
"""
WORDS = """
def forward(E, words):
    return E[words], (E, words)
def backward(dout, cache):
    E, words = cache
    dE = np.zeros_like(E)
    np.add.at(dE, words, dout)
    return dE
def example(rng):
    return {"E": rng.normal(size=(7, 3)), "words": np.array([5, 1, 2])}
"""
STRIDE = """
def forward(x, w, stride, pad):
    p = np.pad(x, pad)
    n = (len(p) - len(w)) // stride + 1
    y = np.array([p[i * stride : i * stride + len(w)] @ w for i in range(n)])
    return y, (p, w, stride, pad)
def backward(dy, cache):
    p, w, stride, pad = cache
    dp, dw = np.zeros_like(p), np.zeros_like(w)
    for i, d in enumerate(dy):
        at = i * stride
        dp[at : at + len(w)] += d * w
        dw += d * p[at : at + len(w)]
    dx = dp[pad : len(p) - pad]
    return dx, dw
def example(rng):
    return {"x": rng.normal(size=8), "w": rng.normal(size=3), "stride": 1, "pad": 0}
"""
SQUARE = """
def forward(x, w, y):
    r = x @ w - y
    return (r * r).sum() / len(x), (x, r)
def backward(cache):
    x, r = cache
    dw = 2 * x.T @ r / len(x)
    return dw
def example(rng):
    return {"x": rng.normal(size=(4, 4)), "w": rng.normal(size=4), "y": rng.normal(size=4)}
"""
COLUMN = """
def forward(w, b, x, y):
    r = w @ x + b - y
    return (r * r).sum() / x.shape[1], (x, r)
def backward(cache):
    x, r = cache
    dr = 2 * r / x.shape[1]
    dw, db = dr @ x.T, dr.sum(axis=1, keepdims=True)
    return dw, db
def example(rng):
    return {"w": rng.normal(size=(2, 3)), "b": rng.normal(size=(2, 1)),
            "x": rng.normal(size=(3, 1)), "y": rng.normal(size=(2, 1))}
"""
PAIRS = """
def forward(w, batch):
    return sum(((w @ x - y) ** 2).sum() for x, y in batch) / len(batch), (w, batch)
def backward(cache):
    w, batch = cache
    dw = np.zeros_like(w)
    for x, y in batch:
        dw += 2 * np.outer(w @ x - y, x)
    return dw / len(batch)
def example(rng):
    return {"w": rng.normal(size=(2, 3)), "batch": [(rng.normal(size=3), rng.normal(size=2))]}
"""
ROW = """
class Layer:
    def __init__(self, w):
        self.w, self.b = w, np.zeros((1, w.shape[1]))
    def forward(self, x, y):
        self.x, self.r = x, x @ self.w + self.b - y
        return (self.r**2).sum() / len(x)
    def backward(self):
        dz = 2 * self.r / len(self.x)
        self.dw = self.x.T @ dz
        self.db = dz.sum(axis=0, keepdims=True)
def example(rng):
    return {"init": {"w": rng.normal(size=(3, 2))},
            "forward": {"x": rng.normal(size=(1, 3)), "y": rng.normal(size=(1, 2))}}
"""
STATE = """
class Cell:
    def __init__(self, v):
        self.v, self.h = v, np.zeros(len(v))
    def forward(self, xs):
        self.xs, self.hs = xs, [self.h]
        for x in xs:
            self.hs.append(np.tanh(x + self.v @ self.hs[-1]))
        self.h = self.hs[-1]
        return self.h
    def backward(self, dh):
        self.dv = np.zeros_like(self.v)
        for t in range(len(self.xs) - 1, -1, -1):
            da = dh * (1 - self.hs[t + 1] ** 2)
            self.dv += np.outer(da, self.hs[t])
            dh = self.v.T @ da
def example(rng):
    return {"init": {"v": rng.normal(size=(3, 3))}, "forward": {"xs": rng.normal(size=(2, 3))}}
"""
CLASSES = """
def forward(x, W, t):
    z = x @ W
    p = np.exp(z) / np.exp(z).sum(axis=1, keepdims=True)
    return -(t * np.log(p)).sum() / len(x), (x, p, t)
def backward(cache):
    x, p, t = cache
    dz = (p - t) / len(t)
    return x.T @ dz
def example(rng):
    return {"x": rng.normal(size=(4, 3)), "W": rng.normal(size=(3, 4)), "t": np.eye(4)}
"""
HIDDEN = {
    "relu that is on everywhere": (RELU, "da * (z > 0)", "da"),
    "a setting of 0": (DECAY, "2 * DECAY", "DECAY"),
    "a default of 0": (DEFAULT, "2 * lam * w", "lam * w"),
    "an object made with 0": (MADE, "+ 2 * self.lam", "- 2 * self.lam"),
    "not in training": (DROPOUT, "dy @ w.T * mask", "dy @ w.T"),
    "a mask of ones": (MASK, "@ r / mask.sum()", "@ r / len(mask)"),
    "no word twice": (WORDS, "np.add.at(dE, words, dout)", "dE[words] += dout"),
    "a stride of 1": (STRIDE, "at = i * stride", "at = i"),
    "no padding": (STRIDE, "dp[pad : len(p) - pad]", "dp[: len(p) - 2 * pad]"),
    "as many examples as features": (SQUARE, "@ r / len(x)", "@ r / x.shape[1]"),
    "an example of each class": (CLASSES, "/ len(t)", "/ t.shape[1]"),
    "one column": (COLUMN, "2 * r / x.shape[1]", "2 * r"),
    "a list of one": (PAIRS, "dw += 2", "dw = 2"),
    "a bias for one row": (ROW, "dz.sum(axis=0, keepdims=True)", "dz"),
    "a state that a call leaves": (STATE, "(da, self.hs[t])", "(da, self.hs[t] if t else 0 * da)"),
}


@pytest.mark.parametrize(("text", "right", "wrong"), HIDDEN.values(), ids=HIDDEN)
def test_what_the_example_hides_is_wrong(text: str, right: str, wrong: str, tmp_path: Path) -> None:
    assert checked(tmp_path, text).verdict == "right"
    assert right in text
    assert checked(tmp_path, text.replace(right, wrong)).verdict == "wrong"


LABEL = """
def forward(w, x, label):
    p = 1 / (1 + np.exp(-w @ x))
    return -np.log(p) if label == 1 else -np.log(1 - p), (x, p, label)
def backward(cache):
    x, p, label = cache
    dw = (p - label) * x
    return dw
def example(rng):
    return {"w": rng.normal(size=3), "x": rng.normal(size=3), "label": 0.0}
"""
PERMUTED = """
def forward(x, order):
    return x[order], order
def backward(dy, order):
    dx = np.empty_like(dy)
    dx[order] = dy
    return dx
def example(rng):
    return {"x": rng.normal(size=(4, 3)), "order": np.array([2, 0, 3, 1])}
"""
ONE_HOT = """
def forward(z, t):
    p = np.exp(z) / np.exp(z).sum(axis=1, keepdims=True)
    return -(t * np.log(p)).sum(), (p, t)
def backward(cache):
    p, t = cache
    dz = p - t
    return dz
def example(rng):
    return {"z": rng.normal(size=(3, 3)), "t": np.eye(3, dtype=int)}
"""
PROBABILITY = """
def forward(p, t):
    used = (p > 0).sum()
    return -(t * np.log(np.clip(p, 1e-9, 1))).sum(), (p, t, used)
def backward(cache):
    p, t, used = cache
    dp = -t / p
    return dp
def example(rng):
    return {"p": rng.random((3, 4)), "t": rng.random((3, 4))}
"""
COUNT = """
def forward(w, x, y, n):
    r = x @ w - y
    return r @ r / n, (x, r)
def backward(cache):
    x, r = cache
    dw = 2 * x.T @ r / len(x)
    return dw
def example(rng):
    return {"w": rng.normal(size=3), "x": rng.normal(size=(1, 3)), "y": rng.normal(size=1), "n": 1}
"""
DERIVED = """
LAM = 0.0
TWICE = 2 * LAM
def forward(w):
    return np.sin(w).sum() + LAM * (w @ w), w
def backward(w):
    dw = np.cos(w) + TWICE * w
    return dw
def example(rng):
    return {"w": rng.normal(size=3)}
"""
VARIANCE = """
def forward(v):
    return np.log(np.sqrt(np.maximum(v, 0))).sum(), v
def backward(v):
    dv = 0.5 / v
    return dv
def example(rng):
    return {"v": 0.5 + rng.random(4)}
"""
SUMMED_UP = """
class Layer:
    def __init__(self, w):
        self.w, self.dw = w, np.zeros_like(w)
    def forward(self, x):
        self.x = x
        return x @ self.w
    def backward(self, dy):
        self.dw += self.x.T @ dy
def example(rng):
    return {"init": {"w": rng.normal(size=(3, 2))}, "forward": {"x": rng.normal(size=(4, 3))}}
"""
ONE_AT_A_TIME = """
class Layer:
    def __init__(self, w):
        self.w, self.b = w, np.zeros((len(w), 1))
    def forward(self, x, y):
        self.x, self.r = x, self.w @ x + self.b - y
        return (self.r**2).sum()
    def backward(self):
        self.db = 2 * self.r
        self.dw = self.db @ self.x.T
def example(rng):
    return {"init": {"w": rng.normal(size=(2, 3))},
            "forward": {"x": rng.normal(size=(3, 1)), "y": rng.normal(size=(2, 1))}}
"""
IN_A_LIST = """
def forward(z, target):
    p = np.exp(z) / np.exp(z).sum()
    return -sum(t * np.log(q) for t, q in zip(target, p)), (p, target)
def backward(cache):
    p, target = cache
    dz = p - np.array(target)
    return dz
def example(rng):
    return {"z": rng.normal(size=3), "target": [0.0, 1.0, 0.0]}
"""
SATURATED = """
def forward(w, x, y, threshold):
    p = 1 / (1 + np.exp(-x @ w))
    hits = ((p > threshold) == y).mean()
    return -np.nanmean(y * np.log(p) + (1 - y) * np.log(1 - p)), (x, y, p, hits)
def backward(cache):
    x, y, p, hits = cache
    dw = x.T @ (p - y) / len(y)
    return dw
def example(rng):
    return {"w": rng.normal(size=3), "x": 9 * rng.normal(size=(8, 3)),
            "y": rng.integers(0, 2, size=8), "threshold": 0.5}
"""
RUNNING = """
class Centre:
    def __init__(self, n):
        self.gamma, self.beta, self.running = np.ones(n), np.zeros(n), np.ones(n)
    def forward(self, x):
        self.c = x - x.mean(axis=0)
        self.running = 0.9 * self.running + 0.1 * x.mean(axis=0)
        return self.gamma * self.c + self.beta
    def backward(self, dy):
        self.dgamma, self.dbeta = (dy * self.c).sum(axis=0), dy.sum(axis=0)
        self.dmu = -(dy * self.gamma).sum(axis=0)
        return dy * self.gamma + self.dmu / len(dy)
def example(rng):
    return {"init": {"n": 3}, "forward": {"x": rng.normal(size=(5, 3))}}
"""
BOTH = CLASSES.replace(
    "    return -(t * np.log(p)).sum() / len(x), (x, p, t)",
    """    q = np.exp(z) / np.exp(z).sum(axis=0)
    return -(t * np.log(p * q)).sum() / len(x), (x, p + q, 2 * t)""",
)
RELIED_ON = {
    "a running average": RUNNING,
    "targets in a list": IN_A_LIST,
    "probabilities that saturate": SATURATED,
    "one example at a time": ONE_AT_A_TIME,
    "a label that chooses a branch": LABEL,
    "a permutation": PERMUTED,
    "rows that sum to 1": ONE_HOT,
    "probabilities": PROBABILITY,
    "a 1 that counts the examples": COUNT,
    "a number computed from another": DERIVED,
    "a variance": VARIANCE,
    "gradients that are added to": SUMMED_UP,
    "sums along both axes": BOTH,
}


@pytest.mark.parametrize("text", RELIED_ON.values(), ids=RELIED_ON)
def test_what_a_program_may_rely_on_stays(text: str, tmp_path: Path) -> None:
    report = checked(tmp_path, text)
    assert report.verdict == "right", str(report)


NAMELESS = """
def forward(model, x, y):
    u = np.tanh(x @ model["reader"])
    v = np.tanh(u @ model["mixer"])
    r = v @ model["writer"] - y
    return (r * r).sum(), (x, u, v, r)
def backward(model, cache):
    x, u, v, r = cache
    s3 = 2 * v.T @ r * A
    dv = 2 * r @ model["writer"].T * (1 - v * v)
    s2 = u.T @ dv * B
    du = dv @ model["mixer"].T * (1 - u * u)
    return {"s1": x.T @ du * C, "s2": s2, "s3": s3}
def example(rng):
    return {"model": {"reader": rng.normal(size=(3, 4)), "mixer": rng.normal(size=(4, 5)),
                      "writer": rng.normal(size=(5, 2))},
            "x": rng.normal(size=(6, 3)), "y": rng.normal(size=(6, 2))}
"""


@pytest.mark.parametrize(
    ("off", "of"), [("A", "model.writer"), ("B", "model.mixer"), ("C", "model.reader")]
)
def test_one_gradient_among_others_is_known_by_what_is_left(
    off: str, of: str, tmp_path: Path
) -> None:
    assert checked(tmp_path, "A = B = C = 1\n" + NAMELESS).verdict == "right"
    report = checked(tmp_path, f"A = B = C = 1\n{off} = 2\n" + NAMELESS)
    assert [g.of for g in report.gradients if g.verdict == "wrong"] == [of]
