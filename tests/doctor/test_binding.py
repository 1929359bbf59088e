"""What a backward is given, where its arguments' names do not say all of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from .conftest import checked

EXAMPLE = """
def example(rng):
    return {"x": rng.normal(size=(5, 3)), "keep": (rng.random((5, 3)) < 0.6) * 1.0}
"""
PROGRAMS = {
    "a tuple that the return makes": """
def gate_forward(x, keep):
    s = 1 / (1 + np.exp(-x))
    miss = 1 - s
    return s * keep, (s, miss, keep)
def gate_backward(miss, s, keep, top):
    return top * keep * s * miss * OFF
""",
    "a tuple that was made before": """
def gate_forward(x, keep):
    s = 1 / (1 + np.exp(-x))
    miss = 1 - s
    saved = (s, miss)
    return s * keep, saved
def gate_backward(miss, s, keep, top):
    return top * keep * s * miss * OFF
""",
    "the entries of a dictionary": """
def gate_forward(x, keep):
    s = 1 / (1 + np.exp(-x))
    return s * keep, {"act": s, "miss": 1 - s}
def gate_backward(miss, act, keep, top):
    return top * keep * act * miss * OFF
""",
    "what only its place says": """
def gate_forward(x, keep):
    s = 1 / (1 + np.exp(-x))
    saved = (s, 1 - s)
    return s * keep, saved
def gate_backward(top, act, miss, keep):
    return top * keep * act * miss * OFF
""",
    "an upstream gradient that comes last": """
def gate_forward(x, keep):
    s = 1 / (1 + np.exp(-x))
    return s * keep, s
def gate_backward(act, keep, grad_out):
    return grad_out * keep * act * (1 - act) * OFF
""",
    "an upstream gradient after inputs of other names": """
def gate_forward(x, keep):
    return keep / (1 + np.exp(-x))
def gate_backward(inp, keep, grad_out):
    act = 1 / (1 + np.exp(-inp))
    return grad_out * keep * act * (1 - act) * OFF
""",
    "an object that is called": """
class Gate:
    def __call__(self, x, keep):
        self.s = 1 / (1 + np.exp(-x))
        self.keep = keep
        return self.s * keep
    def backward(self, top):
        return top * self.keep * self.s * (1 - self.s) * OFF
""",
}


@pytest.mark.usefixtures("without_repairs")
@pytest.mark.parametrize("name", PROGRAMS)
def test_a_backward_is_given_what_it_means(name: str, tmp_path: Path) -> None:
    report = checked(tmp_path, PROGRAMS[name].replace("OFF", "1") + EXAMPLE)
    assert report.verdict == "right", str(report)
    assert [g.of for g in report.gradients] == ["x"]
    report = checked(tmp_path, PROGRAMS[name].replace("OFF", "2") + EXAMPLE)
    assert report.verdict == "wrong", str(report)


GUESSED = """
def mix_forward(x, table, w):
    h = np.tanh(x @ w)
    return h @ table, h
def mix_backward(grad_out, h, second, first):
    dz = (grad_out @ second.T) * (1 - h ** 2)
    dx = dz @ first.T
    return dx
def example(rng):
    return {"x": rng.normal(size=(5, 4)), "table": rng.normal(size=(3, 2)),
            "w": rng.normal(size=(4, 3))}
"""


def test_a_guess_is_no_evidence_against_the_line_that_reads_it(tmp_path: Path) -> None:
    report = checked(tmp_path, GUESSED)
    assert report.verdict == "undecided"
    assert report.reason == (
        "mix_backward wants first, which nothing is known for: return it from example(rng) too"
    )


def test_what_is_returned_after_its_update_is_no_gradient(tmp_path: Path) -> None:
    text = """
def train_step(w, b, moment, x, y, beta=0.9):
    r = x @ w + b - y
    grad_w = 2 * x.T @ r
    grad_b = 2 * r.sum()
    moment = beta * moment + (1 - beta) * grad_w
    w = w - 0.01 * moment
    b = b - 0.01 * grad_b
    return (r * r).sum(), grad_w, grad_b, w, b
def example(rng):
    return {"w": rng.normal(size=3), "b": 0.3, "moment": np.ones(3),
            "x": rng.normal(size=(5, 3)), "y": rng.normal(size=5)}
"""
    report = checked(tmp_path, text)
    assert report.verdict == "right", str(report)
    assert {(g.name, g.of) for g in report.gradients} == {("grad_w", "w"), ("grad_b", "b")}


def test_what_an_optimizer_keeps_begins_with_zeros(tmp_path: Path) -> None:
    text = """
def objective(params, x, y):
    r = x @ params["w"] + params["b"] - y
    return (r * r).mean(), (x, r)
def update(params, velocity, tape, rate=0.1):
    x, r = tape
    grads = {"w": 2 * x.T @ r / len(r), "b": 2 * r.mean() * OFF}
    for key in params:
        velocity[key] = 0.9 * velocity[key] - rate * grads[key]
        params[key] = params[key] + velocity[key]
    return grads
def example(rng):
    return {"params": {"w": rng.normal(size=3), "b": rng.normal(size=())},
            "x": rng.normal(size=(5, 3)), "y": rng.normal(size=5)}
"""
    assert checked(tmp_path, "OFF = 1\n" + text).verdict == "right"
    assert checked(tmp_path, "OFF = 2\n" + text).verdict == "wrong"
