"""Every function that the tape follows: its value as NumPy's, its gradient as PyTorch's or, where
PyTorch has no such function, as measured. Odd shapes, broadcasting, random cotangents."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from byhand import autodiff
from byhand.autodiff.elementwise import ELEMENTWISE
from byhand.autodiff.rules import COMPOSITES, PRIMITIVES
from byhand.finite_differences import gradient_with_error_bar

from .cases import CASES, Case


def drawn(this: Case) -> list[np.ndarray]:
    rng = np.random.default_rng(7)
    return [np.asarray(rng.uniform(this.low, this.high, shape)) for shape in this.shapes]


def of_the_tape(this: Case, inputs: list[np.ndarray], cotangent: np.ndarray) -> Any:
    variables = [autodiff.Variable(x) for x in inputs]
    with autodiff.recording():
        y = this.f(*variables)
    found = autodiff.gradients(y, cotangent)
    return y.value, [found[v] for v in variables]


@pytest.mark.parametrize("this", CASES)
def test_a_function_has_the_right_value_and_gradient(this: Case) -> None:
    inputs = drawn(this)
    plain = np.asarray(this.f(*(x.copy() for x in inputs)))
    cotangent = np.random.default_rng(8).standard_normal(plain.shape)
    value, found = of_the_tape(this, inputs, cotangent)
    np.testing.assert_allclose(value, plain, rtol=1e-14, atol=1e-14)
    if this.peer is None:
        compare_with_differences(this, inputs, cotangent, found)
        return
    torch_default = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    try:
        tensors = [torch.tensor(x, requires_grad=True) for x in inputs]
        y = this.peer(*tensors)
        np.testing.assert_allclose(value, y.detach().numpy(), rtol=1e-12, atol=1e-14)
        y.backward(torch.tensor(cotangent))
    finally:
        torch.set_default_dtype(torch_default)
    for ours, tensor in zip(found, tensors, strict=True):
        theirs = np.zeros(ours.shape) if tensor.grad is None else tensor.grad.numpy()
        np.testing.assert_allclose(ours, theirs, rtol=1e-10, atol=1e-10)


def compare_with_differences(
    this: Case, inputs: list[np.ndarray], cotangent: np.ndarray, found: list[np.ndarray]
) -> None:
    for x, ours in zip(inputs, found, strict=True):
        measured, bar = gradient_with_error_bar(
            lambda: float(np.sum(this.f(*inputs) * cotangent)), x
        )
        assert bar.max() < 1e-6
        np.testing.assert_allclose(ours, measured, rtol=1e-7, atol=1e-7)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("this", CASES)
def test_a_gradient_has_the_dtype_of_its_value(this: Case, dtype: Any) -> None:
    variables = [autodiff.Variable(x.astype(dtype)) for x in drawn(this)]
    with autodiff.recording():
        y = this.f(*variables)
    found = autodiff.gradients(y)
    for v in variables:
        assert found[v].dtype == dtype
        assert found[v].shape == v.shape


def test_no_entry_of_the_tables_is_left_out_here() -> None:
    """Each is reached by a case, or has a test of its own."""
    special = "expit logit log_expit erf erfc ndtr log_ndtr entr gammaln xlogy xlog1py"
    writing = "setitem put add.at copyto zeros_like ones_like empty_like full_like"
    reached = set()
    for parameter in CASES:
        (this,) = parameter.values
        reached.add(this.name.split()[0])
        variables = [autodiff.Variable(x) for x in drawn(this)]
        with autodiff.recording():
            waiting = [this.f(*variables).node]
        while waiting:
            node = waiting.pop()
            reached.add(node.operation)
            waiting += node.parents
    tables = {*ELEMENTWISE, *PRIMITIVES, *COMPOSITES}
    missing = {name for name in tables if not {name, name.rpartition(".")[2]} & reached}
    assert missing == {*special.split(), *writing.split()}
