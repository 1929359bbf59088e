"""Searches for the smallest change to the backward that makes the gradients right.

No story is believed unless the program, run again with the change in place, gives the true
gradients, at every probe point. Where to look first is found by nudging: a statement that makes
gradients A and B wrong changes A and B when its value is changed, and leaves the right ones alone.
"""

from __future__ import annotations

import ast
import time
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from byhand.doctor import localise, statements, synthesis, values
from byhand.doctor.edits import Atom, Edit, Editor, substitute
from byhand.doctor.instrument import Instrumented, Site, compiled
from byhand.doctor.judge import Judge, Verdict, changed
from byhand.doctor.subject import Outcome
from byhand.doctor.trace import Scope, Visit, texts_of, trace

SECONDS = 6.0


@dataclass(eq=False)
class Repair:
    """A change that was tried: an edit of a site's expression, or of whole statements."""

    function: str
    statement: ast.stmt
    cost: float
    kind: str
    right: frozenset[str]
    edit: Edit | None = None
    site: Site | None = None
    expression: ast.expr | None = None
    change: statements.Change | None = None
    order: int = 0
    number: int = -1



@dataclass(eq=False)
class Suspect:
    """A statement of the backward, and the gradients that depend on it."""

    visit: Visit
    influence: frozenset[str] | None
    scope: Scope
    atoms: list[Atom] = field(default_factory=list)
    target: localise.Target | None = None
    innocent: bool = False
    late: bool = False


