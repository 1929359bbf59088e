"""Changes to whole statements: = for +=, a line too many, a line in the wrong place."""

from __future__ import annotations

import ast
import copy
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from byhand.doctor import values
from byhand.doctor.edits import Edit, substitute
from byhand.doctor.instrument import Site, definition


@dataclass
class Change:
    """A function's definition with something changed.

    definition   what the function is to be
    new          the statements put in the place of the old one, or after `after`
    move         the statement, the one that it is moved past, and whether down
    """

    definition: ast.FunctionDef
    kind: str
    cost: float
    new: list[ast.stmt]
    after: ast.stmt | None = None
    move: tuple[ast.stmt, ast.stmt, bool] | None = None


def _blocks(node: ast.AST) -> Iterator[list[ast.stmt]]:
    for child in ast.walk(node):
        for name in ("body", "orelse", "finalbody"):
            block = getattr(child, name, None)
            if isinstance(block, list) and block and isinstance(block[0], ast.stmt):
                yield block


def _find(function: ast.FunctionDef, statement: ast.stmt) -> tuple[list[ast.stmt], int] | None:
    """The block that holds the statement, and its place there."""
    for block in _blocks(function):
        for k, s in enumerate(block):
            if (s.lineno, s.col_offset) == (statement.lineno, statement.col_offset):
                return block, k
    return None


def _with(node: Any, new: dict[int, list[ast.stmt]]) -> Any:
    """The definition with other blocks in the place of those named by id; the rest is shared."""
    made = {}
    for name in ("body", "orelse", "finalbody", "handlers"):
        block = getattr(node, name, None)
        if not isinstance(block, list):
            continue
        inside = [_with(s, new) for s in new.get(id(block), block)]
        if len(inside) != len(block) or any(a is not b for a, b in zip(inside, block, strict=True)):
            made[name] = inside
    if not made:
        return node
    return ast.copy_location(type(node)(**(dict(ast.iter_fields(node)) | made)), node)


def changes(
    tree: ast.Module,
    site: Site,
    there: dict[str, Any],
    edits: Callable[[ast.expr], Iterator[Edit]],
) -> Iterator[Change]:
    """Every change of the statement of a site, the likely ones first; `edits` are those of an
    expression there."""
    original = definition(tree, site.function)
    statement = site.statement
    place = _find(original, statement)
    if place is None:
        return
    block, k = place

    def replaced(new: ast.stmt, kind: str, cost: float) -> Iterator[Change]:
        there = ast.fix_missing_locations(ast.copy_location(copy.copy(new), block[k]))
        function = _with(original, {id(block): [*block[:k], there, *block[k + 1 :]]})
        yield Change(function, kind, cost, [new])

    if isinstance(statement, ast.AugAssign):
        target = statement.target
        load = _loading(target)
        yield from replaced(ast.Assign([target], statement.value), "double-counted", 1.3)
        for op in (ast.Add, ast.Sub, ast.Mult, ast.Div):
            if not isinstance(statement.op, op):
                kind = (
                    "sign"
                    if isinstance(statement.op, ast.Add | ast.Sub) and op in (ast.Add, ast.Sub)
                    else "scale"
                )
                yield from replaced(
                    ast.AugAssign(target, op(), statement.value),
                    kind,
                    1.1 if kind == "sign" else 1.4,
                )
        # x *= y writes into an array that others hold; x = x * y does not.
        yield from replaced(
            ast.Assign([target], ast.BinOp(load, statement.op, statement.value)), "aliased", 1.4
        )
        if isinstance(target, ast.Subscript) and isinstance(statement.op, ast.Add):
            yield from replaced(_add_at(target, statement.value), "not-accumulated", 1.3)
    if isinstance(statement, ast.Assign) and len(statement.targets) == 1:
        to = statement.targets[0]
        if isinstance(to, ast.Name | ast.Subscript | ast.Attribute):
            yield from replaced(
                ast.AugAssign(to, ast.Add(), statement.value), "not-accumulated", 1.2
            )
            if isinstance(to, ast.Subscript):
                tensors = values.is_tensor(there.get(ast.unparse(to.value)))
                added = _index_put(to, statement.value) if tensors else _add_at(to, statement.value)
                yield from replaced(added, "not-accumulated", 1.4)
    yield from _targets(statement, replaced)
    yield from _exchanged(statement, replaced, there)
    yield from _masked(statement, replaced, edits)

    if isinstance(statement, ast.Assign | ast.AugAssign | ast.Expr):
        left = [*block[:k], *block[k + 1 :]] or [ast.copy_location(ast.Pass(), block[k])]
        yield Change(_with(original, {id(block): left}), "extra-term", 1.5, [])
    yield from _scaled(original, block, k, there)
    yield from _moves(original, block, k)
    yield from _carriers(original, block, k, there)


