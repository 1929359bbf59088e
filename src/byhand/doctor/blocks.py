"""A function's statements, and the function with others in their place."""

from __future__ import annotations

import ast
import copy
from collections.abc import Iterator
from dataclasses import dataclass
from types import FunctionType
from typing import Any

from byhand.doctor.instrument import Site, is_made


@dataclass
class Change:
    """A function's definition with something changed.

    definition   what the function is to be
    new          the statements put in the place of the old one, or after `after`, or ahead of
                 `before`
    move         the statement, the one that it is moved past, and whether down
    """

    definition: ast.FunctionDef
    kind: str
    cost: float
    new: list[ast.stmt]
    after: ast.stmt | None = None
    move: tuple[ast.stmt, ast.stmt, bool] | None = None
    before: ast.stmt | None = None


def blocks(node: ast.AST) -> Iterator[list[ast.stmt]]:
    for child in ast.walk(node):
        for name in ("body", "orelse", "finalbody"):
            block = getattr(child, name, None)
            if isinstance(block, list) and block and isinstance(block[0], ast.stmt):
                yield block


def place_of(function: ast.FunctionDef, statement: ast.stmt) -> tuple[list[ast.stmt], int] | None:
    """The block that holds the statement, and its place there."""
    for block in blocks(function):
        for k, s in enumerate(block):
            there = (s.lineno, s.col_offset) == (statement.lineno, statement.col_offset)
            if there and not is_made(s):
                return block, k
    return None


def with_blocks(node: Any, new: dict[int, list[ast.stmt]]) -> Any:
    """The definition with other blocks in the place of those named by id; the rest is shared."""
    changed = {}
    for name in ("body", "orelse", "finalbody", "handlers"):
        block = getattr(node, name, None)
        if not isinstance(block, list):
            continue
        inside = [with_blocks(s, new) for s in new.get(id(block), block)]
        if len(inside) != len(block) or any(a is not b for a, b in zip(inside, block, strict=True)):
            changed[name] = inside
    if not changed:
        return node
    twin = copy.copy(node)
    for name, block in changed.items():
        setattr(twin, name, block)
    return twin


def written_at(statement: ast.stmt) -> ast.expr | None:
    """Where an assignment writes, if that is one place."""
    if isinstance(statement, ast.AugAssign):
        return statement.target
    if isinstance(statement, ast.Assign) and len(statement.targets) == 1:
        return statement.targets[0]
    return None


def loading(target: ast.expr) -> ast.expr:
    twin = copy.deepcopy(target)
    for node in ast.walk(twin):
        if hasattr(node, "ctx"):
            node.ctx = ast.Load()
    return twin


def written_name(statement: ast.stmt) -> str | None:
    """The name that an assignment writes to: W of W = …, self.W -= …, d["W"] = … or W[t] = …"""
    if isinstance(statement, ast.Assign) and len(statement.targets) == 1:
        t: ast.AST = statement.targets[0]
    elif isinstance(statement, ast.AugAssign):
        t = statement.target
    else:
        return None
    if isinstance(t, ast.Name):
        return t.id
    if isinstance(t, ast.Attribute):
        return t.attr
    if isinstance(t, ast.Subscript) and isinstance(t.slice, ast.Constant):
        return t.slice.value if isinstance(t.slice.value, str) else None
    if isinstance(t, ast.Subscript) and isinstance(t.value, ast.Name):
        return t.value.id
    return None


def written(statement: ast.stmt) -> list[tuple[int | None, str]]:
    """The names that an assignment writes to, by their places in a tuple."""
    name = written_name(statement)
    if name is not None:
        return [(None, name)]
    target = statement.targets[0] if isinstance(statement, ast.Assign) else None
    if isinstance(target, ast.Tuple | ast.List):
        return [(k, t.id) for k, t in enumerate(target.elts) if isinstance(t, ast.Name)]
    return []


def computes(expression: ast.expr) -> bool:
    """Whether an expression is more than what is handed on: x, W = cache."""
    computing = (ast.BinOp, ast.UnaryOp, ast.Call, ast.Compare, ast.comprehension)
    return any(isinstance(n, computing) for n in ast.walk(expression))


def updates(statement: ast.stmt, variables: set[tuple[str, ...]]) -> bool:
    """Whether a statement writes to one of the variables: W -= lr * dW, params["W"] -= ..., and not
    grads["W"] = ..."""
    name = written_name(statement)
    target = written_at(statement)
    if name is None or target is None:
        return False
    holder = target.value if isinstance(target, ast.Subscript | ast.Attribute) else None
    inside = getattr(holder, "attr", None) or getattr(holder, "id", "")
    return any(
        own == name and above in ("inputs", "owner", "world", "init", inside)
        for above, own in variables
    )


def only_names(site: Site, function: ast.FunctionDef) -> bool:
    """return dx, dW, db: what is wrong there was wrong before. To hand back an argument as it
    came, return dout, is another thing."""
    if not isinstance(site.statement, ast.Return):
        return False
    inner = (ast.Name, ast.Tuple, ast.Dict, ast.Constant, ast.Load, ast.List, ast.Attribute)
    arguments = {a.arg for a in ast.walk(function.args) if isinstance(a, ast.arg)} - {"self"}
    found = [n for n in ast.walk(function) if isinstance(n, ast.Name)]
    untouched = arguments - {n.id for n in found if isinstance(n.ctx, ast.Store)}
    parts = list(ast.walk(site.expression))
    return all(isinstance(n, inner) for n in parts) and not any(
        isinstance(n, ast.Name) and n.id in untouched for n in parts
    )


def keeps(tree: ast.Module, method: FunctionType) -> bool:
    """Whether a method writes to its object: to try it out would change what others read."""
    first = method.__code__.co_varnames[:1]
    return any(
        isinstance(n, ast.Attribute | ast.Subscript)
        and isinstance(n.ctx, ast.Store)
        and first == (ast.unparse(n).partition(".")[0],)
        for d in ast.walk(tree)
        if isinstance(d, ast.FunctionDef) and d.name == method.__name__
        for n in ast.walk(d)
    )
