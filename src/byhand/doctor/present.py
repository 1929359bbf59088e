"""A report as text, for a terminal, as JSON, and as HTML for a notebook.

Text, terminal and HTML are three renderings of the same lines, each a list of spans of text with
the part that they play.
"""

from __future__ import annotations

import difflib
import html
import math
import textwrap
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from byhand.doctor.report import Finding, Fix, GradientVerdict, Report

if TYPE_CHECKING:
    from rich.text import Text

WIDTH = 80
NAMES = 41  # columns of the table that are left for a gradient's name and its variable's
INDENT = "  "

HEADLINES = {
    "right": "right",
    "wrong": "wrong",
    "shape": "shapes do not fit",
    "undecided": "undecided",
    "error": "could not be checked",
}
ORDER = ("wrong", "inherited", "right")

# What each part looks like: with rich, and in CSS. The colours of the latter keep a contrast of 4
# to both white and black, since a notebook does not say which of them it has.
STYLES = {
    "right": ("green", "color:#2a8f4f"),
    "wrong": ("bold red", "color:#d9453d;font-weight:bold"),
    "inherited": ("yellow", "color:#a8791b"),
    "heading": ("bold", "font-weight:bold"),
    "faint": ("dim", "opacity:.65"),
    "old": ("red", "color:#d9453d"),
    "new": ("green", "color:#2a8f4f"),
}
SEVERITY = {"right": "right", "wrong": "wrong", "shape": "wrong"}  # the others are inherited

Span = tuple[str, str]
Line = list[Span]


def text(report: Report, verbose: bool = False) -> str:
    """The report as plain lines of at most 80 columns; only corrected source lines may be longer,
    as they are there to be copied."""
    return "\n".join("".join(part for part, _ in line) for line in _lines(report, verbose))


def rich_text(report: Report, verbose: bool = False) -> Text:
    """The same text with the colours of a terminal."""
    from rich.text import Text

    lines = _lines(report, verbose)
    return Text("\n").join(
        Text.assemble(*((part, STYLES[role][0] if role else "") for part, role in line))
        for line in lines
    )


def as_html(report: Report, verbose: bool = False) -> str:
    """The same text for a notebook, light or dark."""
    edge = STYLES[SEVERITY.get(report.verdict, "inherited")][1].split(";")[0].removeprefix("color:")
    body = "\n".join(
        "".join(_tag(part, role) for part, role in line) for line in _lines(report, verbose)
    )
    return (
        f'<pre style="color:inherit;background:transparent;border:0;border-left:3px solid {edge};'
        f'padding:.2em 0 .2em 1em;line-height:1.4;white-space:pre;overflow-x:auto">{body}</pre>'
    )


def as_json(report: Report) -> dict[str, Any]:
    """The report as JSON's own types, version 1; a number that JSON does not have is None."""
    return {
        "version": 1,
        "target": report.target,
        "verdict": report.verdict,
        **({"reason": report.reason} if report.reason else {}),
        "gradients": [
            {
                "name": gradient.name,
                "of": gradient.of,
                "verdict": gradient.verdict,
                "relative_error": _finite(gradient.relative_error),
            }
            for gradient in report.gradients
        ],
        "findings": [
            {
                "line": finding.line,
                "column": finding.column,
                "gradient": finding.gradient,
                "kind": finding.kind,
                "message": finding.message,
                "fix": None if finding.fix is None else _fix_as_json(finding.fix),
                "alternatives": [_fix_as_json(fix) for fix in finding.alternatives],
            }
            for finding in report.findings
        ],
    }


def difference(fix: Fix) -> str:
    """A correction as plain lines that begin with -, + or, where they stay, a blank."""
    return "\n".join("".join(part for part, _ in line) for line in _diff(fix))


def _lines(report: Report, verbose: bool) -> list[Line]:
    headline = HEADLINES[report.verdict]
    role = SEVERITY.get(report.verdict, "inherited")
    lines: list[Line] = [[(_visible(report.target), "heading"), (": ", ""), (headline, role)]]
    if report.reason:
        lines += _wrapped(report.reason)
    # Where the program stops, no gradient has been compared.
    if report.gradients and report.verdict != "shape":
        lines += [[], *_table(report.gradients, verbose)]
    for finding in report.findings:
        lines += [[], *_finding(report, finding, verbose)]
    notes = [f"note: {note}" for note in report.notes]
    if verbose and report.gradients:
        notes.append(f"true gradients by: {report.method}")
    for note in notes:
        lines += [[], *_wrapped(note, "faint")]
    return lines


