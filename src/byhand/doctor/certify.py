"""Is each gradient right? The user's numbers beside the true ones, at several points."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from typing import Any

import numpy as np

from byhand.doctor import deadline, names, oracle, values
from byhand.doctor.oracle import Slope
from byhand.doctor.places import by_place
from byhand.doctor.subject import Outcome, State, Subject
from byhand.doctor.values import Path

SECONDS = 0.6
"""For the finite differences at one point."""
RELATIVE = 5e-6
"""How far an element may be off: a mistake is larger, and a 1e-8 that somebody adds against a
division by zero, in the forward only, is smaller."""
SINGLE, DOUBLE = 2e-6, 1e-7
"""How far, of the largest element: what sums lose that were rounded on the way."""


@dataclass
class Claim:
    """One gradient of the user's, and the variable it belongs to."""

    name: str  # as Outcome.gradients has it
    of: Path

    @property
    def label(self) -> str:
        return self.name.split("\x00")[0]

    @property
    def variable(self) -> str:
        return values.named(self.of[1:])


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


def variables(subject: Subject) -> list[Path]:
    """Everything real that the loss may depend on."""
    start = subject.start
    found: list[Path] = [
        ("inputs", *p) for p, v in values.leaves(start.inputs) if values.is_real(v)
    ]
    if start.owner is not None:
        found += [("owner", *p) for p, v in values.leaves(start.owner) if values.is_real(v)]
    found += [("world", *p) for p, v in values.leaves(start.world) if values.is_real(v)]
    return found


class Slopes:
    """The loss's slopes along fixed random directions, one variable at a time, found when asked."""

    def __init__(self, subject: Subject) -> None:
        self.subject = subject
        self.known: dict[Path, list[tuple[np.ndarray, float, float]]] = {}

    def fits(self, path: Path, gradient: Any) -> bool:
        """Whether an array is the gradient of a variable, as far as two directions tell."""
        g = values.as_array(gradient)
        if g is None or g.shape != values.shape(self.subject.start.get(path)):
            return False
        for direction, slope, bar in self._of(path):
            own = float((g * direction).sum())
            if not abs(own - slope) < 2e-4 * max(abs(own), abs(slope)) + bar:
                return False
        return bool(np.any(g))

    def matters(self, path: Path) -> bool:
        """Whether the loss depends on a variable at all."""
        return any(abs(slope) > 10 * bar for _, slope, bar in self._of(path))

    def _of(self, path: Path) -> list[tuple[np.ndarray, float, float]]:
        if path not in self.known:
            nudger = oracle.Nudger(self.subject, self.subject.start, path)
            rng = np.random.default_rng(9)
            found = []
            for _ in range(2):
                d = nudger.unit() * rng.normal(size=nudger.base.shape)
                try:
                    above, below = nudger.along(1e-5 * d), nudger.along(-1e-5 * d)
                except Exception:
                    above = below = math.nan
                found.append((d, (above - below) / 2e-5, 1e-9 * abs(above)))
            self.known[path] = found
        return self.known[path]


def claims(subject: Subject, outcome: Outcome, of: dict[str, str], slopes: Slopes) -> list[Claim]:
    """Which gradient belongs to which variable.

    By name where names speak; a gradient that fits a variable by its numbers is believed before
    one that does not, and where names leave it open the numbers alone decide."""
    pool = variables(subject)
    shapes = {path: values.shape(subject.start.get(path)) for path in pool}
    texts = {path: values.named(path[1:]) for path in pool}
    found: list[Claim] = []
    taken: set[Path] = set()
    spots = {("inputs", key): f"result {k}" for k, key in enumerate(subject.start.inputs)}
    ranked = []
    for order, (name, gradient) in enumerate(outcome.gradients.items()):
        label, _, exact = name.partition("\x00")
        wanted = of.get(label) or of.get(label.split(".")[-1]) or exact
        if wanted:
            match = next((p for p in pool if wanted in (texts[p], texts[p].split(".")[-1])), None)
            if match is not None:
                found.append(Claim(name, match))
                taken.add(match)
            continue
        shape = values.shape(gradient)
        for place, path in enumerate(pool):
            if _echo(name, texts[path], path, gradient, subject):
                continue
            like = names.likeness(name, texts[path])
            same = shape == shapes[path]
            if _outdone(name, texts[path], outcome):
                like = 0
            if like < 7 and not same:
                continue
            if like < 3 and (path[0] == "world" or not same or shape == ()):
                continue
            fits = same and slopes.fits(path, gradient)
            near = _common(name, texts[path])
            prefer = {"inputs": 0.3, "owner": 0.2, "world": 0.1}[path[0]]
            prefer += 0.2 * (name == spots.get(path))
            strength = like + 1.5 * same + near + prefer + 6 * fits
            strong = like >= 7 or (like >= 3 and names.looks_like_gradient(names.of_list(label)))
            ranked.append((strength, -order, -place, name, path, strong, fits))
    # Of grads["W"] and new["W"] the one is meant that is kept beside others that fit.
    kept = {_container(name) for *_, name, _, _, fits in ranked if fits}
    ranked.sort(key=lambda r: (-r[0] - 1.5 * (_container(r[3]) in kept), -r[1], -r[2]))
    named = any(strong for *_, strong, _ in ranked)
    for _, _, _, name, path, strong, fits in ranked:
        if path in taken or any(c.name == name for c in found):
            continue
        if strong or fits or not (named or subject.plan.backward is None):
            found.append(Claim(name, path))
            taken.add(path)
    _siblings(found, outcome, {texts[p]: p for p in pool if p not in taken})
    found += [Claim(*pair) for pair in by_place(subject, outcome, {c.name: c.of for c in found})]
    order_of = list(outcome.gradients)
    return sorted(found, key=lambda c: order_of.index(c.name))


