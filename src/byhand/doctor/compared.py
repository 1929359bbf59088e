"""Values of the backward that are gradients of values of the forward, found by comparing numbers.

A value v of the forward can be nudged where it is computed, and the slope of the loss along random
directions is that of ∂L/∂v. A value of the backward that has the same slopes is that gradient, in
whatever name and order: what it was computed from is right, and a mistake is elsewhere. In a loop
each round counts by itself, since a backward goes through them from the end. Where a value has a
gradient's name, dZ1, and is not that of Z1, a mistake is there or before."""

from __future__ import annotations

import ast
import itertools
import time
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from byhand.doctor import deadline, names, oracle, values
from byhand.doctor.blocks import computes, written
from byhand.doctor.edits import substitute
from byhand.doctor.instrument import compiled
from byhand.doctor.judge import Judge
from byhand.doctor.probing import shifted
from byhand.doctor.trace import Visit

SECONDS = 0.4
"""For all slopes together."""
STEP = 1e-5
SEEDS = (1, 2, 3)
MOST_ELEMENTS = 80
"""Of a value whose whole gradient is asked for."""
NEAR = 1e-5

_HOLE = "__part__"

Part = int | None
"""The place in a tuple; None where the value is no tuple."""


@dataclass(frozen=True)
class Place:
    """A value of the forward, in one of a statement's rounds.

    node        the part of the expression that it is of: x @ W + b of tanh(x @ W + b)
    name        what it is written to, "" if nothing
    """

    visit: Visit
    round: int
    part: Part
    shape: tuple[int, ...]
    name: str
    node: ast.expr | None = None


@dataclass
class Comparison:
    """What is known of the values of a backward.

    right       the rounds of a statement, by its number, in which all of its value is a gradient
    parts       the rounds in which part of it is, with that part
    wrong       those in which it has a gradient's name and is not that gradient
    scaled      those in which it is that gradient but for a factor, which may be put in later
    """

    right: dict[int, set[int]] = field(default_factory=lambda: defaultdict(set))
    parts: dict[int, set[tuple[int, Part]]] = field(default_factory=lambda: defaultdict(set))
    wrong: dict[int, set[int]] = field(default_factory=lambda: defaultdict(set))
    scaled: dict[int, set[int]] = field(default_factory=lambda: defaultdict(set))


def arrays(result: Any) -> Iterator[tuple[Part, np.ndarray]]:
    """The arrays of a value, and those of a tuple. One number has too many namesakes."""
    several = isinstance(result, tuple) and not hasattr(result, "_fields")
    for part, value in enumerate(result) if several else [(None, result)]:
        array = values.as_array(value) if values.is_real(value) else None
        if array is not None and array.size > 1:
            yield part, array


@dataclass
class _Unsure:
    """A value whose name says that it is a gradient, in the rounds in which it is not."""

    visit: Visit
    part: Part
    partners: list[Place]
    arrays: list[tuple[int, np.ndarray]] = field(default_factory=list)


