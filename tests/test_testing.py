"""assert_gradients in somebody's tests: silent where all is right, the report where it is not."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import byhand
from byhand import testing
from byhand.doctor.report import Finding, Fix, GradientVerdict, Report

RNG = np.random.default_rng(0)
INPUTS = {"x": RNG.normal(size=(5, 4)), "w": RNG.normal(size=(4, 3))}
WRONG = Report(
    "linear_forward, linear_backward",
    "wrong",
    (GradientVerdict("dw", "w", "wrong", 1.0, 3),),
    (Finding(3, 4, 8, "dw", "sign", "dw has the sign of −dw.", Fix(3, "dw = -a", "dw = a")),),
)


def linear_forward(x: Any, w: Any) -> Any:
    return x @ w, (x, w)


def linear_backward(dout: Any, cache: Any) -> Any:
    x, w = cache
    dx = dout @ w.T
    dw = x.T @ dout
    return dx, dw


def minus_backward(dout: Any, cache: Any) -> Any:
    x, w = cache
    dx = dout @ w.T
    dw = -x.T @ dout
    return dx, dw


def test_the_names_are_loaded_when_they_are_used() -> None:
    assert byhand.testing is testing
    assert callable(byhand.check)
    assert {"check", "testing"} <= set(dir(byhand))


def test_the_doctor_is_asked_as_it_was_called(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []

    def check(*arguments: Any, **options: Any) -> Report:
        asked.append((arguments, options))
        return Report("", "right")

    monkeypatch.setattr(testing, "check", check)
    testing.assert_gradients(linear_forward, linear_backward, INPUTS, of={"g": "w"}, seed=4)
    testing.assert_gradients(linear_forward, linear_backward, INPUTS)
    given = (linear_forward, linear_backward, INPUTS)
    assert asked == [(given, {"of": {"g": "w"}, "seed": 4}), (given, {"of": None, "seed": 0})]


@pytest.mark.parametrize(
    "report",
    [
        WRONG,
        Report("f, b", "shape", findings=WRONG.findings),
        Report("f, b", "undecided", reason="say of={'g': 'w'}"),
        Report("f, b", "error", reason="forward raises ValueError: no"),
    ],
    ids=lambda report: report.verdict,
)
def test_the_report_is_the_message(monkeypatch: pytest.MonkeyPatch, report: Report) -> None:
    monkeypatch.setattr(testing, "check", lambda *_, **__: report)
    with pytest.raises(AssertionError) as failure:
        testing.assert_gradients(linear_forward, linear_backward, INPUTS)
    assert str(failure.value) == str(report)


def test_pytest_shows_the_line_of_the_test(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(testing, "check", lambda *_, **__: WRONG)
    with pytest.raises(AssertionError) as failure:
        testing.assert_gradients(linear_forward, linear_backward, INPUTS)
    shown = failure.traceback.filter(failure)
    assert [entry.name for entry in shown] == ["test_pytest_shows_the_line_of_the_test"]


def test_the_doctor_itself() -> None:
    testing.assert_gradients(linear_forward, linear_backward, INPUTS)
    with pytest.raises(AssertionError) as failure:
        testing.assert_gradients(linear_forward, minus_backward, INPUTS)
    assert "+ dw = x.T @ dout" in str(failure.value)
