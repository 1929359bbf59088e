"""What an expression can be made of, and what is known of the value it should have."""

from __future__ import annotations

import ast
import itertools
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from byhand.doctor import values
from byhand.doctor.edits import Atom
from byhand.doctor.edits.base import Scoped, broadcasts

MOST_ARRAYS = 40
AT_ONCE = 128
FEW = 24
_NOBODY = ast.Constant(None)
Found = tuple[ast.expr, np.ndarray]


@dataclass(frozen=True)
class Stock:
    """What an expression can be made of.

    arrays      what is in scope, with its values
    derived     what is often made of an activation: 1 - a ** 2, z > 0
    scalars     numbers in scope
    tensors     whether the arrays are PyTorch's
    late        whether the time for a search is over
    kept        what others have made of it, to be used again
    """

    arrays: list[Found]
    derived: list[Found]
    scalars: list[Atom]
    np_name: str
    tensors: bool = False
    late: Callable[[], bool] = bool
    fitting: dict[tuple[int, ...], list[Found]] = field(default_factory=dict)
    kept: dict[object, Any] = field(default_factory=dict)

    @cached_property
    def turned(self) -> list[Found]:
        """The arrays, and the transposes of matrices."""
        flipped = [(ast.Attribute(n, "T", ast.Load()), a.T) for n, a in self.arrays if a.ndim == 2]
        return [*self.arrays, *flipped]

    def beside(self, shape: tuple[int, ...]) -> list[Found]:
        """What broadcasts to a shape, as it is or spread over new axes: s, s[:, None]."""
        if shape not in self.fitting:
            there = [*self.arrays, *self.derived]
            plain = [(n, a) for n, a in there if a.ndim and broadcasts(shape, a.shape, shape)]
            self.fitting[shape] = plain + [
                found for n, a in self.arrays for found in _spread(n, a, shape)
            ]
        return self.fitting[shape]

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


def _spread(node: ast.expr, a: np.ndarray, shape: tuple[int, ...]) -> Iterator[Found]:
    """An array of fewer axes along each row of those of a shape: s[:, None], s[None, :, None]."""
    if not 0 < a.ndim < len(shape) <= 4:
        return
    every, new = ast.Slice(), ast.Constant(None)
    for kept in itertools.combinations(range(len(shape)), a.ndim):
        trailing = kept == tuple(range(len(shape) - a.ndim, len(shape)))
        if trailing or any(shape[k] != size for k, size in zip(kept, a.shape, strict=True)):
            continue
        index: list[ast.expr] = [every if k in kept else new for k in range(len(shape))]
        there = ast.Subscript(node, ast.Tuple(index, ast.Load()), ast.Load())
        yield there, a.reshape([shape[k] if k in kept else 1 for k in range(len(shape))])


@dataclass
class Wanted:
    """What is known of the value x that an expression should have: matrix @ x = goal."""

    matrix: np.ndarray
    goal: np.ndarray
    shape: tuple[int, ...]

    def factor(self, a: np.ndarray) -> float | None:
        """The number f for which f a is what is wanted, if there is one."""
        return next((f for _, f in self.matches([(_NOBODY, a)])), None)

    def beside(self, a: np.ndarray) -> Wanted:
        """What is wanted of a term that is added to a."""
        whole = np.broadcast_to(a, self.shape).reshape(-1)
        return Wanted(self.matrix, self.goal - self.matrix @ whole, self.shape)

    @cached_property
    def value(self) -> np.ndarray:
        """The value's elements that are known each by itself; NaN for the others."""
        _, s, rows = np.linalg.svd(self.matrix, full_matrices=False)
        rows = rows[s > 1e-9 * max(float(s.max(initial=0)), 1e-30)]
        alone = (rows * rows).sum(axis=0) > 1 - 1e-9
        found: np.ndarray = np.linalg.lstsq(self.matrix, self.goal, rcond=1e-9)[0]
        return np.where(alone, found, np.nan).reshape(self.shape)

    def matches(self, found: Iterable[Found]) -> Iterator[tuple[ast.expr, float]]:
        """Those of the arrays that are what is wanted times a number, each with its number."""
        fitting = ((n, a) for n, a in found if broadcasts(self.shape, a.shape, self.shape))
        while chunk := list(itertools.islice(fitting, AT_ONCE)):
            arrays = [np.broadcast_to(a, self.shape).reshape(-1) for _, a in chunk]
            for k, f in self.among(np.stack(arrays)):
                yield chunk[k][0], f

    def among(self, rows: np.ndarray) -> Iterator[tuple[int, float]]:
        """Those rows of a matrix that are what is wanted times a number, by their place, each with
        its number."""
        # Most are told apart by the angle between the two, in a few of the equations.
        few, goal = self.matrix[:FEW], self.goal[:FEW]
        with np.errstate(all="ignore"):
            seen = rows @ few.T
            norm, along = (seen * seen).sum(axis=1), seen @ goal
            near = float(goal @ goal) * norm - along**2 <= 1e-8 * float(goal @ goal) * norm
        largest = float(np.abs(self.goal).max(initial=0))
        for k in np.flatnonzero(near & (norm > 0) & np.isfinite(norm) & (along != 0)):
            f = float(along[k] / norm[k])
            if np.abs(self.goal - f * (self.matrix @ rows[k])).max() <= 1e-5 * largest:
                yield int(k), round(f) if abs(f - round(f)) < 1e-6 * abs(f) else f


def scaled(node: ast.expr, factor: float, stock: Stock) -> ast.expr | None:
    """The expression times a number that is made of what is in scope, or None."""
    text = factor_text(abs(factor), stock.scalars)
    if text is None:
        return None
    if text.startswith("1 / "):
        node = ast.BinOp(node, ast.Div(), ast.parse(text[4:], mode="eval").body)
    elif text:
        factor_node = ast.parse(text, mode="eval").body
        plain = isinstance(factor_node, ast.Constant)
        pair = (factor_node, node) if plain else (node, factor_node)
        node = ast.BinOp(pair[0], ast.Mult(), pair[1])
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
