"""Expressions made from what is in scope that have a wanted value.

Cheapest story first: a factor, a term, a path through a sum over an axis (the projection in softmax
and in normalisations), and in the end the whole expression anew."""

from __future__ import annotations

import ast
import itertools
from collections.abc import Callable, Iterable, Iterator
from functools import partial

import numpy as np

from byhand.doctor import monomials
from byhand.doctor.edits import Edit
from byhand.doctor.edits.base import broadcasts
from byhand.doctor.stock import Found, Stock, Wanted, factor_text, scaled

MOST_STARTS = 12
"""Arrays beside which a product is looked for, where a factor is a sum of two."""


def proposals(
    root: ast.expr, v: np.ndarray, wanted: Wanted, stock: Stock, *, long: bool = False
) -> Iterator[Edit]:
    """Edits that turn an expression of value v into one of the wanted value.

    long        what is made of many parts, in place of what is made of few
    """
    stories = _monomials if long else _stories
    for k, (new, kind, cost) in enumerate(stories(root, v, wanted, stock)):
        yield Edit(root, new, kind, cost + 0.01 * k)


def _stories(
    root: ast.expr, v: np.ndarray, wanted: Wanted, stock: Stock
) -> Iterator[tuple[ast.expr, str, float]]:
    f = wanted.factor(v)
    if f is not None:
        new = scaled(root, f, stock)
        if new is not None:
            yield new, "sign" if f == -1 else "scale", 1.4
        return
    with np.errstate(all="ignore"):
        beside = stock.beside(v.shape)
        factors = [(_mul(root, node), v * a) for node, a in beside]
        factors += [(ast.BinOp(root, ast.Div(), node), v / a) for node, a in beside]
    for node, f in wanted.matches(factors):
        new = scaled(node, f, stock)
        if new is not None:
            yield new, "missing-factor", 1.6
    f = wanted.beside(v).factor(np.ones(v.shape))
    number = None if f is None else factor_text(abs(f), stock.scalars)
    if f is not None and number is not None:
        yield _join(root, f, ast.parse(number or "1", mode="eval").body), "missing-term", 1.7
    for node, f in wanted.beside(v).matches(products(stock, v.shape)):
        new = scaled(node, abs(f), stock)
        if new is not None:
            yield _join(root, f, new), "missing-term", 1.8
    families: list[tuple[Iterable[Found], str, float]] = [
        (_exchanged(root, v, stock), "wrong-activation-derivative", 1.9),
        # What a statistic hands back belongs where it is divided by.
        (_paths(root, v, stock), "dropped-path", 2.1 if _divides(root) else 2.2),
        (_with_derived(root, v, stock), "missing-term", 2.2),
        (_projected(stock, v.shape), "diagonal-jacobian", 2.3),
        (_wholes(stock, v.shape), "wrong-expression", 2.4),
    ]
    for family, kind, cost in families:
        for node, f in wanted.matches(family):
            new = scaled(node, f, stock)
            if new is not None:
                yield new, kind, cost
    for start, value in _alike(stock.arrays, v.shape)[:10]:
        for node, f in wanted.beside(value).matches(products(stock, v.shape)):
            new = scaled(node, abs(f), stock)
            if new is not None:
                yield _join(start, f, new), "wrong-expression", 2.6


def _monomials(
    root: ast.expr, v: np.ndarray, wanted: Wanted, stock: Stock
) -> Iterator[tuple[ast.expr, str, float]]:
    """A term, a factor or the whole as a product of several parts; a factor as a sum of two."""

    def made(
        found: Iterable[tuple[ast.expr, float]],
        around: Callable[[ast.expr, float], ast.expr],
        kind: str,
        cost: float,
    ) -> Iterator[tuple[ast.expr, str, float]]:
        for node, f in found:
            new = scaled(node, abs(f), stock)
            if new is not None:
                # What is made of more parts is less likely meant.
                yield around(new, f), kind, cost + 0.1 * _length(node)

    def whole(node: ast.expr, f: float) -> ast.expr:
        return node if f > 0 else ast.UnaryOp(ast.USub(), node)

    def term(node: ast.expr, f: float) -> ast.expr:
        return _join(root, f, node)

    if wanted.factor(v) is not None:
        return  # it is a number that is missing
    x = wanted.value
    ones = np.ones(v.shape)
    yield from made(monomials.of(x - v, stock), term, "missing-term", 2.4)
    yield from made(monomials.beside(ones, wanted.beside(v), stock, 3), term, "missing-term", 2.45)
    fronts = [(node, np.broadcast_to(value, v.shape)) for node, value in _fronts(root, stock)]
    for front, value in fronts:
        more = monomials.beside(value, wanted.beside(v), stock, 3)
        in_front = ((_mul(front, node), f) for node, f in more)
        yield from made(in_front, term, "missing-term", 2.5)
    with np.errstate(all="ignore"):
        factor = np.where(v != 0, x / v, np.nan)
    factors = ((_mul(root, node), f) for node, f in monomials.of(factor, stock))
    yield from made(factors, whole, "missing-factor", 2.5)
    yield from made(monomials.of(x, stock), whole, "wrong-expression", 2.7)
    starts = [(ast.Constant(1), np.ones(())), *stock.beside(v.shape)[:MOST_STARTS]]
    for (front, value), (start, a) in itertools.product(fronts, starts):
        if stock.late():
            return
        more = monomials.beside(value, wanted.beside(value * a), stock, 2)
        around = partial(_around_both, front, start)
        yield from made(more, around, "wrong-activation-derivative", 2.8)