class Search:
    """The search at one point; `others` are where a repair is verified."""

    def __init__(self, module: Instrumented, judge: Judge, others: list[Judge], original: ast.Module, kept: Any = None) -> None:
        self.module = module
        self.judge = judge
        self.others = others
        self.original = original
        self.deadline = time.perf_counter() + SECONDS
        self.base: Verdict | None = None
        self.base_outcome: Outcome | None = None
        self.suspects: list[Suspect] = []
        self.found: list[Repair] = []
        self.tried: set[tuple[int, int | None]] = set()
        self.np_name = next((n for n, v in module.namespace.items() if v is np), "np")

    # -- where -----------------------------------------------------------------------------------

    def look(self) -> None:
        """Find the statements that could be guilty, the likeliest first."""
        subject, state = self.judge.subject, self.judge.state
        visits, raised = trace(subject, state)
        self.raised = raised
        self.base_outcome = None if raised else self.judge.outcome()
        self.base = self.judge.verdict(self.base_outcome) if self.base_outcome else None
        self._misshapen = self.base is not None and any(c.wrong_shape for c in self.base.comparisons.values())
        wrong = self.wrong()
        forward: set[int] = set()
        if subject.plan.backward is not None and not subject.plan.torch:
            forward_visits, _ = trace(subject, state, backward=False)
            forward = {n for n, v in forward_visits.items() if visits.get(n) is not None and visits[n].count <= v.count}
        texts: dict[str, list[str]] = {}
        suspects = []
        for number, visit in visits.items():
            site = visit.site
            if number in forward:
                continue
            influence = None
            if self.base_outcome is not None:
                influence = self._influence(visit)
                if influence is not None and (influence == frozenset({"\x00loss"}) or not (influence & wrong)):
                    continue
            if site.function not in texts:
                texts[site.function] = texts_of(statements.definition(self.original, site.function))
            suspects.append(Suspect(visit, influence, Scope(self.module, visit, texts[site.function])))
        right = self.base.right if self.base else frozenset()

        def rank(s: Suspect) -> tuple[float, ...]:
            if self.base_outcome is None:
                last = max(v.order for v in visits.values())
                return (0.0 if s.visit.failed else 1.0, float(last - s.visit.order))
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
        """Ask of each suspect what it should have computed, and drop those that no value helps."""
        known = {s.visit.site.number for s in self.suspects}
        forward = [v for n, v in visits.items() if n not in known]
        innocent = localise.exonerated(self.judge, visits, [s.visit for s in self.suspects], forward)
        # A mistake is at or before the first value that has gone wrong.
        first_wrong = min((visits[n].order for n, v in innocent.items() if v == "wrong"), default=10**9)
        assert self.base_outcome is not None
        for s in self.suspects:
            s.innocent = innocent.get(s.visit.site.number) == "right"
            s.late = s.visit.order > first_wrong
            if time.perf_counter() < self.deadline - 0.7 * SECONDS:
                s.target = localise.target(self.judge, s.visit, self.base_outcome, wrong)

        def rank(s: Suspect) -> tuple[float, ...]:
            if s.target is not None:
                solves = float(len(s.target.solved))
            elif s.influence is None:
                solves = len(wrong) - 0.6
            else:
                solves = len(s.influence & wrong) - 0.5
            return (float(s.innocent), float(s.late), float(_only_names(s.visit.site)), -solves)

        self.suspects = sorted(self.suspects, key=rank)

    def wrong(self) -> frozenset[str]:
        if self.base is None:
            return frozenset()
        return frozenset(c.name for c in self.judge.claims) - self.base.right

    def _influence(self, visit: Visit) -> frozenset[str] | None:
        """The claims that change with the statement's value; {"\\0loss"} where the loss does; None
        where it has no value that can be nudged."""
        if not visit.results or not any(_nudgeable(r) for r in visit.results):
            return None
        rng = np.random.default_rng(5)
        site = visit.site

        def handler(there: dict[str, Any]) -> Any:
            return _nudge(self.module.evaluate(site.code, there), rng)

        self.module.listen(site.number, handler)
        try:
            outcome = self.judge.subject.run(self.judge.state)
        except Exception:
            return None
        finally:
            self.module.quiet()
        assert self.base_outcome is not None
        if abs(outcome.loss - self.base_outcome.loss) > 1e-9 * max(1.0, abs(self.base_outcome.loss)):
            return frozenset({"\x00loss"})
        return changed(self.base_outcome, outcome, self.judge.claims)

    # -- what ------------------------------------------------------------------------------------

    def run(self) -> list[Repair]:
        """The repairs of the cheapest kind that works, best first."""
        self.look()
        for level in (self._simple, self._made, self._pairs_of_all):
            level()
            if any(r.right == self.all_claims() for r in self.found):
                break
        return self._ranked()

    def all_claims(self) -> frozenset[str]:
        return frozenset(c.name for c in self.judge.claims)

    def _late(self) -> bool:
        return time.perf_counter() > self.deadline

    def _ranked(self) -> list[Repair]:
        best = max((len(r.right) for r in self.found), default=0)
        places = {s.visit.site.number: k for k, s in enumerate(self.suspects)}
        chosen = [r for r in self.found if len(r.right) == best]
        return sorted(
            chosen,
            key=lambda r: (self._price(r, places), r.order),
        )

    def _price(self, r: Repair, places: dict[int, int]) -> float:
        number = r.number
        s = next((s for s in self.suspects if s.visit.site.number == number), None)
        return r.cost + 0.02 * places.get(number, 0) + (
            0.0 if s is None else 0.8 * s.innocent + 0.6 * s.late + 0.6 * _only_names(s.visit.site)
        )

    def editor(self, s: Suspect) -> Editor:
        if not s.atoms:
            s.atoms = s.scope.atoms()
        return Editor(s.visit.site.expression, s.atoms, s.scope.value_of, self._functions(s), self.np_name)

    def _functions(self, s: Suspect) -> list[str]:
        found = [
            n for n, v in self.module.namespace.items()
            if callable(v) and getattr(getattr(v, "__code__", None), "co_filename", "") == self.module.path and n != "example"
        ]
        owner = s.scope.there.get("self")
        if owner is not None:
            found += [f"self.{n}" for n, v in vars(type(owner)).items() if callable(v) and not n.startswith("__")]
        return found

    def _simple(self) -> None:
        """Slips: another name, another axis, a transpose; lines too many or in the wrong place."""
        queue: list[tuple[float, int, Suspect, Edit | statements.Change]] = []
        for place, s in enumerate(self.suspects):
            penalty = 0.01 * place + 0.4 * (s.innocent or s.late)
            editor = self.editor(s)
            queue += [(e.cost + penalty, len(queue) + k, s, e) for k, e in enumerate(editor.cheap())]
            found = statements.changes(self.original, s.visit.site, s.scope.there)
            queue += [(c.cost + penalty, len(queue) + k, s, c) for k, c in enumerate(found)]
            if self._late():
                break
        self._in_order(queue)

    def _made(self) -> None:
        """Factors and terms made from what is in scope."""
        for s in self.suspects:
            if self._late():
                return
            self._synthesis(s)
        if any(r.right == self.all_claims() for r in self.found):
            return
        queue: list[tuple[float, int, Suspect, Edit | statements.Change]] = []
        for place, s in enumerate(self.suspects):
            editor = self.editor(s)
            derived = self._derived(s)
            scalars = s.scope.scalars(s.atoms)
            penalty = 0.01 * place + 0.4 * (s.innocent or s.late)
            some = [a for a in scalars if isinstance(a.value, float | np.floating)][:6]
            edits = [*editor.factors([*derived, *scalars]), *editor.terms(derived, [*some, Atom("2", 2)])]
            queue += [(e.cost + penalty, len(queue) + k, s, e) for k, e in enumerate(edits)]
            if self._late():
                break
        self._in_order(queue)

    def _in_order(self, queue: list[tuple[float, int, Suspect, Edit | statements.Change]]) -> None:
        """The cheapest first, wherever it is, until what is left is dearer than what was found."""
        for price, _, s, edit in sorted(queue, key=lambda q: q[:2]):
            enough = min((r.cost for r in self.found if r.right == self.all_claims()), default=np.inf)
            if self._late() or price > enough + 0.35:
                return
            if isinstance(edit, Edit):
                self._try(s, edit)
            else:
                self._try_change(s, edit)

    def _pairs_of_all(self) -> None:
        for s in self.suspects:
            if self._late():
                return
            self._pairs(s)

    def _pairs(self, s: Suspect) -> None:
        """Two cheap edits in one expression."""
        editor = self.editor(s)
        aimed = s.target is not None and s.target.value is not None
        firsts = [e for e in editor.cheap() if e.cost <= 1.3][: 120 if aimed else 40]
        for first in firsts:
            if self._late():
                return
            changed_root = substitute(s.visit.site.expression, first.old, first.new)
            inner = Editor(changed_root, s.atoms if aimed else [], s.scope.value_of, [], self.np_name)
            for second in inner.cheap():
                if second.cost > 1.3:
                    continue
                whole = substitute(changed_root, second.old, second.new)
                edit = Edit(s.visit.site.expression, whole, first.kind or second.kind, first.cost + second.cost + 0.5)
                self._try(s, edit)
                if self._late():
                    return

    def _derived(self, s: Suspect) -> list[Atom]:
        """What is often made of an activation: its derivative, its mask, its complement."""
        found = []
        for atom in s.atoms:
            shape = values.shape(atom.value)
            kind = getattr(getattr(atom.value, "dtype", None), "kind", "f")
            if not shape:
                if isinstance(atom.value, float) and 0 < atom.value < 1:
                    found.append((f"(1 - {atom.text})", atom))
                if isinstance(atom.value, int) and atom.value > 1:
                    found.append((f"{self.np_name}.sqrt({atom.text})", atom))
                continue
            if kind == "b" or values.is_tensor(atom.value) and not atom.value.is_floating_point():
                continue
            if "[" in atom.text and len(found) > 60:
                continue
            t = atom.text
            found += [(f"(1 - {t} ** 2)", atom), (f"({t} * (1 - {t}))", atom), (f"({t} > 0)", atom), (f"(1 - {t})", atom)]
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

    def _try(self, s: Suspect, edit: Edit) -> None:
        site = s.visit.site
        try:
            expression = substitute(site.expression, edit.old, edit.new)
            code = compiled(expression)
        except (SyntaxError, ValueError, TypeError):
            return
        if not self._worth_running(s, code):
            return
        module = self.module
        module.listen(site.number, lambda there: module.evaluate(code, there))
        try:
            right = self._tested()
        finally:
            module.quiet()
        if right is not None:
            self.found.append(
                Repair(site.function, site.statement, edit.cost, edit.kind, right, edit, site, expression,
                       order=len(self.found), number=site.number)
            )

    def _worth_running(self, s: Suspect, code: Any) -> bool:
        """Whether the new expression has a value that was not tried yet where the statement ran,
        and, where that is known, the wanted one; cheap to ask."""
        visit = s.visit
        if visit.failed or not visit.results:
            return True
        afters = []
        same = True
        for there, before in zip(visit.scopes[::-1][:2], visit.results[::-1][:2], strict=False):
            try:
                with np.errstate(all="ignore"):
                    after = eval(code, {**self.module.namespace, **there})
            except Exception:
                return False
            same = same and _equal(before, after)
            afters.append(after)
        if same and visit.count <= 2:
            return False
        key = (visit.site.number, _print_of(afters))
        if key[1] is not None:
            if key in self.tried:
                return False
            self.tried.add(key)
        return self._hits(s, afters[0])

    def _hits(self, s: Suspect, value: Any) -> bool:
        if s.target is None or s.target.value is None or self._misshapen:
            return True
        after = values.as_array(value)
        wanted = s.target.value
        if after is None:
            return False
        if after.shape != wanted.shape:
            try:
                after = np.broadcast_to(after, wanted.shape)
            except ValueError:
                return False
        return bool(np.abs(after - wanted).max() <= 3e-5 * max(1e-9, float(np.abs(wanted).max())))

    def _synthesis(self, s: Suspect) -> None:
        """The missing term, or the whole expression, from what is in scope."""
        if s.target is None or s.target.value is None or not s.visit.results:
            return
        self.editor(s)  # fills in the atoms
        root = s.visit.site.expression
        atoms = [a for a in [*s.atoms] if values.shape(a.value)]
        scalars = s.scope.scalars(s.atoms)
        v, wanted = s.visit.results[-1], s.target.value
        tried = 0
        for text, factor in synthesis.terms(atoms, wanted - v, self.np_name):
            made = synthesis.whole(text, factor, scalars)
            if made is None or self._late():
                continue
            sign, term = made
            op = ast.Add() if sign == "+" else ast.Sub()
            new = ast.BinOp(root, op, ast.parse(term, mode="eval").body)
            self._try(s, Edit(root, new, "missing-term" if "sum(" not in term else "dropped-path", 1.9 + 0.02 * len(term) / 10 + 0.05 * tried))
            tried += 1
            if tried > 12:
                break
        ratio_atoms = [*atoms, *self._derived(s)]
        with np.errstate(all="ignore"):
            ratio = wanted / v
        if np.all(np.isfinite(ratio)):
            for text, factor in synthesis.terms(ratio_atoms[:25], ratio, self.np_name):
                made = synthesis.whole(text, factor, scalars)
                if made is None or self._late() or "sum(" in text:
                    continue
                sign, term = made
                new = ast.BinOp(root, ast.Mult(), ast.parse(f"({term})", mode="eval").body)
                whole: ast.expr = new if sign == "+" else ast.UnaryOp(ast.USub(), new)
                self._try(s, Edit(root, whole, "missing-factor", 2.1 + 0.05 * tried))
                tried += 1
                if tried > 24:
                    break
        starts = [("", np.zeros(()))] + [(a.text, np.asarray(a.value, float)) for a in atoms if values.shape(a.value) == wanted.shape and isinstance(a.value, np.ndarray)][:10]
        for start, value in starts:
            for text, factor in synthesis.terms(atoms[:16] if start else atoms, wanted - value, self.np_name):
                made = synthesis.whole(text, factor, scalars)
                if made is None or self._late() or tried > 40:
                    continue
                sign, term = made
                if start:
                    term = f"{start} {sign} {term}"
                elif sign == "-":
                    term = f"-({term})"
                self._try(s, Edit(root, ast.parse(term, mode="eval").body, "", 2.4 + 0.05 * tried + 0.2 * bool(start)))
                tried += 1

    def _tested(self) -> frozenset[str] | None:
        """The claims that are right in a run as things are set now, if they are more than before,
        at every point."""
        verdict = self.judge.judge()
        before = self.base.right if self.base else frozenset()
        if verdict is None or not verdict.right > before:
            return None
        for other in self.others:
            again = other.judge()
            if again is None or not again.right >= verdict.right:
                return None
        return verdict.right

    def _try_change(self, s: Suspect, change: statements.Change) -> None:
        site = s.visit.site
        kept = self.module.install(site.function, change.definition)
        if kept is None:
            return
        try:
            right = self._tested()
        finally:
            function = self.module.function(site.function)
            assert function is not None
            function.__code__ = kept
        if right is not None:
            self.found.append(
                Repair(site.function, site.statement, change.cost, change.kind, right, change=change,
                       order=len(self.found), number=site.number)
            )


