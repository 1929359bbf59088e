"""Expressions made from what is in scope that have a wanted value.

Cheapest story first: a factor, a term, a path through a sum over an axis (the projection in softmax
and in normalisations), and in the end the whole expression anew."""

from __future__ import annotations

import ast
import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from byhand.doctor import values
from byhand.doctor.edits import Atom, Edit
from byhand.doctor.edits.base import Scoped, broadcasts

MOST_ARRAYS = 40
Found = tuple[ast.expr, np.ndarray]


@dataclass
class Stock:
    """What an expression can be made of.

    arrays      what is in scope, with its values
    derived     what is often made of an activation: 1 - a ** 2, z > 0
    scalars     numbers in scope
    tensors     whether the arrays are PyTorch's
    """

    arrays: list[Found]
    derived: list[Found]
    scalars: list[Atom]
    np_name: str
    tensors: bool = False

    @cached_property
    def turned(self) -> list[Found]:
        """The arrays, and the transposes of matrices."""
        flipped = [(ast.Attribute(n, "T", ast.Load()), a.T) for n, a in self.arrays if a.ndim == 2]
        return [*self.arrays, *flipped]

    def outer(self, a: ast.expr, b: ast.expr) -> ast.expr:
        package = "torch" if self.tensors else self.np_name
        return ast.Call(
            ast.Attribute(ast.Name(package, ast.Load()), "outer", ast.Load()), [a, b], []
        )

    def reduced(
        self, node: ast.expr, name: str, axis: int | tuple[int, ...], keep: bool = True
    ) -> ast.expr:
        """node.sum(axis=1, keepdims=True)"""
        words = ("dim", "keepdim") if self.tensors else ("axis", "keepdims")
        return Scoped.reduced(node, axis, keep, *words, name)


@dataclass
class Wanted:
    """What is known of the value x that an expression should have: matrix @ x = goal."""

    matrix: np.ndarray
    goal: np.ndarray
    shape: tuple[int, ...]

    @cached_property
    def size(self) -> float:
        return float(self.goal @ self.goal)

    def factor(self, a: np.ndarray) -> float | None:
        """The number f for which f a is what is wanted, if there is one."""
        if not broadcasts(self.shape, a.shape, self.shape):
            return None
        whole = a if a.shape == self.shape else np.broadcast_to(a, self.shape)
        seen = self.matrix @ whole.reshape(-1)
        norm, along, all_ = float(seen @ seen), float(seen @ self.goal), self.size
        # Most are told apart by the angle between the two.
        if not (0 < norm < math.inf) or not all_ - along**2 / norm <= 1e-8 * all_ or along == 0:
            return None
        f = along / norm
        largest = float(np.abs(self.goal).max(initial=0))
        if not np.abs(self.goal - f * seen).max(initial=0) <= 1e-5 * largest:
            return None
        return round(f) if abs(f - round(f)) < 1e-6 * abs(f) else f

    def beside(self, a: np.ndarray) -> Wanted:
        """What is wanted of a term that is added to a."""
        whole = np.broadcast_to(a, self.shape).reshape(-1)
        return Wanted(self.matrix, self.goal - self.matrix @ whole, self.shape)

    def matches(self, found: Iterable[Found]) -> Iterator[tuple[ast.expr, float]]:
        for node, a in found:
            f = self.factor(a)
            if f is not None:
                yield node, f


def proposals(root: ast.expr, v: np.ndarray, wanted: Wanted, stock: Stock) -> Iterator[Edit]:
    """Edits that turn an expression of value v into one of the wanted value."""
    for k, (new, kind, cost) in enumerate(_stories(root, v, wanted, stock)):
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
        beside = _alike([*stock.arrays, *stock.derived], v.shape)
        factors = [(_mul(root, node), v * a) for node, a in beside]
    for node, f in wanted.matches(factors):
        new = scaled(node, f, stock)
        if new is not None:
            yield new, "missing-factor", 1.6
    for node, f in wanted.beside(v).matches(_products(stock, v.shape)):
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
        for node, f in wanted.beside(value).matches(_products(stock, v.shape)):
            new = scaled(node, abs(f), stock)
            if new is not None:
                yield _join(start, f, new), "wrong-expression", 2.6


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
    beside = _alike([*stock.derived, *stock.arrays], v.shape)
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


def _products(stock: Stock, shape: tuple[int, ...]) -> Iterator[Found]:
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
    products = list(_products(stock, shape))
    yield from products
    yield from _sums(stock, shape)
    full = [(n, a) for n, a in stock.arrays if a.shape == shape]
    matmuls = [
        (n, a) for n, a in products if isinstance(n, ast.BinOp) and isinstance(n.op, ast.MatMult)
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


def scaled(node: ast.expr, factor: float, stock: Stock) -> ast.expr | None:
    """The expression times a number that is made of what is in scope, or None."""
    text = factor_text(abs(factor), stock.scalars)
    if text is None:
        return None
    if text.startswith("1 / "):
        node = ast.BinOp(node, ast.Div(), ast.parse(text[4:], mode="eval").body)
    elif text:
        node = _mul(ast.parse(text, mode="eval").body, node)
    return ast.UnaryOp(ast.USub(), node) if factor < 0 else node


def factor_text(factor: float, scalars: list[Atom]) -> str | None:
    """A number as a text made of what is in scope: 2, 1 / m, lam / m; "" for 1."""

    def close(x: float) -> bool:
        return abs(factor - x) < 1e-5 * abs(x)

    for plain in (1, 2, 0.5, 3, 4, 0.25):
        if close(plain):
            return "" if plain == 1 else str(plain)
    known: list[tuple[str, float]] = []
    for s in scalars:
        array = values.as_array(s.value)
        if array is not None and array.size == 1 and float(array.reshape(())) not in (0.0, 1.0):
            x = float(array.reshape(()))
            known.append((s.text, x))
            if 0 < x < 1:
                known.append((f"(1 - {s.text})", 1 - x))
            elif x > 1:
                known.append((f"{s.text} ** 0.5", x**0.5))
    for text, v in known:
        for t, x in (
            (text, v),
            (f"1 / {text}", 1 / v),
            (f"2 * {text}", 2 * v),
            (f"2 / {text}", 2 / v),
        ):
            if close(x):
                return t
    for ta, a in known:
        for tb, b in known:
            if ta == tb:
                continue
            for t, x in (
                (f"{ta} / {tb}", a / b),
                (f"{ta} * {tb}", a * b),
                (f"1 / ({ta} * {tb})", 1 / (a * b)),
            ):
                if close(x):
                    return t
    return None
