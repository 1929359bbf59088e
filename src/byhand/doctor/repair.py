"""Searches for the smallest change to the backward that makes the gradients right.

No story is believed unless the program, run again with the change in place, gives the true
gradients, at every probe point. Where to look first is found by nudging: a statement that makes
gradients A and B wrong changes A and B when its value is changed, and leaves the right ones alone.
"""

from __future__ import annotations

import ast
import itertools
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from byhand.doctor import endings, parts, statements, synthesis, values
from byhand.doctor.blocks import Change, computes
from byhand.doctor.edits import Atom, Edit, Editor, substitute
from byhand.doctor.expressions import Evaluator
from byhand.doctor.instrument import Handler, Instrumented, Site, compiled
from byhand.doctor.judge import Judge
from byhand.doctor.probing import equal, print_of
from byhand.doctor.stock import MOST_ARRAYS, Found, Stock, Wanted
from byhand.doctor.suspects import Lineup, Suspect

FEW = 4
"""Executions of a statement up to which an expression in its place is not worth compiling."""
SLIP = 1.5
"""What a slip costs: where one explains everything nothing is made up."""
MOST_PAID = 3.5
"""What a repair may cost for nothing dearer to be looked for."""
MOST_MADE = 30
"""Expressions of the wanted value that are run for one statement."""

WRONG_PLACE = 0.9
"""What it adds to the cost to change what is right already, or comes after what has gone wrong."""
PART = 0.2
"""What it costs more to change a part of an expression and not the whole."""
FORGOTTEN = ("scale", "missing-factor", "missing-term")
MOST_ALONE = 3
"""Gradients of which each alone is aimed at, where there may be two mistakes."""


