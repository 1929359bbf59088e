"""Which gradient is whose, and is it right? At all scales, at kinks, with names and without."""

from __future__ import annotations

from pathlib import Path

import pytest

from .conftest import checked

pytestmark = pytest.mark.usefixtures("without_repairs")


SQUARES = """
def forward(x, w, y):
    r = x @ w - y
    return (r * r).sum(), (x, r)
def backward(cache):
    x, r = cache
    dw = 2 * x.T @ r * OFF
    return dw
def example(rng):
    return {"x": rng.normal(size=(5, 3)), "w": rng.normal(size=3), "y": rng.normal(size=5)}
"""
LOGARITHM = """
def forward(p):
    return -np.log(p).sum(), p
def backward(p):
    dp = -1 / p * OFF
    return dp
def example(rng):
    return {"p": np.array([1e-6, 0.3, 0.5, 1e-3])}
"""
WAVES = """
def forward(x):
    return np.sin(1000 * x).sum(), x
def backward(x):
    dx = 1000 * np.cos(1000 * x) * OFF
    return dx
def example(rng):
    return {"x": rng.normal(size=5)}
"""
RELU = """
def forward(x, w):
    z = x @ w
    return np.maximum(z, 0), (x, w, z)
def backward(da, cache):
    x, w, z = cache
    dz = da * (z >= 0) * OFF
    return dz @ w.T, x.T @ dz
def example(rng):
    x = rng.normal(size=(4, 3))
    x[1] = 0
    return {"x": x, "w": rng.normal(size=(3, 2))}
"""
POOLING = """
def forward(x):
    v = x.reshape(len(x), -1, 2)
    y = v.max(axis=2)
    return y, (v, y)
def backward(dy, cache):
    v, y = cache
    dx = ((v == y[:, :, None]) * dy[:, :, None]).reshape(len(v), -1) * OFF
    return dx
def example(rng):
    return {"x": np.maximum(rng.normal(size=(4, 6)), 0)}
"""
SPREAD = """
def forward(x):
    v = (x * x).mean() - x.mean() ** 2
    return np.sqrt(v), (x, v)
def backward(cache):
    x, v = cache
    dx = (x - x.mean()) / x.size / np.sqrt(v) * OFF
    return dx
def example(rng):
    return {"x": 1000 + rng.normal(size=12)}
"""
NORM = """
def forward(x):
    return np.sqrt((x * x).sum(axis=1)).sum(), x
def backward(x):
    dx = x / np.maximum(np.sqrt((x * x).sum(axis=1, keepdims=True)), 1e-12) * OFF
    return dx
def example(rng):
    x = rng.normal(size=(4, 3))
    x[0] = 0
    return {"x": x}
"""
TINY, HUGE = (
    SQUARES.replace("return (r", f"return {size} * (r").replace("dw = 2", f"dw = {size} * 2")
    for size in ("1e-12", "1e8")
)
SINGLE = SQUARES.replace(
    "    r = x",
    '    f = np.dtype("f4")\n    x, w, y = x.astype(f), w.astype(f), y.astype(f)\n    r = x',
)
BIG_OFFSET = SQUARES.replace("return (r", "return 1e6 + (r")
PROGRAMS = {
    "a loss of 1e-12": TINY,
    "a loss of 1e8": HUGE,
    "a loss beside 1e6": BIG_OFFSET,
    "a pole nearby": LOGARITHM,
    "waves shorter than a step": WAVES,
    "relu at 0": RELU,
    "ties in pooling": POOLING,
    "a variance that cancels": SPREAD,
    "a norm of 0": NORM,
}


@pytest.mark.parametrize("text", PROGRAMS.values(), ids=PROGRAMS)
def test_right_is_right_and_a_ten_thousandth_off_is_wrong(text: str, tmp_path: Path) -> None:
    assert checked(tmp_path, "OFF = 1.0\n" + text).verdict == "right"
    assert checked(tmp_path, "OFF = 1.0001\n" + text).verdict == "wrong"


def test_float32_in_the_forward_is_let_be_and_a_thousandth_off_is_wrong(tmp_path: Path) -> None:
    assert checked(tmp_path, "OFF = 1.0\n" + SINGLE).verdict == "right"
    assert checked(tmp_path, "OFF = 1.001\n" + SINGLE).verdict == "wrong"


def test_inputs_far_smaller_than_one_are_nudged_by_less(tmp_path: Path) -> None:
    text = """
def forward(x):
    return np.exp(1e6 * x).sum(), x
def backward(x):
    dx = 1e6 * np.exp(1e6 * x) * OFF
    return dx
def example(rng):
    return {"x": 1e-6 * rng.normal(size=4)}
"""
    assert checked(tmp_path, "OFF = 1.0\n" + text).verdict == "right"
    assert checked(tmp_path, "OFF = 1.0001\n" + text).verdict == "wrong"


