"""A function's statements, and the function with others in their place."""

from __future__ import annotations

import ast
import copy
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from byhand.doctor.instrument import is_made


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
