"""Changes to whole statements: = for +=, a line too many, a line in the wrong place."""

from __future__ import annotations

import ast
import contextlib
import copy
import itertools
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from byhand.doctor import missing, values
from byhand.doctor.blocks import Change, loading, place_of, with_blocks, written_at
from byhand.doctor.edits import Edit, substitute
from byhand.doctor.instrument import Site, definition
from byhand.doctor.trace import literals


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
    place = place_of(original, statement)
    if place is None:
        return
    block, k = place

    def replaced(new: ast.stmt, kind: str, cost: float) -> Iterator[Change]:
        there = ast.fix_missing_locations(ast.copy_location(copy.copy(new), block[k]))
        function = with_blocks(original, {id(block): [*block[:k], there, *block[k + 1 :]]})
        yield Change(function, kind, cost, [new])

    if isinstance(statement, ast.AugAssign):
        target = statement.target
        load = loading(target)
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
                yield from _scaled_there(
                    to, statement.value, replaced, {**missing.around(there), **literals(tree)}
                )
    yield from _renumbered(original, statement, replaced)
    yield from _cut_off(statement, replaced, there)
    yield from _listed(statement, replaced)
    yield from _targets(statement, replaced)
    yield from _exchanged(statement, replaced, there)
    yield from _unpacked(statement, replaced)
    yield from _masked(statement, replaced, edits)

    if isinstance(statement, ast.Assign | ast.AugAssign | ast.Expr):
        left = [*block[:k], *block[k + 1 :]] or [ast.copy_location(ast.Pass(), block[k])]
        yield Change(with_blocks(original, {id(block): left}), "extra-term", 1.5, [])
    yield from _moves(original, block, k)
    yield from missing.lines(original, block, k, there)


def _written_to(statement: ast.stmt, target: ast.Subscript) -> ast.stmt:
    """The assignment with another place to write to."""
    if isinstance(statement, ast.AugAssign):
        return ast.AugAssign(target, statement.op, statement.value)
    assert isinstance(statement, ast.Assign)
    return ast.Assign([target], statement.value)


def _renumbered(original: ast.FunctionDef, statement: ast.stmt, replaced: Any) -> Iterator[Change]:
    """g2 += lam * w["W2"] for g1 += lam * w["W1"]: a line that was copied and not changed."""
    if not isinstance(statement, ast.Assign | ast.AugAssign):
        return

    def numbers(node: ast.AST) -> dict[str, int]:
        found: dict[str, int] = {}
        for n in ast.walk(node):
            if (text := _numbered(n)) is not None:
                found[text[-1]] = found.get(text[-1], 0) + 1
        return found

    own = [digit for digit, count in numbers(statement).items() if count > 1]
    if not own:
        return
    # Of two lines that are the same the second is the copy.
    whole = ast.dump(statement)
    alike = (n for n in ast.walk(original) if isinstance(n, type(statement)))
    copied = any(n.lineno < statement.lineno and ast.dump(n) == whole for n in alike)
    for old in own:
        for new in sorted(numbers(original).keys() - {old}):
            twin = copy.deepcopy(statement)
            for n in ast.walk(twin):
                if (text := _numbered(n)) is not None and text[-1] == old:
                    _rename(n, text[:-1] + new)
            yield from replaced(twin, "swapped-variable", 1.3 if copied else 1.45)


def _numbered(node: ast.AST) -> str | None:
    """A name, an attribute or a key that ends in a number."""
    text = getattr(node, "id", None) or getattr(node, "attr", None)
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        text = node.value
    return text if isinstance(text, str) and text[-1:].isdigit() and len(text) > 1 else None


def _rename(node: Any, text: str) -> None:
    if isinstance(node, ast.Constant):
        node.value = text
    else:
        setattr(node, "id" if isinstance(node, ast.Name) else "attr", text)


def _unpacked(statement: ast.stmt, replaced: Any) -> Iterator[Change]:
    """w, x = saved for x, w = saved: two of the names in the other's place."""
    target = statement.targets[0] if isinstance(statement, ast.Assign) else None
    if not isinstance(statement, ast.Assign) or not isinstance(target, ast.Tuple):
        return
    if len(target.elts) > 10:
        return
    for i, j in itertools.combinations(range(len(target.elts)), 2):
        elements = list(target.elts)
        elements[i], elements[j] = elements[j], elements[i]
        new = ast.Assign([ast.Tuple(elements, ast.Store())], statement.value)
        yield from replaced(new, "swapped-variable", 1.5 + 0.02 * (j - i))


def _scaled_there(
    target: ast.Subscript, value: ast.expr, replaced: Any, there: dict[str, Any]
) -> Iterator[Change]:
    """d[z < 0] *= slope for d[z < 0] = 0."""
    names = [n for n, v in there.items() if isinstance(v, float) and v not in (0.0, 1.0)][:8]
    factors = [ast.parse(name, mode="eval").body for name in names]
    for k, factor in enumerate([value, *factors]):
        new = ast.AugAssign(target, ast.Mult(), factor)
        yield from replaced(new, "scale", 1.6 if k else 1.5)


