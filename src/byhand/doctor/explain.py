"""A repair in words."""

from __future__ import annotations

import ast

from byhand.doctor import names, shapes, values
from byhand.doctor.blocks import written_name
from byhand.doctor.claims import Claim
from byhand.doctor.edits import Edit
from byhand.doctor.render import Source
from byhand.doctor.render import fix as fix_of
from byhand.doctor.repair import Repair
from byhand.doctor.report import Finding
from byhand.doctor.suspects import Lineup, Suspect

SAYINGS = {
    "swapped-variable": "The line uses {old} where {new} belongs.",
    "missing-transpose": "A product backwards goes through the transpose: {new}, not {old}.",
    "transposed": "The factors stand the wrong way round: {new} has the shape of the variable.",
    "sign": "The sign is the wrong way round: {new}, not {old}.",
    "scale": "The size is off by a factor: {new} instead of {old}.",
    "missing-term": "A term is missing, one more path from the variable to the loss: {new}.",
    "extra-term": "There is a part too many: {old} has no place in the derivative.",
    "missing-factor": "A factor of the chain rule is missing: {new} instead of {old}.",
    "wrong-activation-derivative": "That is not the derivative of this function: {new}, not {old}.",
    "wrong-axis": "The sum runs over the wrong axis: {new} instead of {old}.",
    "not-reduced": "A variable that was broadcast gets the sum over what it was spread to: {new}.",
    "over-reduced": "More is added up here than was spread in the forward: {new}, not {old}.",
    "elementwise-for-matmul": "The two kinds of product are confused: {new}, not {old}.",
    "index-shift": "The index is off: {new} instead of {old}.",
    "dropped-path": "The mean or sum that the forward takes depends on the variable too; this line "
    "treats it as a constant.",
    "diagonal-jacobian": "Every output depends on every input; this is the diagonal of the "
    "Jacobian alone. With the rest it is {new}.",
    "not-flipped": "Backwards the kernel is turned by 180 degrees: {new}.",
    "not-accumulated": "What was there before belongs to the gradient too, and is overwritten: "
    "add to it.",
    "double-counted": "The share is added to what holds it already: write =, not +=.",
    "wrong-mask": "The condition lets the wrong elements through: {new}, not {old}.",
    "wrong-padding-or-stride": "What the forward added at the edges is cut off again on all "
    "sides: {new}, not {old}.",
    "wrong-operator": "The operation is not the one of the derivative: {new}, not {old}.",
    "wrong-expression": "The derivative here is {new}, which {old} is not.",
    "updated-too-early": "The line runs at the wrong moment: it changes what a later one reads.",
    "aliased": "The array is shared with another and changed in place: {new}.",
    "return-in-loop": "The function returns in the first round of the loop.",
}
_WRAPPED: dict[tuple[str, type], str] = {
    ("scale", ast.Mult): "The size is off: a factor {part} is missing.",
    ("scale", ast.Div): "The size is off: the division by {part} is missing.",
    ("missing-factor", ast.Mult): "A factor of the chain rule is missing: {part}.",
    ("missing-factor", ast.Div): "A division by {part} is missing.",
    ("missing-term", ast.Add): "A term is missing, one more path from the variable to the loss: "
    "{part}.",
    ("missing-term", ast.Sub): "A term is missing, one more path from the variable to the loss: "
    "-{part}.",
}
"""Where the new expression is the old one with something beside it."""
_UNWRAPPED: dict[type, str] = {
    ast.Mult: "The size is off: {part} is a factor too many.",
    ast.Div: "The size is off: the division by {part} is one too many.",
    ast.Add: "There is a term too many: {part} has no place in the derivative.",
    ast.Sub: "There is a term too many: {part} has no place in the derivative.",
}


def finding(
    source: Source, search: Lineup, best: Repair, before: frozenset[str], alternatives: list[Repair]
) -> Finding:
    """A verified repair as a finding; `before` names the claims that were right without it."""
    fix, place = fix_of(source, best)
    others = tuple(fix_of(source, r)[0] for r in alternatives)
    written = written_name(best.site.statement)
    mended = [c for c in search.judge.claims if c.name in best.right - before]
    mended.sort(key=lambda claim: claim.label.rpartition(".")[2] != written)
    message = _message(source, best)
    suspect = next(s for s in search.suspects if s.visit.site is best.site)
    said = _of_shapes(source, search, suspect, best, mended)
    return Finding(
        place.line,
        place.column,
        place.end_column,
        mended[0].label if mended else "",
        best.change.kind,
        " ".join([*said, message]),
        fix,
        others,
    )


