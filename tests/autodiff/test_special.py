"""The functions of scipy.special, which reach the tape as ufuncs: stand-ins with their names, so
that SciPy need not be installed."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from byhand import autodiff


class StandIn:
    """Called as a ufunc is, and computed by PyTorch."""

    def __init__(self, name: str, peer: Callable[..., Any]) -> None:
        self.__name__ = name
        self.peer = peer

    def __call__(self, *xs: Any) -> Any:
        return self.peer(*(torch.tensor(np.asarray(x)) for x in xs)).numpy()


special = torch.special
FUNCTIONS: dict[str, tuple[Callable[..., Any], int]] = {
    "expit": (special.expit, 1),
    "logit": (special.logit, 1),
    "log_expit": (torch.nn.functional.logsigmoid, 1),
    "erf": (special.erf, 1),
    "erfc": (special.erfc, 1),
    "ndtr": (special.ndtr, 1),
    "log_ndtr": (special.log_ndtr, 1),
    "entr": (special.entr, 1),
    "gammaln": (special.gammaln, 1),
    "xlogy": (special.xlogy, 2),
    "xlog1py": (special.xlog1py, 2),
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_special_function_agrees_with_pytorch(name: str) -> None:
    peer, arguments = FUNCTIONS[name]
    rng = np.random.default_rng(1)
    xs = [rng.uniform(0.1, 0.9, (3, 4)) for _ in range(arguments)]
    cotangent = rng.standard_normal((3, 4))
    variables = [autodiff.Variable(x) for x in xs]
    ufunc: Any = StandIn(name, peer)
    y = variables[0].__array_ufunc__(ufunc, "__call__", *variables)
    found = autodiff.gradients(y, cotangent)
    tensors = [torch.tensor(x, requires_grad=True) for x in xs]
    peer(*tensors).backward(torch.tensor(cotangent))
    for v, tensor in zip(variables, tensors, strict=True):
        np.testing.assert_allclose(found[v], tensor.grad.numpy(), rtol=1e-10, atol=1e-12)


def test_gammaln_far_from_the_origin_and_left_of_it() -> None:
    x = np.array([-2.5, -0.3, 1e-3, 1.0, 7.5, 300.0])
    v = autodiff.Variable(x)
    ufunc: Any = StandIn("gammaln", special.gammaln)
    found = autodiff.gradients(v.__array_ufunc__(ufunc, "__call__", v))[v]
    np.testing.assert_allclose(found, special.digamma(torch.tensor(x)).numpy(), rtol=1e-12)


def test_an_unknown_ufunc_is_named() -> None:
    v = autodiff.Variable(np.ones(3))
    ufunc: Any = StandIn("zetac", torch.exp)
    with pytest.raises(autodiff.Unsupported) as caught:
        v.__array_ufunc__(ufunc, "__call__", v)
    assert str(caught.value).startswith("byhand.grad cannot follow the ufunc zetac (line ")
    assert math.isfinite(float(v.value[0]))
