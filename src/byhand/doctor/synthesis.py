"""Expressions made from what is in scope that have a wanted value, up to a known factor."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from byhand.doctor import values
from byhand.doctor.edits import Atom
from byhand.doctor.edits.base import broadcasts

MOST = 4000


def proportional(a: np.ndarray, b: np.ndarray) -> float | None:
    """The factor f with b = f a, if there is one."""
    norm = float((a * a).sum())
    if norm == 0 or not np.isfinite(norm):
        return None
    f = float((a * b).sum()) / norm
    if f == 0 or np.abs(b - f * a).max() > 1e-5 * np.abs(b).max():
        return None
    return f


def terms(atoms: list[Atom], wanted: np.ndarray, np_name: str) -> Iterator[tuple[str, float]]:
    """(text, factor): `factor` times the expression `text` is the wanted array."""
    arrays = [
        (a.text, np.asarray(a.value, float))
        for a in atoms
        if isinstance(a.value, np.ndarray) and a.value.dtype.kind in "fib"
    ][:40]
    shape = wanted.shape
    singles = list(arrays)
    for text, a in arrays:
        if a.ndim == 2:
            singles.append((f"{text}.T", a.T))
    for text, a in singles:
        if a.shape == shape:
            yield from _match(text, a, wanted)
    # Products of two.
    for ta, a in singles:
        for tb, b in singles:
            if (
                a.ndim == 2
                and b.ndim in (1, 2)
                and a.shape[-1] == b.shape[0]
                and (*a.shape[:-1], *b.shape[1:]) == shape
            ) or (
                a.ndim == 1 and b.ndim == 2 and a.shape[0] == b.shape[0] and b.shape[1:] == shape
            ):
                yield from _match(f"{ta} @ {tb}", a @ b, wanted)
            elif a.ndim == 1 and b.ndim == 1 and (a.size, b.size) == shape:
                yield from _match(f"{np_name}.outer({ta}, {tb})", np.outer(a, b), wanted)
            if broadcasts(shape, a.shape, b.shape):
                if ta <= tb:
                    yield from _match(f"{ta} * {tb}", a * b, wanted)
                with np.errstate(all="ignore"):
                    yield from _match(f"{ta} / {tb}", a / b, wanted)
    # A sum over an axis, spread again: the projection in softmax and normalisations.
    for ta, a in arrays:
        if a.shape != shape or a.ndim == 0:
            continue
        for tb, b in arrays:
            if b.shape != shape:
                continue
            for axis in range(a.ndim):
                for tc, c in arrays:
                    if c.shape == shape:
                        s = (b * c).sum(axis=axis, keepdims=True)
                        yield from _match(
                            f"{ta} * ({tb} * {tc}).sum(axis={axis}, keepdims=True)", a * s, wanted
                        )
                yield from _match(
                    f"{ta} * {tb}.sum(axis={axis}, keepdims=True)",
                    a * b.sum(axis=axis, keepdims=True),
                    wanted,
                )


def _match(text: str, a: np.ndarray, wanted: np.ndarray) -> Iterator[tuple[str, float]]:
    if a.shape != wanted.shape:
        return
    f = proportional(a, wanted)
    if f is not None:
        yield text, f


def factor_text(factor: float, scalars: list[Atom]) -> str | None:
    """A number as a text made of what is in scope: 2, 1 / m, lam / m."""
    for plain in (1, 2, 0.5, 3, 4, 0.25):
        if abs(factor - plain) < 1e-5 * plain:
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
                known.append((f"np.sqrt({s.text})", x**0.5))
    for text, v in known:
        for t, x in (
            (text, v),
            (f"1 / {text}", 1 / v),
            (f"2 * {text}", 2 * v),
            (f"2 / {text}", 2 / v),
        ):
            if abs(factor - x) < 1e-5 * abs(x):
                return t
    for ta, a in known:
        for tb, b in known:
            if ta != tb:
                for t, x in (
                    (f"{ta} / {tb}", a / b),
                    (f"{ta} * {tb}", a * b),
                    (f"1 / ({ta} * {tb})", 1 / (a * b)),
                ):
                    if abs(factor - x) < 1e-5 * abs(x):
                        return t
    return None


def whole(text: str, factor: float, scalars: list[Atom]) -> tuple[str, str] | None:
    """("+" or "-", the term with its factor), or None where the factor is no number in scope."""
    name = factor_text(abs(factor), scalars)
    if name is None:
        return None
    sign = "-" if factor < 0 else "+"
    if name == "":
        return sign, text
    if name.startswith("1 / "):
        return sign, f"{text} / {name[4:]}" if " + " not in text else f"({text}) / {name[4:]}"
    return sign, f"{name} * {text}" if "@" not in text else f"{name} * ({text})"


__all__ = ["factor_text", "proportional", "terms", "whole"]
