"""Values nudged, compared, and told apart at little cost."""

from __future__ import annotations

from typing import Any

import numpy as np

from byhand.doctor import values


def nudgeable(value: Any) -> bool:
    if isinstance(value, tuple | list):
        return any(nudgeable(v) for v in value)
    if type(value) is dict:
        return any(nudgeable(v) for v in value.values())
    return values.is_real(value)


def nudge(value: Any, rng: Any) -> Any:
    if isinstance(value, tuple) and not hasattr(value, "_fields"):
        return tuple(nudge(v, rng) for v in value)
    if type(value) is list:
        return [nudge(v, rng) for v in value]
    if type(value) is dict:
        return {key: nudge(v, rng) for key, v in value.items()}
    if not values.is_real(value):
        return value
    if values.is_tensor(value):
        import torch

        return value * (1 + 0.1 * torch.rand_like(value)) + 0.01
    if isinstance(value, np.ndarray):
        return value * (1 + 0.1 * rng.random(value.shape)) + 0.01
    return value * 1.1 + 0.01


def flat(value: Any) -> np.ndarray | None:
    """Real arrays, one or a tuple or a dictionary of them, as one vector; None for anything
    else."""
    if type(value) is dict:
        value = list(value.values())
    if isinstance(value, tuple | list):
        parts = [np.zeros(0), *(flat(v) for v in value)]
        return None if any(p is None for p in parts) else np.concatenate(parts)  # type: ignore[arg-type]
    array = values.as_array(value) if values.is_real(value) else None
    return None if array is None else array.reshape(-1)


def shifted(value: Any, step: np.ndarray) -> Any:
    """The value with a vector added to what flat() has of it."""
    if type(value) is dict:
        return dict(zip(value, shifted(list(value.values()), step), strict=True))
    if isinstance(value, tuple | list):
        parts, at = [], 0
        for v in value:
            size = flat(v).size  # type: ignore[union-attr]
            parts.append(shifted(v, step[at : at + size]))
            at += size
        return type(value)(parts)
    step = step.reshape(values.shape(value))
    if values.is_tensor(value):
        import torch

        return value + torch.from_numpy(step).to(value.dtype)
    return value + step


def equal(a: Any, b: Any) -> bool:
    if type(a) is not type(b):
        return False
    if isinstance(a, np.ndarray):
        return a.shape == b.shape and bool(np.array_equal(a, b))
    if values.is_tensor(a):
        return a.shape == b.shape and bool((a == b).all())
    if isinstance(a, tuple | list):
        return len(a) == len(b) and all(equal(x, y) for x, y in zip(a, b, strict=True))
    if type(a) is dict:
        return list(a) == list(b) and equal(list(a.values()), list(b.values()))
    if isinstance(a, int | float | str | bool | type(None)):
        return bool(a == b)
    return False


def print_of(found: list[Any]) -> int | None:
    """A number that equal values share; None where values cannot be told apart that cheaply."""
    parts: list[Any] = []
    for value in found:
        if isinstance(value, np.ndarray) and value.dtype != object:
            parts.append((value.shape, value.tobytes()))
        elif isinstance(value, int | float | np.number):
            parts.append(value)
        else:
            return None
    return hash(tuple(parts))