@dataclass(eq=False)
class Repair:
    """A change at a site that makes the gradients `right`: an edit of its expression, which is
    then `expression`, or of whole statements."""

    site: Site
    change: Edit | Change
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
        self.potential = 0
        self.stocks: dict[Suspect, Stock] = {}

    def run(self) -> list[Repair]:
        """The repairs of the cheapest kind that works, best first."""
        self.look()
        self.potential = self._potential()
        self._simple()
        if self.found:
            # The rest of the time is for the next mistake, too.
            self.deadline = min(self.deadline, time.thread_time() + 0.3 * self.seconds)
        if self._enough() > SLIP:
            self._made()
        if self._enough() > MOST_PAID:
            self._pairs_of_all()
        return self._ranked()

    def _potential(self) -> int:
        """How many of the wrong gradients one mistake in a computation may have made."""

        def made_by(s: Suspect) -> frozenset[str]:
            found = s.influence if s.target is None else s.target.solved
            return (found or frozenset()) & self.wrong()

        return max(
            (len(made_by(s)) for s in self.suspects if computes(s.visit.site.expression)), default=0
        )

    def _ranked(self) -> list[Repair]:
        best = max((len(r.right) for r in self.found), default=0)
        # Of equal price the first that was found stays first.
        return sorted((r for r in self.found if len(r.right) == best), key=self._price)

    def _price(self, repair: Repair) -> float:
        s = self._suspect(repair)
        place = self.suspects.index(s)
        if _adds(repair):
            # What is forgotten is most often forgotten at the end: the mean, a mask, a scale.
            place = sum(other.visit.order > s.visit.order for other in self.suspects)
            place += 3 * (s.visit.count > 1)  # and not in what others call, too
        return repair.change.cost + 0.02 * place + self._unlikely(s, repair.change)

    def _unlikely(self, s: Suspect, change: Edit | Change) -> float:
        """What the place adds to the cost of a change."""
        found = WRONG_PLACE * (s.innocent or s.late)
        found += 0.1 * (s.scaled and change.kind == "scale")
        if s.collects:
            found += 0.15 if isinstance(s.visit.site.expression, ast.Name) else 0.6
        # A forward that keeps the wrong thing is rarer than a backward that is wrong.
        found += 0.8 * s.forward
        # m = len(x) is what it says; what divides by it may want its root, or no m at all. In a
        # loop it is an index.
        whole = s.visit.results and isinstance(s.visit.results[-1], int | np.integer)
        found += 0.6 * bool(whole and s.visit.count == 1)
        # W -= lr * dW stands in the wrong place, if anything is wrong with it.
        if s.updates and (isinstance(change, Edit) or change.kind == "extra-term"):
            found += 0.6
        if not s.updates and change.kind == "updated-too-early":
            found += 0.15
        return found

    def _enough(self) -> float:
        """The cost of the cheapest repair of all that one mistake can have made."""
        before = self.base.right if self.base else frozenset()
        costs = [
            r.change.cost + self._unlikely(self._suspect(r), r.change)
            for r in self.found
            if r.right == self.all_claims() or len(r.right - before) >= self.potential > 0
        ]
        return min(costs, default=np.inf)

    def _suspect(self, repair: Repair) -> Suspect:
        return next(s for s in self.suspects if s.visit.site is repair.site)

    def _simple(self) -> None:
        """Slips: another name, another axis, a transpose; lines too many or in the wrong place."""
        self._in_order(
            lambda s: [
                *self.editor(s).cheap(),
                *self._steps(s),
                *statements.changes(
                    self.original, s.visit.site, s.after, lambda e: self.editor(s, e).cheap()
                ),
            ]
        )

    def _made(self) -> None:
        """Factors and terms made from what is in scope, for the likeliest statements first. What a
        forward keeps is no formula."""
        likely = [s for s in self.suspects if not s.forward]
        groups = itertools.groupby(likely, lambda s: len(s.target.solved) if s.target else 0)
        for group in [list(group) for _, group in groups]:
            for long in (False, True):
                for make in (self._synthesis, self._parts, self._endings):
                    for s in group:
                        if self.late():
                            return
                        make(s, long)
                if self._enough() <= MOST_PAID:
                    return
        self._in_order(self._factors_and_terms)

    def _steps(self, s: Suspect) -> list[Edit]:
        """A stride or a size beside a whole number, top = i * stride."""
        if not (s.visit.results and isinstance(s.visit.results[0], int | np.integer)):
            return []
        editor = self.editor(s)
        numbers = [a for a in s.scope.scalars(s.atoms) if isinstance(a.value, int | np.integer)]
        return list(editor.factors(numbers))

    def _factors_and_terms(self, s: Suspect) -> list[Edit]:
        if s.helpless:
            return []
        editor = self.editor(s)
        derived = self.derived(s)
        scalars = s.scope.scalars(s.atoms)
        some = [a for a in scalars if isinstance(a.value, float | np.floating)][:6]
        return [
            *editor.factors([*derived, *scalars]),
            *editor.terms(derived, [*some, Atom("2", 2)]),
        ]

    def _in_order(self, changes_of: Callable[[Suspect], Sequence[Edit | Change]]) -> None:
        """The cheapest first, wherever it is, until what is left is dearer than what was found."""
        queue: list[tuple[float, Suspect, Edit | Change]] = []
        for place, s in enumerate(self.suspects):
            queue += [
                (change.cost + 0.01 * place + self._unlikely(s, change), s, change)
                for change in changes_of(s)
            ]
            if self.late():
                break
        for price, s, change in sorted(queue, key=lambda q: q[0]):
            if self.late() or price > self._enough() + 0.35:
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
        if s.helpless:
            return
        editor = self.editor(s)
        aimed = s.target is not None
        firsts = [e for e in editor.cheap() if e.cost <= 1.3][: 120 if aimed else 40]
        for first in firsts:
            if self.late():
                return
            changed_root = substitute(s.visit.site.expression, first.old, first.new)
            inner = Editor(changed_root, s.atoms if aimed else [], s.value_of, [], self.np_name)
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
        expression = substitute(site.expression, edit.old, edit.new)
        if not self._worth_running(s, expression):
            return
        module = self.module
        module.listen(site.number, self._handler(s, expression))
        try:
            right = self._tested()
        finally:
            module.quiet()
        if right is not None:
            self.found.append(Repair(site, edit, right, expression))

    def _handler(self, s: Suspect, expression: ast.expr) -> Handler:
        """Has the expression in the place of the statement's own. To compile it pays only where it
        is run often."""
        module = self.module
        if s.visit.count <= FEW:
            return lambda there: Evaluator({**module.namespace, **there}).value(expression)
        code = compiled(expression)
        return lambda there: module.evaluate(code, there)

    def _worth_running(self, s: Suspect, expression: ast.expr) -> bool:
        """Whether the new expression has a value that was not tried yet where the statement ran,
        and, where that is known, the wanted one; cheap to ask."""
        visit = s.visit
        if visit.failed or len(visit.results) < len(visit.scopes) or visit.results[0] is None:
            return True
        try:
            with np.errstate(all="ignore"):
                afters = [evaluator.value(expression) for evaluator in s.evaluators]
        except Exception:
            return False
        befores = [visit.results[k] for k in s.rounds]
        if visit.count <= 2 and all(map(equal, befores, afters)):
            return False
        key = (visit.site.number, print_of(afters))
        if key[1] is not None:
            if key in self.tried:
                return False
            self.tried.add(key)
        return s.target is None or self.misshapen or s.target.allows(afters[0])

    def _synthesis(self, s: Suspect, long: bool) -> None:
        """The missing factor or term, or the whole expression, from what is in scope."""
        for wanted, value in self._aims(s) if s.target is not None and s.target.shape else ():
            self._propose(s, s.visit.site.expression, value, wanted, long)

    def _aims(self, s: Suspect) -> Iterator[tuple[Wanted, np.ndarray]]:
        """What a statement should have computed, and what it has."""
        if s.target is None or s.helpless:
            return
        for target in (s.target, *s.target.others[:MOST_ALONE]):
            shape = target.shape or target.start.shape
            yield Wanted(*target.known(), shape), target.start.reshape(shape)

    def _propose(
        self,
        s: Suspect,
        node: ast.expr,
        value: np.ndarray,
        wanted: Wanted,
        long: bool,
        more: float = 0,
    ) -> None:
        """Try what has the wanted value in the place of an expression of the statement's."""
        edits = synthesis.proposals(node, value, wanted, self._stock(s), long=long)
        for tried, edit in enumerate(edits):
            if self.late() or tried > MOST_MADE or edit.cost + more > self._enough():
                return
            self._try(s, replace(edit, cost=edit.cost + more))

    def _parts(self, s: Suspect, long: bool) -> None:
        """The same for the parts of the expression."""
        for wanted, _ in self._aims(s):
            for node, value, known in parts.of(s.visit.site.expression, wanted, s.evaluators[0]):
                if self.late():
                    return
                self._propose(s, node, value, known, long, PART)

    def _endings(self, s: Suspect, long: bool) -> None:
        """A term that is missing at the end of the block, or of each round of a loop."""
        if long or self._enough() <= endings.COST or s.target is None or s.helpless:
            return
        end = endings.suspect_at(s, self.visits, self.original)
        rounds = endings.rounds_after(s, self.visits, self.original)
        stocks = [self._stock(each) for each in rounds]
        for wanted, _ in self._aims(s):
            found = [endings.additions(s, self.original, stocks, wanted)] if stocks else []
            if end is not None:
                found.append(endings.changes(s, self.original, self._stock(end), wanted))
            for change in itertools.chain(*found):
                if self.late():
                    return
                self._try_change(s, change)

    def _stock(self, s: Suspect) -> Stock:
        if s in self.stocks:
            return self.stocks[s]
        self.editor(s)  # fills in the atoms

        def found(atoms: list[Atom]) -> list[Found]:
            made = []
            for atom in atoms:
                try:
                    value = s.evaluators[0].value(atom.node)
                except Exception:
                    continue
                mask = isinstance(value, np.ndarray) and value.dtype == np.bool_
                array = value.astype(float) if mask else values.as_array(value)
                if array is not None and array.ndim:
                    made.append((atom.node, array))
            return made

        self.stocks[s] = Stock(
            found(s.atoms)[:MOST_ARRAYS],
            found(self.derived(s)),
            s.scope.scalars(s.atoms),
            self.np_name,
            values.is_tensor(s.visit.results[0]),
            self.late,
        )
        return self.stocks[s]

    def _tested(self) -> frozenset[str] | None:
        """The claims that are right in a run as things are set now, if they are more than before,
        at every point."""
        right = self.judge.improved(self.base.right if self.base else frozenset())
        if right is None:
            return None
        for other in self.others:
            again = other.judge()
            if again is None or not again.right >= right:
                return None
        return right

    def _try_change(self, s: Suspect, change: Change) -> None:
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


def _adds(repair: Repair) -> bool:
    """Whether a repair leaves the expression as it is and puts a factor or a term beside it."""
    edit, root = repair.change, repair.site.expression
    if edit.kind == "dropped-path":
        return True
    if edit.kind not in FORGOTTEN or not isinstance(edit, Edit) or edit.old is not root:
        return False
    return edit.new is not root and any(n is root for n in ast.walk(edit.new))