def _print_of(found: list[Any]) -> int | None:
    """A number that equal values share; None where values cannot be told apart that cheaply."""
    parts: list[Any] = []
    for value in found:
        if isinstance(value, np.ndarray) and value.dtype != object:
            parts.append((value.shape, value.tobytes()))
        elif isinstance(value, int | float | np.number):
            parts.append(value)
        else:
            return None
    return hash(tuple(parts))


def _only_names(site: Site) -> bool:
    """return dx, dW, db: what is wrong there was wrong before."""
    if not isinstance(site.statement, ast.Return):
        return False
    inner = (ast.Name, ast.Tuple, ast.Dict, ast.Constant, ast.Load, ast.List, ast.Attribute)
    return all(isinstance(n, inner) for n in ast.walk(site.expression))


def _unary(function: Any) -> bool:
    code = getattr(function, "__code__", None)
    return code is not None and code.co_argcount == 1


def _nudgeable(value: Any) -> bool:
    if isinstance(value, tuple | list):
        return any(_nudgeable(v) for v in value)
    return values.is_real(value)


def _nudge(value: Any, rng: Any) -> Any:
    if isinstance(value, tuple) and not hasattr(value, "_fields"):
        return tuple(_nudge(v, rng) for v in value)
    if type(value) is list:
        return [_nudge(v, rng) for v in value]
    if not values.is_real(value):
        return value
    if values.is_tensor(value):
        import torch

        return value * (1 + 0.1 * torch.rand_like(value)) + 0.01
    if isinstance(value, np.ndarray):
        return value * (1 + 0.1 * rng.random(value.shape)) + 0.01
    return value * 1.1 + 0.01


def _equal(a: Any, b: Any) -> bool:
    if type(a) is not type(b):
        return False
    if isinstance(a, np.ndarray):
        return a.shape == b.shape and bool(np.array_equal(a, b))
    if values.is_tensor(a):
        return a.shape == b.shape and bool((a == b).all())
    if isinstance(a, tuple | list):
        return len(a) == len(b) and all(_equal(x, y) for x, y in zip(a, b, strict=True))
    if isinstance(a, int | float | str | bool | type(None)):
        return bool(a == b)
    return False
