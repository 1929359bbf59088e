"""The value of an expression and of small changes to it, without compiling any of them.

A search tries thousands of expressions that differ from the user's in one node. The values of the
nodes that they share are computed once; only the path from the changed node up is new."""

from __future__ import annotations

import ast
import builtins
import operator
from collections.abc import Iterable
from typing import Any

import numpy as np

from byhand.doctor.instrument import compiled, is_single

_BINARY: dict[type, Any] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.MatMult: operator.matmul,
    ast.Pow: operator.pow,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
    ast.BitAnd: operator.and_,
    ast.BitOr: operator.or_,
}
_UNARY: dict[type, Any] = {
    ast.USub: operator.neg,
    ast.UAdd: operator.pos,
    ast.Invert: operator.invert,
    ast.Not: operator.not_,
}
_COMPARE: dict[type, Any] = {
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Is: operator.is_,
    ast.IsNot: operator.is_not,
}


class Evaluator:
    """Evaluates expressions in one scope; the values of the nodes in `shared` are kept.

    A node is known by its id, so the caller keeps the shared ones alive."""

    def __init__(self, scope: dict[str, Any], shared: Iterable[ast.AST] = ()) -> None:
        self.scope = scope
        self.shared = {id(node) for node in shared}
        self.known: dict[int, Any] = {}

    def value(self, node: ast.AST) -> Any:
        """The node's value; raises what Python would."""
        if id(node) not in self.shared:
            return self._fresh(node)
        if id(node) not in self.known:
            self.known[id(node)] = self._fresh(node)
        return self.known[id(node)]

    def _fresh(self, node: ast.AST) -> Any:
        handler = _HANDLERS.get(type(node), Evaluator._other)
        return handler(self, node)

    def _constant(self, node: ast.Constant) -> Any:
        return "float64" if is_single(node) else node.value

    def _name(self, node: ast.Name) -> Any:
        try:
            return self.scope[node.id]
        except KeyError:
            return getattr(builtins, node.id)

    def _attribute(self, node: ast.Attribute) -> Any:
        if is_single(node):
            return self._other(node)
        return getattr(self.value(node.value), node.attr)

    def _binary(self, node: ast.BinOp) -> Any:
        operation = _BINARY.get(type(node.op))
        if operation is None:
            return self._other(node)
        return operation(self.value(node.left), self.value(node.right))

    def _unary(self, node: ast.UnaryOp) -> Any:
        return _UNARY[type(node.op)](self.value(node.operand))

    def _compare(self, node: ast.Compare) -> Any:
        operation = _COMPARE.get(type(node.ops[0]))
        if operation is None or len(node.ops) > 1:
            return self._other(node)
        return operation(self.value(node.left), self.value(node.comparators[0]))

    def _subscript(self, node: ast.Subscript) -> Any:
        return self.value(node.value)[self.value(node.slice)]

    def _slice(self, node: ast.Slice) -> slice:
        lower, upper, step = (
            None if part is None else self.value(part)
            for part in (node.lower, node.upper, node.step)
        )
        return slice(lower, upper, step)

    def _call(self, node: ast.Call) -> Any:
        if any(isinstance(a, ast.Starred) for a in node.args) or any(
            k.arg is None for k in node.keywords
        ):
            return self._other(node)
        arguments = [self.value(a) for a in node.args]
        keywords = {str(k.arg): self.value(k.value) for k in node.keywords}
        return self.value(node.func)(*arguments, **keywords)

    def _tuple(self, node: ast.Tuple) -> Any:
        if any(isinstance(e, ast.Starred) for e in node.elts):
            return self._other(node)
        return tuple(self.value(e) for e in node.elts)

    def _list(self, node: ast.List) -> Any:
        if any(isinstance(e, ast.Starred) for e in node.elts):
            return self._other(node)
        return [self.value(e) for e in node.elts]

    def _dict(self, node: ast.Dict) -> Any:
        if any(key is None for key in node.keys):
            return self._other(node)
        keys = [self.value(key) for key in node.keys if key is not None]
        return dict(zip(keys, map(self.value, node.values), strict=True))

    def _choice(self, node: ast.IfExp) -> Any:
        return self.value(node.body if self.value(node.test) else node.orelse)

    def _other(self, node: Any) -> Any:
        with np.errstate(all="ignore"):
            return eval(compiled(node), self.scope)


_HANDLERS: dict[type, Any] = {
    ast.Constant: Evaluator._constant,
    ast.Name: Evaluator._name,
    ast.Attribute: Evaluator._attribute,
    ast.BinOp: Evaluator._binary,
    ast.UnaryOp: Evaluator._unary,
    ast.Compare: Evaluator._compare,
    ast.Subscript: Evaluator._subscript,
    ast.Slice: Evaluator._slice,
    ast.Call: Evaluator._call,
    ast.Tuple: Evaluator._tuple,
    ast.List: Evaluator._list,
    ast.Dict: Evaluator._dict,
    ast.IfExp: Evaluator._choice,
}
