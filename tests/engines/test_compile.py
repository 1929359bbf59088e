from __future__ import annotations

import numpy as np
import pytest

from byhand import engines
from byhand.errors import InputError
from byhand.layers import Dense, Sequential, Sigmoid
from byhand.losses import QuadraticCost
from byhand.models import mlp
from byhand.optimizers import SGD
from byhand.regularizers import L2


def test_an_engine_that_is_not_there() -> None:
    with pytest.raises(InputError) as error:
        engines.compile(mlp([3, 2]).initialize(0), QuadraticCost(), SGD(0.1), engine="abacus")
    assert str(error.value) == f"engine is one of {', '.join(engines.ENGINES)}; found 'abacus'"
    assert "numpy" in engines.ENGINES


def test_a_regularizer_needs_the_number_of_examples() -> None:
    with pytest.raises(InputError) as error:
        engines.compile(mlp([3, 2]).initialize(0), QuadraticCost(), SGD(0.1), regularizer=L2(5.0))
    assert str(error.value) == (
        "a regularizer is scaled by the number of training examples: give examples=len(train)"
    )


def test_a_model_without_parameters_yet() -> None:
    with pytest.raises(InputError) as error:
        engines.compile(mlp([3, 2]), QuadraticCost(), SGD(0.1))
    assert str(error.value) == (
        'Dense "output" has no W yet: draw the parameters first with initialize(seed)'
    )


def test_the_description_is_kept() -> None:
    model, loss, optimizer = mlp([3, 2]).initialize(0), QuadraticCost(), SGD(0.1)
    program = engines.compile(model, loss, optimizer, regularizer=L2(5.0), examples=50, seed=7)
    kept = program.description
    assert (kept.loss, kept.optimizer, kept.regularizer) == (loss, optimizer, L2(5.0))
    assert (kept.clipping, kept.examples, kept.seed) == (None, 50, 7)
    assert list(kept.model.parameters) == ["output.W", "output.b"]


def test_programs_of_one_model_are_independent() -> None:
    model = Sequential(Dense(3, 2), Sigmoid()).initialize(0)
    before = model.parameters["dense1.W"].copy()
    one = engines.compile(model, QuadraticCost(), SGD(1.0))
    other = engines.compile(model, QuadraticCost(), SGD(1.0))
    one.train(np.ones((4, 3)), np.zeros((4, 2)), np.arange(4), 4, 0, [1.0])
    assert not np.array_equal(one.parameters()["dense1.W"], before)
    np.testing.assert_array_equal(other.parameters()["dense1.W"], before)
    np.testing.assert_array_equal(model.parameters["dense1.W"], before)
