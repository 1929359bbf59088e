"""What a statement should have computed, from nudging it."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from byhand.doctor import certify, loading
from byhand.doctor.judge import Judge
from byhand.doctor.localise import Target, target
from byhand.doctor.trace import Visit, trace
from byhand.doctor.trials import settle

NET = """
import numpy as np


def forward(x, t, W):
    y = x @ W
    return np.sum((y - t) ** 2), (x, t, y)


def backward(cache):
    x, t, y = cache
    dy = 2 * (y - t)
    dW = x.T @ dy
    return {"dW": dW, "dx": np.zeros_like(x)}
"""
LOOP = """
import numpy as np


def forward(x, W, T):
    h = [x]
    for t in range(T):
        h.append(h[-1] @ W)
    return np.sum(h[-1] ** 3), h


def backward(h, W):
    dW = np.zeros_like(W)
    dh = 3 * h[-1] ** 2
    for t in range(len(h) - 1, 0, -1):
        part = h[t].T @ dh
        dW += part
        dh = dh @ W.T
    return {"dW": dW, "dx": dh}
"""
RNG = np.random.default_rng(0)
INPUTS = {"x": RNG.normal(size=(4, 3)), "t": RNG.normal(size=(4, 2)), "W": RNG.normal(size=(3, 2))}


def targets(text: str, inputs: dict[str, object]) -> dict[str, tuple[Visit, Target | None]]:
    """The target of each statement of the backward, by its source."""
    module = loading.load(text, Path("net.py"))
    subject, outcome, claims = settle(module, inputs, None, {})
    assert not isinstance(outcome, Exception)
    judge = Judge(subject, subject.start, claims, certify.measure(subject, subject.start, claims))
    verdict = judge.verdict(outcome)
    assert verdict is not None
    wrong = frozenset(claim.name for claim in claims) - verdict.right
    lines = text.splitlines()
    return {
        lines[v.site.statement.lineno - 1].strip(): (v, target(judge, v, outcome, wrong))
        for v in trace(subject, subject.start)[0].values()
        if v.site.function == "backward"
    }


def test_the_value_that_makes_the_gradient_right_is_allowed_and_no_other() -> None:
    text = NET.replace("dy = 2 * (y - t)", "dy = y - t")
    visit, found = targets(text, INPUTS)["dy = y - t"]
    assert found is not None
    assert found.solved == {"dW"}
    value = visit.results[0]
    assert found.allows(2 * value)
    assert not found.allows(3 * value)
    assert not found.allows(2 * value + 1e-3)


def test_what_is_behind_the_mistake_cannot_mend_it_and_what_is_beside_it_either() -> None:
    text = NET.replace("dW = x.T @ dy", "dW = x.T @ dy * 2")
    found = {line: t for line, (_, t) in targets(text, INPUTS).items()}
    dx = found['return {"dW": dW, "dx": np.zeros_like(x)}']
    assert dx is not None, "the values of a dictionary are one after the other"
    assert dx.start.size == 3 * 2 + 4 * 3
    before, itself = found["dy = 2 * (y - t)"], found["dW = x.T @ dy * 2"]
    assert before is not None
    assert itself is not None
    assert before.solved == itself.solved == {"dW"}, "half of dy would do as well"


def test_two_mistakes_are_not_one() -> None:
    text = NET.replace("dW = x.T @ dy", "dW = 2 * x.T @ dy").replace(
        "np.zeros_like(x)", "dy @ dy.T"
    )
    text = text.replace("dy @ dy.T", "np.ones_like(x) * dy[0, 0]")
    found = targets(text, INPUTS)["dy = 2 * (y - t)"][1]
    assert found is not None
    assert len(found.solved) == 1


def test_in_a_loop_the_first_round_is_told_apart_from_the_others() -> None:
    inputs = {"x": RNG.normal(size=(2, 3)), "W": RNG.normal(size=(3, 3)), "T": 2}
    text = LOOP.replace("h[t].T", "h[t - 1].T").replace("dh @ W.T", "dh @ W")
    visit, found = targets(text, inputs)["dh = dh @ W"]
    assert visit.count == 2
    assert found is not None
    assert found.solved == {"dW", "dx"}
    dh = visit.scopes[0]["dh"]
    assert found.allows(dh @ inputs["W"].T)
    assert not found.allows(dh @ inputs["W"])


def test_of_what_the_other_rounds_can_make_up_for_nothing_is_known() -> None:
    inputs = {"x": RNG.normal(size=(2, 3)), "W": RNG.normal(size=(3, 3)), "T": 2}
    visit, found = targets(LOOP, inputs)["part = h[t].T @ dh"]
    assert found is not None
    assert found.solved == {"dW"}
    assert found.allows(visit.results[0] * 0)


def test_too_many_elements_are_not_nudged() -> None:
    inputs = INPUTS | {"x": RNG.normal(size=(201, 3)), "t": RNG.normal(size=(201, 2))}
    text = NET.replace("dy = 2 * (y - t)", "dy = y - t")
    assert targets(text, inputs)["dy = y - t"][1] is None


def test_where_the_gradients_are_not_linear_in_a_value_nothing_is_known() -> None:
    text = NET.replace("dW = x.T @ dy", "dW = x.T @ dy**2").replace("dy = 2 *", "dy = 1 *")
    assert targets(text, INPUTS)["dy = 1 * (y - t)"][1] is None


def test_the_round_that_has_to_change_is_found() -> None:
    # The first round's value is right: nothing has come back from a later step by then.
    text = """
import numpy as np


def forward(x, W):
    h = np.zeros((2, 3))
    total = 0.0
    for t in range(4):
        h = x[t] + h @ W
        total += (h ** 3).sum()
    return total, (x, W)


def backward(cache):
    x, W = cache
    hs = [np.zeros((2, 3))]
    for t in range(4):
        hs.append(x[t] + hs[-1] @ W)
    dW, carry, dx = np.zeros_like(W), np.zeros((2, 3)), np.zeros_like(x)
    for t in range(3, -1, -1):
        dh = 3 * hs[t + 1] ** 2
        dx[t] = dh
        dW += hs[t].T @ dh
        carry = dh @ W.T
    return {"dW": dW, "dx": dx}
"""
    inputs = {"x": RNG.normal(size=(4, 2, 3)), "W": 0.5 * RNG.normal(size=(3, 3))}
    visit, found = targets(text, inputs)["dh = 3 * hs[t + 1] ** 2"]
    assert found is not None
    assert found.solved == {"dW", "dx"}
    assert found.round == 1
    np.testing.assert_array_equal(found.start.reshape(2, 3), visit.results[1])