def _around_both(front: ast.expr, start: ast.expr, node: ast.expr, f: float) -> ast.expr:
    return _mul(front, _join(start, f, node))


def _length(node: ast.expr) -> int:
    """How many products and quotients an expression has in a row."""
    count = 0
    while isinstance(node, ast.BinOp):
        count, node = count + 1, node.left
    return count


def _fronts(root: ast.expr, stock: Stock) -> Iterator[Found]:
    """The first factors of a product: of g * s * (1 - s) that is g * s, and g."""
    chain: list[ast.expr] = []
    node = root
    while isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mult):
        node = node.left
        chain.append(node)
    known = {ast.dump(n): a for n, a in [*stock.arrays, *stock.derived]}
    if ast.dump(node) not in known:
        return
    value = known[ast.dump(node)]
    yield node, value
    for front in reversed(chain[:-1]):
        assert isinstance(front, ast.BinOp)
        if ast.dump(front.right) not in known:
            return
        value = value * known[ast.dump(front.right)]
        yield front, value


def _divides(root: ast.expr) -> bool:
    return isinstance(root, ast.BinOp) and isinstance(root.op, ast.Div)


def _exchanged(root: ast.expr, v: np.ndarray, stock: Stock) -> Iterator[Found]:
    """Another factor in the place of one, or of two beside each other: (1 - n * n) for
    n * (1 - n)."""
    chain: list[ast.BinOp] = []
    node = root
    while isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mult):
        chain.append(node)
        node = node.left
    if not chain:
        return
    known = {ast.dump(n): a for n, a in [*stock.arrays, *stock.derived]}
    beside = stock.beside(v.shape)
    gone: np.ndarray | float = 1.0
    for k, above in enumerate(chain[:2]):
        part = known.get(ast.dump(above.right))
        if part is None:
            return
        gone = gone * part
        with np.errstate(all="ignore"):
            rest = v / gone
        if not np.all(np.isfinite(rest)):
            return
        for n, a in beside:
            yield _mul(chain[k].left, n), rest * a


def _mul(a: ast.expr, b: ast.expr) -> ast.expr:
    return ast.BinOp(a, ast.Mult(), b)


def _sub(a: ast.expr, b: ast.expr) -> ast.expr:
    return ast.BinOp(a, ast.Sub(), b)


def _join(a: ast.expr, sign: float, b: ast.expr) -> ast.expr:
    return ast.BinOp(a, ast.Add() if sign > 0 else ast.Sub(), b)


def _alike(arrays: list[Found], shape: tuple[int, ...]) -> list[Found]:
    """Those that fit beside an array of a shape."""
    return [(n, a) for n, a in arrays if a.ndim and broadcasts(shape, a.shape, shape)]


def products(stock: Stock, shape: tuple[int, ...]) -> Iterator[Found]:
    """One array, or two of them multiplied or divided in any way that gives the shape."""
    singles = stock.turned
    yield from _alike(singles, shape)
    for k, (na, a) in enumerate(singles):
        for j, (nb, b) in enumerate(singles):
            if (
                a.ndim
                and b.ndim
                and a.shape[-1] == b.shape[max(0, b.ndim - 2)]
                and a.ndim + b.ndim > 2
            ):
                product = _matmul(a, b)
                if product is not None and product.shape == shape:
                    yield ast.BinOp(na, ast.MatMult(), nb), product
            elif a.ndim == b.ndim == 1 and (a.size, b.size) == shape:
                yield stock.outer(na, nb), np.outer(a, b)
            if not broadcasts(shape, a.shape, b.shape):
                continue
            if k <= j:
                yield _mul(na, nb), a * b
            if k != j:
                with np.errstate(all="ignore"):
                    yield ast.BinOp(na, ast.Div(), nb), a / b


def _matmul(a: np.ndarray, b: np.ndarray) -> np.ndarray | None:
    try:
        found: np.ndarray = a @ b
    except ValueError:
        return None
    return found


