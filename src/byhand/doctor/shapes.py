"""Shapes in words: with the names of the axes where the program gives them, in an annotation,
Float[Array, "batch in"], or in a comment or docstring, x: (batch, in)."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from byhand.doctor import values
from byhand.doctor.edits.base import is_T, method

Value = Callable[[ast.AST], Any]
_AXES = r"\(([A-Za-z_]\w*(?:\s*,\s*[A-Za-z_]\w*)+)\)"
_SAID = re.compile(rf"\b(\w+)\b[^()\n]*{_AXES}")
_ANNOTATED = re.compile(r"\b(\w+)\s*:\s*[\w.]+\[\s*[\w.]+\s*,\s*[\"']([\w ]+)[\"']")
_ASSIGNED = re.compile(rf"^\s*(?:self\.)?(\w+)\s*=[^=#].*#[^()]*{_AXES}")


class Axes:
    """The names of axes, by their sizes; a size that has two names has none."""

    def __init__(self, text: str, known: Mapping[str, Any]) -> None:
        names: dict[int, set[str]] = {}
        for name, axes in _declared(text):
            shape = values.shape(known.get(name))
            if len(shape) == len(axes):
                for size, axis in zip(shape, axes, strict=True):
                    names.setdefault(size, set()).add(axis)
        self.names = {size: found.pop() for size, found in names.items() if len(found) == 1}

    def text(self, shape: tuple[int, ...]) -> str:
        """(batch 32, in 784), or (32, 784)."""
        parts = [f"{self.names[n]} {n}" if n in self.names else str(n) for n in shape]
        return f"({', '.join(parts)}{',' * (len(parts) == 1)})"

    def index(self, shape: tuple[int, ...]) -> str:
        return f"[{', '.join(self.names[n] for n in shape)}]"


def _declared(text: str) -> Iterator[tuple[str, list[str]]]:
    defined = ast.Module | ast.ClassDef | ast.FunctionDef
    nodes = [n for n in ast.walk(ast.parse(text)) if isinstance(n, defined)]
    said = [line for n in nodes for line in (ast.get_docstring(n) or "").splitlines()]
    found: list[tuple[str, str]] = []
    for line in text.splitlines():
        for name, axes in _ANNOTATED.findall(line):
            yield name, axes.split()
        assigned = _ASSIGNED.findall(line)
        found += assigned
        if not assigned:
            said.append(line.partition("#")[2])
    found += [pair for line in said for pair in _SAID.findall(line)]
    for name, axes in found:
        yield name, [a.strip() for a in axes.split(",")]


def misfit(expression: ast.expr, value: Value, axes: Axes) -> str:
    """The innermost operation that raises, with the shapes of its operands; "" for none."""
    for node in reversed(list(ast.walk(expression))):
        operands = _operands(node)
        if len(operands) < 2 or _value(value, node) is not None:
            continue
        shapes = [values.shape(_value(value, o)) for o in operands]
        if not any(shapes) or any(_value(value, o) is None for o in operands):
            continue
        parts = [f"{ast.unparse(o)} {axes.text(s)}" for o, s in zip(operands, shapes, strict=True)]
        return f"{f' {_symbol(node)} '.join(parts)} does not fit"
    return ""


def equation(target: str, expression: ast.expr, value: Value, axes: Axes) -> str:
    """dW[in, out] = Σ_batch h[batch, in] · dZ[batch, out], for a product of two matrices; "" where
    the expression is none or an axis has no name."""
    node = expression
    product = isinstance(node, ast.BinOp) and isinstance(node.op, ast.MatMult)
    if not product and method(node) not in ("dot", "matmul", "mm"):
        return ""
    operands = _operands(node)
    shapes = [values.shape(_value(value, o)) for o in operands]
    if len(operands) != 2 or [len(s) for s in shapes] != [2, 2]:
        return ""
    sizes = {n for s in shapes for n in s}
    if not sizes <= set(axes.names) or len(sizes) < 3:
        return ""
    terms = []
    for operand, shape in zip(operands, shapes, strict=True):
        plain = operand.value if is_T(operand) else operand  # type: ignore[attr-defined]
        terms.append(f"{ast.unparse(plain)}{axes.index(shape[::-1] if is_T(operand) else shape)}")
    summed = axes.names[shapes[0][1]]
    result = axes.index((shapes[0][0], shapes[1][1]))
    return f"{target}{result} = Σ_{summed} {' · '.join(terms)}"


def _operands(node: ast.AST) -> list[ast.expr]:
    if isinstance(node, ast.BinOp):
        return [node.left, node.right]
    if isinstance(node, ast.Call) and method(node) in ("dot", "matmul", "mm", "outer", "multiply"):
        if isinstance(node.func, ast.Attribute) and len(node.args) == 1:
            return [node.func.value, *node.args]
        return list(node.args)
    return []


def _symbol(node: ast.AST) -> str:
    if isinstance(node, ast.BinOp):
        symbols = {ast.MatMult: "@", ast.Mult: "*", ast.Add: "+", ast.Sub: "-", ast.Div: "/"}
        return symbols.get(type(node.op), "with")
    return "*" if method(node) == "multiply" else "@"


def _value(value: Value, node: ast.AST) -> Any:
    try:
        return value(node)
    except Exception:
        return None
