"""What all edits share: an edit, what is in scope, and how a node is replaced."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any

import numpy as np

from byhand.doctor import values


@dataclass(frozen=True)
class Edit:
    """`new` in place of the node `old` of an expression.

    kind    a finding's kind
    """

    old: ast.AST
    new: ast.expr
    kind: str
    cost: float


@dataclass(frozen=True, eq=False)
class Atom:
    """Something in scope that an expression could use: its text and its value.

    far     whether it is an entry of something, cache[5], that the function's text does not read
    """

    text: str
    value: Any
    far: bool = False

    @cached_property
    def node(self) -> ast.expr:
        return ast.parse(self.text, mode="eval").body


def substitute(root: ast.expr, old: ast.AST, new: ast.expr) -> ast.expr:
    """A copy of `root` with `new` in place of `old`; all other nodes are shared."""

    def rebuilt(node: Any) -> Any:
        if node is old:
            return new
        if isinstance(node, list):
            made = [rebuilt(n) for n in node]
            return node if all(a is b for a, b in zip(made, node, strict=True)) else made
        if not isinstance(node, ast.AST):
            return node
        changed = {}
        for name, child in ast.iter_fields(node):
            if isinstance(child, ast.AST | list):
                made = rebuilt(child)
                if made is not child:
                    changed[name] = made
        if not changed:
            return node
        fields = dict(ast.iter_fields(node)) | changed
        return ast.copy_location(type(node)(**fields), node)

    made: ast.expr = rebuilt(root)
    return made


def is_T(node: ast.AST | None) -> bool:
    return isinstance(node, ast.Attribute) and node.attr in ("T", "mT")


def transposed(node: ast.expr) -> ast.expr:
    if is_T(node):
        return node.value  # type: ignore[attr-defined,no-any-return]
    if (
        isinstance(node, ast.Call)
        and method(node) in ("t", "transpose")
        and isinstance(node.func, ast.Attribute)
    ):
        if not isinstance(node.func.value, ast.Name) or node.func.value.id not in (
            "np",
            "numpy",
            "torch",
        ):
            return node.func.value
        if node.args:
            return node.args[0]
    return ast.Attribute(node, "T", ast.Load())


def method(node: ast.AST) -> str:
    if isinstance(node, ast.Call):
        if isinstance(node.func, ast.Attribute):
            return node.func.attr
        if isinstance(node.func, ast.Name):
            return node.func.id
    return ""


def number(value: Any) -> ast.expr:
    if isinstance(value, int) and value < 0:
        return ast.UnaryOp(ast.USub(), ast.Constant(-value))
    return ast.Constant(value)


@lru_cache(maxsize=4096)
def broadcasts(shape: tuple[int, ...], *others: tuple[int, ...]) -> bool:
    """Whether arrays of the other shapes make one of this shape together."""
    try:
        return np.broadcast_shapes(*others) == shape
    except ValueError:
        return False


class Scoped:
    """An expression where its scope is known."""

    def __init__(
        self,
        root: ast.expr,
        atoms: list[Atom],
        value_of: Any,
        functions: list[str],
        np_name: str,
        containers: Sequence[str] = (),
    ) -> None:
        self.root = root
        self.atoms = atoms
        self.value_of = value_of  # node -> value, or raises
        self.functions = functions
        self.np = np_name
        self.containers = containers
        self.cached: dict[int, tuple[ast.AST, Any]] = {}
        self._keys: set[str] = set()

    def value(self, node: ast.AST) -> Any:
        if id(node) not in self.cached:
            try:
                value = self.value_of(node)
            except Exception:
                value = None
            self.cached[id(node)] = (node, value)  # kept alive, so that the id stays its own
        return self.cached[id(node)][1]

    def shape(self, node: ast.AST) -> tuple[int, ...] | None:
        v = self.value(node)
        if isinstance(v, np.ndarray | int | float | np.number) or values.is_tensor(v):
            return values.shape(v)
        return None

    def _parents(self) -> dict[int, ast.AST]:
        found = {}
        for node in ast.walk(self.root):
            for child in ast.iter_child_nodes(node):
                found[id(child)] = node
        return found

    def _is_function_position(self, node: ast.AST, parents: dict[int, ast.AST]) -> bool:
        parent = parents.get(id(node))
        return isinstance(parent, ast.Call) and parent.func is node

    def _in_index(self, node: ast.AST, parents: dict[int, ast.AST]) -> bool:
        at = node
        for above in self._above(node, parents):
            if isinstance(above, ast.Subscript) and above.slice is at:
                return True
            at = above
        return False

    @staticmethod
    def _above(node: ast.AST, parents: dict[int, ast.AST]) -> Iterator[ast.AST]:
        """What the node is part of, from the inside out."""
        while (above := parents.get(id(node))) is not None:
            yield above
            node = above

    @staticmethod
    def reduced(
        node: ast.expr,
        axis: Any,
        keep: bool,
        axis_word: str,
        keep_word: str,
        name: str = "sum",
    ) -> ast.expr:
        constant: ast.expr = (
            ast.Tuple([ast.Constant(a) for a in axis], ast.Load())
            if isinstance(axis, tuple)
            else ast.Constant(axis)
        )
        keywords = [ast.keyword(axis_word, constant)]
        if keep:
            keywords.append(ast.keyword(keep_word, ast.Constant(True)))
        return ast.Call(ast.Attribute(node, name, ast.Load()), [], keywords)

    @staticmethod
    def _call_method(node: ast.expr, name: str, *arguments: Any) -> ast.expr:
        return ast.Call(ast.Attribute(node, name, ast.Load()), [number(a) for a in arguments], [])
