"""Lines that are missing: nothing that is there can be changed into what they would do."""

from __future__ import annotations

import ast
import contextlib
from collections.abc import Iterator
from typing import Any

import numpy as np

from byhand.doctor import values
from byhand.doctor.blocks import Change, place_of, with_blocks, written_at
from byhand.doctor.edits.base import broadcasts


def lines(
    original: ast.FunctionDef, block: list[ast.stmt], k: int, there: dict[str, Any]
) -> Iterator[Change]:
    """Each line that may be missing after the statement, or after the loop that it ends."""
    yield from _scaled(original, block, k, there)
    yield from _carriers(original, block, k, there)
    yield from _turned(original, block, k)
    yield from _counterparts(original, block, k, there)
    yield from _taken_in(original, block, k, there)


def _inserted(
    original: ast.FunctionDef,
    block: list[ast.stmt],
    k: int,
    new: ast.stmt,
    kind: str,
    cost: float,
) -> Change:
    """The function with a line more after the statement."""
    line = ast.fix_missing_locations(ast.copy_location(new, block[k]))
    function = with_blocks(original, {id(block): [*block[: k + 1], line, *block[k + 1 :]]})
    return Change(function, kind, cost, [line], after=block[k])


def _taken_in(
    original: ast.FunctionDef, block: list[ast.stmt], k: int, there: dict[str, Any]
) -> Iterator[Change]:
    """dout = dout * mask[:, None] ahead of what first reads an argument that several lines read."""
    found = [n for n in ast.walk(original) if isinstance(n, ast.Name)]
    stored = {n.id for n in found if isinstance(n.ctx, ast.Store)}
    for argument in original.args.args:
        name = argument.arg
        readers = [n for n in found if n.id == name]
        shape = values.shape(there.get(name))
        if name in stored or not shape or len(readers) < 2 or block is not original.body:
            continue
        first = min(n.lineno for n in readers)
        if not block[k].lineno <= first <= (block[k].end_lineno or 0):
            continue
        for other, value in around(there).items():
            its, mask = values.shape(value), isinstance(value, np.ndarray) and _is_mask(value)
            if other == name or not its or not (mask or len(its) < len(shape)):
                continue
            for index in _spread(its, shape):
                text = f"{name} = {name} * {other}{index}"
                line = ast.copy_location(ast.parse(text).body[0], block[k])
                function = with_blocks(original, {id(block): [*block[:k], line, *block[k:]]})
                yield Change(function, "missing-factor", 1.75, [line], before=block[k])


def around(there: dict[str, Any]) -> dict[str, Any]:
    """What has a name here, the attributes of self or of ctx among it."""
    found = {n: v for n, v in there.items() if n.isidentifier()}
    for holder in ("self", "ctx"):
        own = getattr(there.get(holder), "__dict__", {})
        found |= {f"{holder}.{n}": v for n, v in own.items()}
    return found


def _is_mask(value: np.ndarray) -> bool:
    return value.dtype == np.bool_ or (value.size > 1 and bool(np.isin(value, (0, 1)).all()))


def _spread(shape: tuple[int, ...], whole: tuple[int, ...]) -> Iterator[str]:
    """The indices that spread an array over another: "", "[:, None]"."""
    for more in range(len(whole) - len(shape) + 1):
        if broadcasts(whole, whole, (*shape, *[1] * more)):
            yield f"[{', '.join([':'] * len(shape) + ['None'] * more)}]" if more else ""


def _turned(original: ast.FunctionDef, block: list[ast.stmt], k: int) -> Iterator[Change]:
    """grads.reverse() after the loop that appends to them from the end."""
    statement = block[k]
    call = statement.value if isinstance(statement, ast.Expr) else None
    if not isinstance(call, ast.Call) or not isinstance(call.func, ast.Attribute):
        return
    if call.func.attr != "append":
        return
    for loop in ast.walk(original):
        place = None
        if isinstance(loop, ast.For | ast.While) and loop.body is block:
            place = place_of(original, loop)
        if place is not None:
            turn = ast.Call(ast.Attribute(call.func.value, "reverse", ast.Load()), [], [])
            yield _inserted(original, *place, ast.Expr(turn), "index-shift", 1.4)


