"""Which statements could be guilty, the likeliest first.

A statement that makes gradients A and B wrong changes A and B when its value is nudged, and leaves
the right ones alone. What it should have computed, and whether a value of a gradient's name is that
gradient, is found by localise.py."""

from __future__ import annotations

import ast
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from types import FunctionType
from typing import Any

import numpy as np

from byhand.doctor import cleared, compared, deadline, localise, values
from byhand.doctor.blocks import (
    computes,
    keeps,
    only_names,
    updates,
    written_at,
    written_name,
)
from byhand.doctor.edits import Atom, Editor
from byhand.doctor.expressions import Evaluator
from byhand.doctor.instrument import Instrumented, definition
from byhand.doctor.judge import Judge, Verdict, changed, same_loss
from byhand.doctor.probing import flat, nudge, nudgeable
from byhand.doctor.subject import Outcome, Subject
from byhand.doctor.trace import Scope, Visit, texts_of, trace

SECONDS = 6.0
NEVER = 10**9
LOSS = "\0loss"
MOST_PATIENT = 5
"""Statements that are nudged in more elements than the others."""


@dataclass(eq=False)
class Suspect:
    """A statement of the backward, and the gradients that depend on it.

    target      what it should have computed, where that is known
    innocent    whether its value is the gradient that its name says
    late        whether a value before it has gone wrong already
    scaled      whether one before it is off by a factor already
    updates     whether it writes to a variable whose gradient is asked for, W -= lr * dW
    forward     whether it is the forward that runs it
    collects    whether it only hands on what other lines computed: return dx, dW, db
    first       the moment of its first value that is not known to be right
    """

    visit: Visit
    influence: frozenset[str] | None
    scope: Scope
    atoms: list[Atom] = field(default_factory=list)
    target: localise.Target | None = None
    innocent: bool = False
    late: bool = False
    scaled: bool = False
    updates: bool = False
    forward: bool = False
    collects: bool = False
    first: int = 0

    @property
    def prepares(self) -> bool:
        """Whether it only unpacks what there is, or begins a sum with zeros."""
        unpacks = isinstance(written_at(self.visit.site.statement), ast.Tuple)
        if unpacks and not computes(self.visit.site.expression):
            return True
        found = [flat(result) for result in self.visit.results]
        return bool(found) and not any(part is None or part.any() for part in found)

    @property
    def after(self) -> dict[str, Any]:
        """What is in scope once the statement has run."""
        statement, results = self.visit.site.statement, self.visit.results
        targets = statement.targets if isinstance(statement, ast.Assign) and results else []
        written = {t.id: results[-1] for t in targets if isinstance(t, ast.Name)}
        return self.scope.there | written

    @property
    def helpless(self) -> bool:
        """Whether no value of this statement makes a wrong gradient right."""
        return self.target is not None and not self.target.solved

    @property
    def rounds(self) -> list[int]:
        """The round that the target is of, or the first, and two others: by two rounds alone i and
        i * stride may be the same."""
        first = 0 if self.target is None else self.target.round
        others = [k for k in range(len(self.visit.scopes)) if k != first]
        return [first, *others[-2:]]

    @cached_property
    def evaluators(self) -> list[Evaluator]:
        """For expressions at this statement, as it was run in the round that the target is of, or
        the first time, and in two others."""
        roots = [self.visit.site.expression, *(a.node for a in self.atoms)]
        shared = [node for root in roots for node in ast.walk(root)]
        return [
            Evaluator({**self.scope.module.namespace, **self.visit.scopes[k]}, shared)
            for k in self.rounds
        ]

    def value_of(self, node: ast.AST) -> Any:
        """The value of an expression, as the statement was run the last time."""
        return self.evaluators[-1].value(node)


