"""A repair as source lines: only the faulty part changes, the rest stays as its author wrote it."""

from __future__ import annotations

import ast
import copy
import re
from dataclasses import dataclass

from byhand.doctor.blocks import Change
from byhand.doctor.edits import Edit
from byhand.doctor.repair import Repair
from byhand.doctor.report import Fix


@dataclass(frozen=True)
class Place:
    line: int
    column: int
    end_column: int


class Source:
    """The lines of a file, and the text of each node in them."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.lines = text.splitlines()

    def unparsed(self, node: ast.AST) -> str:
        """New code as text, in the author's kind of quotes."""
        text = ast.unparse(ast.fix_missing_locations(node))
        if self.text.count('"') > self.text.count("'") and '"' not in text:
            text = text.replace("'", '"')
        return text

    def column(self, line: int, offset: int) -> int:
        """ast counts in bytes."""
        return len(self.lines[line - 1].encode()[:offset].decode())

    def segment(self, node: ast.AST) -> str:
        return ast.get_source_segment(self.text, node) or self.unparsed(node)

    def statement(self, node: ast.stmt) -> str:
        """The whole lines of a statement."""
        return "\n".join(self.lines[node.lineno - 1 : _end(node)])

    def place(self, node: ast.AST) -> Place:
        line = getattr(node, "lineno", 1)
        start = self.column(line, getattr(node, "col_offset", 0))
        end_line = getattr(node, "end_lineno", line)
        end = (
            self.column(line, getattr(node, "end_col_offset", 0))
            if end_line == line
            else len(self.lines[line - 1])
        )
        return Place(line, start, end)


def _end(node: ast.stmt) -> int:
    if isinstance(node, ast.For | ast.While | ast.If | ast.With | ast.FunctionDef):
        return (
            max(node.lineno, node.body[0].lineno - 1)
            if node.body[0].lineno > node.lineno
            else node.lineno
        )
    return node.end_lineno or node.lineno


def text_of(source: Source, new: ast.expr, known: set[int]) -> list[str]:
    """The new expression as text, with the author's own text for what is left of it; candidates
    from the least parentheses on."""
    parts: dict[str, str] = {}
    guarded: dict[str, str] = {}
    joined = ast.BinOp | ast.UnaryOp | ast.BoolOp | ast.Compare | ast.IfExp | ast.Lambda

    def marked(node: ast.AST) -> ast.AST:
        if isinstance(node, ast.expr) and id(node) in known and hasattr(node, "lineno"):
            name = f"__part{len(parts)}__"
            text = parts[name] = source.segment(node)
            guarded[name] = f"({text})" if isinstance(node, joined) else text
            return ast.Name(name, ast.Load())
        twin = copy.copy(node)
        for field, child in ast.iter_fields(node):
            if isinstance(child, ast.AST):
                setattr(twin, field, marked(child))
            elif isinstance(child, list):
                setattr(twin, field, [marked(c) if isinstance(c, ast.AST) else c for c in child])
        return twin

    pattern = source.unparsed(marked(new))
    bare = re.sub(r"__part\d+__", lambda m: parts[m[0]], pattern)
    safe = re.sub(r"__part\d+__", lambda m: guarded[m[0]], pattern)
    return [bare, f"({bare})", safe, f"({safe})"]


def fix(source: Source, repair: Repair) -> tuple[Fix, Place]:
    """The lines to be replaced and by what, and the part at fault."""
    edit, site = repair.change, repair.site
    if not isinstance(edit, Edit):
        return _of_change(source, edit, site.statement)
    assert repair.expression is not None
    old_lines = source.statement(site.statement)
    if site.written is not site.expression:
        return _rewritten(source, repair), source.place(site.written)
    place = source.place(edit.old) if hasattr(edit.old, "lineno") else source.place(site.expression)
    known = {id(n) for n in ast.walk(site.expression)}
    node = (
        edit.old
        if hasattr(edit.old, "lineno") and hasattr(edit.old, "end_lineno")
        else site.expression
    )
    new = edit.new if node is edit.old else repair.expression
    wanted = ast.dump(
        ast.parse(ast.unparse(ast.fix_missing_locations(repair.expression)), mode="eval").body
    )
    first = site.statement.lineno
    begin = _offset(source, node.lineno, node.col_offset)  # type: ignore[attr-defined]
    end = _offset(source, node.end_lineno or 0, node.end_col_offset or 0)  # type: ignore[attr-defined]
    start = _offset(source, first, 0)
    stop = start + len(old_lines)
    e_begin = _offset(source, site.expression.lineno, site.expression.col_offset)
    e_end = _offset(source, site.expression.end_lineno or 0, site.expression.end_col_offset or 0)
    for text in text_of(source, new, known):
        whole = source_text(source)[start:begin] + text + source_text(source)[end:stop]
        inside = (
            "(" + source_text(source)[e_begin:begin] + text + source_text(source)[end:e_end] + "\n)"
        )
        try:
            if ast.dump(ast.parse(inside, mode="eval").body) == wanted:
                return Fix(first, old_lines, whole), place
        except SyntaxError:
            continue
    text = source.unparsed(repair.expression)
    whole = source_text(source)[start:e_begin] + text + source_text(source)[e_end:stop]
    return Fix(first, old_lines, whole), place


