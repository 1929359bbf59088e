"""A repair in words."""

from __future__ import annotations

import ast

from byhand.doctor import render
from byhand.doctor.edits import Edit
from byhand.doctor.render import Source
from byhand.doctor.repair import Repair
from byhand.doctor.report import Finding
from byhand.doctor.suspects import Lineup

_SAYINGS = {
    "swapped-variable": "The line uses {old} where {new} belongs.",
    "missing-transpose": "A product backwards goes through the transpose: {new}, not {old}.",
    "transposed": "The factors stand the wrong way round: {new} has the shape of the variable.",
    "sign": "The sign is the wrong way round: {new}, not {old}.",
    "scale": "The size is wrong by a factor: {new} instead of {old}.",
    "missing-term": "A term is missing, the variable has one more path to the loss: {new}.",
    "extra-term": "There is a part too many: {old} has no place in the derivative.",
    "missing-factor": "A factor of the chain rule is missing: {new} instead of {old}.",
    "wrong-activation-derivative": "That is not the derivative of this function: {new}, not {old}.",
    "wrong-axis": "The sum runs over the wrong axis: {new} instead of {old}.",
    "not-reduced": "A variable that was broadcast gets the sum over what it was spread to: {new}.",
    "over-reduced": "More is added up here than was spread in the forward: {new}, not {old}.",
    "elementwise-for-matmul": "The two kinds of product are confused: {new}, not {old}.",
    "index-shift": "The index is off: {new} instead of {old}.",
    "dropped-path": "A path of the chain rule is left out: the part {new}.",
    "not-accumulated": "Each use of the variable adds a share; the last overwrites the rest.",
    "double-counted": "The share is added to what holds it already: write =, not +=.",
    "wrong-mask": "The condition lets the wrong elements through: {new}, not {old}.",
    "wrong-operator": "The operation is not the one of the derivative: {new}, not {old}.",
    "updated-too-early": "The line runs at the wrong moment: it changes what a later one reads.",
    "aliased": "The array is shared with another and changed in place: {new}.",
    "return-in-loop": "The function returns in the first round of the loop.",
}


def finding(
    source: Source, search: Lineup, best: Repair, before: frozenset[str], alternatives: list[Repair]
) -> Finding:
    """A verified repair as a finding; `before` names the claims that were right without it."""
    fix, place = render.fix(source, best)
    others = tuple(render.fix(source, r)[0] for r in alternatives)
    mended = [c for c in search.judge.claims if c.name in best.right - before]
    kind = best.change.kind or "unexplained"
    return Finding(
        place.line,
        place.column,
        place.end_column,
        mended[0].label if mended else "",
        kind,
        _message(source, best, kind),
        fix,
        others,
    )


def _message(source: Source, best: Repair, kind: str) -> str:
    saying = _SAYINGS.get(kind, "This is not the derivative: {new} instead of {old}.")
    edit = best.change
    if not isinstance(edit, Edit):
        return saying.format(old="this line", new="the corrected line")
    old = source.segment(edit.old) if hasattr(edit.old, "lineno") else ast.unparse(edit.old)
    return saying.format(old=_short(old), new=_short(ast.unparse(edit.new)))


def _short(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= 60 else f"{text[:57]}..."


def unexplained(source: Source, search: Lineup) -> Finding | None:
    """The likeliest place, where no repair was found."""
    if not search.suspects:
        return None
    place = source.place(search.suspects[0].visit.site.statement)
    wrong = [c for c in search.judge.claims if c.name in search.wrong()]
    return Finding(
        place.line,
        place.column,
        place.end_column,
        wrong[0].label if wrong else "",
        "unexplained",
        "The gradient is wrong; the cause was not found. This is where it most likely begins.",
    )
