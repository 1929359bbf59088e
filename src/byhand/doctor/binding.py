"""What a function is given: arguments by name, what is left over by position."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from types import FunctionType
from typing import Any

from byhand.doctor.instrument import Instrumented
from byhand.doctor.results import CannotBind


def bind(
    function: Callable[..., Any],
    pools: list[dict[str, Any]],
    spare: list[Any],
    parameters: list[inspect.Parameter] | None = None,
) -> tuple[list[Any], dict[str, Any]]:
    """Arguments by name from the pools, in their order; what is left over by position.

    Raises      CannotBind
    """
    if parameters is None:
        parameters = list(inspect.signature(function).parameters.values())
    given: dict[str, Any] = {}
    missing = []
    for p in parameters:
        if p.kind is p.VAR_KEYWORD:
            for pool in reversed(pools):
                given.update({k: v for k, v in pool.items() if k not in given})
        elif p.kind is p.VAR_POSITIONAL:
            continue
        else:
            pool = next((pool for pool in pools if p.name in pool), None)
            if pool is not None:
                given[p.name] = pool[p.name]
            elif p.default is p.empty:
                missing.append(p)
    used = {id(v) for v in given.values()}
    spare = [v for v in spare if id(v) not in used]
    for p in missing:
        if not spare:
            raise CannotBind(f"{getattr(function, '__name__', function)} wants {p.name}")
        given[p.name] = spare.pop(0)
    positional = [given.pop(p.name) for p in parameters if p.kind is p.POSITIONAL_ONLY]
    return positional, given


def functions(module: Instrumented) -> dict[str, FunctionType]:
    """The functions that the file itself defines."""
    return {
        name: value
        for name, value in module.namespace.items()
        if isinstance(value, FunctionType)
        and value.__code__.co_filename == module.path
        and name != "example"
        and not name.startswith("__")
    }


def classes(module: Instrumented) -> dict[str, type]:
    return {
        name: value
        for name, value in module.namespace.items()
        if isinstance(value, type) and value.__module__ == module.namespace["__name__"]
    }


def methods(cls: type) -> list[str]:
    return [
        name
        for base in reversed(cls.__mro__)
        for name, value in vars(base).items()
        if isinstance(value, FunctionType) and not name.startswith("__")
    ]
