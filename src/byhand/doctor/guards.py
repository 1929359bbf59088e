"""The small numbers that keep a logarithm, a root or a division from infinity.

log(p + 1e-7) has the derivative 1/(p + 1e-7), and who writes 1/p has made no mistake: the guard is
there for the computer, and the mathematics is that of log(p).
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace

from byhand.doctor.report import Fix, Report

SMALL = 1e-5
"""The largest number that is taken for a guard."""
NAMES = re.compile(r"eps|tiny|small|guard", re.IGNORECASE)
LIMITS = ("clip", "maximum", "fmax", "max", "clamp", "clamp_min")


@dataclass(frozen=True)
class Guard:
    """A number in a text, by its place."""

    line: int
    column: int
    end: int
    number: str


def found(tree: ast.Module, text: str) -> list[Guard]:
    """Small numbers that are added to something, that limit it, or that are called epsilon."""
    lines = [line.encode() for line in text.splitlines()]
    guards = []
    for node in dict.fromkeys(_candidates(tree)):
        if isinstance(node, ast.Constant) and type(node.value) is float and 0 < node.value <= SMALL:
            at = slice(node.col_offset, node.end_col_offset)
            number = lines[node.lineno - 1][at].decode()
            guards.append(Guard(node.lineno, at.start, at.stop or 0, number))
    return guards


def removed(text: str, guards: list[Guard]) -> str:
    """The text with a zero in the place of each: 0e-7 for 1e-7, so that nothing is moved."""
    lines = text.encode().splitlines(keepends=True)
    for guard in guards:
        line = lines[guard.line - 1]
        zero = _zero(guard.number).encode()
        lines[guard.line - 1] = line[: guard.column] + zero + line[guard.end :]
    return b"".join(lines).decode()


def restored(report: Report, text: str, guards: list[Guard]) -> Report:
    """A report on the text without its guards, as one on the text itself."""
    numbers = {_zero(guard.number): guard.number for guard in guards}
    zeros = re.compile("|".join(map(re.escape, numbers)))

    def whole(line: str) -> str:
        return zeros.sub(lambda zero: numbers[zero[0]], line)

    def of(fix: Fix) -> Fix:
        return Fix(fix.line, whole(fix.old), whole(fix.new))

    findings = tuple(
        replace(
            finding,
            message=whole(finding.message),
            fix=finding.fix and of(finding.fix),
            alternatives=tuple(map(of, finding.alternatives)),
        )
        for finding in report.findings
    )
    return replace(report, findings=findings, source=tuple(text.splitlines()))


def _zero(number: str) -> str:
    mantissa, e, exponent = number.lower().partition("e")
    return re.sub("[1-9]", "0", mantissa) + e + exponent


def _candidates(tree: ast.Module) -> Iterator[ast.expr | None]:
    for node in ast.walk(tree):
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add | ast.Sub):
            yield from (node.left, node.right)
        elif isinstance(node, ast.Call) and _name(node.func) in LIMITS:
            yield from (*node.args, *(keyword.value for keyword in node.keywords))
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            yield node.value if any(NAMES.search(_name(t)) for t in targets) else None
        elif isinstance(node, ast.keyword) and NAMES.search(node.arg or ""):
            yield node.value
        elif isinstance(node, ast.arguments):
            optional = [*node.posonlyargs, *node.args][-len(node.defaults) :]
            named = [*optional, *node.kwonlyargs] if node.defaults else node.kwonlyargs
            given = zip(named, [*node.defaults, *node.kw_defaults], strict=True)
            yield from (value for argument, value in given if NAMES.search(argument.arg))


def _name(node: ast.expr) -> str:
    return getattr(node, "attr", getattr(node, "id", ""))