def test_a_gradient_of_0_is_right_and_another_is_not(tmp_path: Path) -> None:
    text = """
def forward(z, b):
    e = np.exp(z + b - (z + b).max(axis=1, keepdims=True))
    p = e / e.sum(axis=1, keepdims=True)
    return np.log(p[:, 0]).mean(), p
def backward(p):
    dz = -p / len(p)
    dz[:, 0] += 1 / len(p)
    db = dz.sum() + OFF
    return dz, db
def example(rng):
    return {"z": rng.normal(size=(5, 4)), "b": 0.5}
"""
    assert checked(tmp_path, "OFF = 0\n" + text).verdict == "right"
    assert checked(tmp_path, "OFF = 1e-6\n" + text).verdict == "wrong"


def test_a_small_element_is_judged_by_its_own_size(tmp_path: Path) -> None:
    text = """
A = np.array([1.0, 1e-4])
def forward(w):
    return (A * np.sin(w)).sum(), w
def backward(w):
    dw = A * np.cos(w) * OFF
    return dw
def example(rng):
    return {"w": rng.normal(size=2)}
"""
    assert checked(tmp_path, "OFF = 1\n" + text).verdict == "right"
    assert checked(tmp_path, "OFF = np.array([1, 1.01])\n" + text).verdict == "wrong"


def test_nan_is_wrong_even_at_a_kink(tmp_path: Path) -> None:
    text = """
def forward(x):
    return np.abs(x).sum(), x
def backward(x):
    dx = x / np.abs(x)
    return dx
def example(rng):
    x = rng.normal(size=4)
    x[1] = 0
    return {"x": x}
"""
    assert checked(tmp_path, text).verdict == "wrong"
    assert checked(tmp_path, text.replace("x / np.abs(x)", "np.sign(x)")).verdict == "right"


def test_elements_that_were_not_sampled_are_checked_along_directions(tmp_path: Path) -> None:
    text = """
def forward(w):
    return np.sin(w).sum(), w
def backward(w):
    dw = np.cos(w)
    dw[OFF] *= 1.1
    return dw
def example(rng):
    return {"w": rng.normal(size=(20, 20, 20))}  # too many to nudge each of them
"""
    assert checked(tmp_path, "OFF = 7, 8, 3\n" + text).verdict == "wrong"
    assert checked(tmp_path, "OFF = []\n" + text).verdict == "right"


LAYER = """
def dense_forward(x, w, b):
    y = np.tanh(x @ w + b)
    return y, (x, w, y)
def dense_backward(dy, cache):
    x, w, y = cache
    dz = dy * (1 - y * y)
    dw = x.T @ dz
    db = dz.sum(axis=0)
    return dz @ w.T, dw, db
def example(rng):
    return {"x": rng.normal(size=(4, 3)), "w": rng.normal(size=(3, 2)), "b": rng.normal(size=2)}
"""


@pytest.mark.parametrize(
    ("by", "gradient", "of"),
    [
        ("2 * dz @ w.T, dw, db", "result 0", "x"),
        ("(dz @ w.T).sum(axis=1), dw, db", "result 0", "x"),
        ("x, dw, db", "x", "x"),
        ("dz @ w.T, 2 * (x.T @ dz), db", "result 1", "w"),
        ("dz @ w.T, b, db", "b", "w"),
        ("dz @ w.T, db, db", "result 1", "w"),
        ("dz @ w.T, dw, w", "w", "b"),
    ],
)
def test_a_wrong_result_without_a_name_is_known_by_its_place(
    by: str, gradient: str, of: str, tmp_path: Path
) -> None:
    text = LAYER.replace("dz @ w.T, dw, db", by).replace("(x, w, y)", "(x, w, b, y)")
    report = checked(tmp_path, text.replace("x, w, y = cache", "x, w, b, y = cache"))
    assert [(g.name, g.of) for g in report.gradients if g.verdict == "wrong"] == [(gradient, of)]


def test_a_layer_hands_back_the_gradient_of_its_input(tmp_path: Path) -> None:
    text = """
class Dense:
    def __init__(self, w):
        self.w = w
    def forward(self, x):
        self.x = x
        return x @ self.w
    def backward(self, dy):
        self.dw = self.x.T @ dy
        return BACK
def example(rng):
    return {"init": {"w": rng.normal(size=(3, 2))}, "forward": {"x": rng.normal(size=(4, 3))}}
"""
    assert checked(tmp_path, text.replace("BACK", "dy @ self.w.T")).verdict == "right"
    for wrong in ("2 * dy @ self.w.T", "(dy @ self.w.T).T", "dy @ np.abs(self.w).T"):
        report = checked(tmp_path, text.replace("BACK", wrong))
        assert [g.of for g in report.gradients if g.verdict == "wrong"] == ["x"]


