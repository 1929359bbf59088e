"""Edits of calls: another axis, another order of the factors, another function."""

from __future__ import annotations

import ast
import itertools
from collections.abc import Iterator
from typing import Any

from byhand.doctor import values
from byhand.doctor.edits.base import Edit, Scoped, method, number, transposed

_SUMS = {"sum": "mean", "mean": "sum", "nansum": "nanmean"}
_UNARY = (
    "tanh",
    "exp",
    "sin",
    "cos",
    "sqrt",
    "square",
    "abs",
    "sign",
    "log",
    "cosh",
    "sinh",
    "heaviside",
)


class CallEdits(Scoped):
    """Edits of a call and of the function that is called."""

    def _of_call(self, node: ast.Call) -> Iterator[Edit]:
        name = method(node)
        is_method = isinstance(node.func, ast.Attribute) and not (
            isinstance(node.func.value, ast.Name)
            and node.func.value.id in (self.np, "np", "numpy", "torch", "math", "F")
        )
        if name in _SUMS:
            inner = node.func.value if is_method else (node.args[0] if node.args else None)  # type: ignore[attr-defined]
            yield Edit(node, self._renamed(node, _SUMS[name]), "scale", 1.1)
            if inner is not None:
                yield Edit(node, inner, "over-reduced", 1.3)
                yield from self._axes(node, inner, is_method)
        elif name in ("max", "argmax", "min", "softmax", "cumsum", "flip", "norm", "var", "std"):
            inner = node.func.value if is_method else (node.args[0] if node.args else None)  # type: ignore[attr-defined]
            if inner is not None:
                yield from self._axes(node, inner, is_method)
        if name in ("dot", "matmul", "outer", "multiply", "mm", "subtract", "divide", "cross"):
            yield from self._products(node, name, is_method)
        elif len(node.args) >= 2 and not is_method:
            for i in range(len(node.args) - 1):
                swapped = [*node.args]
                swapped[i], swapped[i + 1] = swapped[i + 1], swapped[i]
                yield Edit(
                    node, ast.Call(node.func, swapped, node.keywords), "swapped-variable", 1.5
                )
        if name in ("transpose", "swapaxes", "moveaxis", "permute", "rot90", "flip", "reshape"):
            inner = node.func.value if is_method else (node.args[0] if node.args else None)  # type: ignore[attr-defined]
            if inner is not None:
                yield Edit(node, inner, "transposed", 1.3)
            axes = node.args if is_method else node.args[1:]
            if name == "transpose" and len(axes) == 1 and isinstance(axes[0], ast.Tuple):
                axes = axes[0].elts
            if inner is not None and name in ("transpose", "permute") and 2 < len(axes) <= 4:
                for order in itertools.permutations(range(len(axes))):
                    args: list[ast.expr] = [ast.Constant(k) for k in order]
                    call = (
                        ast.Call(ast.Attribute(inner, "transpose", ast.Load()), args, [])
                        if is_method
                        else ast.Call(node.func, [inner, ast.Tuple(args, ast.Load())], [])
                    )
                    yield Edit(node, call, "transposed", 1.4)
        if name == "reversed" and node.args:
            yield Edit(node, node.args[0], "index-shift", 1.2)
        if name == "range":
            yield Edit(
                node, ast.Call(ast.Name("reversed", ast.Load()), [node], []), "index-shift", 1.2
            )
            if len(node.args) == 1:
                yield Edit(
                    node,
                    ast.Call(node.func, [ast.Constant(1), node.args[0]], []),
                    "index-shift",
                    1.4,
                )
        if name in ("einsum",) and node.args and isinstance(node.args[0], ast.Constant):
            yield from self._einsums(node)
        if (
            len(node.args) == 1
            and not node.keywords
            and not is_method
            and name not in ("range", "len")
        ):
            yield Edit(node, node.args[0], "wrong-activation-derivative", 1.25)
        if name in ("where",) and len(node.args) == 3:
            yield Edit(
                node,
                ast.Call(node.func, [node.args[0], node.args[2], node.args[1]], []),
                "wrong-mask",
                1.2,
            )

    def _einsums(self, node: ast.Call) -> Iterator[Edit]:
        text = str(node.args[0].value)  # type: ignore[attr-defined]
        if "->" not in text:
            return
        left, right = text.replace(" ", "").split("->")
        for order in itertools.permutations(right):
            new = f"{left}->{''.join(order)}"
            yield Edit(
                node,
                ast.Call(node.func, [ast.Constant(new), *node.args[1:]], node.keywords),
                "transposed",
                1.2,
            )
        operands = left.split(",")
        for place, letters in enumerate(operands):
            for order in itertools.permutations(letters):
                if len(letters) > 4:
                    break
                changed = [*operands[:place], "".join(order), *operands[place + 1 :]]
                new = f"{','.join(changed)}->{right}"
                yield Edit(
                    node,
                    ast.Call(node.func, [ast.Constant(new), *node.args[1:]], node.keywords),
                    "wrong-axis",
                    1.3,
                )
        alphabet = sorted(set(left) - {","})
        for place, letter in itertools.product(range(len(right)), alphabet):
            new = f"{left}->{right[:place]}{letter}{right[place + 1 :]}"
            yield Edit(
                node,
                ast.Call(node.func, [ast.Constant(new), *node.args[1:]], node.keywords),
                "wrong-axis",
                1.3,
            )

    @staticmethod
    def _renamed(node: ast.Call, name: str) -> ast.expr:
        if isinstance(node.func, ast.Attribute):
            return ast.Call(
                ast.Attribute(node.func.value, name, ast.Load()), node.args, node.keywords
            )
        return ast.Call(ast.Name(name, ast.Load()), node.args, node.keywords)

    def _axes(self, node: ast.Call, inner: ast.expr, is_method: bool) -> Iterator[Edit]:
        shape = self.shape(inner) or ()
        names = {k.arg: k.value for k in node.keywords}
        word = "dim" if "dim" in names or values.is_tensor(self.value(inner)) else "axis"
        keep_word = "keepdim" if word == "dim" else "keepdims"
        positional = node.args if is_method else node.args[1:]
        has_axis = word in names or bool(positional)
        current = names.get(word) or (positional[0] if positional else None)
        keep = names.get(keep_word)
        options: list[Any] = [*range(len(shape))]
        if len(shape) > 2:
            options += [-1, (0, 1), (0, 2), (1, 2), (2, 3), (0, 2, 3), (1, 2, 3), (0, 1, 2)]
        options = [o for o in options if not isinstance(o, tuple) or max(o) < len(shape)]

        def call(axis: Any, keeps: bool) -> ast.expr:
            keywords = []
            if axis is not None:
                c: ast.expr = (
                    axis
                    if isinstance(axis, ast.expr)
                    else (
                        ast.Tuple([ast.Constant(a) for a in axis], ast.Load())
                        if isinstance(axis, tuple)
                        else number(axis)
                    )
                )
                keywords.append(ast.keyword(word, c))
            if keeps:
                keywords.append(ast.keyword(keep_word, ast.Constant(True)))
            keywords += [k for k in node.keywords if k.arg not in (word, keep_word)]
            args = [] if is_method else [inner]
            return ast.Call(node.func, args, keywords)

        keeps = isinstance(keep, ast.Constant) and bool(keep.value)
        for axis in options:
            same = isinstance(current, ast.Constant) and current.value == axis
            if not same:
                yield Edit(
                    node, call(axis, keeps), "wrong-axis" if has_axis else "over-reduced", 1.1
                )
            yield Edit(
                node,
                call(axis, not keeps),
                "wrong-axis" if has_axis else "over-reduced",
                1.2 if same else 1.3,
            )
        if has_axis:
            yield Edit(node, call(None, False), "not-reduced", 1.3)

    def _products(self, node: ast.Call, name: str, is_method: bool) -> Iterator[Edit]:
        operands = [node.func.value, *node.args] if is_method else list(node.args)  # type: ignore[attr-defined]
        if len(operands) != 2:
            return
        a, b = operands

        def call(x: ast.expr, y: ast.expr, called: str = name) -> ast.expr:
            if is_method:
                return ast.Call(ast.Attribute(x, called, ast.Load()), [y], node.keywords)
            func = (
                ast.Attribute(node.func.value, called, ast.Load())
                if isinstance(node.func, ast.Attribute)
                else node.func
            )
            return ast.Call(func, [x, y], node.keywords)

        kind = "transposed" if name not in ("subtract", "divide") else "sign"
        yield Edit(node, call(b, a), kind, 1.2)
        if name in ("dot", "matmul", "mm"):
            yield Edit(node, call(transposed(a), transposed(b)), "missing-transpose", 1.4)
            yield Edit(node, call(transposed(b), transposed(a)), "transposed", 1.1)
            yield Edit(node, call(transposed(b), a), "transposed", 1.4)
            yield Edit(node, call(b, transposed(a)), "transposed", 1.4)
            yield Edit(node, ast.BinOp(a, ast.Mult(), b), "elementwise-for-matmul", 1.2)
            yield Edit(
                node,
                ast.Call(
                    ast.Attribute(ast.Name(self.np, ast.Load()), "outer", ast.Load()), [a, b], []
                ),
                "elementwise-for-matmul",
                1.5,
            )
        if name == "outer":
            yield Edit(node, ast.BinOp(a, ast.Mult(), b), "elementwise-for-matmul", 1.3)
        if name == "multiply":
            yield Edit(node, call(a, b, "dot"), "elementwise-for-matmul", 1.2)
            yield Edit(node, call(a, b, "divide"), "scale", 1.3)
            yield Edit(node, a, "scale", 1.3)
            yield Edit(node, b, "scale", 1.4)
            for x, y in ((a, transposed(b)), (transposed(a), b)):
                yield Edit(node, call(x, y, "dot"), "elementwise-for-matmul", 1.5)
        if name == "divide":
            yield Edit(node, a, "scale", 1.3)

    def function_swaps(self, node: ast.expr) -> Iterator[Edit]:
        if (
            isinstance(node, ast.Attribute)
            and isinstance(node.value, ast.Name)
            and node.value.id in (self.np, "np", "numpy")
        ):
            if node.attr in _UNARY:
                for other in _UNARY[:-1]:
                    if other != node.attr:
                        yield Edit(
                            node,
                            ast.Attribute(node.value, other, ast.Load()),
                            "wrong-activation-derivative",
                            1.5 if other in ("abs", "sign") else 1.3,
                        )
            if node.attr in ("convolve", "correlate"):
                other = "correlate" if node.attr == "convolve" else "convolve"
                there = ast.Attribute(node.value, other, ast.Load())
                yield Edit(node, there, "not-flipped", 1.2)
            if node.attr in ("maximum", "minimum"):
                yield Edit(
                    node,
                    ast.Attribute(
                        node.value, "minimum" if node.attr == "maximum" else "maximum", ast.Load()
                    ),
                    "wrong-mask",
                    1.2,
                )
            if node.attr in ("zeros_like", "ones_like", "zeros", "ones"):
                other = (
                    node.attr.replace("zeros", "!").replace("ones", "zeros").replace("!", "ones")
                )
                yield Edit(node, ast.Attribute(node.value, other, ast.Load()), "wrong-mask", 1.4)
        own = ast.unparse(node)
        prefix = own.rsplit(".", 1)[0] + "." if "." in own and own.startswith("self") else ""
        if isinstance(node, ast.Name) or prefix:
            for f in self.functions:
                if f.startswith("self.") == bool(prefix) and f != own:
                    yield Edit(
                        node, ast.parse(f, mode="eval").body, "wrong-activation-derivative", 1.2
                    )
