"""Products and solutions. What was summed over going forward is spread going back, and the rest is
summed over.

    Y = A B            Ā = Ȳ Bᵀ             B̄ = Aᵀ Ȳ
    Y = A⁻¹            Ā = −Yᵀ Ȳ Yᵀ
    A Y = B            B̄ = A⁻ᵀ Ȳ            Ā = −B̄ Yᵀ
    y = det A          Ā = ȳ y A⁻ᵀ

Source      Giles, Collected matrix derivative results for forward and reverse mode algorithmic
            differentiation (2008), section 2.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import reduce
from typing import Any

import numpy as np

from byhand.autodiff.refusal import refuse
from byhand.autodiff.rules import composite, primitive
from byhand.autodiff.tape import Array, unbroadcast


def swap(a: Array) -> Array:
    return np.swapaxes(a, -1, -2)


@primitive("matmul", "linalg.matmul")
def matmul(a: Any, b: Any) -> Any:
    a, b = np.asarray(a), np.asarray(b)
    # A vector is a row on the left and a column on the right; going back it is one again.
    A, B = (a[None] if a.ndim == 1 else a), (b[:, None] if b.ndim == 1 else b)

    def as_matrix(g: Array) -> Array:
        g = np.expand_dims(g, -1) if b.ndim == 1 else g
        return np.expand_dims(g, -2) if a.ndim == 1 else g

    return np.matmul(a, b), (
        lambda g: unbroadcast(as_matrix(g) @ swap(B), A).reshape(a.shape),
        lambda g: unbroadcast(swap(A) @ as_matrix(g), B).reshape(b.shape),
    )


@primitive("dot")
def dot(a: Any, b: Any) -> Any:
    if np.ndim(a) == 0 or np.ndim(b) == 0:
        return np.dot(a, b), (lambda g: g * b, lambda g: g * a)
    if np.ndim(b) == 1 or (np.ndim(a) <= 2 and np.ndim(b) <= 2):
        return matmul(a, b)
    return tensordot(a, b, ([-1], [-2]))


@primitive("tensordot", "linalg.tensordot")
def tensordot(a: Any, b: Any, axes: Any = 2) -> Any:
    a, b = np.asarray(a), np.asarray(b)
    if isinstance(axes, int):
        axes = range(a.ndim - axes, a.ndim), range(axes)
    summed_a = [int(i) % a.ndim for i in np.atleast_1d(axes[0])]
    summed_b = [int(i) % b.ndim for i in np.atleast_1d(axes[1])]
    free_a = [i for i in range(a.ndim) if i not in summed_a]
    free_b = [i for i in range(b.ndim) if i not in summed_b]
    n = len(free_a)

    def pull_a(g: Array) -> Array:
        product = np.tensordot(g, b, (range(n, g.ndim), free_b))
        return product.transpose(np.argsort([*free_a, *_in_step(summed_b, summed_a)]))

    def pull_b(g: Array) -> Array:
        product = np.tensordot(a, g, (free_a, range(n)))
        return product.transpose(np.argsort([*_in_step(summed_a, summed_b), *free_b]))

    return np.tensordot(a, b, (summed_a, summed_b)), (pull_a, pull_b)


def _in_step(keys: list[int], items: list[int]) -> list[int]:
    """The items in the order in which their keys grow."""
    return [items[k] for k in np.argsort(keys)]


@primitive("einsum")
def einsum(subscripts: Any, *operands: Any, optimize: Any = False) -> Any:
    if not isinstance(subscripts, str):
        raise refuse("np.einsum with lists of axes", advice="write the subscripts as a string")
    inputs, output = _subscripts(subscripts, [np.ndim(x) for x in operands])

    def pullback(i: int) -> Callable[[Array], Array]:
        # The output and the other operands meet in this operand's indices. An index that stands
        # in none of them was summed over here alone: each element gets the same.
        others = [k for k in range(len(operands)) if k != i]
        known = set(output).union(*(inputs[k] for k in others))
        unique = "".join(dict.fromkeys(inputs[i]))
        reached = "".join(c for c in unique if c in known)
        terms = ",".join([output, *(inputs[k] for k in others)])

        def pull(g: Array) -> Array:
            part = np.einsum(f"{terms}->{reached}", g, *(operands[k] for k in others))
            for axis, index in enumerate(unique):
                if index not in known:
                    part = np.expand_dims(part, axis)
            gradient = np.zeros_like(operands[i], dtype=g.dtype)
            diagonal = np.einsum(f"{inputs[i]}->{unique}", gradient)  # a view: x[i, i] for "ii"
            diagonal[...] = unbroadcast(part, diagonal)
            return gradient

        return pull

    y = np.einsum(subscripts, *operands, optimize=optimize)
    return y, (None, *(pullback(i) for i in range(len(operands))))


def _subscripts(text: str, ndims: list[int]) -> tuple[list[str], str]:
    """Indices of each operand and of the output, with letters in place of the dots."""
    text = text.replace(" ", "")
    left, arrow, output = text.partition("->")
    spare = [c for c in "ABCDEFGHIJKLMNOPQRSTUVWXYZ" if c not in text]
    inputs, longest = [], ""
    for term, ndim in zip(left.split(","), ndims, strict=True):
        dots = "".join(spare[: ndim - len(term.replace("...", ""))][::-1]) if "..." in term else ""
        longest = max(longest, dots, key=len)
        inputs.append(term.replace("...", dots))
    if not arrow:
        letters = left.replace("...", "").replace(",", "")
        output = "..." + "".join(sorted(c for c in set(letters) if letters.count(c) == 1))
    return inputs, output.replace("...", longest)


@composite("linalg.multi_dot")
def multi_dot(arrays: Any) -> Any:
    return reduce(np.matmul, arrays)


@composite("convolve")
def convolve(a: Any, v: Any, mode: Any = "full") -> Any:
    """Each place of a long vector, padded with zeros, under the short one turned round."""
    if len(a) < len(v):
        a, v = v, a
    n = len(v)
    windows = np.lib.stride_tricks.sliding_window_view(np.pad(a, n - 1), n)
    first = {"full": 0, "same": (n - 1) // 2, "valid": n - 1}[mode]
    length = {"full": len(windows), "same": len(a), "valid": len(a) - n + 1}[mode]
    return np.matmul(windows, v[::-1])[first : first + length]


@composite("inner")
def inner(a: Any, b: Any) -> Any:
    if np.ndim(a) == 0 or np.ndim(b) == 0:
        return a * b
    return np.tensordot(a, b, ([-1], [-1]))


@composite("vdot")
def vdot(a: Any, b: Any) -> Any:
    return np.dot(np.ravel(a), np.ravel(b))


@composite("outer", "linalg.outer")
def outer(a: Any, b: Any) -> Any:
    return np.reshape(a, (-1, 1)) * np.reshape(b, (1, -1))


@composite("kron")
def kron(a: Any, b: Any) -> Any:
    n = max(np.ndim(a), np.ndim(b))
    a, b = (np.reshape(x, (1,) * (n - np.ndim(x)) + np.shape(x)) for x in (a, b))
    apart_a = np.reshape(a, [size for s in a.shape for size in (s, 1)])
    apart_b = np.reshape(b, [size for s in b.shape for size in (1, s)])
    return np.reshape(apart_a * apart_b, [s * t for s, t in zip(a.shape, b.shape, strict=True)])


@composite("cross", "linalg.cross")
def cross(a: Any, b: Any, *, axis: int = -1) -> Any:
    a, b = np.moveaxis(a, axis, 0), np.moveaxis(b, axis, 0)
    if len(a) != 3 or len(b) != 3:
        raise refuse("np.cross of vectors that are not of 3 components")
    c = [a[i - 2] * b[i - 1] - a[i - 1] * b[i - 2] for i in range(3)]
    return np.stack(c, axis)


@composite("trace")
def trace(a: Any, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Any:
    return np.sum(np.diagonal(a, offset, axis1, axis2), axis=-1)


@primitive("linalg.inv")
def inv(a: Any) -> Any:
    y = np.linalg.inv(a)
    return y, (lambda g: -swap(y) @ g @ swap(y),)


@primitive("linalg.solve")
def solve(a: Any, b: Any) -> Any:
    a, b = np.asarray(a), np.asarray(b)
    y = np.linalg.solve(a, b)

    def pull_b(g: Array) -> Array:
        return np.linalg.solve(swap(a), g)

    def pull_a(g: Array) -> Array:
        db = pull_b(g)
        return -(db[..., None] * y[..., None, :] if b.ndim == 1 else db @ swap(y))

    return y, (pull_a, pull_b)


@primitive("linalg.det")
def det(a: Any) -> Any:
    y = np.linalg.det(a)
    return y, (lambda g: (g * y)[..., None, None] * swap(np.linalg.inv(a)),)


@primitive("logabsdet")
def logabsdet(a: Any) -> Any:
    """The second part of slogdet."""
    return np.linalg.slogdet(a)[1], (lambda g: g[..., None, None] * swap(np.linalg.inv(a)),)


@composite("linalg.slogdet")
def slogdet(a: Any) -> Any:
    from byhand.autodiff.dispatch import call_primitive

    plain = np.linalg.slogdet(a.value)
    return type(plain)(plain[0], call_primitive("logabsdet", logabsdet, (a,), {}))


@primitive("euclidean")
def euclidean(x: Any, axis: Any, keepdims: bool) -> Any:
    """√Σx². At x = 0 its derivative is taken as 0, the middle of all that it could be."""
    y = np.sqrt(np.sum(x**2, axis, keepdims=True))
    shape = np.shape(np.sum(x, axis, keepdims=keepdims))
    return y.reshape(shape)[()], (lambda g: g.reshape(y.shape) * x / np.where(y == 0, 1, y),)


@composite("linalg.norm")
def norm(x: Any, ord: Any = None, axis: Any = None, keepdims: bool = False) -> Any:
    from byhand.autodiff.dispatch import call_primitive

    matrix = (axis is None and x.ndim == 2) or (isinstance(axis, tuple) and len(axis) == 2)
    if ord is None or (ord == "fro" and matrix) or (ord == 2 and not matrix):
        return call_primitive("euclidean", euclidean, (x, axis, keepdims), {})
    if matrix:
        raise refuse(f"np.linalg.norm of a matrix with ord={ord!r}", advice="ord=None is followed")
    if ord == np.inf:
        return np.max(np.abs(x), axis, keepdims=keepdims)
    if ord == -np.inf:
        return np.min(np.abs(x), axis, keepdims=keepdims)
    if ord == 1:
        return np.sum(np.abs(x), axis, keepdims=keepdims)
    return np.sum(np.abs(x) ** ord, axis, keepdims=keepdims) ** (1.0 / ord)
