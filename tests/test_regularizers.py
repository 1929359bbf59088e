from __future__ import annotations

import numpy as np
import pytest
import torch

from byhand import engines, regularizers
from byhand.errors import InputError
from byhand.finite_differences import numerical_gradient, relative_error
from byhand.losses import QuadraticCost
from byhand.models import mlp
from byhand.optimizers import SGD
from byhand.regularizers import L1, L2, Regularizer

from .layers.peer import assert_same, autograd

REGULARIZERS = [
    value
    for value in vars(regularizers).values()
    if isinstance(value, type) and issubclass(value, Regularizer) and value is not Regularizer
]
THEIRS = {
    L2: lambda w, strength, n: strength / (2 * n) * (w**2).sum(),
    L1: lambda w, strength, n: strength / n * w.abs().sum(),
}
every_regularizer = pytest.mark.parametrize("kind", REGULARIZERS, ids=lambda kind: kind.__name__)


def test_the_scale_is_the_books() -> None:
    w = np.array([[3.0, -4.0], [0.0, 1.0]])
    assert L2(5.0).penalty(w, examples=50) == 5 / 100 * 26
    np.testing.assert_allclose(L2(5.0).gradient(w, 50), [[0.3, -0.4], [0, 0.1]], rtol=1e-15)
    assert L1(5.0).penalty(w, examples=50) == 5 / 50 * 8
    np.testing.assert_allclose(L1(5.0).gradient(w, 50), [[0.1, -0.1], [0, 0.1]], rtol=1e-15)


@every_regularizer
def test_gradients_agree_with_central_differences(kind: type[Regularizer]) -> None:
    w = np.random.default_rng(0).choice([-1.0, 1.0], (4, 3)) * np.linspace(0.1, 2, 12).reshape(4, 3)
    numerical = numerical_gradient(lambda: kind(3.0).penalty(w, 7), w)
    assert relative_error(kind(3.0).gradient(w, 7), numerical) < 1e-7


@every_regularizer
def test_values_and_gradients_are_pytorchs(kind: type[Regularizer]) -> None:
    w = np.random.default_rng(0).standard_normal((4, 3))
    theirs, (their_gradient,) = autograd(lambda w: THEIRS[kind](w, 3.0, 7), 1.0, w)
    assert_same(kind(3.0).penalty(w, 7), float(theirs))
    assert_same(kind(3.0).gradient(w, 7), their_gradient)


@every_regularizer
def test_float32_stays_float32_and_w_is_unchanged(kind: type[Regularizer]) -> None:
    w = np.linspace(-1, 1, 6, dtype=np.float32)
    w.flags.writeable = False
    assert kind(0.1).gradient(w, 7).dtype == np.float32
    assert type(kind(0.1).penalty(w, 7)) is float


@every_regularizer
@pytest.mark.parametrize("strength", [-1.0, float("nan")])
def test_a_strength_below_zero(kind: type[Regularizer], strength: float) -> None:
    with pytest.raises(InputError) as error:
        kind(strength)
    assert str(error.value) == f"strength is at least 0, found {strength}"


@every_regularizer
def test_biases_are_left_alone(kind: type[Regularizer]) -> None:
    """In a compiled program the penalty adds to the weights' gradients, and to nothing else."""
    model = mlp([5, 4, 3]).initialize(0)
    x, t = np.random.default_rng(0).random((6, 5)), np.random.default_rng(1).random((6, 3))
    plain = engines.compile(model, QuadraticCost(), SGD(0.1))
    program = engines.compile(model, QuadraticCost(), SGD(0.1), regularizer=kind(2.0), examples=9)
    loss, gradients = plain.gradients(x, t)
    objective, penalised = program.gradients(x, t)
    weights = [model.parameters[name] for name in ("hidden1.W", "output.W")]
    expected = sum(kind(2.0).penalty(w, 9) for w in weights)
    assert objective - loss == pytest.approx(expected, rel=1e-12)
    for name, w in model.parameters.items():
        added = penalised[name] - gradients[name]
        if name.endswith(".b"):
            np.testing.assert_array_equal(added, 0)
        else:
            np.testing.assert_allclose(added, kind(2.0).gradient(w, 9), rtol=1e-12)


def test_a_step_of_sgd_shrinks_the_weights_by_one_minus_eta_lambda_over_n() -> None:
    """Nielsen's weight decay, w → (1 − ηλ/n) w − η dw, seen through a compiled program."""
    eta, strength, n = 0.5, 5.0, 40
    model = mlp([5, 4, 3]).initialize(0)
    x, t = np.random.default_rng(0).random((6, 5)), np.random.default_rng(1).random((6, 3))
    _, gradients = engines.compile(model, QuadraticCost(), SGD(eta)).gradients(x, t)
    program = engines.compile(
        model, QuadraticCost(), SGD(eta), regularizer=L2(strength), examples=n
    )
    program.train(x, t, np.arange(6), 6, 0, [eta])
    for name, w in program.parameters().items():
        factor = 1 - eta * strength / n if name.endswith(".W") else 1.0
        expected = factor * model.parameters[name] - eta * gradients[name]
        np.testing.assert_allclose(w, expected, rtol=1e-13, atol=1e-15)


def test_the_same_shrinking_is_pytorchs_weight_decay() -> None:
    """L2 of strength λ on n examples is weight_decay = λ/n in PyTorch's SGD."""
    w, dw = np.random.default_rng(0).standard_normal((2, 4, 3))
    theirs = torch.tensor(w, requires_grad=True)
    theirs.grad = torch.tensor(dw)
    torch.optim.SGD([theirs], lr=0.5, weight_decay=5 / 40).step()
    ours, _ = SGD(0.5).update(w, dw + L2(5.0).gradient(w, 40), {}, 0.5, 1)
    assert_same(ours, theirs.detach().numpy())
