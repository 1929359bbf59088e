"""byhand.gradcheck: a gradient held against measured slopes, just numbers with error bars."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from byhand.errors import InputError, ShapeError
from byhand.finite_differences import gradient_with_error_bar


@dataclass(frozen=True)
class GradientCheck:
    """What gradcheck found.

    relative_error      ‖claimed − measured‖ / the larger of ‖claimed‖ and ‖measured‖
    error_bar           how much of that the measurement itself can be wrong, on the same scale
    worst               index of the element that is furthest off
    claimed, measured   the two values there
    agrees              whether the claim lies within tolerance and error bar
    """

    relative_error: float
    error_bar: float
    worst: tuple[int, ...]
    claimed: float
    measured: float
    agrees: bool

    def __bool__(self) -> bool:
        return self.agrees

    def __str__(self) -> str:
        verdict = "agrees" if self.agrees else "disagrees"
        at = f" at {list(self.worst)}" if self.worst else ""
        return (
            f"gradient {verdict}: relative error {self.relative_error:.1e} ± {self.error_bar:.1e}, "
            f"largest{at}: claimed {self.claimed:.8g}, measured {self.measured:.8g}"
        )


def gradcheck(
    f: Callable[[Any], Any],
    gradient: Any,
    x: NDArray[np.float64],
    *,
    tolerance: float = 1e-6,
    elements: int = 1000,
    seed: int = 0,
) -> GradientCheck:
    """Compare a claimed ∂f/∂x with central differences at two step sizes.

    f           takes an array like x, returns one number
    gradient    the claim: an array of x's shape, or a function of x that gives it
    elements    how many are measured at most, drawn with `seed`; each takes four calls of f

    The claim agrees where its error is below tolerance + error bar, and the bar itself below 1e-3:
    at a kink nothing can be measured. A NaN never agrees.

    Raises      ShapeError where the claim has another shape than x, DTypeError where x is not
                float64, InputError where x is empty.
    """
    point = np.array(x)
    claim = np.asarray(gradient(point.copy()) if callable(gradient) else gradient)
    if claim.shape != point.shape:
        raise ShapeError(
            f"gradcheck needs a gradient of x's shape {point.shape}, found {claim.shape}; "
            "∂f/∂x has one number for each element of x"
        )
    if point.size == 0:
        raise InputError(f"gradcheck needs an x with elements, found shape {point.shape}")
    chosen = np.arange(point.size)
    if point.size > elements:
        chosen = np.sort(np.random.default_rng(seed).choice(point.size, elements, replace=False))
    measured, bars = gradient_with_error_bar(lambda: float(f(point)), point, chosen)
    claimed = claim.ravel()[chosen].astype(np.float64)
    # A gradient of zero, against a value of order one, is measured as rounding: not as nothing.
    floor = 1e-6 * abs(float(f(point))) * len(chosen) ** 0.5
    scale = max(float(np.linalg.norm(claimed)), float(np.linalg.norm(measured)), floor) or 1.0
    error = float(np.linalg.norm(claimed - measured)) / scale
    bar = float(np.linalg.norm(bars)) / scale
    worst = int(np.argmax(np.abs(claimed - measured)))  # a NaN counts as the largest
    return GradientCheck(
        relative_error=error,
        error_bar=bar,
        worst=tuple(int(i) for i in np.unravel_index(chosen[worst], point.shape)),
        claimed=float(claimed[worst]),
        measured=float(measured[worst]),
        agrees=error <= tolerance + bar and bar < 1e-3,
    )
