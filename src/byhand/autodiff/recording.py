"""recording(): while it lasts, NumPy's array makers make Variables, in this thread.

Writes into np.zeros(...) can be followed only where np.zeros gives a Variable; a plain array takes
numbers and nothing else. So the makers of the numpy module are replaced for a while, by functions
that look who is asking: another thread, a library or this package gets what NumPy would give.
Compiled modules leave no trace of who they are (numpy.random makes its arrays with np.empty), so
they are handed a copy of the numpy module as it was.

Integers and booleans stay plain arrays: they have no derivative.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from types import ModuleType
from typing import Any

import numpy as np

from byhand.autodiff.branches import Branches
from byhand.autodiff.dispatch import constant, is_list_of_variables, stacked
from byhand.autodiff.refusal import Unsupported, is_library
from byhand.autodiff.state import active, threads
from byhand.autodiff.variable import Variable

_MAKERS = """
    zeros ones empty full zeros_like ones_like empty_like full_like array asarray asanyarray
    ascontiguousarray copy eye identity arange linspace logspace geomspace tri
"""
# These are given lists of numbers, too; NumPy does not look into a list for Variables.
_REDUCERS = "sum mean prod max min amax amin std var median average argmax argmin sort dot"

_lock = threading.Lock()
_running = 0
_before: dict[str, Any] = {}
_untouched = ModuleType("numpy")
_compiled: list[ModuleType] = []


@contextmanager
def recording(branches: Branches | None = None) -> Iterator[None]:
    """Follow NumPy code, in-place writes into new arrays included.

    With `branches`, every decision that the numbers take is noted there.
    """
    _begin()
    threads.recordings.append(branches)
    try:
        yield
    except ValueError as error:
        # plain[0] = v: NumPy puts an error of its own before the one that says what to do.
        if isinstance(error.__cause__, Unsupported):
            raise error.__cause__ from None
        raise
    finally:
        threads.recordings.pop()
        _end()


def _begin() -> None:
    global _running  # noqa: PLW0603  # how many recordings are on, in all threads
    with _lock:
        _running += 1
        if _running > 1:
            return
        import numpy.random  # noqa: F401  # imported later, it would see the replaced makers

        _untouched.__dict__.update(vars(np))
        _before.update({name: getattr(np, name) for name in (_MAKERS + _REDUCERS).split()})
        for name, function in _before.items():
            setattr(np, name, (_followed if name in _MAKERS.split() else _of_lists)(function))
        _compiled[:] = [module for module in list(sys.modules.values()) if _is_compiled(module)]
        for module in _compiled:
            module.np = _untouched  # type: ignore[attr-defined]


def _end() -> None:
    global _running  # noqa: PLW0603
    with _lock:
        _running -= 1
        if _running:
            return
        for name, maker in _before.items():
            setattr(np, name, maker)
        for module in _compiled:
            module.np = np  # type: ignore[attr-defined]


def _is_compiled(module: Any) -> bool:
    names = getattr(module, "__dict__", {})
    return names.get("np") is np and str(names.get("__file__")).endswith((".so", ".pyd"))


def _followed(maker: Callable[..., Any]) -> Callable[..., Any]:
    """The same function, with a Variable for every new array of floating-point numbers."""

    @wraps(maker)
    def make(*args: Any, **kwargs: Any) -> Any:
        first = args[0] if args else None
        if not active() or is_library(sys._getframe(1)):
            return maker(*args, **kwargs)
        if isinstance(first, (list, tuple)) and is_list_of_variables(first):
            args = (stacked(first), *args[1:])
            first = args[0]
        if maker.__name__ == "full" and isinstance(args[-1], Variable):
            return np.full_like(args[-1], args[-1], kwargs.get("dtype"), shape=first)
        if isinstance(first, Variable) and not maker.__name__.endswith("_like"):
            return _converted(maker.__name__, *args, **kwargs)
        made = maker(*args, **kwargs)
        if isinstance(made, Variable) or made is first or made.dtype.kind != "f":
            return made
        shares = isinstance(first, np.ndarray) and np.may_share_memory(made, first)
        return made if shares else constant(made)

    return make


def _of_lists(function: Callable[..., Any]) -> Callable[..., Any]:
    """The same function, with an array for a list that has Variables in it."""

    @wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        if active():
            args = tuple(stacked(a) if is_list_of_variables(a) else a for a in args)
        return function(*args, **kwargs)

    return call


def _converted(name: str, x: Any, dtype: Any = None, **options: Any) -> Any:
    """np.array(x) copies, the others only where they must."""
    if name == "copy":
        return np.copy(x)
    if dtype is not None and np.dtype(dtype) != x.dtype:
        x = x.astype(dtype)
    elif name == "array" and options.get("copy", True):
        x = np.copy(x)
    elif name == "ascontiguousarray" and not x.value.flags.c_contiguous:
        x = np.copy(x, "C")
    ndmin = options.get("ndmin", 0)
    return x.reshape((1,) * (ndmin - x.ndim) + x.shape) if ndmin > x.ndim else x