def test_a_loss_and_one_gradient(tmp_path: Path) -> None:
    text = """
def cost(theta, X, y):
    r = X @ theta - y
    grad = X.T @ r
    return (r @ r) / 2, GRAD
def example(rng):
    return {"theta": rng.normal(size=3), "X": rng.normal(size=(5, 3)), "y": rng.normal(size=5)}
"""
    for right in ("grad", "X.T @ r"):
        assert checked(tmp_path, text.replace("GRAD", right)).verdict == "right"
        report = checked(tmp_path, text.replace("GRAD", f"{right} / len(y)"))
        assert [(g.of, g.verdict) for g in report.gradients] == [("theta", "wrong")]


def test_a_list_with_a_hole_is_wrong(tmp_path: Path) -> None:
    text = """
def forward(weights, x):
    h = np.tanh(weights[0] @ x)
    return weights[1] @ h, (weights, x, h)
def backward(dy, cache):
    weights, x, h = cache
    nabla = [None, None]
    nabla[1] = np.outer(dy, h)
    nabla[OTHER] = np.outer((weights[1].T @ dy) * (1 - h * h), x)
    return nabla
def example(rng):
    w = [rng.normal(size=(4, 3)), rng.normal(size=(2, 4))]
    return {"weights": w, "x": rng.normal(size=3)}
"""
    text = text.replace("nabla", "grad_weights")
    assert checked(tmp_path, "OTHER = 0\n" + text).verdict == "right"
    report = checked(tmp_path, text.replace("grad_weights[OTHER]", "unused"))
    assert [(g.of, g.verdict) for g in report.gradients] == [
        ("weights.0", "wrong"),
        ("weights.1", "right"),
    ]


def test_an_output_that_is_its_own_cache(tmp_path: Path) -> None:
    text = """
def forward(z):
    a = np.tanh(z)
    return a, a
def backward(da, a):
    dz = da * (1 - a * a)
    return dz
def example(rng):
    return {"z": rng.normal(size=(3, 4))}
"""
    assert checked(tmp_path, text).verdict == "right"
    assert checked(tmp_path, text.replace("(1 - a * a)", "(1 - a)")).verdict == "wrong"


def test_a_shortened_name_is_understood(tmp_path: Path) -> None:
    text = """
def forward(center_vec, outside_vectors):
    s = outside_vectors @ center_vec
    return s @ s, (center_vec, outside_vectors, s)
def backward(cache):
    center_vec, outside_vectors, s = cache
    return {"grad_center": 2 * outside_vectors.T @ s, "grad_outside_vecs": np.outer(s, center_vec)}
def example(rng):
    return {"center_vec": rng.normal(size=3), "outside_vectors": rng.normal(size=(5, 3))}
"""
    report = checked(tmp_path, text)
    assert [(g.of, g.verdict) for g in report.gradients] == [
        ("center_vec", "right"),
        ("outside_vectors", "wrong"),
    ]


LISTS = """
def forward(x, ws, bs):
    hs = [x]
    for w, b in zip(ws, bs):
        hs.append(np.tanh(hs[-1] @ w + b))
    return hs[-1], (hs, ws)
def backward(dout, cache):
    hs, ws = cache
    gw, gb = [], []
    for k in range(len(ws) - 1, -1, -1):
        d = dout * (1 - hs[k + 1] ** 2)
        gw.append(hs[k].T @ d)
        gb.append(d.sum(axis=0))
        dout = d @ ws[k].T
    return RETURNED
def example(rng):
    return {"x": rng.normal(size=(6, 3)),
            "ws": [rng.normal(size=(3, 4)), rng.normal(size=(4, 2))],
            "bs": [rng.normal(size=4), rng.normal(size=2)]}
"""


@pytest.mark.parametrize(
    ("returned", "verdict"),
    [("gw[::-1], gb[::-1]", "right"), ("gw, gb", "right"), ("gw[::-1], gb", "wrong")],
)
def test_one_list_of_two_from_its_end_is_wrong_and_both_are_a_way_to_do_it(
    returned: str, verdict: str, tmp_path: Path
) -> None:
    assert checked(tmp_path, LISTS.replace("RETURNED", returned)).verdict == verdict


def test_what_a_layer_hands_back_is_its_inputs_whatever_it_is_called(tmp_path: Path) -> None:
    text = LAYER.replace(
        "    return dz @ w.T, dw, db", "    d = dz @ w.T * OFF\n    return d, dw, db"
    )
    right = checked(tmp_path, "OFF = 1\n" + text)
    assert ("d", "x") in {(gradient.name, gradient.of) for gradient in right.gradients}
    assert right.verdict == "right"
    assert checked(tmp_path, "OFF = 2\n" + text).verdict == "wrong"
