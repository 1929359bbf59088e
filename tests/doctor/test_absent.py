"""Gradients that are not handed back: forgotten, or left out on purpose."""

from __future__ import annotations

from pathlib import Path

import pytest

from .conftest import checked

pytestmark = pytest.mark.usefixtures("without_repairs")


NET = """
def forward(p, x, y):
    h = np.tanh(x @ p["W1"] + p["b1"])
    o = h @ p["W2"] + p["b2"]
    return ((o - y) ** 2).sum(), (x, h, o, y)

def backward(p, cache):
    x, h, o, y = cache
    do = 2 * (o - y)
    dh = do @ p["W2"].T * (1 - h ** 2)
    return {"dW1": x.T @ dh, "db1": dh.sum(0), "dW2": h.T @ do, "db2": do.sum(0)}

def example(rng):
    return {"p": {"W1": rng.normal(size=(3, 4)), "b1": rng.normal(size=4),
                  "W2": rng.normal(size=(4, 2)), "b2": rng.normal(size=2)},
            "x": rng.normal(size=(5, 3)), "y": rng.normal(size=(5, 2))}
"""


def test_a_parameter_of_a_layer_that_has_others_is_forgotten(tmp_path: Path) -> None:
    report = checked(tmp_path, NET.replace('"db1": dh.sum(0), ', ""))
    assert report.verdict == "wrong"
    (absent,) = [g for g in report.gradients if g.verdict == "wrong"]
    assert (absent.name, absent.of, absent.note) == ("", "p.b1", "is not handed back")
    (finding,) = report.findings
    assert (finding.line, finding.kind) == (12, "missing-gradient")
    assert finding.message == (
        "No gradient of p.b1 is handed back. The loss depends on it, and the other parameters of "
        "its layer, and its like in other layers, have theirs."
    )
    assert report.notes == ()


@pytest.mark.parametrize(
    "left_out",
    [
        '"dW1": x.T @ dh, "db1": dh.sum(0), ',  # the first layer stays as it is
        '"db1": dh.sum(0), "dW2": h.T @ do, "db2": do.sum(0)',  # only W1 is trained
    ],
)
def test_a_layer_that_is_not_trained_is_nobodys_mistake(left_out: str, tmp_path: Path) -> None:
    assert checked(tmp_path, NET.replace(left_out, "")).verdict == "right"


def test_what_the_loss_does_not_depend_on_has_no_gradient(tmp_path: Path) -> None:
    text = NET.replace('@ p["W1"] + p["b1"]', '@ p["W1"]').replace('"db1": dh.sum(0), ', "")
    assert checked(tmp_path, text).verdict == "right"


LAYER = """
def forward(x, w):
    y = np.maximum(x @ w, 0)
    return y, (x, w, y)

def backward(dy, cache):
    x, w, y = cache
    dz = dy * (y > 0)
    dx = dz @ w.T
    dw = x.T @ dz
    return dx, dw

def example(rng):
    return {"x": rng.normal(size=(4, 3)), "w": rng.normal(size=(3, 2))}
"""


def test_something_else_in_the_place_of_a_gradient_that_is_lost(tmp_path: Path) -> None:
    report = checked(tmp_path, LAYER.replace("return dx, dw", "return dx, y"))
    assert report.verdict == "wrong"
    assert [(g.name, g.of, g.verdict) for g in report.gradients] == [
        ("dx", "x", "right"),
        ("y", "w", "wrong"),
    ]


def test_a_gradient_that_is_computed_and_used_nowhere_is_no_mistake(tmp_path: Path) -> None:
    assert checked(tmp_path, LAYER.replace("return dx, dw", "return dw")).verdict == "right"
    text = LAYER.replace("return dx, dw", "return dx, y").replace("    dw = x.T @ dz\n", "")
    assert checked(tmp_path, text).verdict == "right"
