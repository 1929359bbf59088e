from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from byhand.errors import ShapeError
from byhand.finite_differences import numerical_gradient, relative_error
from byhand.layers import Softmax
from byhand.layers.softmax import jacobian, softmax

from .peer import assert_same, autograd


def test_values_done_by_hand() -> None:
    p = softmax(np.array([[0.0, math.log(2), math.log(5)]]))
    np.testing.assert_allclose(p, [[1 / 8, 2 / 8, 5 / 8]], rtol=1e-15)


def test_adding_the_same_to_every_score_changes_nothing() -> None:
    z = np.array([[1.0, 2.0, 4.0]])
    np.testing.assert_array_equal(softmax(z + 1024), softmax(z))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_no_overflow_for_scores_far_apart(dtype: type) -> None:
    p = softmax(np.array([[1e4, -1e4, 0], [-1e30, 1e30, 0]], dtype))
    assert p.tolist() == [[1, 0, 0], [0, 1, 0]]
    assert p.dtype == dtype


def test_the_jacobian_agrees_with_central_differences() -> None:
    z = np.random.default_rng(0).standard_normal((3, 5))
    J = jacobian(softmax(z))
    assert J.shape == (3, 5, 5)
    for n in range(3):
        for k in range(5):
            row = numerical_gradient(lambda n=n, k=k: float(softmax(z)[n, k]), z)
            expected = np.zeros_like(z)
            expected[n] = J[n, k]
            assert relative_error(expected, row) < 1e-7


def test_backward_is_the_product_with_the_jacobian() -> None:
    rng = np.random.default_rng(0)
    z, dp = rng.standard_normal((3, 5)), rng.standard_normal((3, 5))
    p, cache = Softmax().forward(z)
    dz, _ = Softmax().backward(dp, cache)
    np.testing.assert_allclose(dz, np.einsum("nk,nkj->nj", dp, jacobian(p)), rtol=0, atol=1e-15)


def test_the_diagonal_alone_is_not_the_derivative() -> None:
    rng = np.random.default_rng(0)
    z, dp = rng.standard_normal((3, 5)), rng.standard_normal((3, 5))
    p, cache = Softmax().forward(z)
    dz, _ = Softmax().backward(dp, cache)
    assert relative_error(dz, dp * p * (1 - p)) > 0.1


def test_outputs_and_gradients_are_pytorchs() -> None:
    rng = np.random.default_rng(0)
    z, dp = 3 * rng.standard_normal((7, 4)), rng.standard_normal((7, 4))
    p, cache = Softmax().forward(z)
    theirs, (their_dz,) = autograd(lambda z: torch.softmax(z, dim=1), dp, z)
    assert_same(p, theirs)
    assert_same(Softmax().backward(dp, cache)[0], their_dz)


def test_wrong_shapes() -> None:
    with pytest.raises(ShapeError) as error:
        Softmax(name="answer").forward(np.ones(3))
    assert str(error.value) == (
        'Softmax "answer": z has shape (3,), expected the axes z[batch, ..., classes] '
        "(p = softmax(z)); for a batch of one write z[None]"
    )
    _, cache = Softmax().forward(np.ones((5, 3)))
    with pytest.raises(ShapeError) as error:
        Softmax().backward(np.ones((5, 1)), cache)
    assert str(error.value) == ("Softmax: dp has classes = 1, p has classes = 3 (p = softmax(z))")
    with pytest.raises(ShapeError) as error:
        Softmax().backward(np.ones((4, 3)), cache)
    assert str(error.value) == "Softmax: dp has batch = 4, p has batch = 5 (p = softmax(z))"
