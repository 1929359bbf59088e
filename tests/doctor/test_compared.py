"""Values of a backward held against the gradients of the forward's values, round by round."""

from __future__ import annotations

import ast
from pathlib import Path

import numpy as np

from byhand.doctor import certify, cleared, loading
from byhand.doctor.compared import Comparer, Comparison
from byhand.doctor.judge import Judge
from byhand.doctor.trace import Visit, trace
from byhand.doctor.trials import settle

NET = """
import numpy as np


def forward(x, t, W, V):
    h = np.tanh(x @ W)
    y = h @ V
    return np.sum((y - t) ** 2), (x, t, h, y, V)


def backward(cache):
    x, t, h, y, V = cache
    dy = 2 * (y - t)
    dV = h.T @ dy
    back = dy @ V.T
    dh = back
    inner = dh * (1 - h**2)
    dW = x.T @ inner
    return {"dW": dW, "dV": dV}
"""
LOOP = """
import numpy as np


def forward(x, W):
    hs = [np.zeros((2, 3))]
    total = 0.0
    for t in range(4):
        h = np.tanh(x[t] + hs[-1] @ W)
        hs.append(h)
        total += (h ** 3).sum()
    return total, (x, W, hs)


def backward(cache):
    x, W, hs = cache
    dW, carry, dx = np.zeros_like(W), np.zeros((2, 3)), np.zeros_like(x)
    for t in range(3, -1, -1):
        dh = 3 * hs[t + 1] ** 2 + carry
        dz = dh * (1 - hs[t + 1] ** 2)
        dx[t] = dz
        dW += hs[t].T @ dz
        carry = dz @ W.T
    return {"dW": dW, "dx": dx}
"""
RNG = np.random.default_rng(0)
INPUTS = {
    "x": RNG.normal(size=(4, 3)),
    "t": RNG.normal(size=(4, 2)),
    "W": RNG.normal(size=(3, 5)),
    "V": RNG.normal(size=(5, 2)),
}
STEPS = {"x": RNG.normal(size=(4, 2, 3)), "W": 0.5 * RNG.normal(size=(3, 3))}
TWO = {key: RNG.normal(size=size) for key, size in [("x", (4, 3)), ("U", (3, 2)), ("V", (3, 2))]}


def looked_at(
    text: str, inputs: dict[str, object]
) -> tuple[Judge, dict[int, Visit], dict[str, int], Comparison]:
    """The comparison, with the numbers of the backward's statements by their source."""
    module = loading.load(text, Path("net.py"))
    subject, outcome, claims = settle(module, inputs, None, {})
    assert not isinstance(outcome, Exception)
    judge = Judge(subject, subject.start, claims, certify.measure(subject, subject.start, claims))
    visits = trace(subject, subject.start)[0]
    forward = [v for v in visits.values() if v.site.function == "forward"]
    others = {
        ast.unparse(v.site.statement): n for n, v in visits.items() if v.site.function == "backward"
    }
    found = Comparer(judge, forward).verdicts([visits[n] for n in others.values()])
    return judge, visits, others, found


def test_a_gradient_is_known_by_its_numbers_whatever_it_is_called() -> None:
    _, _, number, found = looked_at(NET, INPUTS)
    for line in ("dy = 2 * (y - t)", "dh = back", "inner = dh * (1 - h ** 2)"):
        assert found.right[number[line]] == {0}, line
    assert not found.right[number["back = dy @ V.T"]], "of two that are equal one is believed"
    assert not found.wrong


def test_a_value_with_a_gradients_name_that_is_another_is_wrong() -> None:
    _, _, number, found = looked_at(NET.replace("dh = back", "dh = np.abs(back)"), INPUTS)
    assert found.wrong == {number["dh = np.abs(back)"]: {0}}
    assert found.right[number["back = dy @ V.T"]] == {0}
    assert not found.right[number["inner = dh * (1 - h ** 2)"]]


def test_a_factor_may_be_put_in_later() -> None:
    _, _, number, found = looked_at(NET.replace("2 * (y - t)", "(y - t)"), INPUTS)
    assert 0 in found.scaled[number["dy = y - t"]]
    assert not found.wrong


def test_in_a_loop_each_round_counts_by_itself() -> None:
    text = LOOP.replace("carry = dz @ W.T", "carry = dz @ W")
    _, _, number, found = looked_at(text, STEPS)
    # In the first round of the backward nothing has come back yet.
    dh = number["dh = 3 * hs[t + 1] ** 2 + carry"]
    assert found.right[dh] == {0}
    assert found.wrong[dh] == {1, 2, 3}
    assert found.right[number["dz = dh * (1 - hs[t + 1] ** 2)"]] == {0}


def test_what_goes_into_a_right_value_is_right_in_that_round() -> None:
    text = LOOP.replace("carry = dz @ W.T", "carry = dz @ W").replace(
        "dz = dh * (1 - hs[t + 1] ** 2)",
        "slope = 1 - hs[t + 1] ** 2\n        dz = dh * slope",
    )
    judge, visits, number, found = looked_at(text, STEPS)
    suspects = [visits[n] for n in number.values()]
    innocent = cleared.innocent(judge, visits, suspects, found)
    assert innocent[number["slope = 1 - hs[t + 1] ** 2"]] == {0}
    assert innocent[number["carry = dz @ W"]] == set()


def test_of_a_copied_line_the_one_that_is_called_so_is_believed() -> None:
    text = """
import numpy as np


def forward(x, U, V):
    gate = x @ U
    new = x @ V
    h = gate * new
    return (h**3).sum(), (x, gate, new, h)


def backward(cache):
    x, gate, new, h = cache
    dh = 3 * h**2
    dnew = dh * gate
    dgate = dh * gate
    return {"dU": x.T @ dgate, "dV": x.T @ dnew}
"""
    _, _, number, found = looked_at(text, TWO)
    assert found.right[number["dnew = dh * gate"]] == {0}
    assert not found.right[number["dgate = dh * gate"]]
    assert found.wrong[number["dgate = dh * gate"]] == {0}


def test_of_what_was_put_together_one_part_may_be_wrong() -> None:
    text = """
import numpy as np


def forward(x, U, V):
    r = x @ V
    q = x @ U
    y = np.hstack([r, q**2])
    return (y**3).sum(), (x, y, q)


def backward(cache):
    x, y, q = cache
    dy = np.hstack([3 * y[:, :2]**2, 3 * y[:, 2:]**2])
    both = dy * 1.0
    both[:, 2:] = 2 * both[:, 2:]
    dr = both[:, :2] * 1.0
    dq = both[:, 2:] * 1.0
    return {"dU": x.T @ dq, "dV": x.T @ dr}
"""
    judge, visits, number, known = looked_at(text, TWO)
    assert known.right[number["dr = both[:, :2] * 1.0"]] == {0}
    found = cleared.innocent(judge, visits, [visits[n] for n in number.values()], known)
    assert found[number["both = dy * 1.0"]] == set()
    assert found[number["dr = both[:, :2] * 1.0"]] == {0}
