"""Which of the gradients of a run belongs to which variable."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from byhand.doctor import names, oracle, values
from byhand.doctor.places import by_place
from byhand.doctor.subject import Outcome, Subject
from byhand.doctor.values import Path


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
    _as_its_fellows(found, outcome)
    _handed_down(subject, outcome, found, shapes)
    found += [Claim(*pair) for pair in by_place(subject, outcome, {c.name: c.of for c in found})]
    found += _beside_others(subject, outcome, found, pool, slopes)
    order_of = list(outcome.gradients)
    return sorted(found, key=lambda c: order_of.index(c.name))


def _container(name: str) -> str:
    return name.partition("\x00")[0].rpartition(".")[0]


def unclaimed(subject: Subject, found: list[Claim]) -> list[str]:
    """The variables beside those of the claims, params.b beside params.W, that have none."""
    containers = {claim.of[:-1] for claim in found if len(claim.of) > 2}
    claimed = {claim.of for claim in found}
    gradients = {claim.label.removeprefix("self.") for claim in found}
    return [
        values.named(path[1:])
        for path in variables(subject)
        if path[:-1] in containers
        and path not in claimed
        and values.named(path[1:]) not in gradients
        and values.shape(subject.start.get(path))
    ]


def _outdone(name: str, variable: str, outcome: Outcome) -> bool:
    """W beside dW is the parameter after its update, not its gradient."""
    if names.looks_like_gradient(names.of_list(name)) or names.likeness(name, variable) < 7:
        return False
    shape = values.shape(outcome.gradients[name])
    return any(
        names.looks_like_gradient(names.of_list(other))
        and names.likeness(other, variable) >= (3 if _container(other) == _container(name) else 7)
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


def _as_its_fellows(found: list[Claim], outcome: Outcome) -> None:
    """A list that fits its variables from the end, beside another of the results that fits from the
    front: one of them was not turned round."""
    lists: dict[str, list[Claim]] = {}
    for c in found:
        if c.label.rpartition(".")[2].isdigit() and str(c.of[-1]).isdigit():
            lists.setdefault(c.label.rpartition(".")[0], []).append(c)
    ways = {}
    for base, own in lists.items():
        places = [(int(c.label.rpartition(".")[2]), int(c.of[-1])) for c in own]
        last = sum(name.startswith(f"{base}.") for name in outcome.gradients) - 1
        forth = all(k == j for k, j in places)
        back = all(k == last - j for k, j in places)
        ways[base] = (forth, back) if len(places) > 1 else (True, True)
    if any(forth and not back for forth, back in ways.values()):
        for base, (forth, back) in ways.items():
            for c in lists[base] if back and not forth else []:
                c.of = (*c.of[:-1], type(c.of[-1])(c.label.rpartition(".")[2]))


def _handed_down(
    subject: Subject, outcome: Outcome, found: list[Claim], shapes: dict[Path, tuple[int, ...]]
) -> None:
    """What a layer hands back is its input's, return d, where only one input has that shape."""
    if not subject.wanted:
        return
    claimed, named = {c.of for c in found}, {c.name for c in found}
    for name in subject.names.get(str(subject.plan.backward), []):
        gradient = outcome.gradients.get(name)
        short = name in ("d", "g") or names.UPSTREAM.match(name)
        if gradient is None or not short or name in named:
            continue
        shape = values.shape(gradient)
        fitting = [p for p in shapes if p[0] == "inputs" and shapes[p] == shape]
        if len(shape) > 1 and len(fitting) == 1 and fitting[0] not in claimed:
            found.append(Claim(name, fitting[0]))


def _beside_others(
    subject: Subject, outcome: Outcome, found: list[Claim], pool: list[Path], slopes: Slopes
) -> Iterator[Claim]:
    """What is left over of a list, a dictionary or an object of gradients whose others belong to
    the variables of one container: its place among them tells whose it is, or that one of these is
    left over too."""
    of = {claim.name: claim.of for claim in found}
    returned = subject.names.get(subject.plan.backward or subject.plan.forward, [])
    groups: dict[str, list[str]] = {}
    for name in outcome.gradients:
        if name not in returned:
            groups.setdefault(_container(name), []).append(name)
    first = next(iter(subject.start.inputs.values()), None)
    for group in groups.values():
        there = [(i, of[name]) for i, name in enumerate(group) if name in of]
        containers = {path[:-1] for _, path in there}
        if not containers or (len(containers) > 1 and len({p[:1] for p in containers}) > 1):
            continue
        # Of several layers, or of one.
        container = containers.pop() if len(containers) == 1 else there[0][1][:1]
        fellows = [path for path in pool if path[: len(container)] == container]
        free = [path for path in fellows if path not in of.values()]
        left = [(i, name) for i, name in enumerate(group) if name not in of]
        shifts = {fellows.index(path) - i for i, path in there}
        for i, name in left:
            shape = values.shape(outcome.gradients[name])
            alike = [p for p in free if shape and values.shape(subject.start.get(p)) == shape]
            place = i + min(shifts) if len(shifts) == 1 else -1
            path = fellows[place] if 0 <= place < len(fellows) else None
            inside = there[0][0] < i < there[-1][0] and len(there) > 1
            # A gradient that is kept for another has the length of the data, as targets have.
            data = container == ("inputs",) and shape[:1] == values.shape(first)[:1]
            if not (path in free and (inside or (path in alike and not data))):
                alone = container != ("inputs",) and len(there) > 1
                path = alike[0] if alone and len(left) == len(alike) == 1 else None
            # Running averages have no gradient.
            if path is not None and slopes.matters(path):
                yield Claim(name, path)


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