def _cut_off(statement: ast.stmt, replaced: Any, there: dict[str, Any]) -> Iterator[Change]:
    """g[1:] += lam * w[1:] for g += lam * w: the bias beside the weights has no part in it."""
    if not isinstance(statement, ast.AugAssign) or not isinstance(statement.op, ast.Add | ast.Sub):
        return
    whole = ast.unparse(statement.target)
    with contextlib.suppress(Exception):
        shape = values.shape(eval(whole, {}, there))
        for axis in range(min(2, len(shape))):
            for part in (ast.Slice(ast.Constant(1)), ast.Slice(None, ast.Constant(-1))):
                index: ast.expr = ast.Tuple([ast.Slice(), part], ast.Load()) if axis else part
                value = _each_cut(statement.value, index, shape, there)
                target = ast.Subscript(loading(statement.target), index, ast.Store())
                new = ast.AugAssign(target, statement.op, value)
                yield from replaced(new, "extra-term", 1.5)


def _each_cut(
    node: ast.expr, index: ast.expr, shape: tuple[int, ...], there: dict[str, Any]
) -> ast.expr:
    """The expression with every array of this shape that it reads cut."""
    for part in ast.walk(node):
        if not isinstance(part, ast.Name | ast.Attribute | ast.Subscript):
            continue
        with contextlib.suppress(Exception):
            if values.shape(eval(ast.unparse(part), {}, there)) == shape:
                node = substitute(node, part, ast.Subscript(part, index, ast.Load()))
    return node


def _listed(statement: ast.stmt, replaced: Any) -> Iterator[Change]:
    """deltas.insert(0, d) for deltas.append(d), and the other way round."""
    call = statement.value if isinstance(statement, ast.Expr) else None
    if not isinstance(call, ast.Call) or not isinstance(call.func, ast.Attribute):
        return
    name, holder = call.func.attr, call.func.value
    other = {"append": "insert", "insert": "append"}.get(name)
    if other is not None:
        first = [ast.Constant(0)] if other == "insert" else []
        func = ast.Attribute(holder, other, ast.Load())
        new = ast.Expr(ast.Call(func, [*first, call.args[-1]], []))
        yield from replaced(new, "index-shift", 1.5)


def _targets(statement: ast.stmt, replaced: Any) -> Iterator[Change]:
    """h[t] for h[t - 1], where it is written."""
    target = written_at(statement)
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
    target = written_at(statement)
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
    target = written_at(statement)
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
                news.append(_renamed(target.slice, {a.id: b.id, b.id: a.id}))
    for new in [*news[:60], *_both_exchanged(target.slice, used, whole)]:
        aimed = ast.Subscript(target.value, new, ast.Store())
        yield from replaced(_written_to(statement, aimed), "index-shift", 1.4)


def _both_exchanged(index: ast.expr, used: list[ast.Name], whole: list[str]) -> Iterator[ast.expr]:
    """d[i:i + k, j:j + k] for d[row:row + k, col:col + k]: two indices for those last set."""
    own = list(dict.fromkeys(node.id for node in used))
    others = [name for name in reversed(whole) if name not in own][:4]
    for old in itertools.combinations(own, 2) if len(own) < 5 else ():
        for new in itertools.permutations(others, 2):
            yield _renamed(index, dict(zip(old, new, strict=True)))


def _renamed(node: ast.expr, names: dict[str, str]) -> ast.expr:
    twin = copy.deepcopy(node)
    for n in ast.walk(twin):
        if isinstance(n, ast.Name):
            n.id = names.get(n.id, n.id)
    return twin


def _add_at(target: ast.Subscript, value: ast.expr) -> ast.stmt:
    array = loading(target.value)
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
        ast.Attribute(loading(target.value), "index_put_", ast.Load()),
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
            with_blocks(original, {id(block): [*rest[:to], statement, *rest[to:]]}),
            "updated-too-early",
            1.6 + 0.02 * abs(to - k),
            [statement],
            move=(statement, block[to], to > k),
        )
    # Out of the loop.
    for loop in ast.walk(original):
        if not (isinstance(loop, ast.For | ast.While) and loop.body is block and rest):
            continue
        place = place_of(original, loop)
        if place is None:
            continue
        outer, at = place
        after = [*outer[: at + 1], statement, *outer[at + 1 :]]
        yield Change(
            with_blocks(original, {id(block): rest, id(outer): after}),
            "return-in-loop" if isinstance(statement, ast.Return) else "updated-too-early",
            1.4,
            [statement],
            move=(statement, loop, True),
        )
