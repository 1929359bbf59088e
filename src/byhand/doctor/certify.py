"""Is each gradient right? The user's numbers beside the true ones, at several points."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from typing import Any

import numpy as np

from byhand.doctor import deadline, oracle, values
from byhand.doctor.claims import Claim
from byhand.doctor.oracle import Slope
from byhand.doctor.subject import State, Subject
from byhand.doctor.variety import Variety

SECONDS = 0.6
"""For the finite differences at one point."""
RELATIVE = 5e-6
"""How far an element may be off: a mistake is larger, and a 1e-8 that somebody adds against a
division by zero, in the forward only, is smaller."""
SINGLE, DOUBLE = 2e-6, 1e-7
"""How far, of the largest element: what sums lose that were rounded on the way."""


@dataclass
class Point:
    """One place at which gradients are compared, with the truth there."""

    state: State
    loss: float
    truth: dict[str, Slope]  # by the claim's name
    shapes: dict[str, tuple[int, ...]]


@dataclass
class Comparison:
    """How one claim fares at one point."""

    right: bool
    relative_error: float
    kink: tuple[int, ...] | None = None
    wrong_shape: bool = False


def measure(
    subject: Subject, state: State, found: list[Claim], seconds: float = SECONDS
) -> Point | None:
    """The truth at a point; None where the loss is no number there."""
    began, clock = time.perf_counter(), time.thread_time()
    loss = subject.loss(state)
    once = max(time.thread_time() - clock, 2e-5)
    if not math.isfinite(loss):
        return None
    seconds = min(seconds, deadline.left() / 5)
    # A power of two, so that the same elements are looked at whatever else the machine does.
    runs = max(2, 2 ** int(math.log2(max(seconds / len(found) / once / 5, 1))))
    rng = np.random.default_rng(11)
    point = Point(state, loss, {}, {})
    for claim in found:
        most = runs if time.perf_counter() < began + 2 * seconds else 2
        at = state.get(claim.of)
        size = int(np.prod(values.shape(at), dtype=int))
        point.shapes[claim.name] = values.shape(at)
        point.truth[claim.name] = oracle.slopes(
            subject, state, claim.of, oracle.sample(size, most, rng)
        )
    return point


def taken(claim: Claim, gradient: Any, point: Point) -> np.ndarray | None:
    """A gradient's elements where the truth is known; None where it has another shape."""
    got, shape = values.as_array(gradient), point.shapes[claim.name]
    if got is None or not (got.shape == shape or got.size == math.prod(shape) == 1):
        return None
    found: np.ndarray = got.reshape(-1)[point.truth[claim.name].elements]
    return found


def right(claim: Claim, gradient: Any, point: Point) -> bool:
    """Whether a claim is right at a point. What is not a number is never right."""
    got, slope = taken(claim, gradient, point), point.truth[claim.name]
    if got is None:
        return False
    if not (_good(got, slope) | (slope.kinks & np.isfinite(got))).all():
        return False
    for direction, value, bar in slope.along:
        parts = values.as_array(gradient) * direction
        # Where some elements are at kinks, the sum is a little off.
        if not abs(parts.sum() - value) < 20 * bar + 1e-4 * np.linalg.norm(parts):
            return False
    return True


def _good(got: np.ndarray, slope: Slope) -> np.ndarray:
    """Which elements agree, as far as the truth is known and rounding lets them."""
    size = np.abs(slope.value)
    scale = float(size[~slope.kinks].max(initial=0))
    single = bool((got == got.astype(np.float32)).all())  # perhaps computed in float32
    tolerance = 20 * slope.bar + RELATIVE * size + (SINGLE if single else DOUBLE) * scale
    # Where there is no noise nothing but the very same will do.
    found: np.ndarray = (np.abs(got - slope.value) < tolerance) | (got == slope.value)
    return found


def compare(claim: Claim, gradient: Any, point: Point) -> Comparison:
    """The claim at a point, and by how much it is off."""
    slope, shape = point.truth[claim.name], point.shapes[claim.name]
    got = taken(claim, gradient, point)
    if got is None:
        return Comparison(False, math.inf, wrong_shape=values.as_array(gradient) is not None)
    # Any choice of a sub-gradient will do, and where kinks meet it may lie outside of the two
    # one-sided slopes: an element at a kink is left to the other points.
    chosen = slope.kinks & ~_good(got, slope)
    kink = None
    if chosen.any():
        first = int(slope.elements[int(np.argmax(chosen))])
        kink = tuple(int(i) for i in np.unravel_index(first, shape)) if shape else ()
    norm = max(float(np.linalg.norm(slope.value)), float(np.linalg.norm(got)))
    error = float(np.linalg.norm((got - slope.value)[~slope.kinks])) / norm if norm > 0 else 0.0
    error = error if math.isfinite(error) else math.inf
    return Comparison(right(claim, gradient, point), error, kink)


def nudged(subject: Subject, found: list[Claim], state: State, seed: int) -> State | None:
    """A generic point near a state: no zero biases, no symmetric weights, no λ = 0."""
    rng = np.random.default_rng(seed)
    for size in (0.4, 0.1, 0.02):
        moved = state.copy()
        for claim in found:
            at = moved.get(claim.of)
            array = values.as_array(at)
            if array is None:
                continue
            moved.put(claim.of, oracle.like(at, _elsewhere(array, size, rng)))
        try:
            loss = subject.loss(moved)
        except Exception:
            continue
        if math.isfinite(loss):
            return Variety(subject, found).filled(moved)
    return None


def _elsewhere(array: np.ndarray, size: float, rng: np.random.Generator) -> np.ndarray:
    """Numbers nearby. What is of one sign stays so, and what lies between 0 and 1 stays there: they
    may be variances, or probabilities."""
    if (array > 0).all() and (array < 1).all():
        found: np.ndarray = array + size * (rng.random(array.shape) - array)
        return found
    spread = float(array.std()) or float(np.abs(array).max(initial=0)) or 1.0
    step = size * spread * rng.normal(size=array.shape)
    if (array > 0).all():
        return array + np.abs(step)
    return array - np.abs(step) if (array < 0).all() else array + step