def _container(name: str) -> str:
    return name.partition("\x00")[0].rpartition(".")[0]


def unclaimed(subject: Subject, found: list[Claim]) -> list[str]:
    """The variables beside those of the claims, params.b beside params.W, that have none."""
    containers = {claim.of[:-1] for claim in found if len(claim.of) > 2}
    claimed = {claim.of for claim in found}
    return [
        values.named(path[1:])
        for path in variables(subject)
        if path[:-1] in containers and path not in claimed and values.shape(subject.start.get(path))
    ]


def _outdone(name: str, variable: str, outcome: Outcome) -> bool:
    """W beside dW is the parameter after its update, not its gradient."""
    if names.looks_like_gradient(names.of_list(name)) or names.likeness(name, variable) < 7:
        return False
    shape = values.shape(outcome.gradients[name])
    return any(
        names.looks_like_gradient(names.of_list(other))
        and names.likeness(other, variable) >= 3
        and values.shape(gradient) == shape
        for other, gradient in outcome.gradients.items()
        if other != name
    )


def _siblings(found: list[Claim], outcome: Outcome, free: dict[str, Path]) -> None:
    """nabla_w.0 belongs to weights.0 where nabla_w.1 belongs to weights.1, whatever its shape."""
    lists = {
        c.label.rpartition(".")[0]: c.variable.rpartition(".")[0]
        for c in found
        if c.label.rpartition(".")[2] == c.variable.rpartition(".")[2]
    }
    claimed = {c.name for c in found}
    for name in outcome.gradients:
        base, dot, last = name.rpartition(".")
        path = free.get(f"{lists.get(base)}.{last}")
        if dot and name not in claimed and path is not None:
            found.append(Claim(name, path))


def widened(subject: Subject, claims: list[Claim], state: State) -> State | None:
    """The state with three examples where it has one: a batch of 1 hides a missing sum or mean.

    Which arrays hold examples is found by trying: the unclaimed ones, with the claimed ones that
    are needed beside them."""
    single = [
        k for k, v in state.inputs.items() if isinstance(v, np.ndarray) and v.shape[:1] == (1,)
    ]
    claimed = {c.of[1] for c in claims if c.of[0] == "inputs" and len(c.of) == 2}
    rng = np.random.default_rng(4)
    data = [k for k in single if k not in claimed]
    for chosen in (data, list(dict.fromkeys([*data, *single[:1]])), single):
        if not chosen:
            continue
        wide = state.copy()
        for name in chosen:
            value = wide.inputs[name]
            plain = value.dtype.kind != "f" or bool(np.isin(value, (0, 1)).all())  # labels, masks
            spread = 0 if plain else 0.5 * rng.normal(size=(3, *value.shape[1:]))
            wide.inputs[name] = np.repeat(value, 3, axis=0) + spread
        try:
            outcome = subject.run(wide)
        except Exception:
            continue
        fits = all(
            values.shape(outcome.gradients.get(c.name)) == values.shape(wide.get(c.of))
            for c in claims
        )
        if fits and math.isfinite(outcome.loss):
            return wide
    return None


def _echo(name: str, variable: str, path: Path, gradient: Any, subject: Subject) -> bool:
    """A variable handed back, or an attribute compared with itself, is no gradient."""
    if name in (f"self.{variable}", f"global.{variable}"):
        return True
    if names.looks_like_gradient(name) and names.likeness(name, variable) >= 7:
        return False
    a, b = values.as_array(gradient), values.as_array(subject.start.get(path))
    return (
        a is not None
        and b is not None
        and a.shape == b.shape
        and a.size > 1
        and bool(np.array_equal(a, b))
        and bool(np.any(a))
    )


def _common(a: str, b: str) -> float:
    first, second = a.split(".")[:-1], b.split(".")[:-1]
    return 0.5 * sum(x == y for x, y in zip(first, second, strict=False)) + 0.5 * (
        len(first) == len(second)
    )


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
            spread = float(array.std()) or float(np.abs(array).max(initial=0)) or 1.0
            moved.put(
                claim.of, oracle.like(at, array + size * spread * rng.normal(size=array.shape))
            )
        for path, value in values.leaves(moved.inputs):
            if values.is_number(value) and value == 0:
                moved.put(("inputs", *path), type(value)(0.3))
        try:
            loss = subject.loss(moved)
        except Exception:
            continue
        if math.isfinite(loss):
            return moved
    return None
