"""byhand.grad and byhand.value_and_grad: arguments, structures, whole programs, errors."""

from __future__ import annotations

import math
from collections import namedtuple
from typing import Any

import numpy as np
import pytest
import torch

import byhand
from byhand import autodiff
from byhand.errors import DTypeError, InputError, ShapeError
from byhand.finite_differences import numerical_gradient

rng = np.random.default_rng(0)
X, Y = rng.standard_normal((5, 3)), np.array([0, 2, 1, 1, 0])
PARAMETERS = {
    "W1": rng.standard_normal((3, 4)),
    "b1": rng.standard_normal(4),
    "W2": rng.standard_normal((4, 3)),
    "b2": rng.standard_normal(3),
}


def mlp_loss(p: Any, x: Any, y: Any) -> Any:
    h = np.maximum(0, x @ p["W1"] + p["b1"])
    scores = h.dot(p["W2"]) + p["b2"]
    scores -= scores.max(axis=1, keepdims=True)
    probabilities = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
    return -np.log(probabilities[np.arange(len(y)), y]).mean() + 0.1 * np.sum(p["W1"] ** 2)


def test_a_network_agrees_with_pytorch() -> None:
    found = byhand.grad(mlp_loss)(PARAMETERS, X, Y)
    p = {k: torch.tensor(v, requires_grad=True) for k, v in PARAMETERS.items()}
    scores = torch.relu(torch.tensor(X) @ p["W1"] + p["b1"]) @ p["W2"] + p["b2"]
    loss = torch.nn.functional.cross_entropy(scores, torch.tensor(Y)) + 0.1 * (p["W1"] ** 2).sum()
    loss.backward()
    assert list(found) == list(PARAMETERS)
    for name, gradient in found.items():
        np.testing.assert_allclose(gradient, p[name].grad.numpy(), rtol=1e-12, atol=1e-14)


def min_char_rnn(p: Any, inputs: Any, targets: Any, hprev: Any) -> Any:
    xs, hs, ys, ps = {}, {}, {}, {}
    hs[-1] = np.copy(hprev)
    loss = 0
    for t in range(len(inputs)):
        xs[t] = np.zeros((5, 1))
        xs[t][inputs[t]] = 1
        hs[t] = np.tanh(np.dot(p["Wxh"], xs[t]) + np.dot(p["Whh"], hs[t - 1]) + p["bh"])
        ys[t] = np.dot(p["Why"], hs[t]) + p["by"]
        ps[t] = np.exp(ys[t]) / np.sum(np.exp(ys[t]))
        loss += -np.log(ps[t][targets[t], 0])
    return loss


def batch_norm(p: Any, x: Any) -> Any:
    mu = 1.0 / len(x) * np.sum(x, axis=0)
    centred = x - mu
    var = 1.0 / len(x) * np.sum(centred**2, axis=0)
    out = p["gamma"] * (centred / np.sqrt(var + 1e-5)) + p["beta"]
    return np.sum(out * np.cos(np.arange(out.size)).reshape(out.shape))


