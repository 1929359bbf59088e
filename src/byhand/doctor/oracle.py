"""The true gradients, by central differences of the user's own forward, with error bars.

Two step sizes tell how far a difference can be trusted; where the two sides of a point disagree
there is a kink."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from byhand.doctor import values
from byhand.doctor.subject import State, Subject
from byhand.doctor.values import Path

STEP = 1e-5


@dataclass
class Slope:
    """∂L/∂(elements) of one variable: `value` within `bar`, where there is no kink."""

    elements: np.ndarray
    value: np.ndarray
    bar: np.ndarray
    kinks: np.ndarray


class Nudger:
    """The loss as a function of one variable of a state."""

    def __init__(self, subject: Subject, state: State, path: Path) -> None:
        self.subject = subject
        self.state = state.copy()
        self.path = path
        self.at = self.state.get(path)
        self.base = _array(self.at)

    def loss(self, array: np.ndarray) -> float:
        self.state.put(self.path, like(self.at, array))
        try:
            return self.subject.loss(self.state)
        finally:
            self.state.put(self.path, self.at)

    def noise(self, middle: float) -> float:
        """The rounding of the loss, relative: about 1e-16 in float64, 1e-7 where a float32 is in
        the way."""
        d = np.random.default_rng(3).normal(size=self.base.shape)
        scale = max(1.0, abs(middle))
        one, two = (self.along(h * d) - middle for h in (1e-7, 2e-7))
        bend = abs(two - 2 * one)
        if math.isfinite(bend) and bend > 0.02 * max(abs(one), abs(two)) and bend > 1e-9 * scale:
            return max(bend / scale, 6e-8)
        return 2e-16

    def along(self, direction: np.ndarray) -> float:
        return self.loss(self.base + direction)


def _array(value: Any) -> np.ndarray:
    found = values.as_array(value)
    assert found is not None
    return found


def like(original: Any, array: np.ndarray) -> Any:
    if values.is_tensor(original):
        import torch

        return (
            torch.from_numpy(np.ascontiguousarray(array)).to(original.dtype).reshape(original.shape)
        )
    if isinstance(original, np.ndarray):
        return array.astype(original.dtype)
    return float(array)


def slopes(subject: Subject, state: State, path: Path, elements: np.ndarray) -> Slope:
    """Central differences with respect to the given elements of a variable."""
    nudger = Nudger(subject, state, path)
    n = len(elements)
    value, bar, kinks = np.zeros(n), np.zeros(n), np.zeros(n, bool)
    middle = nudger.loss(nudger.base)
    noise = nudger.noise(middle)
    step = STEP if noise < 1e-10 else min(1e-2, 3 * noise ** (1 / 3))
    for k, element in enumerate(elements):
        value[k], bar[k], kinks[k] = _slope(nudger, int(element), step, middle, noise)
    return Slope(elements, value, bar, kinks)


def _slope(
    nudger: Nudger, element: int, step: float, middle: float, noise: float
) -> tuple[float, float, bool]:
    """A slope, how far it can be trusted, and whether it has a kink."""
    direction = np.zeros(nudger.base.size)
    size = max(1.0, abs(float(nudger.base.reshape(-1)[element])))

    def sides(h: float) -> tuple[float, float]:
        direction[element] = h
        d = direction.reshape(nudger.base.shape)
        return (nudger.along(d) - middle) / h, (middle - nudger.along(-d)) / h

    h = step * size
    right, left = sides(h)
    right2, left2 = sides(2 * h)
    one, two = (right + left) / 2, (right2 + left2) / 2
    # The error falls with h²: the two together give a better value and its error.
    best = (4 * one - two) / 3
    rounding = 2 * noise * max(1.0, abs(middle)) / h
    bar = abs(one - two) + rounding
    gap, gap2 = right - left, right2 - left2
    scale = max(abs(right), abs(left), 1e-3)
    # Smooth: the two sides close up in proportion to h. At a kink they do not.
    fine = noise < 1e-12
    if fine and abs(gap) > 1e-4 * scale and abs(gap) > 0.75 * abs(gap2):
        near, far = sides(h / 100)
        if abs(near - far) > 0.3 * abs(gap):
            return (near + far) / 2, bar, True
        best, bar = (near + far) / 2, max(100 * rounding, 1e-6 * scale)
    elif fine and abs(one - two) > 1e-4 * scale:
        # A kink within the step, or a steep place: look closer.
        near, far = sides(h / 100)
        best, bar = (near + far) / 2, 100 * rounding + 1e-5 * scale
    return best, bar, False


def sample(size: int, most: int, rng: Any) -> np.ndarray:
    """All elements, or as many as there is time for."""
    if size <= most:
        return np.arange(size)
    return np.sort(rng.choice(size, most, replace=False))