def _message(source: Source, best: Repair) -> str:
    edit = best.change
    saying = SAYINGS[edit.kind]
    if not isinstance(edit, Edit):
        if edit.kind == "swapped-variable":
            return "The line is that of another variable, copied and left as it was."
        line = source.unparsed(edit.new[0]) if edit.after is not None else "the corrected line"
        if edit.kind == "index-shift" and edit.after is not None:
            return f"The list was filled from its end and has to be turned round: {line}."
        return saying.format(old="this line", new=line)
    old, new = edit.old, edit.new
    own = {id(node) for node in ast.walk(best.site.expression)}

    def text(node: ast.AST) -> str:
        return source.segment(node) if id(node) in own else source.unparsed(node)

    for whole, part, sayings in ((new, old, _WRAPPED), (old, new, None)):
        beside = _beside(whole, part)
        if beside is None:
            continue
        other, operator = beside
        found = _UNWRAPPED.get(operator) if sayings is None else sayings.get((edit.kind, operator))
        if found is not None:
            return found.format(part=_short(text(other)))
    message = saying.format(old=_short(text(old)), new=_short(source.unparsed(new)))
    if edit.kind == "swapped-variable":
        first, second = text(old), source.unparsed(new)
        if names.looks_like_gradient(first) and names.likeness(first, second) >= 3:
            message += f" {first} is the change of {second}, not {second}."
    return message


def _beside(whole: ast.AST, part: ast.AST) -> tuple[ast.AST, type] | None:
    """What an operation joins to a part, and the operation; None where it is no such thing."""
    if isinstance(whole, ast.BinOp):
        if _same(whole.left, part):
            return whole.right, type(whole.op)
        if _same(whole.right, part) and isinstance(whole.op, ast.Mult | ast.Add):
            return whole.left, type(whole.op)
    return None


def _same(a: ast.AST, b: ast.AST) -> bool:
    return a is b or ast.dump(a) == ast.dump(b)


def _of_shapes(
    source: Source, search: Lineup, suspect: Suspect, best: Repair, mended: list[Claim]
) -> list[str]:
    """What does not fit, and the equation of the product that does."""
    raised = search.base_outcome is None
    if not (raised or search.misshapen):
        return []
    scope = suspect.scope.there
    axes = shapes.Axes(source.text, {**search.judge.state.inputs, **scope})
    said = []
    if raised:
        said.append(shapes.misfit(best.site.expression, suspect.value_of, axes))
    elif mended and search.base_outcome is not None:
        found = values.shape(search.base_outcome.gradients.get(mended[0].name))
        wanted = values.shape(search.judge.state.get(mended[0].of))
        if found != wanted:
            said.append(
                f"{mended[0].label} is {axes.text(found)}, {mended[0].variable} is "
                f"{axes.text(wanted)}"
            )
    if best.expression is not None:
        target = _target(source, best.site.statement)
        said.append(shapes.equation(target, best.expression, suspect.value_of, axes))
    return [f"{text}." for text in said if text]


def _target(source: Source, statement: ast.stmt) -> str:
    targets = getattr(statement, "targets", [])
    return source.segment(targets[0]) if targets else "the result"


def _short(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= 60 else f"{text[:57]}..."


def not_returned(source: Source, backward: ast.FunctionDef | None, name: str) -> Finding:
    """A gradient that is missing, at the return statement that should have it."""
    returns = [n for n in ast.walk(backward) if isinstance(n, ast.Return)] if backward else []
    place = source.place(returns[-1] if returns else backward or ast.Pass())
    return Finding(
        place.line,
        place.column,
        place.end_column,
        "",
        "missing-gradient",
        f"No gradient of {name} is handed back. The loss depends on it, and the other parameters "
        "of its layer, and its like in other layers, have theirs.",
    )


def unexplained(source: Source, search: Lineup) -> Finding | None:
    """The likeliest place, where no repair was found."""
    if not search.suspects:
        return None
    # What nothing is known of, as of a loop's range, is no good guess.
    likely = next((s for s in search.suspects if s.influence), search.suspects[0])
    place = source.place(likely.visit.site.statement)
    wrong = [c for c in search.judge.claims if c.name in search.wrong()]
    return Finding(
        place.line,
        place.column,
        place.end_column,
        wrong[0].label if wrong else "",
        "unexplained",
        "The gradient is wrong; the cause was not found. This is where it most likely begins.",
    )
