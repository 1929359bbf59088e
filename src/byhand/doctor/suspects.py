"""Which statements could be guilty, the likeliest first.

A statement that makes gradients A and B wrong changes A and B when its value is nudged, and leaves
the right ones alone. What it should have computed, and whether a value of a gradient's name is that
gradient, is found by localise.py."""

from __future__ import annotations

import ast
import time
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from byhand.doctor import deadline, localise, values
from byhand.doctor.edits import Atom, Editor
from byhand.doctor.expressions import Evaluator
from byhand.doctor.instrument import Instrumented, Site, definition
from byhand.doctor.judge import Judge, Verdict, changed
from byhand.doctor.probing import nudge, nudgeable
from byhand.doctor.subject import Outcome
from byhand.doctor.trace import Scope, Visit, texts_of, trace

SECONDS = 6.0


@dataclass(eq=False)
class Suspect:
    """A statement of the backward, and the gradients that depend on it.

    target      what it should have computed, where that is known
    innocent    whether its value is the gradient that its name says
    late        whether a value before it has gone wrong already
    updates     whether it writes to a variable whose gradient is asked for, W -= lr * dW
    """

    visit: Visit
    influence: frozenset[str] | None
    scope: Scope
    atoms: list[Atom] = field(default_factory=list)
    target: localise.Target | None = None
    innocent: bool = False
    late: bool = False
    updates: bool = False

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

    @cached_property
    def evaluators(self) -> list[Evaluator]:
        """For expressions at this statement, as it was run the first time and a later one."""
        roots = [self.visit.site.expression, *(a.node for a in self.atoms)]
        shared = [node for root in roots for node in ast.walk(root)]
        scopes = self.visit.scopes[:1] + self.visit.scopes[1:][-1:]
        return [Evaluator({**self.scope.module.namespace, **there}, shared) for there in scopes]

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
        self.misshapen = False
        self.np_name = next((n for n, v in module.namespace.items() if v is np), "np")

    def look(self) -> None:
        """Find the statements that could be guilty, the likeliest first."""
        subject, state = self.judge.subject, self.judge.state
        visits, raised = trace(subject, state)
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
        variables = {claim.variable.rpartition(".")[2] for claim in self.judge.claims}
        suspects = []
        for number, visit in visits.items():
            site = visit.site
            influence = None
            if self.base_outcome is not None:
                influence = self._influence(visit)
                if influence is not None and (
                    influence == frozenset({"\x00loss"}) or not (influence & wrong)
                ):
                    continue
            # What only the forward runs may keep the wrong thing for the backward; where it has no
            # value to be nudged it is not looked at.
            if number in forward and influence is None:
                continue
            if site.function not in texts:
                texts[site.function] = texts_of(definition(self.original, site.function))
            scope = Scope(self.module, visit, texts[site.function])
            updates = localise.written_name(site.statement) in variables
            suspects.append(Suspect(visit, influence, scope, updates=updates))
        right = self.base.right if self.base else frozenset()

        def rank(s: Suspect) -> tuple[float, ...]:
            if self.base_outcome is None:
                last = max(v.order for v in visits.values())
                return (float(not s.visit.failed), float(last - s.visit.order))
            if s.influence is None:
                return (1.0, float(len(wrong)), float(s.visit.order))
            return (
                float(len(wrong - s.influence) + 2 * len(s.influence & right)),
                0.0,
                float(s.visit.order),
            )

        self.suspects = sorted(suspects, key=rank)
        if self.base_outcome is not None:
            self._aim(visits, wrong)

    def _aim(self, visits: dict[int, Visit], wrong: frozenset[str]) -> None:
        """Ask of each suspect what it should have computed; those that no value helps come last."""
        known = {s.visit.site.number for s in self.suspects}
        forward = [v for n, v in visits.items() if n not in known]
        innocent = localise.exonerated(self.judge, [s.visit for s in self.suspects], forward)
        # A mistake is at or before the first value that has gone wrong.
        first_wrong = min(
            (visits[n].order for n, v in innocent.items() if v == "wrong"), default=10**9
        )
        assert self.base_outcome is not None
        for s in self.suspects:
            s.innocent = innocent.get(s.visit.site.number) == "right"
            s.late = s.visit.order > first_wrong
            if time.thread_time() < self.deadline - 0.7 * self.seconds:
                s.target = localise.target(self.judge, s.visit, self.base_outcome, wrong)

        def rank(s: Suspect) -> tuple[float, ...]:
            if s.target is not None:
                solves = float(len(s.target.solved))
            elif s.influence is None:
                solves = len(wrong) - 0.6
            else:
                solves = len(s.influence & wrong) - 0.5
            return (float(s.innocent), float(s.late), float(only_names(s.visit.site)), -solves)

        self.suspects = sorted(self.suspects, key=rank)

    def wrong(self) -> frozenset[str]:
        if self.base is None:
            return frozenset()
        return frozenset(c.name for c in self.judge.claims) - self.base.right

    def _influence(self, visit: Visit) -> frozenset[str] | None:
        """The claims that change with the statement's value; {"\\0loss"} where the loss does; None
        where it has no value that can be nudged."""
        if not visit.results or not any(nudgeable(r) for r in visit.results):
            return None
        rng = np.random.default_rng(5)
        site = visit.site

        def handler(there: dict[str, Any]) -> Any:
            return nudge(self.module.evaluate(site.code, there), rng)

        self.module.listen(site.number, handler)
        try:
            outcome = self.judge.subject.run(self.judge.state)
        except Exception:
            return None
        finally:
            self.module.quiet()
        assert self.base_outcome is not None
        if abs(outcome.loss - self.base_outcome.loss) > 1e-9 * max(
            1.0, abs(self.base_outcome.loss)
        ):
            return frozenset({"\x00loss"})
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
                if callable(v) and not n.startswith("__")
            ]
        return found

    def derived(self, s: Suspect) -> list[Atom]:
        """What is often made of an activation: its derivative, its mask, its complement."""
        found = []
        for atom in s.atoms:
            shape = values.shape(atom.value)
            kind = getattr(getattr(atom.value, "dtype", None), "kind", "f")
            if not shape:
                if isinstance(atom.value, float) and 0 < atom.value < 1:
                    found.append((f"(1 - {atom.text})", atom))
                if isinstance(atom.value, int) and atom.value > 1:
                    found.append((f"{atom.text} ** 0.5", atom))
                continue
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


def hands_on(site: Site) -> bool:
    """x, W = cache: nothing is computed."""
    computing = (ast.BinOp, ast.UnaryOp, ast.Call, ast.Compare, ast.comprehension)
    return not any(isinstance(n, computing) for n in ast.walk(site.expression))


def only_names(site: Site) -> bool:
    """return dx, dW, db: what is wrong there was wrong before."""
    if not isinstance(site.statement, ast.Return):
        return False
    inner = (ast.Name, ast.Tuple, ast.Dict, ast.Constant, ast.Load, ast.List, ast.Attribute)
    return all(isinstance(n, inner) for n in ast.walk(site.expression))


def _unary(function: Any) -> bool:
    code = getattr(function, "__code__", None)
    return code is not None and code.co_argcount == 1