class Lineup:
    """The suspects at one point, and what an expression of theirs could be made of."""

    def __init__(self, module: Instrumented, judge: Judge, original: ast.Module) -> None:
        self.module = module
        self.judge = judge
        self.original = original
        self.seconds = min(SECONDS, deadline.left() - 0.5)
        self.deadline = time.thread_time() + self.seconds
        self.base: Verdict | None = None
        self.base_outcome: Outcome | None = None
        self.suspects: list[Suspect] = []
        self.visits: dict[int, Visit] = {}
        self.forward: list[Visit] = []
        self.misshapen = False
        self.np_name = next((n for n, v in module.namespace.items() if v is np), "np")

    def look(self) -> None:
        """Find the statements that could be guilty, the likeliest first."""
        subject, state = self.judge.subject, self.judge.state
        visits, raised = trace(subject, state)
        self.visits = visits
        if raised and self.judge.loss is None:
            self.judge.loss = _loss_until_then(subject, visits)
        self.base_outcome = None if raised else self.judge.outcome()
        self.base = self.judge.verdict(self.base_outcome) if self.base_outcome else None
        self.misshapen = self.base is not None and any(
            c.wrong_shape for c in self.base.comparisons.values()
        )
        wrong = self.wrong()
        forward: set[int] = set()
        if subject.plan.backward is not None and not subject.plan.torch:
            forward_visits, _ = trace(subject, state, backward=False)
            forward = {
                n
                for n, v in forward_visits.items()
                if visits.get(n) is not None and visits[n].count <= v.count
            }
        texts: dict[str, list[str]] = {}
        variables = {tuple(map(str, claim.of[-2:])) for claim in self.judge.claims}
        suspects = []
        for number, visit in visits.items():
            site = visit.site
            influence = None
            if self.base_outcome is not None:
                influence = self._influence(visit)
                if influence == frozenset({LOSS}):
                    self.forward.append(visit)
                    continue
                if influence is not None and not (influence & wrong):
                    continue
            # What only the forward runs may keep the wrong thing for the backward; where it has no
            # value to be nudged it is not looked at.
            if number in forward and influence is None:
                continue
            function = definition(self.original, site.function)
            if site.function not in texts:
                texts[site.function] = texts_of(function)
            scope = Scope(self.module, visit, texts[site.function])
            suspects.append(
                Suspect(
                    visit,
                    influence,
                    scope,
                    updates=updates(site.statement, variables),
                    forward=number in forward,
                    collects=only_names(site, function),
                )
            )
        right = self.base.right if self.base else frozenset()

        def rank(s: Suspect) -> tuple[float, ...]:
            if self.base_outcome is None:
                last = max(v.order for v in visits.values())
                return (float(not s.visit.failed), float(last - s.visit.order))
            return (*_spread(s, wrong, right), float(s.visit.order))

        self.suspects = sorted(suspects, key=rank)
        if self.base_outcome is not None:
            self._aim(visits, wrong)

    def _aim(self, visits: dict[int, Visit], wrong: frozenset[str]) -> None:
        """Ask of each suspect what it should have computed; those that no value helps come last."""
        tried = [s.visit for s in self.suspects]
        right = self.base.right if self.base else frozenset()
        found = compared.Comparer(self.judge, self.forward, right).verdicts(tried)
        innocent = cleared.innocent(self.judge, visits, tried, found)

        def first(rounds: dict[int, set[int]]) -> int:
            return min((visits[n].moments[k] for n in rounds for k in rounds[n]), default=NEVER)

        # A mistake is at or before the first value that has gone wrong, or in what calls it.
        first_wrong, first_scaled = first(found.wrong), first(found.scaled)
        assert self.base_outcome is not None
        patient = MOST_PATIENT
        for s in self.suspects:
            rounds = range(len(s.visit.results))
            unsure = [k for k in rounds if k not in innocent[s.visit.site.number]]
            s.innocent = s.visit.count == len(rounds) > 0 == len(unsure)
            k = min(unsure, default=0)
            if s.visit.moments:
                s.first = s.visit.moments[k]
                s.late = s.visit.begun[k] > first_wrong
                s.scaled = s.visit.begun[k] > first_scaled
            if time.thread_time() < self.deadline - 0.7 * self.seconds:
                seconds = localise.SECONDS
                if s.influence is not None and s.influence >= wrong and not s.collects:
                    seconds, patient = (localise.PATIENT, patient - 1) if patient else (seconds, 0)
                s.target = localise.target(self.judge, s.visit, self.base_outcome, wrong, seconds)

        def rank(s: Suspect) -> tuple[float, ...]:
            if s.target is not None:
                solves = float(len(s.target.solved))
            elif s.influence is None:
                solves = len(wrong) - 0.6
            else:
                solves = len(s.influence & wrong) - 0.5
            doubtful = (s.innocent, s.late, s.collects, s.forward, s.prepares)
            return (*map(float, doubtful), -solves, *_spread(s, wrong, right), float(s.first))

        self.suspects = sorted(self.suspects, key=rank)

    def wrong(self) -> frozenset[str]:
        if self.base is None:
            return frozenset()
        return frozenset(c.name for c in self.judge.claims) - self.base.right

    def _influence(self, visit: Visit) -> frozenset[str] | None:
        """The claims that change with the statement's value; {LOSS} where the loss does; None
        where it has no value that can be nudged."""
        if not visit.results or not any(nudgeable(r) for r in visit.results):
            return None
        found = self._moved(visit, nudge)
        if found == frozenset({LOSS}) and isinstance(visit.results[0], tuple):
            # return loss, cache: that the loss is handed on, too, says nothing of the others.
            others = self._moved(visit, _all_but_numbers)
            found = found if others is None or not others - {LOSS} else others
        return found

    def _moved(self, visit: Visit, nudged: Callable[[Any, Any], Any]) -> frozenset[str] | None:
        rng = np.random.default_rng(5)
        site = visit.site

        def handler(there: dict[str, Any]) -> Any:
            return nudged(self.module.evaluate(site.code, there), rng)

        self.module.listen(site.number, handler)
        try:
            outcome = self.judge.subject.run(self.judge.state)
        except Exception:
            return None
        finally:
            self.module.quiet()
        assert self.base_outcome is not None
        if not same_loss(outcome.loss, self.base_outcome.loss):
            return frozenset({LOSS})
        return changed(self.base_outcome, outcome, self.judge.claims)

    def all_claims(self) -> frozenset[str]:
        return frozenset(c.name for c in self.judge.claims)

    def late(self) -> bool:
        return time.thread_time() > self.deadline or deadline.left() < 0.5

    def editor(self, s: Suspect, expression: ast.expr | None = None) -> Editor:
        """The edits of a suspect's expression, or of another one at its place."""
        if not s.atoms:
            s.atoms = s.scope.atoms()
        return Editor(
            expression or s.visit.site.expression,
            s.atoms,
            s.value_of,
            self._functions(s),
            self.np_name,
            s.scope.containers(),
        )

    def _functions(self, s: Suspect) -> list[str]:
        found = [
            n
            for n, v in self.module.namespace.items()
            if callable(v)
            and getattr(getattr(v, "__code__", None), "co_filename", "") == self.module.path
            and n != "example"
        ]
        owner = s.scope.there.get("self")
        if owner is not None:
            found += [
                f"self.{n}"
                for n, v in vars(type(owner)).items()
                if isinstance(v, FunctionType)
                and not n.startswith("__")
                and not keeps(self.module.tree, v)
            ]
        return found

    def derived(self, s: Suspect) -> list[Atom]:
        """What is often made of an activation: its derivative, its mask, its complement."""
        found = []
        slopes = [a.text for a in s.atoms if isinstance(a.value, float) and 0 < a.value <= 1][:3]
        own = values.shape(s.visit.results[-1]) if s.visit.results else ()
        here = {
            ast.unparse(n) for n in ast.walk(s.visit.site.expression) if isinstance(n, ast.expr)
        }
        for atom in sorted(
            s.atoms, key=lambda a: (a.text not in here, values.shape(a.value) != own)
        ):
            shape = values.shape(atom.value)
            kind = getattr(getattr(atom.value, "dtype", None), "kind", "f")
            if not shape:
                if isinstance(atom.value, float) and 0 < atom.value < 1:
                    found.append((f"(1 - {atom.text})", atom))
                if isinstance(atom.value, int) and atom.value > 1:
                    found.append((f"{atom.text} ** 0.5", atom))
                continue
            if kind == "b":
                found.append((f"(~{atom.text})", atom))
            if kind == "b" or (values.is_tensor(atom.value) and not atom.value.is_floating_point()):
                continue
            if "[" in atom.text and len(found) > 60:
                continue
            t = atom.text
            found += [
                (f"(1 - {t} ** 2)", atom),
                (f"({t} * (1 - {t}))", atom),
                (f"({t} > 0)", atom),
                (f"(1 - {t})", atom),
                (f"(1 + {t} ** 2)", atom),
            ]
            if not values.is_tensor(atom.value):
                found += [(f"{self.np_name}.exp({t})", atom)]
                for slope in slopes:  # leaky ReLU, ELU
                    found += [(f"{self.np_name}.where({t} > 0, 1, {slope})", atom)]
                    found += [(f"{self.np_name}.where({t} > 0, 1, {t} + {slope})", atom)]
                for f in self._functions(s):
                    if not f.startswith("self.") and _unary(self.module.namespace.get(f)):
                        found.append((f"{f}({t})", atom))
        made = []
        for text, _ in found[:150]:
            try:
                value = s.scope.value_of(ast.parse(text, mode="eval").body)
            except Exception:
                continue
            if values.shape(value) or values.is_number(value):
                made.append(Atom(text, value))
        return made


