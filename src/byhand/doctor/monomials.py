"""An array as a product of a few others, to small powers: x * r ** 3 * (g * x).sum(axis=1).

In logarithms a product is a sum, and two sums of two that are the same as a third are found by
sorting: what four of a hundred parts make is known after ten thousand steps, not a hundred
million."""

from __future__ import annotations

import ast
import itertools
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from byhand.doctor.stock import AT_ONCE, Found, Stock, Wanted

MOST_FULL = 8
"""Arrays of the whole shape whose products are summed."""
MOST_PARTS = 150
MOST_FACTORS = 40
POWERS = (1, -1, 2, -2, 3)
SMALL = 0.01
CLOSE = 3e-6
MOST_TRIED = 300
FEW = 5
"""Elements below which too many products would fit."""


@dataclass(eq=False)
class _Part:
    """A power of an array: `log` is that of its absolute value, where the wanted one is not 0."""

    node: ast.expr
    value: np.ndarray
    power: int
    log: np.ndarray


@dataclass(eq=False)
class _Parts:
    """What a product can be made of, and the sums of two of the logarithms, projected."""

    parts: list[_Part]
    mix: np.ndarray
    ones: np.ndarray
    pairs: np.ndarray
    twos: np.ndarray  # in order, as are the pairs


def of(wanted: np.ndarray, stock: Stock) -> Iterator[tuple[ast.expr, float]]:
    """Products that are the wanted array up to a number, those of few parts first, each with its
    number. Elements that are NaN may be anything."""
    flat = wanted.reshape(-1)
    known = ~np.isnan(flat)
    largest = float(np.abs(flat[known]).max(initial=0))
    # Of what is small the differences know few digits.
    there = known & (np.abs(flat) > SMALL * largest)
    if not np.isfinite(flat[known]).all() or there.sum() < FEW:
        return
    log = np.log(np.abs(flat[there]))
    if np.ptp(log) < 1e-6 and np.ptp(flat[there]) < 1e-6 * largest:
        return
    for chosen in _adding_up(log - log[0], _parts_of(wanted.shape, stock, there)):
        value = np.ones(wanted.shape)
        for part in chosen:
            value = value * part.value**part.power
        value, goal = value.reshape(-1)[known], flat[known]
        f = float((value @ goal) / (value @ value))
        if np.allclose(f * value, goal, rtol=1e-5, atol=1e-6 * largest):
            yield (
                _product([(part.node, part.power) for part in chosen]),
                round(f) if abs(f - round(f)) < 1e-6 * abs(f) else f,
            )


def beside(
    front: np.ndarray, wanted: Wanted, stock: Stock, factors: int
) -> Iterator[tuple[ast.expr, float]]:
    """Products of so many parts that, times an array, are what is wanted up to a number. All are
    tried; of the wanted value need not be known more than a few equations."""
    parts = _factors(wanted.shape, stock)
    if not parts:
        return
    values = np.stack([np.broadcast_to(a, wanted.shape).reshape(-1) for _, a in parts])
    for places in _rows_of(len(parts), factors):
        if stock.late():
            return
        rows = front.reshape(-1) * values[places[:, 0]]
        for place in places.T[1:]:
            rows *= values[place]
        for k, f in wanted.among(rows):
            yield _product([(parts[place][0], 1) for place in places[k]]), f


def _rows_of(count: int, factors: int) -> Iterator[np.ndarray]:
    """The places of so many factors, a few combinations at a time: small arrays are made in the
    cache, and what is large is fetched from the system each time."""
    every = itertools.combinations_with_replacement(range(count), factors)
    while chunk := list(itertools.islice(every, AT_ONCE)):
        yield np.array(chunk)


def _factors(shape: tuple[int, ...], stock: Stock) -> list[Found]:
    if shape not in stock.kept:
        plain = stock.beside(shape)[:MOST_FACTORS]
        under = [(ast.BinOp(ast.Constant(1), ast.Div(), n), 1 / a) for n, a in plain if a.all()]
        stock.kept[shape] = [*plain, *under][:MOST_FACTORS]
    found: list[Found] = stock.kept[shape]
    return found


