"""For tests of your own: derivatives that have to be right.

from byhand.testing import assert_gradients

def test_linear():
    rng = np.random.default_rng(0)
    inputs = {"x": rng.normal(size=(5, 4)), "w": rng.normal(size=(4, 3))}
    assert_gradients(linear_forward, linear_backward, inputs)
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from byhand.doctor import check


def assert_gradients(
    forward: Callable[..., Any],
    backward: Callable[..., Any],
    inputs: Mapping[str, Any],
    *,
    of: Mapping[str, str] | None = None,
    seed: int = 0,
) -> None:
    """Check a forward and its backward at these inputs, the forward's keyword arguments.

    of          which gradient is of which variable, {"dW1": "W1"}, where names do not say it
    Raises      AssertionError with the doctor's report, where a gradient is wrong and where it
                could not be checked: a test that decides nothing has not passed.
    """
    __tracebackhide__ = True  # pytest shows the caller's line
    report = check(forward, backward, inputs, of=of, seed=seed)
    if report.verdict != "right":
        raise AssertionError(str(report))
