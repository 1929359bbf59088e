"""The tape: every value remembers what it was made from, and how a gradient goes back through it.

    y = f(a, b)      is recorded as a node with the parents a and b and one pullback for each,
    ḡ_a += pullback_a(ḡ_y) = (∂y/∂a)ᵀ ḡ_y

where ḡ_v stands for ∂(Σ output · cotangent)/∂v. Nodes are numbered as they are made, so going
through them from the highest number to the lowest meets every node after all that were made from
it: its gradient is complete when its turn comes. That is all of reverse-mode differentiation.

Source      Griewank and Walther, Evaluating Derivatives, 2nd ed., section 3.2.
"""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from byhand.errors import ShapeError

Array = NDArray[Any]
Pullback = Callable[[Array], Array]

_order = itertools.count()


class Node:
    """One value on the tape: its numbers and its history do not change after it was made.

    value       what was computed, a read-only array
    parents     the nodes it was computed from; pullbacks has one function for each
    operation   its name: "matmul", "getitem", "log"; "leaf" for a value from outside
    order       its number: a parent's is always lower
    traced      False where it depends on no input, like np.zeros(3)
    """

    __slots__ = ("operation", "order", "parents", "pullbacks", "traced", "value")

    def __init__(
        self,
        value: Array,
        operation: str = "leaf",
        sources: Sequence[tuple[Node, Pullback]] = (),
        traced: bool | None = None,
    ) -> None:
        if value.flags.writeable:
            value = value.view()
            value.flags.writeable = False
        self.value = value
        self.operation = operation
        self.parents = tuple(node for node, _ in sources)
        self.pullbacks = tuple(pullback for _, pullback in sources)
        self.order = next(_order)
        self.traced: bool = any(p.traced for p in self.parents) if traced is None else traced

    def __repr__(self) -> str:
        return f"Node({self.operation}, shape={self.value.shape}, order={self.order})"


class HasNode(Protocol):
    """What can be asked about: a Variable stands for the node that it holds at the moment."""

    @property
    def node(self) -> Node: ...


class Gradients:
    """gradients[v] is ∂(Σ output · cotangent)/∂v, of v's shape and dtype: zeros where the output
    does not depend on v. v may be any node or Variable, in the middle of the computation too."""

    def __init__(self, table: dict[Node, Array]) -> None:
        self._table = table

    def __getitem__(self, of: HasNode | Node) -> Array:
        node = node_of(of)
        found = self._table.get(node)
        return np.zeros_like(node.value) if found is None else found.copy()

    def __contains__(self, of: HasNode | Node) -> bool:
        return node_of(of) in self._table

    def __iter__(self) -> Iterator[Node]:
        return iter(self._table)

    def __len__(self) -> int:
        return len(self._table)


def node_of(of: HasNode | Node) -> Node:
    return of if isinstance(of, Node) else of.node


def gradients(output: HasNode | Node, cotangent: Any = None) -> Gradients:
    """∂(Σ output · cotangent)/∂(every node that the output was made from), in one pass back.

    Without a cotangent it is the gradient of the sum of the output's elements.

    Raises      ShapeError where the cotangent does not have the output's shape.
    """
    start = node_of(output)
    first = np.ones_like(start.value) if cotangent is None else np.asarray(cotangent)
    if first.shape != start.value.shape:
        raise ShapeError(
            f"the cotangent needs the output's shape {start.value.shape}, found {first.shape}; "
            "give one number for each element of the output"
        )
    table = {start: first.astype(start.value.dtype)}
    waiting = [(-start.order, start)]
    # 0 · ∞ where a derivative is infinite gives NaN, and NaN says enough without a warning.
    with np.errstate(all="ignore"):
        while waiting:
            _, node = heapq.heappop(waiting)
            for parent, pullback in zip(node.parents, node.pullbacks, strict=True):
                share = unbroadcast(np.asarray(pullback(table[node])), parent.value)
                if parent in table:
                    table[parent] = table[parent] + share
                else:
                    table[parent] = share
                    heapq.heappush(waiting, (-parent.order, parent))
    return Gradients(table)


def unbroadcast(g: Array, like: Array) -> Array:
    """The adjoint of broadcasting: an element that was used many times gets the sum of its uses."""
    if g.ndim < like.ndim:
        g = g.reshape((1,) * (like.ndim - g.ndim) + g.shape)
    if g.ndim > like.ndim:
        g = g.sum(axis=tuple(range(g.ndim - like.ndim)))
    stretched = tuple(i for i, n in enumerate(like.shape) if n == 1 and g.shape[i] != 1)
    if stretched:
        g = g.sum(axis=stretched, keepdims=True)
    return g.astype(like.dtype, copy=False)
