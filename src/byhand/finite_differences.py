"""Derivatives without calculus: the yardstick that every hand-written derivative is held against.

    ∂f/∂xᵢ ≈ (f(x + h eᵢ) − f(x − h eᵢ)) / 2h        error h² f‴/6 + ε |f| / h

In float64 (ε ≈ 1.1e-16) the two errors balance near h = ε^(1/3) ≈ 5e-6, which leaves about ten
right digits for functions of order one.

Source      Press et al., Numerical Recipes, 3rd ed., section 5.7.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from byhand.errors import DTypeError, ShapeError

STEP = 6e-6


def numerical_gradient(
    f: Callable[[], float], x: NDArray[Any], indices: NDArray[np.int64] | None = None
) -> NDArray[np.float64]:
    """∂f/∂x by central differences, for an f that reads x afresh at each call.

    x is nudged in place and put back exactly. With `indices` (into x's elements in row order) only
    those are computed, as a flat array; otherwise the result has x's shape.

    Raises      DTypeError where x is not float64: float32 has too few digits to be a yardstick.
    """
    if x.dtype != np.float64:
        raise DTypeError(f"finite differences need float64, found {x.dtype}; use dtype=np.float64")
    elements = np.arange(x.size) if indices is None else indices
    gradient = np.empty(len(elements))
    for k, i in enumerate(elements):
        place = np.unravel_index(i, x.shape)
        kept = float(x[place])
        h = STEP * max(1.0, abs(kept))
        x[place] = kept + h
        above = f()
        x[place] = kept - h
        below = f()
        x[place] = kept
        gradient[k] = (above - below) / (2 * h)
    return gradient.reshape(x.shape) if indices is None else gradient


def slope_with_error_bar(f: Callable[[float], float], step: float = STEP) -> tuple[float, float]:
    """f′(0), and how far from it the truth can be.

        D(h) = (f(h) − f(−h)) / 2h        f′(0) ≈ D(h)        bar = |D(2h) − D(h)| + 2 ε |f| / h

    The remainder of D grows as h², so D(2h) is three times as far away as the bar needs to cover;
    the last term is what rounding f's value can do. A kink beside 0, nearer than 2h, makes the bar
    large, and a NaN makes it NaN; at a kink exactly at 0 both D are the mean of the two slopes.

    For a slope along a direction d write slope_with_error_bar(lambda t: loss(x + t * d)).
    """
    near, far = (f(step), f(-step)), (f(2 * step), f(-2 * step))
    slope = (near[0] - near[1]) / (2 * step)
    wider = (far[0] - far[1]) / (4 * step)
    largest = max(abs(value) for value in near + far)
    bar = abs(wider - slope) + 2 * float(np.finfo(np.float64).eps) * largest / step
    return float(slope), float(bar)


def gradient_with_error_bar(
    f: Callable[[], float], x: NDArray[Any], indices: NDArray[np.int64] | None = None
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """As numerical_gradient, with an error bar for each element.

    Raises      DTypeError where x is not float64.
    """
    if x.dtype != np.float64:
        raise DTypeError(f"finite differences need float64, found {x.dtype}; use dtype=np.float64")
    elements = np.arange(x.size) if indices is None else indices
    found = np.empty((2, len(elements)))
    for k, i in enumerate(elements):
        place = np.unravel_index(i, x.shape)
        kept = float(x[place])

        def nudged(t: float, place: Any = place, kept: float = kept) -> float:
            x[place] = kept + t
            value = f()
            x[place] = kept
            return value

        found[:, k] = slope_with_error_bar(nudged, STEP * max(1.0, abs(kept)))
    gradient, bar = found.reshape(2, *x.shape) if indices is None else found
    return gradient, bar


def relative_error(a: NDArray[Any], b: NDArray[Any]) -> float:
    """‖a − b‖ / max(‖a‖, ‖b‖): 0 for equal arrays, about 1 for unrelated ones.

    Raises      ShapeError where the shapes differ: (n,) − (n, 1) would compare all with all.
    """
    if a.shape != b.shape:
        raise ShapeError(f"relative_error needs equal shapes, found {a.shape} and {b.shape}")
    scale = max(float(np.linalg.norm(a)), float(np.linalg.norm(b)))
    return float(np.linalg.norm(a - b)) / scale if scale else 0.0