class Comparer:
    """Holds values against gradients; `right` are the claims that are right as it is."""

    def __init__(
        self, judge: Judge, forward: Sequence[Visit], right: frozenset[str] = frozenset()
    ) -> None:
        self.judge = judge
        self.right = right
        self.end = time.thread_time() + min(SECONDS, deadline.left() / 10)
        self.slopes: dict[tuple[Place, int], float | None] = {}
        self.places: dict[tuple[int, ...], list[Place]] = defaultdict(list)
        self.named: dict[str, list[Place]] = {}
        self.words = {claim.variable.rpartition(".")[2] for claim in judge.claims}
        self.alike: dict[str, set[str] | None] = {"": None}
        for visit in forward:
            self.words.update(name for name in visit.scopes[0] if name.isidentifier())
            # What is only handed on has been computed before, and others may read it there.
            if not computes(visit.site.expression) or visit.count != len(visit.results):
                continue
            of = dict(written(visit.site.statement))
            found = [
                Place(visit, k, part, array.shape, of.get(part, ""))
                for k, result in enumerate(visit.results)
                for part, array in arrays(result)
            ]
            for place in [*found, *self._inside(visit)]:
                self.places[place.shape].append(place)
            for name in of.values():
                own = [p for p in found if p.name == name]
                if own:
                    self.named[name] = own  # the last assignment is what others read

    def _inside(self, visit: Visit) -> Iterator[Place]:
        """What an activation is given where that has no name."""
        for node in sums(visit.site.expression):
            code = compiled(node)
            for k, there in enumerate(visit.scopes):
                try:
                    value = self.judge.subject.module.evaluate(code, there)
                except Exception:
                    break
                for part, array in arrays(value):
                    if part is None:
                        yield Place(visit, k, part, array.shape, "", node)

    def late(self) -> bool:
        return time.thread_time() > self.end

    def partners(self, name: str) -> list[Place]:
        """Where the forward computes what a value of this name is the gradient of."""
        stems = sorted(names.stems(name) - {name}, key=len, reverse=True)
        alike = (text for s in stems for text in (s, f"{s}s"))
        return next((self.named[text] for text in alike if text in self.named), [])

    def slope(self, place: Place, seed: int) -> float | None:
        """Of the loss, along a random direction at a place."""
        if (place, seed) not in self.slopes:
            self.slopes[place, seed] = self._slope(place, direction(place.shape, seed))
        return self.slopes[place, seed]

    def _slope(self, place: Place, along: np.ndarray) -> float | None:
        module, site = self.judge.subject.module, place.visit.site
        root, node = site.expression, place.node
        around = compiled(substitute(root, node, ast.Name(_HOLE, ast.Load()))) if node else None
        inner = compiled(node) if node else site.code
        losses = []
        for h in (STEP, -STEP):
            rounds = itertools.count()

            def handler(there: dict[str, Any], h: float = h, rounds: Any = rounds) -> Any:
                if next(rounds) != place.round:
                    return module.evaluate(site.code, there)
                value = moved(module.evaluate(inner, there), place.part, h * along)
                if around is None:
                    return value
                return module.evaluate(around, {**there, _HOLE: value})

            module.listen(site.number, handler)
            try:
                losses.append(self.judge.subject.loss(self.judge.state))
            except Exception:
                return None
            finally:
                module.quiet()
        return (losses[0] - losses[1]) / (2 * STEP)

    def is_gradient(self, array: np.ndarray, place: Place) -> bool:
        """Whether a value is the gradient at a place: along two directions it has its slope."""
        return all(
            _near(self.slope(place, seed), array, seed, self.judge.loss or 0.0)
            for seed in SEEDS[:2]
        )

    def proportional(self, array: np.ndarray, place: Place) -> bool:
        """Whether a value is the gradient at a place but for a factor."""
        true: list[float] = []
        own: list[float] = []
        for seed in SEEDS:
            slope = self.slope(place, seed)
            if not slope:
                return False
            true.append(slope)
            own.append(float((array * direction(array.shape, seed)).sum()))
            # Most are told apart by the first two.
            if abs(own[0] * true[-1] - own[-1] * true[0]) > NEAR * abs(own[0] * true[-1]):
                return False
        return own[0] != 0

    def verdicts(self, suspects: Sequence[Visit]) -> Comparison:
        """What is known of the values of these statements."""
        found = Comparison()
        matched: list[tuple[Visit, int, Part, Place]] = []
        unsure: dict[tuple[int, Part], _Unsure] = {}
        for visit in suspects:
            if self.late():
                break
            self._look_at(visit, matched, unsure, found.scaled)
        self._believe(matched, found)
        for visit in suspects:
            number = visit.site.number
            for k, result in enumerate(visit.results):
                parts = [(k, part) for part, _ in arrays(result)]
                if parts and found.parts[number].issuperset(parts):
                    found.right[number].add(k)
        times = Counter(name for v in suspects for _, name in written(v.site.statement))
        for one in unsure.values():
            number, part = one.visit.site.number, one.part
            once = times[dict(written(one.visit.site.statement))[part]] == 1
            known = once and any(p == part for _, p in found.parts[number])
            if all(self._scaled(array, one.partners) for _, array in one.arrays):
                found.scaled[number].update(k for k, _ in one.arrays)
            # A name alone is not much: in another round it was the gradient, or it would help.
            elif known or self._helps(one):
                found.wrong[number].update(k for k, _ in one.arrays)
        return found

    def _look_at(
        self,
        visit: Visit,
        matched: list[tuple[Visit, int, Part, Place]],
        unsure: dict[tuple[int, Part], _Unsure],
        scaled: dict[int, set[int]],
    ) -> None:
        if isinstance(visit.site.statement, ast.Return):
            return  # whose gradient that is the caller says
        of = dict(written(visit.site.statement))
        for k, result in enumerate(visit.results):
            for part, array in arrays(after(visit, k, result)):
                if not array.any() and visit.count > 1:
                    continue  # the zeros that a loop begins with
                name = of.get(part, "")
                partners = self.partners(name)
                own = [p for p in partners if p.shape == array.shape]
                there = self._candidates(array, name, own)
                place = next((p for p in there if self.is_gradient(array, p)), None)
                if place is not None:
                    matched.append((visit, k, part, place))
                elif not own and array.size > 3 and self._scaled(array, there):
                    scaled[visit.site.number].add(k)
                elif own:
                    one = _Unsure(visit, part, partners)
                    unsure.setdefault((visit.site.number, part), one).arrays.append((k, array))

    def _believe(self, matched: list[tuple[Visit, int, Part, Place]], found: Comparison) -> None:
        """Values that are gradients: of several of one place the first of those that are called
        so; the others may be a gate that was copied, or dz = dh that lacks a slope."""
        there: dict[Place, list[tuple[Visit, int, Part]]] = defaultdict(list)
        for visit, k, part, place in matched:
            there[place].append((visit, k, part))
        for place, several in there.items():
            said = [dict(written(v.site.statement)).get(part, "") for v, _, part in several]
            likeness = [names.likeness(n, place.name) if n and place.name else 0 for n in said]
            called = [one for one, n in zip(several, likeness, strict=True) if n == max(likeness)]
            visit, k, part = min(called, key=lambda one: one[0].moments[one[1]])
            found.parts[visit.site.number].add((k, part))

    def _scaled(self, array: np.ndarray, partners: list[Place]) -> bool:
        alike = (p for p in partners if p.shape == array.shape)
        return not self.late() and any(self.proportional(array, p) for p in alike)

    def _helps(self, one: _Unsure) -> bool:
        """Whether more of the gradients are right with the gradient that the name says in the
        value's place: the rounds of the forward from its last, or in their order."""
        shapes = [values.shape(after(one.visit, k, r)) for k, r in enumerate(one.visit.results)]
        if one.part is not None or one.visit.count != len(shapes):
            return False
        partners = one.partners
        for order in (partners[::-1], partners)[: len(partners)]:
            if [p.shape for p in order] != shapes:
                continue
            truths = [self.gradient(p) for p in order]
            if all(truth is not None for truth in truths) and self._improves(one.visit, truths):
                return True
        return False

    def _improves(self, visit: Visit, truths: list[Any]) -> bool:
        module, site, rounds = self.judge.subject.module, visit.site, itertools.count()

        def handler(there: dict[str, Any]) -> Any:
            value = module.evaluate(site.code, there)
            return instead(visit, there, oracle.like(value, truths[next(rounds)]))

        module.listen(site.number, handler)
        try:
            return self.judge.improved(self.right) is not None
        except Exception:
            return False
        finally:
            module.quiet()

    def gradient(self, place: Place) -> np.ndarray | None:
        """All of ∂L/∂v, where there is time for it."""
        size = int(np.prod(place.shape))
        if size > MOST_ELEMENTS:
            return None
        found = []
        for unit in np.eye(size):
            slope = None if self.late() else self._slope(place, unit.reshape(place.shape))
            if slope is None:
                return None
            found.append(slope)
        return np.array(found).reshape(place.shape)

    def _candidates(self, array: np.ndarray, name: str, own: list[Place]) -> list[Place]:
        """The places whose gradient a value may be: those that its name says, or if it says
        nothing all of its shape. What is called dx and x's gradient in part only is not right."""
        if name not in self.alike:
            likeness = {other: names.likeness(name, other) for other in self.words}
            most = max(likeness.values(), default=0)
            self.alike[name] = {o for o, k in likeness.items() if k == most} if most else None
        alike = self.alike[name]
        there = self.places[array.shape]
        return own + [p for p in there if p not in own and (alike is None or p.name in alike)]


