"""Recurrent cells as people write them, alone and through time: the right ones are called right,
and of the three classic mistakes each is found on its line and mended."""

from __future__ import annotations

from pathlib import Path

import pytest

from byhand.doctor import check_file
from byhand.doctor.fixing import applied

EXAMPLES = Path(__file__).parents[2] / "examples"
MISTAKES = {
    "recurrent_path_forgotten": ("dh = dhs[:, t]", "dh = dhs[:, t] + dh_next"),
    "new_state_for_the_old_one": ("self.dWh += h_new.T @ dv", "self.dWh += h.T @ dv"),
    "gate_copied_and_pasted": (
        '"f": dc * c_prev * i * (1 - i),',
        '"f": dc * c_prev * (f * (1 - f)),',
    ),
}
RNN_CELL = """
import numpy as np


def rnn_cell_forward(x, h_prev, Wx, Wh, b):
    h = np.tanh(Wx @ x + Wh @ h_prev + b)
    return h, (x, h_prev, h, Wx, Wh)


def rnn_cell_backward(dh, cache):
    x, h_prev, h, Wx, Wh = cache
    da = dh * (1 - h**2)
    dx, dh_prev = Wx.T @ da, Wh.T @ da
    return dx, dh_prev, da @ x.T, da @ h_prev.T, da.sum(axis=1, keepdims=True)


def example(rng):
    return {
        "x": rng.normal(size=(3, 2)),
        "h_prev": rng.normal(size=(4, 2)),
        "Wx": rng.normal(size=(4, 3)),
        "Wh": rng.normal(size=(4, 4)),
        "b": rng.normal(size=(4, 1)),
    }
"""
GRU_CELL = """
import numpy as np


def sig(a):
    return 1 / (1 + np.exp(-a))


def gru_step(x, h_prev, W, U, c):
    r = sig(W[0] @ x + U[0] @ h_prev + c[0])
    z = sig(W[1] @ x + U[1] @ h_prev + c[1])
    n = np.tanh(W[2] @ x + U[2] @ (r * h_prev) + c[2])
    return (1 - z) * n + z * h_prev, (x, h_prev, r, z, n)


def gru_step_backward(dh, kept, W, U):
    x, h_prev, r, z, n = kept
    dan = dh * (1 - z) * (1 - n * n)
    drh = U[2].T @ dan
    daz = dh * (h_prev - n) * z * (1 - z)
    dar = drh * h_prev * r * (1 - r)
    dW = [np.outer(d, x) for d in (dar, daz, dan)]
    dU = [np.outer(dar, h_prev), np.outer(daz, h_prev), np.outer(dan, r * h_prev)]
    dx = W[0].T @ dar + W[1].T @ daz + W[2].T @ dan
    dh_prev = dh * z + drh * r + U[0].T @ dar + U[1].T @ daz
    return dx, dh_prev, dW, dU, [dar, daz, dan]


def example(rng):
    return {
        "x": rng.normal(size=3),
        "h_prev": rng.normal(size=4),
        "W": [rng.normal(size=(4, 3)) for _ in range(3)],
        "U": [rng.normal(size=(4, 4)) for _ in range(3)],
        "c": [rng.normal(size=4) for _ in range(3)],
    }
"""
LSTM_LOOP = """
import numpy as np


def sigm(a):
    return 1 / (1 + np.exp(-a))


def forward(xs, h, c, Wx, Wh, b):
    H, tape = len(h), []
    for x in xs:
        a = x @ Wx + h @ Wh + b
        i, f, o, g = sigm(a[:H]), sigm(a[H : 2 * H]), sigm(a[2 * H : 3 * H]), np.tanh(a[3 * H :])
        c_new = f * c + i * g
        tape.append((x, h, c, i, f, o, g, np.tanh(c_new)))
        h, c = o * np.tanh(c_new), c_new
    return h, tape


def backward(dh, tape, Wx, Wh):
    dWx, dWh, db = np.zeros_like(Wx), np.zeros_like(Wh), np.zeros(Wh.shape[1])
    dxs, dc = [], np.zeros_like(dh)
    for x, h, c, i, f, o, g, tc in reversed(tape):
        dc = dc + dh * o * (1 - tc**2)
        da = np.concatenate(
            [
                dc * g * i * (1 - i),
                dc * c * f * (1 - f),
                dh * tc * o * (1 - o),
                dc * i * (1 - g**2),
            ]
        )
        dWx += np.outer(x, da)
        dWh += np.outer(h, da)
        db += da
        dxs.append(Wx @ da)
        dh, dc = Wh @ da, dc * f
    return {"dxs": np.array(dxs[::-1]), "dh": dh, "dc": dc, "dWx": dWx, "dWh": dWh, "db": db}


def example(rng):
    return {
        "xs": rng.normal(size=(3, 2)),
        "h": rng.normal(size=3),
        "c": rng.normal(size=3),
        "Wx": rng.normal(size=(2, 12)),
        "Wh": rng.normal(size=(3, 12)) / 2,
        "b": rng.normal(size=12),
    }
"""
RIGHT = {"rnn cell": (RNN_CELL, 5), "gru cell": (GRU_CELL, 11), "lstm loop": (LSTM_LOOP, 6)}


@pytest.mark.parametrize("name", RIGHT)
def test_a_cell_is_called_right_in_all_its_gradients(name: str, tmp_path: Path) -> None:
    text, count = RIGHT[name]
    path = tmp_path / "cell.py"
    path.write_text(text, "utf-8")
    report = check_file(path)
    assert report.verdict == "right", str(report)
    assert len({gradient.of for gradient in report.gradients}) == count


@pytest.mark.parametrize("name", MISTAKES)
def test_a_layer_through_time_or_a_cell_is_called_right_without_its_mistake(
    name: str, tmp_path: Path
) -> None:
    wrong, right = MISTAKES[name]
    text = (EXAMPLES / f"{name}.py").read_text("utf-8")
    assert text.count(f" {wrong}\n") == 1
    path = tmp_path / "cell.py"
    path.write_text(text.replace(wrong, right), "utf-8")
    report = check_file(path)
    assert report.verdict == "right", str(report)


@pytest.mark.slow
@pytest.mark.parametrize("name", MISTAKES)
def test_the_classic_mistake_is_found_on_its_line_and_mended(name: str) -> None:
    wrong, right = MISTAKES[name]
    text = (EXAMPLES / f"{name}.py").read_text("utf-8")
    (finding,) = check_file(EXAMPLES / f"{name}.py").findings
    assert finding.fix is not None
    assert text.splitlines()[finding.line - 1].strip() == wrong
    assert right in [line.strip() for line in applied(text, [finding.fix]).splitlines()]