def _counterparts(
    original: ast.FunctionDef, block: list[ast.stmt], k: int, there: dict[str, Any]
) -> Iterator[Change]:
    """dW[:, y[i]] -= x beside dW[:, j] += x: what one place gets another loses."""
    statement = block[k]
    if not isinstance(statement, ast.AugAssign) or not isinstance(statement.target, ast.Subscript):
        return
    index = statement.target.slice
    parts = index.elts if isinstance(index, ast.Tuple) else [index]
    whole = _whole_numbers(original, there)
    for place, part in enumerate(parts):
        if ast.unparse(part) not in whole:
            continue
        for text, number in whole.items():
            if text == ast.unparse(part):
                continue
            new: list[ast.expr] = [*parts[:place], number, *parts[place + 1 :]]
            at = ast.Subscript(
                statement.target.value,
                ast.Tuple(new, ast.Load()) if len(new) > 1 else new[0],
                ast.Store(),
            )
            for op in (ast.Sub(), ast.Add()):
                line = ast.AugAssign(at, op, statement.value)
                yield _inserted(original, block, k, line, "missing-term", 1.9)


def _whole_numbers(original: ast.FunctionDef, there: dict[str, Any]) -> dict[str, ast.expr]:
    """What the function reads that is a whole number here: i, y[i]."""
    found: dict[str, ast.expr] = {}
    for node in ast.walk(original):
        if not isinstance(node, ast.Name | ast.Subscript) or len(found) > 12:
            continue
        if isinstance(node, ast.Subscript) and not isinstance(node.slice, ast.Name):
            continue
        text = ast.unparse(node)
        if text not in found and isinstance(node.ctx, ast.Load):
            with contextlib.suppress(Exception):
                value = eval(text, {}, there)
                if isinstance(value, int | np.integer) and not isinstance(value, bool):
                    found[text] = node
    return found


def _scaled(
    original: ast.FunctionDef, block: list[ast.stmt], k: int, there: dict[str, Any]
) -> Iterator[Change]:
    """A line that is missing after what is written in steps: d /= n, d[rows, labels] -= 1."""
    target = written_at(block[k])
    array = target.value if isinstance(target, ast.Subscript) else target
    if not isinstance(array, ast.Name) or not values.shape(there.get(array.id)):
        return
    name, shape = array.id, values.shape(there[array.id])
    names = around(there)
    lines: list[tuple[str, str]] = []
    if isinstance(target, ast.Subscript):
        for other, value in names.items():
            size = values.as_array(value)
            if size is not None and size.shape == () and float(size) not in (0.0, 1.0):
                lines += [(f"{name} /= {other}", "scale"), (f"{name} *= {other}", "scale")]
        lines += [(f"{name} /= {name}.shape[{axis}]", "scale") for axis in range(len(shape))]
    elif len(shape) == 2:
        for other, value in names.items():
            if values.shape(value) == shape[:1] and str(getattr(value, "dtype", "")).endswith(
                "int64"
            ):
                package = "torch" if values.is_tensor(value) else "np"
                lines.append(
                    (f"{name}[{package}.arange(len({name})), {other}] -= 1", "missing-term")
                )
    for text, kind in lines:
        yield _inserted(original, block, k, ast.parse(text).body[0], kind, 1.5)


def _carriers(
    original: ast.FunctionDef, block: list[ast.stmt], k: int, there: dict[str, Any]
) -> Iterator[Change]:
    """A value for the next round that is never passed on: dhnext = dhprev at the loop's end."""
    if k != len(block) - 1 and not isinstance(block[k], ast.Assign):
        return
    for loop in ast.walk(original):
        if not isinstance(loop, ast.For) or loop.body is not block:
            continue
        stored, read = _names(block, ast.Store), _names(block, ast.Load)
        earlier = [s for s in original.body if s.lineno < loop.lineno]
        waiting = (read - stored) & _names(earlier, ast.Store)
        for name in sorted(waiting):
            if not isinstance(there.get(name), np.ndarray | float):
                continue
            for source in sorted(stored):
                value = there.get(source)
                if value is None or values.shape(value) != values.shape(there[name]):
                    continue
                new = ast.Assign([ast.Name(name, ast.Store())], ast.Name(source, ast.Load()))
                yield _inserted(original, block, len(block) - 1, new, "dropped-path", 1.7)


def _names(block: list[ast.stmt], context: type) -> set[str]:
    return {
        n.id
        for s in block
        for n in ast.walk(s)
        if isinstance(n, ast.Name) and isinstance(n.ctx, context)
    }