def convolution(p: Any, x: Any) -> Any:
    n, _, height, width = x.shape
    f, _, k, _ = p["w"].shape
    padded = np.pad(x, ((0, 0), (0, 0), (1, 1), (1, 1)), mode="constant")
    out = np.zeros((n, f, height, width))
    for i in range(height):
        for j in range(width):
            window = padded[:, :, i : i + k, j : j + k]
            out[:, :, i, j] = np.tensordot(window, p["w"], axes=([1, 2, 3], [1, 2, 3])) + p["b"]
    pooled = np.zeros((n, f, height // 2, width // 2))
    for i in range(height // 2):
        for j in range(width // 2):
            pooled[:, :, i, j] = out[:, :, 2 * i : 2 * i + 2, 2 * j : 2 * j + 2].max(axis=(2, 3))
    return np.mean(pooled**2)


def attention(p: Any, x: Any) -> Any:
    q, k, v = (x @ p[name] for name in ("q", "k", "v"))
    scores = np.einsum("td,sd->ts", q, k) / np.sqrt(q.shape[-1])
    scores = np.where(np.tril(np.ones((len(x), len(x)))) > 0, scores, -1e9)
    weights = np.exp(scores - scores.max(-1, keepdims=True))
    weights /= weights.sum(-1, keepdims=True)
    return np.sum((weights @ v) ** 3)


def dropout_and_embedding(p: Any, tokens: Any) -> Any:
    draw = np.random.default_rng(3)
    np.random.seed(0)
    x = p["E"][tokens]
    mask = (draw.random(x.shape) < 0.8) / 0.8
    x *= mask
    x = x * (np.random.rand(*x.shape) < 0.9)
    order = draw.permutation(len(x))
    noise = draw.normal(size=x.shape) + np.random.randn(*x.shape)
    return np.sum((x[order] + 0.1 * noise) ** 2)


def gates(p: Any, x: Any) -> Any:
    h, c = np.zeros((1, 2)), np.zeros((1, 2))
    outs = []
    for t in range(len(x)):
        z = np.hstack((h, x[t : t + 1])) @ p["W"] + p["b"]
        i, f, o, g = np.split(z, 4, axis=1)
        i, f, o = (1 / (1 + np.exp(-gate)) for gate in (i, f, o))
        c = f * c + i * np.tanh(g)
        h = o * np.tanh(c)
        outs.append(h)
    return np.concatenate(outs).sum()


def normal(**shapes: tuple[int, ...]) -> dict[str, np.ndarray]:
    draw = np.random.default_rng(1)
    return {name: draw.standard_normal(shape) for name, shape in shapes.items()}


PROGRAMS: list[tuple[Any, dict[str, np.ndarray], tuple[Any, ...]]] = [
    (
        min_char_rnn,
        normal(Wxh=(4, 5), Whh=(4, 4), Why=(5, 4), bh=(4, 1), by=(5, 1)),
        ([0, 3, 2], [3, 2, 4], np.full((4, 1), 0.3)),
    ),
    (batch_norm, normal(gamma=(3,), beta=(3,)), (X,)),
    (convolution, normal(w=(2, 3, 3, 3), b=(2,)), (rng.standard_normal((2, 3, 4, 4)),)),
    (attention, normal(q=(3, 2), k=(3, 2), v=(3, 4)), (X,)),
    (dropout_and_embedding, normal(E=(6, 3)), (np.array([1, 4, 1, 5]),)),
    (gates, normal(W=(5, 8), b=(8,)), (X,)),
]


@pytest.mark.parametrize(
    ("f", "p", "rest"), PROGRAMS, ids=lambda value: getattr(value, "__name__", "")
)
def test_programs_people_write_agree_with_finite_differences(f: Any, p: Any, rest: Any) -> None:
    value, found = byhand.value_and_grad(f)(p, *rest)
    assert value == pytest.approx(float(f(p, *rest)), rel=1e-12)
    for name, w in p.items():
        measured = numerical_gradient(lambda: float(f(p, *rest)), w)
        np.testing.assert_allclose(found[name], measured, rtol=1e-6, atol=1e-7)


def test_the_gradient_of_the_input_too() -> None:
    for f, p, rest in PROGRAMS:
        if rest[0] is X:
            check = byhand.gradcheck(lambda x, f=f, p=p: f(p, x), byhand.grad(f, 1)(p, X), X)
            assert check.agrees, f"{f.__name__}: {check}"


# ------------------------------------------------------------------------------ arguments


def product(a: Any, b: Any, *, c: Any = 2.0) -> Any:
    return np.sum(a * b) * c


A, B = np.array([1.0, 2.0]), np.array([3.0, -1.0])


def test_arguments_by_position_and_name() -> None:
    np.testing.assert_array_equal(byhand.grad(product)(A, B), 2 * B)
    np.testing.assert_array_equal(byhand.grad(product, 1)(A, B), 2 * A)
    np.testing.assert_array_equal(byhand.grad(product, -1)(A, B), 2 * A)
    np.testing.assert_array_equal(byhand.grad(product, "b")(A, B), 2 * A)
    np.testing.assert_array_equal(byhand.grad(product, "b")(A, b=B), 2 * A)
    assert byhand.grad(product, "c")(A, B, c=5.0) == 1.0
    da, dc = byhand.grad(product, (0, "c"))(A, B, c=3.0)
    np.testing.assert_array_equal(da, 3 * B)
    assert dc == 1.0
    assert isinstance(byhand.grad(product, (0,))(A, B), tuple)


def test_an_argument_that_is_not_there() -> None:
    with pytest.raises(InputError) as caught:
        byhand.grad(product, "c")(A, B)
    assert str(caught.value) == (
        "byhand.grad needs argument='c' among the arguments of the call, found 2 by position and "
        "[] by name; give it, or name another"
    )


def test_the_gradient_is_built_like_the_argument() -> None:
    Pair = namedtuple("Pair", "w b")

    def f(tree: Any) -> Any:
        pair, (first, second) = tree["pair"], tree["list"]
        return np.sum(pair.w) * pair.b + first * np.float32(2) + np.sum(second[0] ** 2)

    tree = {"pair": Pair(A, 3.0), "list": [np.float32(1.5), (B,)]}
    found = byhand.grad(f)(tree)
    assert isinstance(found["pair"], Pair)
    np.testing.assert_array_equal(found["pair"].w, [3, 3])
    assert type(found["pair"].b) is float
    assert found["pair"].b == 3.0
    assert type(found["list"][0]) is np.float32
    assert found["list"][0] == 2
    assert isinstance(found["list"][1], tuple)
    np.testing.assert_array_equal(found["list"][1][0], 2 * B)


def test_a_float_gives_a_float() -> None:
    value, slope = byhand.value_and_grad(lambda x: x**2 + np.sin(x))(0.5)
    assert value == 0.25 + math.sin(0.5)
    assert type(slope) is float
    assert slope == pytest.approx(1 + math.cos(0.5))


def test_float32_stays_float32() -> None:
    p = {name: w.astype(np.float32) for name, w in PARAMETERS.items()}
    value, found = byhand.value_and_grad(mlp_loss)(p, X.astype(np.float32), Y)
    exact = byhand.grad(mlp_loss)(PARAMETERS, X, Y)
    assert value.dtype == np.float32
    for name, gradient in found.items():
        assert gradient.dtype == np.float32
        np.testing.assert_allclose(gradient, exact[name], rtol=1e-4, atol=1e-5)


def test_what_does_not_matter_has_the_gradient_zero() -> None:
    np.testing.assert_array_equal(byhand.grad(lambda a, b: np.sum(b))(A, B), [0, 0])
    np.testing.assert_array_equal(byhand.grad(lambda a: 3.0)(A), [0, 0])
    np.testing.assert_array_equal(byhand.grad(lambda a: np.sum(a > 0))(A), [0, 0])


@pytest.mark.parametrize(
    ("x", "found"),
    [
        (np.arange(3), "int64 as argument 0"),
        (2, "int as argument 0"),
        ([A, {"size": 4}], "int as argument 0[1]['size']"),
        (None, "NoneType as argument 0"),
        (A + 0j, "complex128 as argument 0"),
    ],
)
def test_other_than_floating_point_numbers(x: Any, found: str) -> None:
    with pytest.raises(DTypeError) as caught:
        byhand.grad(np.sum)(x)
    assert str(caught.value) == (
        f"byhand.grad needs floating-point numbers, found {found}; "
        "write x.astype(float), or leave it out of the arguments to differentiate"
    )


@pytest.mark.parametrize(
    ("f", "found"),
    [
        (lambda x: x * 2, "an array of shape (2,)"),
        (lambda x: (np.sum(x), x), "a tuple of 2"),
        (lambda x: None, "a NoneType"),
        (lambda x: x.sum(keepdims=True), "an array of shape (1,)"),
        (lambda x: A, "an array of shape (2,)"),
    ],
)
def test_a_function_that_returns_anything_but_one_number(f: Any, found: str) -> None:
    with pytest.raises(ShapeError) as caught:
        byhand.grad(f)(A)
    assert str(caught.value) == (
        f"byhand.grad needs a function that returns one number, it returned {found}; "
        "return the loss alone, summed over its elements"
    )


def test_a_gradient_of_a_gradient() -> None:
    with pytest.raises(autodiff.Unsupported) as caught:
        byhand.grad(lambda x: np.sum(byhand.grad(lambda z: np.sum(z**3))(x)))(A)
    assert str(caught.value) == (
        "byhand.grad cannot follow itself, found a traced value as argument 0; for second "
        "derivatives use byhand.finite_differences on the first"
    )


def test_the_names_are_at_the_top() -> None:
    assert byhand.grad is autodiff.grad
    assert byhand.value_and_grad is autodiff.value_and_grad
    assert byhand.gradcheck is autodiff.gradcheck