def _loss_until_then(subject: Subject, visits: dict[int, Visit]) -> float | None:
    """The loss of a function that raises before it returns it, if it has been computed by then."""
    label = next(iter(subject.names[subject.plan.forward]), "")
    found = None
    for visit in visits.values():
        if label and written_name(visit.site.statement) == label and visit.results:
            value = values.as_array(visit.results[-1])
            plain = isinstance(visit.site.statement, ast.Assign)
            found = (
                float(value.reshape(()))
                if plain and value is not None and value.size == 1
                else None
            )
    return found


def _unary(function: Any) -> bool:
    code = getattr(function, "__code__", None)
    defaults = len(getattr(function, "__defaults__", None) or ())
    return code is not None and code.co_argcount - defaults == 1


def _all_but_numbers(value: Any, rng: Any) -> Any:
    """What a tuple holds of arrays and of collections, nudged; its numbers are kept."""
    return tuple(v if values.shape(v) == () and values.is_real(v) else nudge(v, rng) for v in value)


def _spread(s: Suspect, wrong: frozenset[str], right: frozenset[str]) -> tuple[float, float]:
    """How far what depends on a statement is from what is wrong."""
    if s.influence is None:
        return (1.0, float(len(wrong)))
    return (float(len(wrong - s.influence) + 2 * len(s.influence & right)), 0.0)
