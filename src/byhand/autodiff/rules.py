"""The tables of what the tape can follow, and how a rule is written.

A primitive takes arrays and returns its value with one pullback for each argument in order (None
where an argument has no gradient, a list of pullbacks for a list of arrays). Forward and backward
stand next to each other:

    @primitive("cumsum")
    def cumsum(x, axis=None): ...
        return np.cumsum(x, axis), (lambda g: ...,)

Sums over what was broadcast, and the dtype, are left to the reverse pass. A view is a primitive
whose value shares x's memory, as NumPy's does. A composite is ordinary code over other followed
functions, with nothing to derive.

A function's name in the tables is its name under np: "tanh", "linalg.norm".
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

Rule = Callable[..., Any]

PRIMITIVES: dict[str, Rule] = {}
COMPOSITES: dict[str, Rule] = {}
VIEWS: set[str] = set()


def primitive(*names: str) -> Callable[[Rule], Rule]:
    def enter(rule: Rule) -> Rule:
        PRIMITIVES.update(dict.fromkeys(names, rule))
        return rule

    return enter


def view(*names: str) -> Callable[[Rule], Rule]:
    VIEWS.update(names)
    return primitive(*names)


def composite(*names: str) -> Callable[[Rule], Rule]:
    def enter(rule: Rule) -> Rule:
        COMPOSITES.update(dict.fromkeys(names, rule))
        return rule

    return enter