def _parts_of(shape: tuple[int, ...], stock: Stock, there: np.ndarray) -> _Parts:
    key = (shape, there.tobytes())
    if key not in stock.kept:
        parts = list(itertools.islice(_powers(shape, stock, there), MOST_PARTS))
        mix = np.random.default_rng(6).normal(size=int(there.sum()))
        ones = np.array([mix @ part.log for part in parts])
        pairs = np.array(list(itertools.combinations(range(len(parts)), 2)), int).reshape(-1, 2)
        twos = ones[pairs[:, 0]] + ones[pairs[:, 1]]
        order = np.argsort(twos)
        stock.kept[key] = _Parts(parts, mix, ones, pairs[order], twos[order])
    found: _Parts = stock.kept[key]
    return found


def _powers(shape: tuple[int, ...], stock: Stock, there: np.ndarray) -> Iterator[_Part]:
    seen: set[bytes] = set()
    singles = stock.beside(shape)
    for place, (node, a) in enumerate([*singles, *_sums_of_products(shape, stock)]):
        value = np.broadcast_to(a, shape).reshape(-1)[there]
        if not np.isfinite(value).all() or (np.abs(value) < 1e-12).any():
            continue
        log = np.log(np.abs(value))
        log = log - log[0]
        if np.ptp(log) < 1e-9 or log.round(8).tobytes() in seen:
            continue
        seen.add(log.round(8).tobytes())
        for power in POWERS if place < len(singles) else (1,):
            yield _Part(node, a, power, power * log)


def _sums_of_products(shape: tuple[int, ...], stock: Stock) -> Iterator[Found]:
    """(g * x).sum(axis=1, keepdims=True), the share of all elements in what one statistic hands
    back."""
    full = [(n, a) for n, a in stock.arrays if a.shape == shape][:MOST_FULL]
    for (na, a), (nb, b) in itertools.combinations_with_replacement(full, 2):
        for axis in range(len(shape)):
            if shape[axis] > 1:
                node = ast.BinOp(na, ast.Mult(), nb)
                yield stock.reduced(node, "sum", axis), (a * b).sum(axis=axis, keepdims=True)


def _adding_up(log: np.ndarray, there: _Parts) -> Iterator[tuple[_Part, ...]]:
    """Up to four parts whose logarithms add up to this one."""
    aim = float(there.mix @ log)
    found: list[tuple[int, ...]] = [
        (int(i),) for i in np.flatnonzero(np.abs(there.ones - aim) < CLOSE)
    ]
    found += [tuple(map(int, there.pairs[k])) for k in _between(there.twos, aim)]
    more: list[tuple[int, ...]] = []
    singles = np.arange(len(there.ones))[:, None]
    for rest, others in ((there.ones, singles), (there.twos, there.pairs)):
        first = np.searchsorted(there.twos, aim - rest - CLOSE)
        last = np.searchsorted(there.twos, aim - rest + CLOSE)
        for k in np.flatnonzero(last > first):
            for at in range(first[k], last[k]):
                more.append(tuple(sorted({*map(int, others[k]), *map(int, there.pairs[at])})))
    together = dict.fromkeys([*found, *sorted(set(more), key=len)])
    for chosen in list(together)[:MOST_TRIED]:
        parts = [there.parts[k] for k in chosen]
        total = np.sum([part.log for part in parts], axis=0)
        if len({id(p.node) for p in parts}) == len(parts) and np.allclose(total, log, 0, 1e-6):
            yield tuple(parts)


def _between(ordered: np.ndarray, aim: float) -> range:
    first, last = np.searchsorted(ordered, [aim - CLOSE, aim + CLOSE])
    return range(int(first), int(last))


def _product(parts: list[tuple[ast.expr, int]]) -> ast.expr:
    """a * b ** 2 / c, of what is multiplied, each with its power."""
    product: ast.expr | None = None
    for node, power in sorted(parts, key=lambda part: -part[1]):
        one = node
        if abs(power) != 1:
            one = ast.BinOp(node, ast.Pow(), ast.Constant(abs(power)))
        if power > 0:
            product = one if product is None else ast.BinOp(product, ast.Mult(), one)
        else:
            product = ast.BinOp(product or ast.Constant(1), ast.Div(), one)
    assert product is not None
    return product
