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

STEP, WIDEST = 1e-5, 1e-2
"""Of the differences, in units of the element."""
NEAR = 1e-7
"""Over so little a smooth loss is a straight line, but float32 still tells the places apart."""
CLOSE = 1e-7
"""A slope's error bar, relative, from which on no better one is looked for."""


@dataclass
class Slope:
    """∂L/∂(elements) of one variable: `value` within `bar`, where there is no kink.

    along       directions through all elements, each with the slope along it and its bar, where
                the elements are only some of them
    """

    elements: np.ndarray
    value: np.ndarray
    bar: np.ndarray
    kinks: np.ndarray
    along: tuple[tuple[np.ndarray, float, float], ...] = ()


class Nudger:
    """The loss as a function of one variable of a state."""

    def __init__(self, subject: Subject, state: State, path: Path) -> None:
        self.subject = subject
        self.state = state.copy()
        self.path = path
        self.at = values.fresh(self.state.get(path))
        self.base = _array(self.at)

    def loss(self, array: np.ndarray) -> float:
        self.state.put(self.path, like(self.at, array))
        try:
            return self.subject.loss(self.state)
        finally:
            self.state.put(self.path, self.at)

    def noise(self, middle: float) -> float:
        """How far the loss is off by rounding: about 1e-16 of it in float64, 1e-7 where a float32
        is in the way, more where large numbers cancel.

        Third differences over a very small distance are nothing but noise; those of independent
        errors of size e have the mean square 20 e² (Moré and Wild, Estimating computational
        noise, 2011)."""
        d = NEAR * self.unit() * np.random.default_rng(3).normal(size=self.base.shape)
        there = [self.along(k * d) for k in range(1, 6)]
        third = np.diff([middle, *there], 3)
        measured = math.sqrt(float(np.mean(third**2)) / 20)
        least = 1e-16 * abs(middle)
        return max(measured, least) if math.isfinite(measured) else least

    def unit(self) -> np.ndarray:
        """A length for each element that is neither lost in its rounding nor far for it."""
        size = math.sqrt(float(np.mean(self.base**2))) if self.base.size else 0.0
        found: np.ndarray = np.maximum(np.abs(self.base), size or 1.0)
        return found

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
    middle = nudger.loss(nudger.base)
    noise = nudger.noise(middle)
    unit = nudger.unit()
    relative = noise / abs(middle) if middle else 0.0
    step = STEP if relative < 1e-10 else min(WIDEST, 3 * relative ** (1 / 3))

    def line(element: int) -> _Line:
        direction = np.zeros(unit.size)
        direction[element] = unit.reshape(-1)[element]
        return _Line(nudger, direction.reshape(unit.shape), middle, noise)

    found = [line(k).slope(step) for k in elements]
    scale = max((abs(value) for value, *_ in found if math.isfinite(value)), default=0.0)
    found = [
        line(k).closer(*slope, step, CLOSE * max(abs(slope[0]), 1e-3 * scale))
        for k, slope in zip(elements, found, strict=True)
    ]
    value, bar, kinks = (np.array(column) for column in zip(*found, strict=True))
    there = unit.reshape(-1)[elements]
    along = _along(nudger, unit, middle, noise, step) if len(elements) < unit.size else ()
    return Slope(elements, value / there, bar / there, kinks, along)


def _along(
    nudger: Nudger, unit: np.ndarray, middle: float, noise: float, step: float
) -> tuple[tuple[np.ndarray, float, float], ...]:
    """The slopes along two random directions, where they have one."""
    rng = np.random.default_rng(5)
    found = []
    for _ in range(2):
        direction = unit * rng.normal(size=unit.shape)
        line = _Line(nudger, direction, middle, noise)
        value, bar, kink = line.slope(step)
        value, bar, kink = line.closer(value, bar, kink, step, CLOSE * abs(value))
        if not kink:
            found.append((direction, value, bar))
    return tuple(found)


@dataclass
class _Line:
    """The loss along a direction, which is about one unit long."""

    nudger: Nudger
    direction: np.ndarray
    middle: float
    noise: float

    def sides(self, h: float) -> tuple[float, float]:
        """The slopes to the right and to the left."""
        right = self.nudger.along(h * self.direction)
        left = self.nudger.along(-h * self.direction)
        return (right - self.middle) / h, (self.middle - left) / h

    def slope(self, h: float) -> tuple[float, float, bool]:
        """The slope, how far it can be trusted, and whether there is none: a kink, or an edge
        beyond which the loss is no number."""
        right, left = self.sides(h)
        right2, left2 = self.sides(2 * h)
        one, two = (right + left) / 2, (right2 + left2) / 2
        rounding = 2 * self.noise / h
        if not math.isfinite(one - two):
            return math.nan, math.inf, True
        gap, gap2 = abs(right - left), abs(right2 - left2)
        # Smooth: the two sides close up in proportion to h. At a kink they do not.
        if gap > 10 * rounding + 1e-4 * max(abs(right), abs(left)) and gap > 0.75 * gap2:
            near, far = self.sides(h / 100)
            if abs(near - far) > 0.3 * gap:
                return (near + far) / 2, rounding, True
            # It is beside the element, not at it.
            return (near + far) / 2, max(100 * rounding, 1e-6 * gap), False
        # The error falls with h²: the two together give a better value and its error.
        return (4 * one - two) / 3, abs(one - two) + rounding, False

    def closer(
        self, value: float, bar: float, kink: bool, step: float, wanted: float
    ) -> tuple[float, float, bool]:
        """A better slope, where another step gives one: a wider one against rounding, a narrower
        one where it bends."""
        best = value, bar, kink
        bends = not math.isfinite(value) or bar > 4 * self.noise / step
        if bar <= wanted or (kink and math.isfinite(value)):
            return best
        for _ in range(3):
            step = step / 30 if bends else 30 * step
            if step > WIDEST:
                break
            found = self.slope(step)
            if not found[1] < best[1]:
                break
            best = found
            if best[1] <= wanted:
                break
        return best


def sample(size: int, most: int, rng: Any) -> np.ndarray:
    """All elements, or as many as there is time for."""
    if size <= most:
        return np.arange(size)
    return np.sort(rng.choice(size, most, replace=False))
