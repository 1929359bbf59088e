"""Edits of names, indices, numbers and operators."""

from __future__ import annotations

import ast
import itertools
from collections.abc import Iterator

import numpy as np

from byhand.doctor import values
from byhand.doctor.edits.base import Edit, is_T, method, transposed
from byhand.doctor.edits.calls import CallEdits

_OPERATORS: dict[type, tuple[tuple[type, str], ...]] = {
    ast.Add: ((ast.Sub, "sign"),),
    ast.Sub: ((ast.Add, "sign"),),
    ast.Mult: (
        (ast.MatMult, "elementwise-for-matmul"),
        (ast.Div, "scale"),
        (ast.Add, "wrong-operator"),
        (ast.Sub, "wrong-operator"),
    ),
    ast.Div: ((ast.Mult, "scale"),),
    ast.MatMult: ((ast.Mult, "elementwise-for-matmul"),),
    ast.Pow: ((ast.Mult, "scale"),),
    ast.FloorDiv: ((ast.Mult, "scale"),),
}
_COMPARISONS: dict[type, tuple[type, ...]] = {
    ast.Gt: (ast.Lt, ast.GtE, ast.LtE, ast.NotEq),
    ast.Lt: (ast.Gt, ast.LtE, ast.GtE),
    ast.GtE: (ast.Gt, ast.LtE, ast.Lt),
    ast.LtE: (ast.Lt, ast.GtE, ast.Gt),
    ast.Eq: (ast.NotEq,),
    ast.NotEq: (ast.Eq,),
    ast.Is: (),
    ast.IsNot: (),
    ast.In: (),
    ast.NotIn: (),
}
_MATMULS = ("dot", "matmul", "mm", "bmm")