def _rewritten(source: Source, repair: Repair) -> Fix:
    """The second repair of an expression, together with the first."""
    site, text = repair.site, source_text(source)
    old = source.statement(site.statement)
    first = site.statement.lineno
    start = _offset(source, first, 0)
    begin = _offset(source, site.written.lineno, site.written.col_offset)
    end = _offset(source, site.written.end_lineno or 0, site.written.end_col_offset or 0)
    assert repair.expression is not None
    new = text[start:begin] + _loose(source, repair.expression) + text[end : start + len(old)]
    return Fix(first, old, new)


def source_text(source: Source) -> str:
    return "\n".join(source.lines)


def _offset(source: Source, line: int, offset: int) -> int:
    return sum(len(text) + 1 for text in source.lines[: line - 1]) + source.column(line, offset)


def _of_change(source: Source, change: Change, statement: ast.stmt) -> tuple[Fix, Place]:
    anchor = change.after or change.before
    if anchor is not None:
        line = (anchor.end_lineno or 0) if change.after is not None else anchor.lineno
        old = source.lines[line - 1]
        indent = source.lines[anchor.lineno - 1][: source.column(anchor.lineno, anchor.col_offset)]
        lines = [indent + source.unparsed(n) for n in change.new]
        new = "\n".join([old, *lines] if change.after is not None else [*lines, old])
        return Fix(line, old, new), Place(line, len(old) - len(old.lstrip()), len(old.rstrip()))
    old = source.statement(statement)
    place = source.place(statement)
    indent = source.lines[statement.lineno - 1][
        : source.column(statement.lineno, statement.col_offset)
    ]
    if change.move is not None:
        moved, anchor, down = change.move
        a, b = moved.lineno, moved.end_lineno or moved.lineno
        c, d = anchor.lineno, anchor.end_lineno or anchor.lineno
        target_indent = source.lines[c - 1][: source.column(c, anchor.col_offset)]
        lines = source.lines[a - 1 : b]
        if target_indent != indent:
            lines = [target_indent + line[len(indent) :] for line in lines]
        if down:
            between = source.lines[b:d]
            return Fix(a, "\n".join(source.lines[a - 1 : d]), "\n".join([*between, *lines])), place
        between = source.lines[c - 1 : a - 1]
        return Fix(c, "\n".join(source.lines[c - 1 : b]), "\n".join([*lines, *between])), place
    if not change.new:
        body = _only_statement(change, statement)
        return Fix(statement.lineno, old, f"{indent}pass" if body else ""), place
    new_statement = change.new[0]
    return Fix(
        statement.lineno, old, _statement_text(source, statement, new_statement, old, indent)
    ), place


def _only_statement(change: Change, statement: ast.stmt) -> bool:
    return any(
        isinstance(n, ast.Pass) and n.lineno == statement.lineno
        for n in ast.walk(change.definition)
    )


def _statement_text(
    source: Source, statement: ast.stmt, new: ast.stmt, old: str, indent: str
) -> str:
    """The new statement with the author's own text of its value, where that is the same."""
    value: ast.expr | None = getattr(statement, "value", None)
    same = getattr(new, "value", None) is value
    if value is not None and same:
        tail = source.segment(value)
        after = old[old.rfind(tail) + len(tail) :] if tail in old else ""
        if isinstance(new, ast.AugAssign):
            symbol = {ast.Add: "+=", ast.Sub: "-=", ast.Mult: "*=", ast.Div: "/="}[type(new.op)]
            return f"{indent}{_target(source, statement, new.target)} {symbol} {tail}{after}"
        if isinstance(new, ast.Assign):
            return f"{indent}{_target(source, statement, new.targets[0])} = {tail}{after}"
    end = source.column(statement.end_lineno or statement.lineno, statement.end_col_offset or 0)
    comment = source.lines[(statement.end_lineno or statement.lineno) - 1][end:]
    return indent + source.unparsed(new) + comment


def _target(source: Source, statement: ast.stmt, target: ast.expr) -> str:
    own = statement.target if isinstance(statement, ast.AugAssign) else statement.targets[0]  # type: ignore[attr-defined]
    return source.segment(own) if target is own else _loose(source, target)


def _loose(source: Source, node: ast.expr) -> str:
    """A row of values without parentheses: a, b."""
    if isinstance(node, ast.Tuple) and len(node.elts) > 1:
        return ", ".join(source.unparsed(element) for element in node.elts)
    return source.unparsed(node)
