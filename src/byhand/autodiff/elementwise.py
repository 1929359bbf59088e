"""Functions of each element: y = f(x) or y = f(x, z), and their partial derivatives.

    g is ∂L/∂y;  an entry gives g · ∂y/∂x, one function for each argument

At a kink any subgradient would do. Here |x|' = 0 at 0, and where maximum or minimum meets equal
arguments each gets half: what a central difference measures, too. clip passes the gradient on its
bounds, as PyTorch does.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from byhand.autodiff.rules import composite, primitive
from byhand.autodiff.state import decided

LN2, LN10, LN10_2 = math.log(2), math.log(10), math.log(10) / math.log(2)
TWO_OVER_ROOT_PI = 2 / math.sqrt(math.pi)


def _share(g: Any, x: Any, z: Any) -> Any:
    """g where x is the greater of the two, half of it where they are equal."""
    return g * (np.greater(x, z) + 0.5 * np.equal(x, z))


def _power_x(g: Any, y: Any, x: Any, p: Any) -> Any:
    return g * np.where(p == 0, 0.0, p * np.power(x, np.where(p == 0, 1, p - 1)))


def _power_p(g: Any, y: Any, x: Any, p: Any) -> Any:
    return g * y * np.log(np.where(x > 0, x, 1.0))


# g is ∂L/∂y, y the result, then the arguments.
ELEMENTWISE: dict[str, tuple[Callable[..., Any], ...]] = {
    "positive": (lambda g, y, x: g,),
    "conjugate": (lambda g, y, x: g,),
    "negative": (lambda g, y, x: -g,),
    "absolute": (lambda g, y, x: g * np.sign(x),),
    "fabs": (lambda g, y, x: g * np.sign(x),),
    "square": (lambda g, y, x: g * 2 * x,),
    "sqrt": (lambda g, y, x: g / (2 * y),),
    "cbrt": (lambda g, y, x: g / (3 * y**2),),
    "reciprocal": (lambda g, y, x: -g * y**2,),
    "exp": (lambda g, y, x: g * y,),
    "exp2": (lambda g, y, x: g * y * LN2,),
    "expm1": (lambda g, y, x: g * (y + 1),),
    "log": (lambda g, y, x: g / x,),
    "log2": (lambda g, y, x: g / (x * LN2),),
    "log10": (lambda g, y, x: g / (x * LN10),),
    "log1p": (lambda g, y, x: g / (1 + x),),
    "sin": (lambda g, y, x: g * np.cos(x),),
    "cos": (lambda g, y, x: -g * np.sin(x),),
    "tan": (lambda g, y, x: g * (1 + y**2),),
    "arcsin": (lambda g, y, x: g / np.sqrt(1 - x**2),),
    "arccos": (lambda g, y, x: -g / np.sqrt(1 - x**2),),
    "arctan": (lambda g, y, x: g / (1 + x**2),),
    "sinh": (lambda g, y, x: g * np.cosh(x),),
    "cosh": (lambda g, y, x: g * np.sinh(x),),
    "tanh": (lambda g, y, x: g * (1 - y**2),),
    "arcsinh": (lambda g, y, x: g / np.sqrt(x**2 + 1),),
    "arccosh": (lambda g, y, x: g / np.sqrt(x**2 - 1),),
    "arctanh": (lambda g, y, x: g / (1 - x**2),),
    "deg2rad": (lambda g, y, x: g * (math.pi / 180),),
    "radians": (lambda g, y, x: g * (math.pi / 180),),
    "rad2deg": (lambda g, y, x: g * (180 / math.pi),),
    "degrees": (lambda g, y, x: g * (180 / math.pi),),
    "add": (lambda g, y, x, z: g, lambda g, y, x, z: g),
    "subtract": (lambda g, y, x, z: g, lambda g, y, x, z: -g),
    "multiply": (lambda g, y, x, z: g * z, lambda g, y, x, z: g * x),
    "divide": (lambda g, y, x, z: g / z, lambda g, y, x, z: -g * y / z),
    "power": (_power_x, _power_p),
    "float_power": (_power_x, _power_p),
    "maximum": (lambda g, y, x, z: _share(g, x, z), lambda g, y, x, z: _share(g, z, x)),
    "minimum": (lambda g, y, x, z: _share(g, z, x), lambda g, y, x, z: _share(g, x, z)),
    "hypot": (lambda g, y, x, z: g * x / y, lambda g, y, x, z: g * z / y),
    "arctan2": (
        lambda g, y, x, z: g * z / (x**2 + z**2),
        lambda g, y, x, z: -g * x / (x**2 + z**2),
    ),
    "logaddexp": (lambda g, y, x, z: g * np.exp(x - y), lambda g, y, x, z: g * np.exp(z - y)),
    "logaddexp2": (lambda g, y, x, z: g * np.exp2(x - y), lambda g, y, x, z: g * np.exp2(z - y)),
    "copysign": (lambda g, y, x, z: g * np.sign(x) * np.sign(y), lambda g, y, x, z: 0 * g),
    "remainder": (lambda g, y, x, z: g, lambda g, y, x, z: -g * np.floor_divide(x, z)),
    "fmod": (lambda g, y, x, z: g, lambda g, y, x, z: -g * np.trunc(x / z)),
    # of scipy.special, known by name; SciPy itself is not needed
    "expit": (lambda g, y, x: g * y * (1 - y),),
    "logit": (lambda g, y, x: g / (x * (1 - x)),),
    "log_expit": (lambda g, y, x: g * (1 - np.exp(y)),),
    "erf": (lambda g, y, x: g * TWO_OVER_ROOT_PI * np.exp(-(x**2)),),
    "erfc": (lambda g, y, x: -g * TWO_OVER_ROOT_PI * np.exp(-(x**2)),),
    "ndtr": (lambda g, y, x: g * np.exp(-(x**2) / 2) / math.sqrt(2 * math.pi),),
    "log_ndtr": (lambda g, y, x: g * np.exp(-(x**2) / 2 - y) / math.sqrt(2 * math.pi),),
    "gammaln": (lambda g, y, x: g * digamma(x),),
    "entr": (lambda g, y, x: g * (-np.log(x) - 1),),
    "xlogy": (lambda g, y, x, z: g * np.log(z), lambda g, y, x, z: g * x / z),
    "xlog1py": (lambda g, y, x, z: g * np.log1p(z), lambda g, y, x, z: g * x / (1 + z)),
}
ELEMENTWISE["fmax"], ELEMENTWISE["fmin"] = ELEMENTWISE["maximum"], ELEMENTWISE["minimum"]

# On which side of its kink, or in which piece, each element is.
SIDES: dict[str, Callable[..., Any]] = {
    "absolute": np.sign,
    "fabs": np.sign,
    "maximum": lambda x, z: np.sign(np.subtract(x, z)),
    "minimum": lambda x, z: np.sign(np.subtract(x, z)),
    "fmax": lambda x, z: np.sign(np.subtract(x, z)),
    "fmin": lambda x, z: np.sign(np.subtract(x, z)),
    "remainder": np.floor_divide,
    "fmod": lambda x, z: np.trunc(np.divide(x, z)),
    "copysign": lambda x, z: np.signbit(x) ^ np.signbit(z),
}


@primitive("clip")
def clip(a: Any, a_min: Any = None, a_max: Any = None, *, min: Any = None, max: Any = None) -> Any:
    low, high = (a_min if min is None else min), (a_max if max is None else max)
    below = np.zeros(np.shape(a), bool) if low is None else np.less(a, low)
    above = np.zeros(np.shape(a), bool) if high is None else np.greater(a, high)
    decided("clip", np.subtract(above, below, dtype=np.int8))
    return np.clip(a, low, high), (
        lambda g: g * ~(below | above),
        lambda g: g * below,
        lambda g: g * above,
        lambda g: g * below,
        lambda g: g * above,
    )


@primitive("where")
def where(condition: Any, x: Any, y: Any) -> Any:
    chosen = np.asarray(condition, bool)
    decided("where", chosen)
    return np.where(chosen, x, y), (
        None,
        lambda g: np.where(chosen, g, 0),
        lambda g: np.where(chosen, 0, g),
    )


@primitive("nan_to_num")
def nan_to_num(
    x: Any, copy: Any = True, nan: Any = 0.0, posinf: Any = None, neginf: Any = None
) -> Any:
    finite = np.isfinite(x)
    decided("nan_to_num", finite)
    return np.nan_to_num(x, nan=nan, posinf=posinf, neginf=neginf), (lambda g: g * finite,)


@primitive("astype")
def astype(x: Any, dtype: Any) -> Any:
    return x.astype(dtype), (lambda g: g,)


@composite("real")
def real(val: Any) -> Any:
    return val


@primitive("copy")
def copy(a: Any, order: Any = "K", subok: bool = False) -> Any:
    return np.array(a, order=order), (lambda g: g,)


def digamma(x: Any) -> Any:
    """ψ(x) = d ln Γ(x)/dx: ψ(x) = ψ(x + 1) − 1/x until the asymptotic series is exact.

    Source      Abramowitz and Stegun, 6.3.5, 6.3.7 and 6.3.18.
    """
    x = np.asarray(x, float)
    left = x < 0.5
    z = np.where(left, 1 - x, x)
    below = np.zeros_like(z)
    for _ in range(10):
        below += np.where(z < 10, 1 / z, 0)
        z = np.where(z < 10, z + 1, z)
    s = 1 / z**2
    series = s * (1 / 12 - s * (1 / 120 - s * (1 / 252 - s * (1 / 240 - s * (1 / 132)))))
    right = np.log(z) - 1 / (2 * z) - series - below
    return np.where(left, right - math.pi / np.tan(math.pi * x), right)