class NodeEdits(CallEdits):
    """Edits of any node."""

    def _of_node(self, node: ast.expr, parents: dict[int, ast.AST]) -> Iterator[Edit]:
        parent = parents.get(id(node))
        if self._is_function_position(node, parents):
            yield from self.function_swaps(node)
            return
        in_index = self._in_index(node, parents)
        shape = None if in_index else self.shape(node)
        if isinstance(node, ast.Name | ast.Attribute | ast.Subscript) and not is_T(node):
            inner = isinstance(parent, ast.Attribute | ast.Subscript) and parent.value is node
            if shape or not inner or is_T(parent):
                yield from self._swaps(node, shape, in_index, isinstance(parent, ast.Compare))
        if isinstance(node, ast.Subscript):
            yield from self._indices(node)
        if isinstance(node, ast.Constant):
            multiplies = isinstance(parent, ast.BinOp) and isinstance(parent.op, ast.Mult | ast.Div)
            compared = any(isinstance(n, ast.Compare) for n in self._above(node, parents))
            yield from self._constants(node, parent, in_index, multiplies, compared)
        if isinstance(node, ast.BinOp):
            yield from self._binary(node)
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub | ast.Not | ast.Invert):
            yield Edit(
                node, node.operand, "sign" if isinstance(node.op, ast.USub) else "wrong-mask", 1.0
            )
        if isinstance(node, ast.Compare) and len(node.ops) == 1:
            for op in _COMPARISONS.get(type(node.ops[0]), ()):
                yield Edit(
                    node, ast.Compare(node.left, [op()], node.comparators), "wrong-mask", 1.3
                )
        if isinstance(node, ast.Compare):
            for atom in self.atoms:
                same = values.shape(atom.value) == self.shape(node) != ()
                if same and getattr(atom.value, "dtype", None) == np.bool_:
                    yield Edit(node, atom.node, "wrong-mask", 1.2)
        if isinstance(node, ast.IfExp):
            yield Edit(node, node.body, "extra-term", 1.8)
            yield Edit(node, node.orelse, "extra-term", 1.8)
        if is_T(node) and shape is not None:
            yield Edit(node, node.value, "transposed", 1.0)  # type: ignore[attr-defined]
        elif shape is not None and len(shape) >= 2 and not is_T(parent):
            operand = (
                isinstance(parent, ast.BinOp) and isinstance(parent.op, ast.MatMult)
            ) or method(parent or node) in _MATMULS
            yield Edit(node, transposed(node), "missing-transpose", 1.0 if operand else 1.3)
            if len(shape) > 2 and operand:
                yield Edit(
                    node, self._call_method(node, "swapaxes", -1, -2), "missing-transpose", 1.2
                )
                yield Edit(
                    node, self._call_method(node, "transpose", -2, -1), "missing-transpose", 1.3
                )
        if shape is not None and not isinstance(node, ast.Constant) and node is self.root:
            yield Edit(node, ast.UnaryOp(ast.USub(), node), "sign", 1.05)
        elif (
            shape is not None
            and isinstance(parent, ast.BinOp | ast.Call | ast.Tuple)
            and not in_index
        ):
            yield Edit(node, ast.UnaryOp(ast.USub(), node), "sign", 1.5)
        if shape:
            yield from self._reductions(node, shape)
            squared = ast.BinOp(node, ast.Pow(), ast.Constant(2))
            if not (isinstance(parent, ast.BinOp) and isinstance(parent.op, ast.Pow)):
                yield Edit(node, squared, "wrong-activation-derivative", 1.3)
        if (
            shape is not None
            and isinstance(node, ast.Name | ast.Attribute | ast.Subscript)
            and not in_index
            and not is_T(parent)
        ):
            handed = isinstance(parent, ast.Call) and ast.unparse(parent.func) in self.functions
            yield from self._wraps(node, handed)

    def _wraps(self, node: ast.expr, handed: bool) -> Iterator[Edit]:
        """1 - z for z, np.sign(w) for w, sigmoid_prime(z) for z, a copy of what others hold. What
        is handed to a function of the file's is wrong less often than what that does with it."""
        yield Edit(
            node, ast.BinOp(ast.Constant(1), ast.Sub(), node), "wrong-activation-derivative", 1.3
        )
        if self.shape(node):
            yield Edit(node, self._flipped(node), "not-flipped", 1.4)
        yield from self._spread(node)
        if values.is_tensor(self.value(node)):
            return
        for f in ("sign", "exp", "sqrt", "tanh", "square", "abs"):
            call = ast.Call(ast.Attribute(ast.Name(self.np, ast.Load()), f, ast.Load()), [node], [])
            yield Edit(node, call, "wrong-activation-derivative", 1.5 + 0.6 * handed)
        for f in self.functions:
            call = ast.Call(ast.parse(f, mode="eval").body, [node], [])
            yield Edit(node, call, "wrong-activation-derivative", 1.4)
        if node is self.root:
            yield Edit(node, self._call_method(node, "copy"), "aliased", 1.5)

    def _flipped(self, node: ast.expr) -> ast.expr:
        """The array turned by 180 degrees in its last two axes, or in its only one."""
        axes = len(self.shape(node) or ())
        if values.is_tensor(self.value(node)):
            return self._call_method(node, "flip", *range(-min(axes, 2), 0))
        back = ast.Slice(None, None, ast.UnaryOp(ast.USub(), ast.Constant(1)))
        more = [ast.Constant(...)] if axes > 2 else []
        index = ast.Tuple([*more, back, back], ast.Load()) if axes > 1 else back
        return ast.Subscript(node, index, ast.Load())

    def _spread(self, node: ast.expr) -> Iterator[Edit]:
        """v[:, None] for v, where it stands beside what has more axes."""
        shape = self.shape(node) or ()
        if not 1 <= len(shape) <= 2:
            return
        more = max((len(self.shape(n) or ()) for n in ast.walk(self.root)), default=0)
        every, new = ast.Slice(), ast.Constant(None)
        for length in range(len(shape) + 1, max(more, len(shape) + 1) + 1):
            for kept in itertools.combinations(range(length), len(shape)):
                if kept == tuple(range(length - len(shape), length)):
                    continue  # so it is spread as it is
                index: list[ast.expr] = [every if k in kept else new for k in range(length)]
                there = ast.Subscript(node, ast.Tuple(index, ast.Load()), ast.Load())
                yield Edit(node, there, "wrong-axis", 1.4)

    def _swaps(
        self, node: ast.expr, shape: tuple[int, ...] | None, in_index: bool, compared: bool
    ) -> Iterator[Edit]:
        own = ast.unparse(node)
        mine = self.value(node)
        if isinstance(node, ast.Subscript) and isinstance(node.value, ast.Name | ast.Attribute):
            yield from self._other_lists(node, shape)
        if isinstance(mine, list | tuple | dict):
            for text in self.containers:
                other = ast.parse(text, mode="eval").body
                value = self.value(other)
                if text != own and type(value) is type(mine) and len(value) == len(mine):
                    yield Edit(node, other, "swapped-variable", 1.2)
        for atom in self.atoms:
            if atom.text == own:
                continue
            if (
                in_index
                and not isinstance(atom.value, int | np.integer | slice)
                and values.shape(atom.value) != shape
            ):
                continue
            same = shape is not None and values.shape(atom.value) == shape
            if shape is None and mine is not None and type(mine) is not type(atom.value):
                continue
            kind = "index-shift" if _same_list(node, atom.node) else "swapped-variable"
            cost = (1.0 if same else 1.5) + 0.7 * atom.far + 0.7 * compared
            yield Edit(node, atom.node, kind, cost)

    def _other_lists(self, node: ast.Subscript, shape: tuple[int, ...] | None) -> Iterator[Edit]:
        """zs[-l] for activations[-l], z[l] for a[l + 1]."""
        own = ast.unparse(node.value)
        for text in self.containers:
            if text == own:
                continue
            for k, index in enumerate([node.slice, *self._shifted(node.slice)]):
                other = ast.Subscript(ast.parse(text, mode="eval").body, index, ast.Load())
                if shape is not None and self.shape(other) == shape:
                    yield Edit(node, other, "swapped-variable", 1.2 if k else 1.0)

    def _indices(self, node: ast.Subscript) -> Iterator[Edit]:
        """h[t] for h[t-1], and a layer beside it."""
        parts = node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]
        if any(isinstance(p, ast.Slice) and p.step is not None for p in parts):
            yield Edit(node, node.value, "not-flipped", 1.3)
        for place, part in enumerate(parts):
            if isinstance(part, ast.Slice):
                for name in ("lower", "upper"):
                    bound = getattr(part, name)
                    if bound is None:
                        continue
                    for shift in self._shifted(bound):
                        bounds = {n: getattr(part, n) for n in ("lower", "upper", "step")}
                        moved = ast.Slice(**(bounds | {name: shift}))
                        yield Edit(node, self._with_index(node, place, moved), "index-shift", 1.2)
                continue
            v = self.value(part)
            if isinstance(v, int | np.integer) and not isinstance(v, bool):
                for new in self._shifted(part):
                    yield Edit(node, self._with_index(node, place, new), "index-shift", 1.1)

    def _shifted(self, index: ast.expr) -> list[ast.expr]:
        """index ± 1, and the index itself where it was shifted before."""
        found: list[ast.expr] = []
        if (
            isinstance(index, ast.BinOp)
            and isinstance(index.op, ast.Add | ast.Sub)
            and isinstance(index.right, ast.Constant)
        ):
            found.append(index.left)
            flipped = ast.Sub() if isinstance(index.op, ast.Add) else ast.Add()
            found.append(ast.BinOp(index.left, flipped, index.right))
        if isinstance(index, ast.Constant) and isinstance(index.value, int):
            found += [ast.Constant(index.value + 1)]
            found += (
                [ast.Constant(index.value - 1)]
                if index.value != 0
                else [ast.UnaryOp(ast.USub(), ast.Constant(1))]
            )
            return found
        one = ast.Constant(1)
        found += [ast.BinOp(index, ast.Sub(), one), ast.BinOp(index, ast.Add(), one)]
        return found

    @staticmethod
    def _with_index(node: ast.Subscript, place: int, new: ast.expr) -> ast.expr:
        if isinstance(node.slice, ast.Tuple):
            elements = [*node.slice.elts[:place], new, *node.slice.elts[place + 1 :]]
            return ast.Subscript(node.value, ast.Tuple(elements, ast.Load()), ast.Load())
        return ast.Subscript(node.value, new, ast.Load())

    def _constants(
        self,
        node: ast.Constant,
        parent: ast.AST | None,
        in_index: bool,
        multiplies: bool,
        compared: bool,
    ) -> Iterator[Edit]:
        v = node.value
        if isinstance(v, bool):
            yield Edit(node, ast.Constant(not v), "wrong-axis", 1.1)
        elif isinstance(v, str) and in_index:
            for atom in self.atoms:
                if atom.text.endswith((f"['{v}']",)):
                    continue
                key = atom.text[atom.text.rfind("['") + 2 : -2] if atom.text.endswith("']") else ""
                if key.isidentifier() and key not in self._keys:
                    self._keys.add(key)
                    yield Edit(node, ast.Constant(key), "swapped-variable", 1.1 + 0.7 * compared)
            self._keys.clear()
        elif isinstance(v, int | float):
            options = {
                0: (1, -1, 2),
                1: (0, 2, -1),
                2: (1, 3, 0.5, 0),
                3: (2, 1),
                0.5: (1, 2),
                4: (2,),
            }
            if isinstance(parent, ast.Call | ast.IfExp) and not in_index:  # where(z > 0, 1, alpha)
                for atom in self.atoms:
                    if isinstance(atom.value, float) and not atom.far:
                        yield Edit(node, atom.node, "swapped-variable", 1.4)
            for new in options.get(v, (v + 1, v - 1)):
                if new == 1 and multiplies:
                    continue
                yield Edit(node, ast.Constant(new), "index-shift" if in_index else "scale", 1.2)

    def _binary(self, node: ast.BinOp) -> Iterator[Edit]:
        for op, kind in _OPERATORS.get(type(node.op), ()):
            yield Edit(node, ast.BinOp(node.left, op(), node.right), kind, 1.1)
        additive = isinstance(node.op, ast.Add | ast.Sub)
        kind = "extra-term" if additive else "scale"
        yield Edit(node, node.left, kind, 1.3)
        if isinstance(node.op, ast.Mult) and _multiplies(node.left):
            yield Edit(node, node.left.left, kind, 1.6)  # type: ignore[attr-defined]
        if not isinstance(node.op, ast.Div | ast.Pow):
            complement = isinstance(node.op, ast.Sub) and isinstance(node.left, ast.Constant)
            yield Edit(node, node.right, kind, 1.2 if complement else 1.4)
            if isinstance(node.op, ast.Sub):
                yield Edit(node, ast.UnaryOp(ast.USub(), node.right), kind, 1.5)
        if isinstance(node.op, ast.MatMult | ast.Sub | ast.Div):
            yield Edit(
                node,
                ast.BinOp(node.right, node.op, node.left),
                "transposed" if isinstance(node.op, ast.MatMult) else "sign",
                1.2,
            )
        if isinstance(node.op, ast.MatMult):
            left, right = transposed(node.left), transposed(node.right)
            yield Edit(node, ast.BinOp(left, ast.MatMult(), right), "missing-transpose", 1.4)
            yield Edit(node, ast.BinOp(right, ast.MatMult(), left), "transposed", 1.1)
            yield Edit(
                node,
                ast.BinOp(transposed(node.right), ast.MatMult(), node.left),
                "transposed",
                1.4,
            )
            yield Edit(
                node,
                ast.BinOp(node.right, ast.MatMult(), transposed(node.left)),
                "transposed",
                1.4,
            )
        vectors = len(self.shape(node.left) or ()) == len(self.shape(node.right) or ()) == 1
        if isinstance(node.op, ast.Mult | ast.MatMult) and vectors:
            outer = ast.Attribute(ast.Name(self.np, ast.Load()), "outer", ast.Load())
            for pair in ([node.left, node.right], [node.right, node.left]):
                yield Edit(node, ast.Call(outer, list(pair), []), "elementwise-for-matmul", 1.3)
        matrices = len(self.shape(node.left) or ()) == len(self.shape(node.right) or ()) == 2
        if isinstance(node.op, ast.Mult) and matrices:
            for a, b in (
                (node.left, transposed(node.right)),
                (transposed(node.left), node.right),
                (node.right, transposed(node.left)),
                (node.right, node.left),
                (transposed(node.right), node.left),
            ):
                yield Edit(node, ast.BinOp(a, ast.MatMult(), b), "elementwise-for-matmul", 1.5)
        # Precedence: a - b * c meant as (a - b) * c.
        if isinstance(node.right, ast.BinOp) and not isinstance(node.op, ast.MatMult):
            r = node.right
            yield Edit(
                node,
                ast.BinOp(ast.BinOp(node.left, node.op, r.left), r.op, r.right),
                "wrong-operator",
                1.6,
            )
        if isinstance(node.left, ast.BinOp):
            left_ = node.left
            yield Edit(
                node,
                ast.BinOp(left_.left, left_.op, ast.BinOp(left_.right, node.op, node.right)),
                "wrong-operator",
                1.6,
            )

    def _reductions(self, node: ast.expr, shape: tuple[int, ...]) -> Iterator[Edit]:
        if isinstance(node, ast.Name | ast.Attribute | ast.Subscript) and node is not self.root:
            cost = 1.6
        else:
            cost = 1.3
        name = method(node)
        if name in ("sum", "mean", "max"):
            return
        tensor = values.is_tensor(self.value(node))
        axis_word = "dim" if tensor else "axis"
        keep_word = "keepdim" if tensor else "keepdims"
        for axis in range(len(shape)):
            for keep in (False, True):
                yield Edit(
                    node,
                    self.reduced(node, axis, keep, axis_word, keep_word),
                    "not-reduced",
                    cost + 0.1 * keep,
                )
        if len(shape) > 2:
            for axes in ((0, 2, 3), (0, 1), (0, 2), (1, 2), (2, 3), (0, 1, 2)):
                if max(axes) < len(shape):
                    yield Edit(
                        node,
                        self.reduced(node, axes, False, axis_word, keep_word),
                        "not-reduced",
                        cost + 0.1,
                    )


def _same_list(a: ast.expr, b: ast.expr) -> bool:
    """h[t] and h[t - 1]"""
    both = isinstance(a, ast.Subscript) and isinstance(b, ast.Subscript)
    return both and ast.unparse(a.value) == ast.unparse(b.value)  # type: ignore[attr-defined]


def _multiplies(node: ast.expr) -> bool:
    return isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mult)
