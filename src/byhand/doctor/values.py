"""Nested values: the arrays in dictionaries, lists, tuples and objects, each with its path."""

from __future__ import annotations

import copy
import math
from collections.abc import Iterator
from typing import Any

import numpy as np

Path = tuple[Any, ...]
_DEPTH = 9


def is_tensor(value: Any) -> bool:
    """Whether a value is PyTorch's, without importing it."""
    return type(value).__module__.split(".")[0] == "torch" and hasattr(value, "detach")


def is_number(value: Any) -> bool:
    return isinstance(value, float | np.floating) and not isinstance(value, bool)


def as_array(value: Any) -> np.ndarray | None:
    """A float64 array of a real array, tensor or number; None for anything else."""
    if is_tensor(value):
        value = value.detach().cpu().double().numpy() if value.is_floating_point() else None
    if isinstance(value, np.ndarray) and value.dtype.kind in "fiu":
        return value.astype(np.float64)
    if isinstance(value, int | float | np.number) and not isinstance(value, bool):
        return np.asarray(value, np.float64)
    return None


def as_indices(value: Any) -> np.ndarray | None:
    """An array or a tensor of integers as an array; None for anything else."""
    if is_tensor(value) and not value.is_floating_point():
        value = value.detach().cpu().numpy()
    return value if isinstance(value, np.ndarray) and value.dtype.kind in "iu" else None


def alike(original: Any, array: np.ndarray) -> Any:
    """An array as a tensor where the original is one."""
    return original.new_tensor(array) if is_tensor(original) else array


def is_real(value: Any) -> bool:
    """Whether a derivative with respect to it makes sense."""
    if is_tensor(value):
        return bool(value.is_floating_point()) and value.numel() > 0
    if isinstance(value, np.ndarray):
        return value.dtype.kind == "f" and value.size > 0
    return is_number(value) and math.isfinite(value)


def children(value: Any) -> Iterator[tuple[Any, Any]]:
    """What a container or an object holds, with the key of each."""
    if isinstance(value, dict):
        yield from ((key, v) for key, v in value.items() if isinstance(key, str | int | tuple))
    elif isinstance(value, tuple) and hasattr(value, "_fields"):
        yield from zip(value._fields, value, strict=True)
    elif isinstance(value, list | tuple):
        yield from enumerate(value)
    elif (
        not is_tensor(value)
        and not isinstance(value, np.ndarray | type)
        and hasattr(value, "__dict__")
        and not (callable(value) and type(value).__module__ in ("builtins", "numpy"))
    ):
        yield from vars(value).items()
    if hasattr(value, "__slots__") and not isinstance(value, np.ndarray | tuple):
        slots = value.__slots__
        for key in (slots,) if isinstance(slots, str) else slots:
            if hasattr(value, key):
                yield key, getattr(value, key)


def leaves(
    value: Any, path: Path = (), seen: frozenset[int] = frozenset()
) -> Iterator[tuple[Path, Any]]:
    """All arrays, tensors and numbers in a nested value."""
    if value is None or isinstance(value, str | bytes | bool) or len(path) > _DEPTH:
        return
    if isinstance(value, np.ndarray | int | float | np.number) or is_tensor(value):
        if isinstance(value, np.ndarray) and value.dtype == object:
            for index in np.ndindex(value.shape):
                yield from leaves(
                    value[index], (*path, index[0] if len(index) == 1 else index), seen
                )
            return
        yield path, value
        return
    if id(value) in seen:
        return
    for key, child in children(value):
        yield from leaves(child, (*path, key), seen | {id(value)})


def get(value: Any, path: Path) -> Any:
    for key in path:
        if (
            isinstance(value, dict | list)
            or (isinstance(value, tuple) and isinstance(key, int))
            or isinstance(value, np.ndarray)
        ):
            value = value[key]
        else:
            value = getattr(value, key)
    return value


def found(value: Any, path: Path) -> Any:
    """What is at a path; None where there is nothing."""
    try:
        return get(value, path)
    except (AttributeError, IndexError, KeyError, TypeError):
        return None


def replaced(value: Any, path: Path, new: Any) -> Any:
    """The value with a leaf replaced; lists, dicts and objects are changed in place."""
    if not path:
        return new
    key, *rest = path
    child = replaced(get(value, (key,)), tuple(rest), new)
    if isinstance(value, dict | list | np.ndarray):
        value[key] = child
        return value
    if isinstance(value, tuple):
        if hasattr(value, "_fields"):
            return type(value)(*(child if k == key else v for k, v in children(value)))
        return (*value[:key], child, *value[key + 1 :])
    object.__setattr__(value, key, child)
    return value


def shape(value: Any) -> tuple[int, ...]:
    return tuple(value.shape) if hasattr(value, "shape") else ()


def fresh(value: Any, memo: dict[int, Any] | None = None) -> Any:
    """A copy that shares nothing with the original.

    memo        copies by the ids of their originals, as copy.deepcopy has it: what is one array
                under two names stays one
    """
    if isinstance(value, int | float | str | bool | type(None)):
        return value
    if memo is not None and id(value) in memo:
        return memo[id(value)]
    if isinstance(value, np.ndarray) and value.dtype != object:
        found: Any = value.copy()
    elif type(value) is dict:
        found = {key: fresh(v, memo) for key, v in value.items()}
    elif type(value) in (list, tuple):
        found = type(value)([fresh(v, memo) for v in value])
    elif is_tensor(value):
        found = value.detach().clone()
    else:
        found = copy.deepcopy(value, memo)
    if memo is not None:
        memo[id(value)] = found
    return found


def named(path: Path) -> str:
    """A path as a reader would write it: params.W1, weights.0."""
    return ".".join(str(key) for key in path)
