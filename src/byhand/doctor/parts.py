"""What a part of an expression should have been, where that is known of the whole.

The value of np.hstack([da_i, da_f]) @ W is linear in da_f: nudging da_f, at the line alone and not
in the program, tells how, and what is known of the whole is known of da_f then."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from types import FunctionType, MethodType
from typing import Any

import numpy as np

from byhand.doctor import values
from byhand.doctor.edits import substitute
from byhand.doctor.edits.base import is_T
from byhand.doctor.expressions import Evaluator
from byhand.doctor.probing import flat, shifted
from byhand.doctor.stock import Wanted

MOST = 12
MOST_ELEMENTS = 150
_HOLE = "__part__"


def of(
    root: ast.expr, whole: Wanted, evaluator: Evaluator
) -> Iterator[tuple[ast.expr, np.ndarray, Wanted]]:
    """Parts of an expression, each with its value and what is known of the one it should have."""
    if any(_runs_code(node, evaluator) for node in ast.walk(root)):
        return
    try:
        base = flat(evaluator.value(root))
    except Exception:
        return
    if base is None or base.size != whole.matrix.shape[1]:
        return
    count = 0
    for node in _likely(root):
        try:
            value = evaluator.value(node)
        except Exception:
            continue
        start = values.as_array(value)
        if start is None or not start.ndim > 0 or not 0 < start.size <= MOST_ELEMENTS:
            continue
        matrix = _slopes(root, node, value, evaluator)
        if matrix is None or matrix.shape[0] != base.size:
            continue
        seen = whole.matrix @ matrix
        goal = whole.goal - whole.matrix @ base + seen @ start.reshape(-1)
        if np.abs(seen).max(initial=0) > 1e-12 and possible(seen, goal):
            yield node, start, Wanted(seen, goal, start.shape)
            count += 1
        if count == MOST:
            return


def possible(matrix: np.ndarray, goal: np.ndarray) -> bool:
    """Whether any value of the part makes the whole what it should be."""
    x = np.linalg.lstsq(matrix, goal, rcond=1e-9)[0]
    off = float(np.abs(matrix @ x - goal).max(initial=0))
    return off <= 1e-4 * float(np.abs(goal).max(initial=0))


def _likely(root: ast.expr) -> Iterator[ast.expr]:
    """What may be wrong by itself: the terms of a sum, what a product of matrices multiplies, what
    a function is given; of a product of numbers what is in parentheses."""
    level: list[ast.AST] = [root]
    while level:
        below = [(above, node) for above in level for node in _inside(above)]
        for above, node in below:
            chained = _is_product(above) and (_is_product(node) or _is_plain(node))
            whole = isinstance(node, ast.Constant | ast.Tuple | ast.List | ast.Starred)
            if isinstance(node, ast.expr) and not (chained or whole or is_T(above)):
                yield node
        level = [node for _, node in below]


def _inside(node: ast.AST) -> Iterator[ast.AST]:
    for name, child in ast.iter_fields(node):
        if name == "func":
            # Of np.sum(a) what is summed, of a.sum() too.
            yield from (child.value,) if isinstance(child, ast.Attribute) else ()
        elif name != "slice":
            inner = child if isinstance(child, list) else [child]
            yield from (n for n in inner if isinstance(n, ast.AST))


def _is_product(node: ast.AST) -> bool:
    return isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mult | ast.Div)


def _is_plain(node: ast.AST) -> bool:
    return isinstance(node, ast.Name | ast.Attribute | ast.Subscript)


def _runs_code(node: ast.AST, evaluator: Evaluator) -> bool:
    """Whether it calls what is written in Python, which may keep something."""
    if not isinstance(node, ast.Call):
        return isinstance(node, ast.Lambda | ast.NamedExpr)
    try:
        called = evaluator.value(node.func)
    except Exception:
        return True
    own = getattr(called, "__module__", None) or ""
    library = own.partition(".")[0] in ("numpy", "torch", "scipy")
    return isinstance(called, FunctionType | MethodType) and not library


def _slopes(root: ast.expr, node: ast.expr, value: Any, evaluator: Evaluator) -> np.ndarray | None:
    """∂(the whole)/∂(the part), as long as the whole is linear in it."""
    around = substitute(root, node, ast.Name(_HOLE, ast.Load()))

    def run(step: np.ndarray) -> np.ndarray | None:
        inside = Evaluator({**evaluator.scope, _HOLE: shifted(value, step)})
        try:
            with np.errstate(all="ignore"):
                return flat(inside.value(around))
        except Exception:
            return None

    size = int(np.prod(values.shape(value)))
    nothing = run(np.zeros(size))
    step = np.random.default_rng(3).normal(size=size)
    moved = run(step)
    if nothing is None or moved is None or nothing.size != moved.size:
        return None
    columns = [run(unit) for unit in np.eye(size)]
    if any(column is None for column in columns):
        return None
    matrix = np.stack([column - nothing for column in columns], axis=1)
    near = np.allclose(moved, nothing + matrix @ step, rtol=1e-7, atol=1e-9)
    return matrix if near else None
