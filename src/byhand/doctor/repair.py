"""Searches for the smallest change to the backward that makes the gradients right.

No story is believed unless the program, run again with the change in place, gives the true
gradients, at every probe point. Where to look first is found by nudging: a statement that makes
gradients A and B wrong changes A and B when its value is changed, and leaves the right ones alone.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from byhand.doctor import statements, synthesis, values
from byhand.doctor.edits import Atom, Edit, Editor, substitute
from byhand.doctor.instrument import Instrumented, Site, compiled
from byhand.doctor.judge import Judge
from byhand.doctor.probing import equal, print_of
from byhand.doctor.suspects import Lineup, Suspect, only_names


@dataclass(eq=False)
class Repair:
    """A change at a site that makes the gradients `right`: an edit of its expression, which is
    then `expression`, or of whole statements."""

    site: Site
    change: Edit | statements.Change
    right: frozenset[str]
    expression: ast.expr | None = None


class Search(Lineup):
    """The search at one point; `others` are where a repair is verified."""

    def __init__(
        self, module: Instrumented, judge: Judge, others: list[Judge], original: ast.Module
    ) -> None:
        super().__init__(module, judge, original)
        self.others = others
        self.found: list[Repair] = []
        self.tried: set[tuple[int, int | None]] = set()

    def run(self) -> list[Repair]:
        """The repairs of the cheapest kind that works, best first."""
        self.look()
        for level in (self._simple, self._made, self._pairs_of_all):
            level()
            if self._solved():
                break
        return self._ranked()

    def _ranked(self) -> list[Repair]:
        best = max((len(r.right) for r in self.found), default=0)
        # Of equal price the first that was found stays first.
        return sorted((r for r in self.found if len(r.right) == best), key=self._price)

    def _price(self, repair: Repair) -> float:
        place, suspect = next(
            (k, s) for k, s in enumerate(self.suspects) if s.visit.site is repair.site
        )
        unlikely = 0.8 * suspect.innocent + 0.6 * suspect.late + 0.6 * only_names(repair.site)
        return repair.change.cost + 0.02 * place + unlikely

    def _solved(self) -> bool:
        return any(r.right == self.all_claims() for r in self.found)

    def _simple(self) -> None:
        """Slips: another name, another axis, a transpose; lines too many or in the wrong place."""
        self._in_order(
            lambda s: [
                *self.editor(s).cheap(),
                *statements.changes(self.original, s.visit.site, s.scope.there),
            ]
        )

    def _made(self) -> None:
        """Factors and terms made from what is in scope."""
        for s in self.suspects:
            if self.late():
                return
            self._synthesis(s)
        if self._solved():
            return
        self._in_order(self._factors_and_terms)

    def _factors_and_terms(self, s: Suspect) -> list[Edit]:
        editor = self.editor(s)
        derived = self.derived(s)
        scalars = s.scope.scalars(s.atoms)
        some = [a for a in scalars if isinstance(a.value, float | np.floating)][:6]
        return [
            *editor.factors([*derived, *scalars]),
            *editor.terms(derived, [*some, Atom("2", 2)]),
        ]

    def _in_order(
        self, changes_of: Callable[[Suspect], Sequence[Edit | statements.Change]]
    ) -> None:
        """The cheapest first, wherever it is, until what is left is dearer than what was found."""
        queue: list[tuple[float, Suspect, Edit | statements.Change]] = []
        for place, s in enumerate(self.suspects):
            penalty = 0.01 * place + 0.4 * (s.innocent or s.late)
            queue += [(change.cost + penalty, s, change) for change in changes_of(s)]
            if self.late():
                break
        for price, s, change in sorted(queue, key=lambda q: q[0]):
            enough = min(
                (r.change.cost for r in self.found if r.right == self.all_claims()), default=np.inf
            )
            if self.late() or price > enough + 0.35:
                return
            if isinstance(change, Edit):
                self._try(s, change)
            else:
                self._try_change(s, change)

    def _pairs_of_all(self) -> None:
        for s in self.suspects:
            if self.late():
                return
            self._pairs(s)

    def _pairs(self, s: Suspect) -> None:
        """Two cheap edits in one expression."""
        editor = self.editor(s)
        aimed = s.target is not None and s.target.value is not None
        firsts = [e for e in editor.cheap() if e.cost <= 1.3][: 120 if aimed else 40]
        for first in firsts:
            if self.late():
                return
            changed_root = substitute(s.visit.site.expression, first.old, first.new)
            inner = Editor(
                changed_root, s.atoms if aimed else [], s.scope.value_of, [], self.np_name
            )
            for second in inner.cheap():
                if second.cost > 1.3:
                    continue
                whole = substitute(changed_root, second.old, second.new)
                edit = Edit(
                    s.visit.site.expression,
                    whole,
                    first.kind or second.kind,
                    first.cost + second.cost + 0.5,
                )
                self._try(s, edit)
                if self.late():
                    return

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
            self.found.append(Repair(site, edit, right, expression))

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
            same = same and equal(before, after)
            afters.append(after)
        if same and visit.count <= 2:
            return False
        key = (visit.site.number, print_of(afters))
        if key[1] is not None:
            if key in self.tried:
                return False
            self.tried.add(key)
        return self._hits(s, afters[0])

    def _hits(self, s: Suspect, value: Any) -> bool:
        if s.target is None or s.target.value is None or self.misshapen:
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
            if made is None or self.late():
                continue
            sign, term = made
            op = ast.Add() if sign == "+" else ast.Sub()
            new = ast.BinOp(root, op, ast.parse(term, mode="eval").body)
            self._try(
                s,
                Edit(
                    root,
                    new,
                    "missing-term" if "sum(" not in term else "dropped-path",
                    1.9 + 0.02 * len(term) / 10 + 0.05 * tried,
                ),
            )
            tried += 1
            if tried > 12:
                break
        ratio_atoms = [*atoms, *self.derived(s)]
        with np.errstate(all="ignore"):
            ratio = wanted / v
        if np.all(np.isfinite(ratio)):
            for text, factor in synthesis.terms(ratio_atoms[:25], ratio, self.np_name):
                made = synthesis.whole(text, factor, scalars)
                if made is None or self.late() or "sum(" in text:
                    continue
                sign, term = made
                new = ast.BinOp(root, ast.Mult(), ast.parse(f"({term})", mode="eval").body)
                whole: ast.expr = new if sign == "+" else ast.UnaryOp(ast.USub(), new)
                self._try(s, Edit(root, whole, "missing-factor", 2.1 + 0.05 * tried))
                tried += 1
                if tried > 24:
                    break
        alike = [
            (a.text, np.asarray(a.value, float))
            for a in atoms
            if values.shape(a.value) == wanted.shape and isinstance(a.value, np.ndarray)
        ]
        starts = [("", np.zeros(())), *alike[:10]]
        for start, value in starts:
            for text, factor in synthesis.terms(
                atoms[:16] if start else atoms, wanted - value, self.np_name
            ):
                made = synthesis.whole(text, factor, scalars)
                if made is None or self.late() or tried > 40:
                    continue
                sign, term = made
                if start:
                    term = f"{start} {sign} {term}"
                elif sign == "-":
                    term = f"-({term})"
                self._try(
                    s,
                    Edit(
                        root,
                        ast.parse(term, mode="eval").body,
                        "",
                        2.4 + 0.05 * tried + 0.2 * bool(start),
                    ),
                )
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
            self.found.append(Repair(site, change, right))