def direction(shape: tuple[int, ...], seed: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=shape)


def _near(slope: float | None, array: np.ndarray, seed: int, loss: float) -> bool:
    if slope is None:
        return False
    own = float((array * direction(array.shape, seed)).sum())
    size = float(np.linalg.norm(array))
    return abs(own - slope) <= NEAR * size + 1e-9 * abs(loss)


def moved(value: Any, part: Part, step: np.ndarray) -> Any:
    """The value, or one of a tuple, with a step added."""
    if part is None:
        return shifted(value, step.reshape(-1))
    parts = list(value)
    parts[part] = shifted(parts[part], step.reshape(-1))
    return tuple(parts)


def instead(visit: Visit, there: dict[str, Any], wanted: Any) -> Any:
    """What dh += part has to add for dh to be something.

    Raises      ValueError where it cannot be said
    """
    to = visit.site.statement
    if not isinstance(to, ast.AugAssign):
        return wanted
    if not isinstance(to.target, ast.Name) or not isinstance(to.op, ast.Add | ast.Sub):
        raise ValueError("another kind of statement")
    add = wanted - there[to.target.id]
    return add if isinstance(to.op, ast.Add) else -add


def after(visit: Visit, k: int, result: Any) -> Any:
    """What is written in a round: of dh += part what dh is then."""
    to = visit.site.statement
    if not isinstance(to, ast.AugAssign):
        return result
    before = visit.scopes[k].get(to.target.id) if isinstance(to.target, ast.Name) else None
    if before is None or not isinstance(to.op, ast.Add | ast.Sub | ast.Mult | ast.Div):
        return None
    try:
        if isinstance(to.op, ast.Add):
            return before + result
        if isinstance(to.op, ast.Sub):
            return before - result
        return before * result if isinstance(to.op, ast.Mult) else before / result
    except Exception:
        return None


def sums(root: ast.expr) -> Iterator[ast.expr]:
    """The sums and products of matrices in an expression that are part of no other sum."""

    def found(node: ast.AST, inside: bool) -> Iterator[ast.expr]:
        adds = isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add | ast.Sub)
        product = isinstance(node, ast.BinOp) and isinstance(node.op, ast.MatMult)
        if isinstance(node, ast.expr) and (adds or product) and not inside and node is not root:
            yield node
        for child in ast.iter_child_nodes(node):
            yield from found(child, adds)

    return found(root, False)
