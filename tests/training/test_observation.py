"""Norms, ratios and unit health, on arrays small enough to check by eye."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest

from byhand.engines import Program
from byhand.layers import Dense, ReLU, Sequential, Sigmoid, Tanh
from byhand.training.observation import layer_norms, unit_health, update_ratios


def test_norms_are_of_a_layer_as_a_whole() -> None:
    arrays = {"a.W": np.array([[3.0]]), "a.b": np.array([4.0]), "b.W": np.array([[1.0, 1.0]])}
    assert layer_norms(arrays) == pytest.approx({"a": 5.0, "b": 2**0.5})


def test_norms_of_large_float32_numbers_are_finite() -> None:
    assert layer_norms({"a.W": np.array([3e20, 4e20], np.float32)}) == pytest.approx({"a": 5e20})


def test_ratios_are_of_the_change_to_the_size_before() -> None:
    before = {"a.W": np.array([[3.0, 4.0]]), "z.W": np.zeros((1, 2))}
    after = {"a.W": np.array([[3.0, 4.5]]), "z.W": np.ones((1, 2))}
    assert update_ratios(before, after) == pytest.approx({"a": 0.1, "z": 0.0})


def test_dead_is_by_unit_and_saturated_by_output() -> None:
    model = Sequential(Dense(1, 4), ReLU(), Sigmoid(), Tanh())
    outputs: dict[str, Any] = {
        "dense1": np.zeros((2, 4)),
        "relu1": np.array([[0.0, 0.0, 1.0, 0.0], [0.0, 2.0, 1.0, 0.0]]),
        "sigmoid1": np.array([[0.5, 0.96, 0.04, 0.94], [0.5, 0.99, 0.5, 0.06]]),
        "tanh1": np.array([[0.0, 0.95, -0.95, 0.89], [0.5, 0.0, -0.89, 0.0]]),
    }
    program = cast(Program, SimpleNamespace(description=SimpleNamespace(model=model)))
    dead, saturated = unit_health(program, outputs)
    assert dead == {"relu1": 0.5}
    assert saturated == {"sigmoid1": 3 / 8, "tanh1": 2 / 8}