def _with_derived(root: ast.expr, v: np.ndarray, stock: Stock) -> Iterator[Found]:
    """The expression plus or minus a product with something made of an activation."""
    for nd, d in stock.derived:
        for na, a in stock.turned:
            products = [(_mul(nd, na), d * a)] if broadcasts(v.shape, d.shape, a.shape) else []
            product = _matmul(d, a) if a.ndim and d.ndim and a.ndim + d.ndim > 2 else None
            if product is not None and product.shape == v.shape:
                products.append((ast.BinOp(nd, ast.MatMult(), na), product))
            for node, value in products:
                yield _join(root, 1, node), v + value
                yield _join(root, -1, node), v - value


def _paths(root: ast.expr, v: np.ndarray, stock: Stock) -> Iterator[Found]:
    """The expression without what a mean, a variance or a sum in the forward hands back.

    Where it is c * s or c / s with s broadcast, the sums are taken of c."""
    cores: list[tuple[ast.expr, np.ndarray, Callable[[ast.expr], ast.expr]]] = []
    if isinstance(root, ast.BinOp) and isinstance(root.op, ast.Mult | ast.Div):
        for inner, side in ((root.left, 0), (root.right, 1)):
            core = next((a for n, a in stock.arrays if ast.dump(n) == ast.dump(inner)), None)
            if (
                core is not None
                and core.shape == v.shape
                and not (side and isinstance(root.op, ast.Div))
            ):
                cores.append((inner, core, _around(root, side)))
    cores.append((root, v, lambda node: node))
    for node, c, around in cores:
        with np.errstate(all="ignore"):
            rest = np.where(c != 0, v / np.where(c != 0, c, 1), 0)
        for axis in range(c.ndim):
            mean = c.mean(axis=axis, keepdims=True)
            centred = _sub(node, stock.reduced(node, "mean", axis))
            yield around(centred), (c - mean) * rest
            for na, a in stock.arrays:
                if a.shape != c.shape:
                    continue
                along = (c * a).sum(axis=axis, keepdims=True)
                whole = stock.reduced(_mul(node, na), "sum", axis)
                yield around(_sub(node, _mul(na, whole))), (c - a * along) * rest
                part = stock.reduced(_mul(node, na), "mean", axis)
                n = c.shape[axis]
                yield around(_sub(node, _mul(na, part))), (c - a * along / n) * rest
                both = _sub(centred, _mul(na, part))
                yield around(both), (c - mean - a * along / n) * rest
                total = c.sum(axis=axis, keepdims=True)
                yield (
                    around(_sub(node, _mul(na, stock.reduced(node, "sum", axis)))),
                    (c - a * total) * rest,
                )


def _around(root: ast.BinOp, side: int) -> Callable[[ast.expr], ast.expr]:
    if side:
        return lambda node: ast.BinOp(root.left, root.op, node)
    return lambda node: ast.BinOp(node, root.op, root.right)


def _projected(stock: Stock, shape: tuple[int, ...]) -> Iterator[Found]:
    """a * (c - Σ c a), the product of softmax's Jacobian with c."""
    full = [(n, a) for n, a in stock.arrays if a.shape == shape]
    for na, a in full:
        for nc, c in full:
            for axis in range(a.ndim):
                along = stock.reduced(_mul(nc, na), "sum", axis)
                yield _mul(na, _sub(nc, along)), a * (c - (c * a).sum(axis=axis, keepdims=True))


def _wholes(stock: Stock, shape: tuple[int, ...]) -> Iterator[Found]:
    """Expressions that stand in the place of the whole."""
    made = list(products(stock, shape))
    yield from _alike(stock.derived, shape)
    yield from made
    yield from _sums(stock, shape)
    full = [(n, a) for n, a in stock.arrays if a.shape == shape]
    matmuls = [
        (n, a) for n, a in made if isinstance(n, ast.BinOp) and isinstance(n.op, ast.MatMult)
    ]
    for na, a in matmuls[:30]:
        for nd, d in [*stock.derived, *full]:
            if broadcasts(shape, d.shape, shape):
                yield _mul(na, nd), a * d
    for nf, f in full:
        for nd, d in stock.derived:
            if broadcasts(shape, d.shape, shape):
                yield _mul(nf, nd), f * d
                with np.errstate(all="ignore"):
                    yield ast.BinOp(nf, ast.Div(), nd), f / d


def _sums(stock: Stock, shape: tuple[int, ...]) -> Iterator[Found]:
    """An array added up over one of its axes, or over all but the one that is left."""
    for n, a in stock.arrays:
        for axis in range(a.ndim):
            if (*a.shape[:axis], 1, *a.shape[axis + 1 :]) == shape:
                yield stock.reduced(n, "sum", axis), a.sum(axis=axis, keepdims=True)
            if a.shape[:axis] + a.shape[axis + 1 :] == shape:
                yield stock.reduced(n, "sum", axis, keep=False), a.sum(axis=axis)
            others = tuple(k for k in range(a.ndim) if k != axis)
            if len(others) > 1 and (a.shape[axis],) == shape:
                yield stock.reduced(n, "sum", others, keep=False), a.sum(axis=others)