def _scaled(
    original: ast.FunctionDef, block: list[ast.stmt], k: int, there: dict[str, Any]
) -> Iterator[Change]:
    """A line that is missing after what is written in steps: d /= n, d[rows, labels] -= 1."""
    target = _written(block[k])
    whole = target.value if isinstance(target, ast.Subscript) else target
    if not isinstance(whole, ast.Name) or not values.shape(there.get(whole.id)):
        return
    name, shape = whole.id, values.shape(there[whole.id])
    around = {n: v for n, v in there.items() if n.isidentifier()}
    around |= {f"self.{n}": v for n, v in getattr(there.get("self"), "__dict__", {}).items()}
    lines: list[tuple[str, str]] = []
    if isinstance(target, ast.Subscript):
        for other, value in around.items():
            size = values.as_array(value)
            if size is not None and size.shape == () and float(size) not in (0.0, 1.0):
                lines += [(f"{name} /= {other}", "scale"), (f"{name} *= {other}", "scale")]
        lines += [(f"{name} /= {name}.shape[{axis}]", "scale") for axis in range(len(shape))]
    elif len(shape) == 2:
        for other, value in around.items():
            if values.shape(value) == shape[:1] and getattr(value, "dtype", None) == np.int64:
                lines.append((f"{name}[np.arange(len({name})), {other}] -= 1", "missing-term"))
    for text, kind in lines:
        new = ast.copy_location(ast.parse(text).body[0], block[k])
        more = [*block[: k + 1], new, *block[k + 1 :]]
        function = _with(original, {id(block): more})
        yield Change(function, kind, 1.5, [new], after=block[k])


def _written(statement: ast.stmt) -> ast.expr | None:
    """Where an assignment writes, if that is one place."""
    if isinstance(statement, ast.AugAssign):
        return statement.target
    if isinstance(statement, ast.Assign) and len(statement.targets) == 1:
        return statement.targets[0]
    return None


def _written_to(statement: ast.stmt, target: ast.Subscript) -> ast.stmt:
    """The assignment with another place to write to."""
    if isinstance(statement, ast.AugAssign):
        return ast.AugAssign(target, statement.op, statement.value)
    assert isinstance(statement, ast.Assign)
    return ast.Assign([target], statement.value)


def _targets(statement: ast.stmt, replaced: Any) -> Iterator[Change]:
    """h[t] for h[t - 1], where it is written."""
    target = _written(statement)
    if not isinstance(target, ast.Subscript) or isinstance(target.slice, ast.Slice):
        return
    parts = target.slice.elts if isinstance(target.slice, ast.Tuple) else [target.slice]
    for place, part in enumerate(parts):
        if isinstance(part, ast.Slice) or (
            isinstance(part, ast.Constant) and not isinstance(part.value, int)
        ):
            continue
        news: list[ast.expr] = []
        if (
            isinstance(part, ast.BinOp)
            and isinstance(part.op, ast.Add | ast.Sub)
            and isinstance(part.right, ast.Constant)
        ):
            news.append(part.left)
        news += [
            ast.BinOp(part, ast.Sub(), ast.Constant(1)),
            ast.BinOp(part, ast.Add(), ast.Constant(1)),
        ]
        for new in news:
            elements = [*parts[:place], new, *parts[place + 1 :]]
            index: ast.expr = ast.Tuple(elements, ast.Load()) if len(parts) > 1 else new
            shifted = ast.Subscript(target.value, index, ast.Store())
            yield from replaced(_written_to(statement, shifted), "index-shift", 1.2)


def _masked(
    statement: ast.stmt, replaced: Any, edits: Callable[[ast.expr], Iterator[Edit]]
) -> Iterator[Change]:
    """Another condition for the elements that are written: dz[z <= 0] = 0."""
    target = _written(statement)
    conditions = (ast.Compare, ast.UnaryOp, ast.Name, ast.Attribute)
    if not isinstance(target, ast.Subscript) or not isinstance(target.slice, conditions):
        return
    for edit in edits(target.slice):
        if edit.cost <= 1.8:
            new = substitute(target.slice, edit.old, edit.new)
            there = ast.Subscript(target.value, new, ast.Store())
            yield from replaced(_written_to(statement, there), "wrong-mask", edit.cost + 0.1)