def _table(gradients: Sequence[GradientVerdict], verbose: bool) -> Iterator[Line]:
    digits = 3 if verbose else 0
    cells = [("", "gradient", "of", "relative error", "points")]
    ordered = sorted(gradients, key=lambda gradient: ORDER.index(gradient.verdict))
    names = _fitted([_visible(g.name) for g in ordered], [_visible(g.of) for g in ordered])
    for gradient, name, of in zip(ordered, *names, strict=True):
        error = f"{gradient.relative_error:.{digits}e}"
        cells.append((gradient.verdict, name, of, error, str(gradient.points or "")))
    widths = [max(map(_width, column)) for column in zip(*cells, strict=True)]
    for row, about in zip(cells, (None, *ordered), strict=True):
        verdict, name, of, error, points = (
            cell + " " * (width - _width(cell)) if i < 3 else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        rest = f"  {name}  {of}  {error}  {points}".rstrip()
        yield (
            [(INDENT + verdict, about.verdict), (rest, "")]
            if about
            else [(INDENT + verdict + rest, "faint")]
        )
        if about and about.note:
            yield from _wrapped(about.note, "faint", INDENT + " " * (widths[0] + 2))


def _finding(report: Report, finding: Finding, verbose: bool) -> Iterator[Line]:
    place = _place(report.target, finding.line)
    subject = ": ".join(part for part in (finding.gradient, finding.kind) if part)
    yield [(_visible(place), "heading"), (f"  {_visible(subject)}", "")]
    excerpt = _excerpt(report, finding)
    if excerpt:
        yield from ([], *excerpt)
    yield from ([], *_wrapped(finding.message))
    if finding.fix:
        yield from ([], *_placed_diff(finding.fix, finding.line))
    for fix in finding.alternatives if verbose else ():
        yield from ([], *_wrapped("also right:", "faint"), *_placed_diff(fix, finding.line))


def _place(target: str, line: int) -> str:
    """As compilers write it, so that a terminal or an editor can jump there."""
    file, _, _ = target.partition("::")
    return f"{file}:{line}" if file.endswith(".py") else f"line {line}"


def _excerpt(report: Report, finding: Finding) -> list[Line]:
    """The source line, and ^^^^ under its faulty part; cut around it where it is too long."""
    if not 0 < finding.line <= len(report.source):
        return []
    source = report.source[finding.line - 1].rstrip()
    indent = len(source) - len(source.lstrip())
    first, last = max(finding.column, indent), min(finding.end_column, len(source))
    if first >= last:
        first, last = indent, len(source)
    before, part, after = (
        _visible(piece) for piece in (source[indent:first], source[first:last], source[last:])
    )
    room = WIDTH - 2 * len(INDENT)
    part = _cut(part, room - 2)
    # The faulty part is to be seen with as much before it as there is room for.
    space = room - _width(part)
    if _width(before) > space - 1:
        before = "…" + _end(before, space - 2)
    after = _cut(after, space - _width(before))
    blank = INDENT * 2
    marks = blank + " " * _width(before) + "^" * _width(part)
    return [[(blank + before, ""), (part, "wrong"), (after, "")], [(marks, "wrong")]]


def _placed_diff(fix: Fix, line: int) -> Iterator[Line]:
    if fix.line != line:
        yield [(f"{INDENT}line {fix.line}:", "faint")]
    for spans in _diff(fix):
        yield [(INDENT, ""), *spans]


def _diff(fix: Fix) -> Iterator[Line]:
    old, new = fix.old.splitlines(), fix.new.splitlines()
    indent = min(
        (len(line) - len(line.lstrip()) for line in (*old, *new) if line.strip()), default=0
    )
    matcher = difflib.SequenceMatcher(a=old, b=new, autojunk=False)
    for tag, old_first, old_last, new_first, new_last in matcher.get_opcodes():
        if tag == "equal":
            yield from ([("  " + _visible(line[indent:]), "")] for line in old[old_first:old_last])
            continue
        for sign, role, lines in (
            ("-", "old", old[old_first:old_last]),
            ("+", "new", new[new_first:new_last]),
        ):
            yield from ([(f"{sign} {_visible(line[indent:])}", role)] for line in lines)


def _wrapped(prose: str, role: str = "", indent: str = INDENT) -> Iterator[Line]:
    """Prose in lines that fit; a line of its own that begins with a blank is an equation."""
    for line in prose.splitlines():
        if line[:1].isspace():
            yield [(indent + _visible(line.rstrip()), role)]
        else:
            parts = textwrap.wrap(_visible(line), WIDTH - len(indent), break_on_hyphens=False)
            yield from ([(indent + part, role)] for part in parts)


def _tag(part: str, role: str) -> str:
    escaped = html.escape(part)
    return f'<span style="{STYLES[role][1]}">{escaped}</span>' if role and part else escaped


def _visible(written: str) -> str:
    """Somebody's text with nothing in it that would move a terminal's cursor."""
    plain = written.replace("\t", "    ")
    return "".join(sign if sign.isprintable() else "�" for sign in plain)


def _fitted(*columns: list[str]) -> Iterator[list[str]]:
    """Two columns of names that fit beside each other: one may take what the other leaves."""
    widths = [max(map(_width, names)) for names in columns]
    for names, other in zip(columns, reversed(widths), strict=True):
        yield [_short(name, max(NAMES // 2, NAMES - other)) for name in names]


def _short(name: str, columns: int) -> str:
    """A name in few columns, cut in the middle because names often differ at their ends."""
    if _width(name) <= columns:
        return name
    half = columns // 2
    return f"{_start(name, half)}…{_end(name, columns - half - 1)}"


def _cut(line: str, columns: int) -> str:
    return line if _width(line) <= columns else _start(line, columns - 1) + "…"


def _start(line: str, columns: int) -> str:
    while line and _width(line) > columns:
        line = line[:-1]
    return line


def _end(line: str, columns: int) -> str:
    return _start(line[::-1], columns)[::-1]


def _width(written: str) -> int:
    """Columns on a terminal, where Chinese takes two and an accent none."""
    from rich.cells import cell_len

    return cell_len(written)


def _finite(number: float) -> float | None:
    number = float(number)
    return number if math.isfinite(number) else None


def _fix_as_json(fix: Fix) -> dict[str, Any]:
    return {"line": fix.line, "old": fix.old, "new": fix.new}