def _exchanged(statement: ast.stmt, replaced: Any, there: dict[str, Any]) -> Iterator[Change]:
    """Another index, or an index times a stride, where the result is written."""
    target = _written(statement)
    if not isinstance(target, ast.Subscript) or isinstance(target.slice, ast.Constant):
        return
    whole = [
        n for n, v in there.items() if isinstance(v, int | np.integer) and not isinstance(v, bool)
    ]
    used = [n for n in ast.walk(target.slice) if isinstance(n, ast.Name) and n.id in whole]
    news: list[ast.expr] = []
    for node in used:
        for other in whole:
            if other != node.id:
                news.append(substitute(target.slice, node, ast.Name(other, ast.Load())))
                news.append(
                    substitute(
                        target.slice, node, ast.BinOp(node, ast.Mult(), ast.Name(other, ast.Load()))
                    )
                )
    for a in used:
        for b in used:
            if a.id < b.id:
                both = _swap_names(target.slice, a.id, b.id)
                news.append(both)
    for new in news[:60]:
        aimed = ast.Subscript(target.value, new, ast.Store())
        yield from replaced(_written_to(statement, aimed), "index-shift", 1.4)


def _swap_names(node: ast.expr, a: str, b: str) -> ast.expr:
    twin = copy.deepcopy(node)
    for n in ast.walk(twin):
        if isinstance(n, ast.Name) and n.id in (a, b):
            n.id = b if n.id == a else a
    return twin


def _loading(target: ast.expr) -> ast.expr:
    twin = copy.deepcopy(target)
    for node in ast.walk(twin):
        if hasattr(node, "ctx"):
            node.ctx = ast.Load()
    return twin


def _add_at(target: ast.Subscript, value: ast.expr) -> ast.stmt:
    array = _loading(target.value)
    index = target.slice
    call = ast.Call(
        ast.Attribute(
            ast.Attribute(ast.Name("np", ast.Load()), "add", ast.Load()), "at", ast.Load()
        ),
        [array, _sliced(index), value],
        [],
    )
    return ast.Expr(call)


def _index_put(target: ast.Subscript, value: ast.expr) -> ast.stmt:
    """grad.index_put_((ids,), g, accumulate=True), PyTorch's np.add.at."""
    parts = target.slice.elts if isinstance(target.slice, ast.Tuple) else [target.slice]
    call = ast.Call(
        ast.Attribute(_loading(target.value), "index_put_", ast.Load()),
        [ast.Tuple(parts, ast.Load()), value],
        [ast.keyword("accumulate", ast.Constant(True))],
    )
    return ast.Expr(call)


def _sliced(index: ast.expr) -> ast.expr:
    """An index as an expression: 1:3 becomes slice(1, 3)."""
    if isinstance(index, ast.Slice):
        none = ast.Constant(None)
        return ast.Call(
            ast.Name("slice", ast.Load()),
            [index.lower or none, index.upper or none, index.step or none],
            [],
        )
    if isinstance(index, ast.Tuple):
        return ast.Tuple([_sliced(e) for e in index.elts], ast.Load())
    return index


def _moves(original: ast.FunctionDef, block: list[ast.stmt], k: int) -> Iterator[Change]:
    """The statement elsewhere in its block, or after the loop that it is in."""
    statement, size = block[k], len(block)
    rest = [*block[:k], *block[k + 1 :]]
    targets = [k - 1, k + 1, k + 2, k - 2, k + 3, size - 1, k - 3]
    for to in dict.fromkeys(targets):
        if to == k or not 0 <= to < size or isinstance(statement, ast.Return):
            continue
        yield Change(
            _with(original, {id(block): [*rest[:to], statement, *rest[to:]]}),
            "updated-too-early",
            1.6 + 0.02 * abs(to - k),
            [statement],
            move=(statement, block[to], to > k),
        )
    # Out of the loop.
    for loop in ast.walk(original):
        if not (isinstance(loop, ast.For | ast.While) and loop.body is block and rest):
            continue
        place = _find(original, loop)
        if place is None:
            continue
        outer, at = place
        after = [*outer[: at + 1], statement, *outer[at + 1 :]]
        yield Change(
            _with(original, {id(block): rest, id(outer): after}),
            "return-in-loop" if isinstance(statement, ast.Return) else "updated-too-early",
            1.4,
            [statement],
            move=(statement, loop, True),
        )


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
                last = ast.fix_missing_locations(ast.copy_location(new, block[-1]))
                function = _with(original, {id(block): [*block, last]})
                yield Change(function, "dropped-path", 1.7, [new], after=block[-1])


def _names(block: list[ast.stmt], context: type) -> set[str]:
    return {
        n.id
        for s in block
        for n in ast.walk(s)
        if isinstance(n, ast.Name) and isinstance(n.ctx, context)
    }
