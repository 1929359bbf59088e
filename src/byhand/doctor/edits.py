"""Small changes to an expression, of the kind that turns a slip into what was meant.

Each edit replaces one node. Its cost says how unlikely the slip is: repairs are tried from the
cheapest on, and among those that make the gradients right the cheapest is proposed."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from byhand.doctor import values


@dataclass(frozen=True)
class Edit:
    """`new` in place of the node `old` of an expression.

    kind    a finding's kind, or "" where the values have to tell
    """

    old: ast.AST
    new: ast.expr
    kind: str
    cost: float


@dataclass(frozen=True)
class Atom:
    """Something in scope that an expression could use: its text and its value."""

    text: str
    value: Any

    @property
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

    found: ast.expr = rebuilt(root)
    return found


def _is_T(node: ast.AST) -> bool:
    return isinstance(node, ast.Attribute) and node.attr in ("T", "mT")


def _transposed(node: ast.expr, tensor: bool = False) -> ast.expr:
    if _is_T(node):
        return node.value  # type: ignore[attr-defined]
    if isinstance(node, ast.Call) and _method(node) in ("t", "transpose") and isinstance(node.func, ast.Attribute):
        if not isinstance(node.func.value, ast.Name) or node.func.value.id not in ("np", "numpy", "torch"):
            return node.func.value
        if node.args:
            return node.args[0]
    return ast.Attribute(node, "T", ast.Load())


def _method(node: ast.AST) -> str:
    if isinstance(node, ast.Call):
        if isinstance(node.func, ast.Attribute):
            return node.func.attr
        if isinstance(node.func, ast.Name):
            return node.func.id
    return ""


_SUMS = {"sum": "mean", "mean": "sum", "nansum": "nanmean"}
_OPERATORS: dict[type, tuple[tuple[type, str], ...]] = {
    ast.Add: ((ast.Sub, "sign"),),
    ast.Sub: ((ast.Add, "sign"),),
    ast.Mult: ((ast.MatMult, "elementwise-for-matmul"), (ast.Div, "scale"), (ast.Add, "wrong-operator"), (ast.Sub, "wrong-operator")),
    ast.Div: ((ast.Mult, "scale"),),
    ast.MatMult: ((ast.Mult, "elementwise-for-matmul"),),
    ast.Pow: ((ast.Mult, "scale"),),
    ast.FloorDiv: ((ast.Mult, "scale"),),
}
_COMPARISONS: dict[type, tuple[type, ...]] = {
    ast.Gt: (ast.Lt, ast.GtE, ast.LtE, ast.NotEq), ast.Lt: (ast.Gt, ast.LtE, ast.GtE), ast.GtE: (ast.Gt, ast.LtE, ast.Lt),
    ast.LtE: (ast.Lt, ast.GtE, ast.Gt), ast.Eq: (ast.NotEq,), ast.NotEq: (ast.Eq,),
    ast.Is: (), ast.IsNot: (), ast.In: (), ast.NotIn: (),
}
_UNARY = ("tanh", "exp", "sin", "cos", "sqrt", "square", "abs", "sign", "log", "cosh", "sinh", "heaviside")
_MATMULS = ("dot", "matmul", "mm", "bmm")


class Editor:
    """The edits of one expression, where its scope is known."""

    def __init__(self, root: ast.expr, atoms: list[Atom], value_of: Any, functions: list[str], np_name: str = "np") -> None:
        self.root = root
        self.atoms = atoms
        self.value_of = value_of  # node -> value, or raises
        self.functions = functions
        self.np = np_name
        self.cached: dict[int, Any] = {}
        self._keys: set[str] = set()

    def value(self, node: ast.AST) -> Any:
        if id(node) not in self.cached:
            try:
                self.cached[id(node)] = self.value_of(node)
            except Exception:
                self.cached[id(node)] = None
        return self.cached[id(node)]

    def shape(self, node: ast.AST) -> tuple[int, ...] | None:
        v = self.value(node)
        if isinstance(v, np.ndarray | int | float | np.number) or values.is_tensor(v):
            return values.shape(v)
        return None

    # -- the edits -------------------------------------------------------------------------------

    def cheap(self) -> Iterator[Edit]:
        """Edits that use nothing but what the line already has, and other names in its place."""
        seen_parents = self._parents()
        for node in ast.walk(self.root):
            if isinstance(node, ast.expr) and isinstance(getattr(node, "ctx", ast.Load()), ast.Load):
                yield from self._of_node(node, seen_parents)
            if isinstance(node, ast.Call):
                yield from self._of_call(node)

    def _parents(self) -> dict[int, ast.AST]:
        found = {}
        for node in ast.walk(self.root):
            for child in ast.iter_child_nodes(node):
                found[id(child)] = node
        return found

    def _is_function_position(self, node: ast.AST, parents: dict[int, ast.AST]) -> bool:
        parent = parents.get(id(node))
        return isinstance(parent, ast.Call) and parent.func is node

    def _of_node(self, node: ast.expr, parents: dict[int, ast.AST]) -> Iterator[Edit]:
        parent = parents.get(id(node))
        if self._is_function_position(node, parents):
            yield from self._function_swaps(node)
            return
        in_index = self._in_index(node, parents)
        shape = None if in_index else self.shape(node)
        if isinstance(node, ast.Name | ast.Attribute | ast.Subscript) and not _is_T(node):
            if not (isinstance(parent, ast.Attribute | ast.Subscript) and parent.value is node and not _is_T(parent)) or (
                shape is not None and len(shape) > 0
            ):
                yield from self._swaps(node, shape, in_index)
        if isinstance(node, ast.Subscript):
            yield from self._indices(node)
        if isinstance(node, ast.Constant):
            multiplies = isinstance(parent, ast.BinOp) and isinstance(parent.op, ast.Mult | ast.Div)
            yield from self._constants(node, in_index, multiplies)
        if isinstance(node, ast.BinOp):
            yield from self._binary(node)
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub | ast.Not | ast.Invert):
            yield Edit(node, node.operand, "sign" if isinstance(node.op, ast.USub) else "wrong-mask", 1.0)
        if isinstance(node, ast.Compare) and len(node.ops) == 1:
            for op in _COMPARISONS.get(type(node.ops[0]), ()):
                yield Edit(node, ast.Compare(node.left, [op()], node.comparators), "wrong-mask", 1.3)
        if isinstance(node, ast.IfExp):
            yield Edit(node, node.body, "extra-term", 1.8)
            yield Edit(node, node.orelse, "extra-term", 1.8)
        if _is_T(node) and shape is not None:
            yield Edit(node, node.value, "transposed", 1.0)  # type: ignore[attr-defined]
        elif shape is not None and len(shape) >= 2 and not _is_T(parent):
            operand = (isinstance(parent, ast.BinOp) and isinstance(parent.op, ast.MatMult)) or _method(parent or node) in _MATMULS
            yield Edit(node, _transposed(node), "missing-transpose", 1.0 if operand else 1.3)
            if len(shape) > 2 and operand:
                yield Edit(node, self._call_method(node, "swapaxes", -1, -2), "missing-transpose", 1.2)
                yield Edit(node, self._call_method(node, "transpose", -2, -1), "missing-transpose", 1.3)
        if shape is not None and not isinstance(node, ast.Constant) and node is self.root:
            yield Edit(node, ast.UnaryOp(ast.USub(), node), "sign", 1.0)
        elif shape is not None and isinstance(parent, ast.BinOp | ast.Call | ast.Tuple) and not in_index:
            yield Edit(node, ast.UnaryOp(ast.USub(), node), "sign", 1.5)
        if shape:
            yield from self._reductions(node, shape)
        if shape is not None and isinstance(node, ast.Name | ast.Attribute | ast.Subscript) and not in_index and not _is_T(parent):
            yield from self._wraps(node)

    def _wraps(self, node: ast.expr) -> Iterator[Edit]:
        """1 - z for z, np.sign(w) for w, sigmoid_prime(z) for z, a copy for what others hold too."""
        yield Edit(node, ast.BinOp(ast.Constant(1), ast.Sub(), node), "wrong-activation-derivative", 1.3)
        if values.is_tensor(self.value(node)):
            return
        for f in ("sign", "exp", "sqrt", "tanh", "square", "abs"):
            call = ast.Call(ast.Attribute(ast.Name(self.np, ast.Load()), f, ast.Load()), [node], [])
            yield Edit(node, call, "wrong-activation-derivative", 1.5)
        for f in self.functions:
            yield Edit(node, ast.Call(ast.parse(f, mode="eval").body, [node], []), "wrong-activation-derivative", 1.4)
        if node is self.root:
            yield Edit(node, self._call_method(node, "copy"), "aliased", 1.5)

    def _in_index(self, node: ast.AST, parents: dict[int, ast.AST]) -> bool:
        at: ast.AST | None = node
        while at is not None:
            above = parents.get(id(at))
            if isinstance(above, ast.Subscript) and above.slice is at:
                return True
            at = above
        return False

    def _swaps(self, node: ast.expr, shape: tuple[int, ...] | None, in_index: bool) -> Iterator[Edit]:
        own = ast.unparse(node)
        mine = self.value(node)
        for atom in self.atoms:
            if atom.text == own:
                continue
            if in_index and not isinstance(atom.value, int | np.integer | slice) and values.shape(atom.value) != shape:
                continue
            same = shape is not None and values.shape(atom.value) == shape
            if shape is None and mine is not None and type(mine) is not type(atom.value):
                continue
            kind = "swapped-variable"
            yield Edit(node, atom.node, kind, 1.0 if same else 1.5)

    def _indices(self, node: ast.Subscript) -> Iterator[Edit]:
        """h[t] for h[t-1], and a layer beside it."""
        parts = node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]
        for place, part in enumerate(parts):
            if isinstance(part, ast.Slice):
                for name in ("lower", "upper"):
                    bound = getattr(part, name)
                    if bound is None:
                        continue
                    for shift in self._shifted(bound):
                        new = ast.Slice(*(shift if n == name else getattr(part, n) for n in ("lower", "upper", "step")))
                        yield Edit(node, self._with_index(node, place, new), "index-shift", 1.2)
                continue
            v = self.value(part)
            if isinstance(v, int | np.integer) and not isinstance(v, bool):
                for new in self._shifted(part):
                    yield Edit(node, self._with_index(node, place, new), "index-shift", 1.1)

    def _shifted(self, index: ast.expr) -> list[ast.expr]:
        """index ± 1, and the index itself where it was shifted before."""
        found: list[ast.expr] = []
        if isinstance(index, ast.BinOp) and isinstance(index.op, ast.Add | ast.Sub) and isinstance(index.right, ast.Constant):
            found.append(index.left)
            flipped = ast.Sub() if isinstance(index.op, ast.Add) else ast.Add()
            found.append(ast.BinOp(index.left, flipped, index.right))
        if isinstance(index, ast.Constant) and isinstance(index.value, int):
            found += [ast.Constant(index.value + 1)]
            found += [ast.Constant(index.value - 1)] if index.value != 0 else [ast.UnaryOp(ast.USub(), ast.Constant(1))]
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

    def _constants(self, node: ast.Constant, in_index: bool, multiplies: bool) -> Iterator[Edit]:
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
                    yield Edit(node, ast.Constant(key), "swapped-variable", 1.1)
            self._keys.clear()
        elif isinstance(v, int | float):
            options = {0: (1, -1, 2), 1: (0, 2, -1), 2: (1, 3, 0.5, 0), 3: (2, 1), 0.5: (1, 2), 1.0: (0.0, 2.0, 0.5), 2.0: (1.0, 0.5, 3.0), 4: (2,), 4.0: (2.0,)}
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
        if not isinstance(node.op, ast.Div | ast.Pow):
            yield Edit(node, node.right, kind, 1.4)
            if isinstance(node.op, ast.Sub):
                yield Edit(node, ast.UnaryOp(ast.USub(), node.right), kind, 1.5)
        if isinstance(node.op, ast.MatMult | ast.Sub | ast.Div):
            yield Edit(node, ast.BinOp(node.right, node.op, node.left), "transposed" if isinstance(node.op, ast.MatMult) else "sign", 1.2)
        if isinstance(node.op, ast.MatMult):
            left, right = _transposed(node.left), _transposed(node.right)
            yield Edit(node, ast.BinOp(left, ast.MatMult(), right), "missing-transpose", 1.4)
            yield Edit(node, ast.BinOp(right, ast.MatMult(), left), "transposed", 1.1)
            yield Edit(node, ast.BinOp(_transposed(node.right), ast.MatMult(), node.left), "transposed", 1.4)
            yield Edit(node, ast.BinOp(node.right, ast.MatMult(), _transposed(node.left)), "transposed", 1.4)
        if isinstance(node.op, ast.Mult):
            left, right = self.shape(node.left), self.shape(node.right)
            if left is not None and right is not None and len(left) == 2 and len(right) == 2:
                for a, b in ((node.left, _transposed(node.right)), (_transposed(node.left), node.right), (node.right, _transposed(node.left)), (node.right, node.left), (_transposed(node.right), node.left)):
                    yield Edit(node, ast.BinOp(a, ast.MatMult(), b), "elementwise-for-matmul", 1.5)
        # Precedence: a - b * c meant as (a - b) * c.
        if isinstance(node.right, ast.BinOp) and not isinstance(node.op, ast.MatMult):
            r = node.right
            yield Edit(node, ast.BinOp(ast.BinOp(node.left, node.op, r.left), r.op, r.right), "wrong-operator", 1.6)
        if isinstance(node.left, ast.BinOp):
            left_ = node.left
            yield Edit(node, ast.BinOp(left_.left, left_.op, ast.BinOp(left_.right, node.op, node.right)), "wrong-operator", 1.6)

    def _reductions(self, node: ast.expr, shape: tuple[int, ...]) -> Iterator[Edit]:
        if isinstance(node, ast.Name | ast.Attribute | ast.Subscript) and node is not self.root:
            cost = 1.6
        else:
            cost = 1.3
        name = _method(node)
        if name in ("sum", "mean", "max"):
            return
        tensor = values.is_tensor(self.value(node))
        axis_word = "dim" if tensor else "axis"
        keep_word = "keepdim" if tensor else "keepdims"
        for axis in range(len(shape)):
            for keep in (False, True):
                yield Edit(node, self._reduced(node, "sum", axis, keep, axis_word, keep_word), "not-reduced", cost + 0.1 * keep)
        if len(shape) > 2:
            for axis in ((0, 2, 3), (0, 1), (0, 2), (1, 2), (2, 3)):
                if max(axis) < len(shape):
                    yield Edit(node, self._reduced(node, "sum", axis, False, axis_word, keep_word), "not-reduced", cost + 0.1)

    @staticmethod
    def _reduced(node: ast.expr, name: str, axis: Any, keep: bool, axis_word: str = "axis", keep_word: str = "keepdims") -> ast.expr:
        constant: ast.expr = (
            ast.Tuple([ast.Constant(a) for a in axis], ast.Load()) if isinstance(axis, tuple) else ast.Constant(axis)
        )
        keywords = [ast.keyword(axis_word, constant)]
        if keep:
            keywords.append(ast.keyword(keep_word, ast.Constant(True)))
        return ast.Call(ast.Attribute(node, name, ast.Load()), [], keywords)

    @staticmethod
    def _call_method(node: ast.expr, name: str, *arguments: Any) -> ast.expr:
        return ast.Call(ast.Attribute(node, name, ast.Load()), [_number(a) for a in arguments], [])

    def _of_call(self, node: ast.Call) -> Iterator[Edit]:
        name = _method(node)
        is_method = isinstance(node.func, ast.Attribute) and not (
            isinstance(node.func.value, ast.Name) and node.func.value.id in (self.np, "np", "numpy", "torch", "math", "F")
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
        if name in ("dot", "matmul", "outer", "multiply", "mm", "subtract", "divide", "cross") :
            yield from self._products(node, name, is_method)
        elif len(node.args) >= 2 and not is_method:
            for i in range(len(node.args) - 1):
                swapped = [*node.args]
                swapped[i], swapped[i + 1] = swapped[i + 1], swapped[i]
                yield Edit(node, ast.Call(node.func, swapped, node.keywords), "swapped-variable", 1.5)
        if name in ("transpose", "swapaxes", "moveaxis", "permute", "rot90", "flip", "reshape"):
            inner = node.func.value if is_method else (node.args[0] if node.args else None)  # type: ignore[attr-defined]
            if inner is not None:
                yield Edit(node, inner, "transposed", 1.3)
            axes = node.args if is_method else node.args[1:]
            if name == "transpose" and len(axes) == 1 and isinstance(axes[0], ast.Tuple):
                axes = axes[0].elts
            if name in ("transpose", "permute") and 2 < len(axes) <= 4:
                import itertools

                for order in itertools.permutations(range(len(axes))):
                    args: list[ast.expr] = [ast.Constant(k) for k in order]
                    call = ast.Call(ast.Attribute(inner, "transpose", ast.Load()), args, []) if is_method else ast.Call(node.func, [inner, ast.Tuple(args, ast.Load())], [])
                    yield Edit(node, call, "transposed", 1.4)
        if name == "reversed" and node.args:
            yield Edit(node, node.args[0], "index-shift", 1.2)
        if name == "range":
            yield Edit(node, ast.Call(ast.Name("reversed", ast.Load()), [node], []), "index-shift", 1.2)
            if len(node.args) == 1:
                yield Edit(node, ast.Call(node.func, [ast.Constant(1), node.args[0]], []), "index-shift", 1.4)
        if name in ("einsum",) and node.args and isinstance(node.args[0], ast.Constant):
            yield from self._einsums(node)
        if len(node.args) == 1 and not node.keywords and not is_method and name not in ("range", "len"):
            yield Edit(node, node.args[0], "wrong-activation-derivative", 1.4)
        if name in ("where",) and len(node.args) == 3:
            yield Edit(node, ast.Call(node.func, [node.args[0], node.args[2], node.args[1]], []), "wrong-mask", 1.2)

    def _einsums(self, node: ast.Call) -> Iterator[Edit]:
        import itertools

        text = str(node.args[0].value)  # type: ignore[attr-defined]
        if "->" not in text:
            return
        left, right = text.replace(" ", "").split("->")
        for order in itertools.permutations(right):
            new = f"{left}->{''.join(order)}"
            yield Edit(node, ast.Call(node.func, [ast.Constant(new), *node.args[1:]], node.keywords), "transposed", 1.2)
        operands = left.split(",")
        for place, letters in enumerate(operands):
            for order in itertools.permutations(letters):
                if len(letters) > 4:
                    break
                changed = [*operands[:place], "".join(order), *operands[place + 1 :]]
                new = f"{','.join(changed)}->{right}"
                yield Edit(node, ast.Call(node.func, [ast.Constant(new), *node.args[1:]], node.keywords), "wrong-axis", 1.3)
        alphabet = sorted(set(left) - {","})
        for place, letter in itertools.product(range(len(right)), alphabet):
            new = f"{left}->{right[:place]}{letter}{right[place + 1 :]}"
            yield Edit(node, ast.Call(node.func, [ast.Constant(new), *node.args[1:]], node.keywords), "wrong-axis", 1.3)

    @staticmethod
    def _renamed(node: ast.Call, name: str) -> ast.expr:
        if isinstance(node.func, ast.Attribute):
            return ast.Call(ast.Attribute(node.func.value, name, ast.Load()), node.args, node.keywords)
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
            options += [-1, (0, 2, 3), (0, 1), (0, 2), (1, 2), (2, 3), (0, 2, 3), (1, 2, 3)]
        options = [o for o in options if not isinstance(o, tuple) or max(o) < len(shape)]

        def call(axis: Any, keeps: bool) -> ast.expr:
            keywords = []
            if axis is not None:
                c: ast.expr = axis if isinstance(axis, ast.expr) else (
                    ast.Tuple([ast.Constant(a) for a in axis], ast.Load()) if isinstance(axis, tuple) else _number(axis))
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
                yield Edit(node, call(axis, keeps), "wrong-axis" if has_axis else "over-reduced", 1.1)
            yield Edit(node, call(axis, not keeps), "wrong-axis" if has_axis else "over-reduced", 1.2 if same else 1.3)
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
            func = ast.Attribute(node.func.value, called, ast.Load()) if isinstance(node.func, ast.Attribute) else node.func
            return ast.Call(func, [x, y], node.keywords)

        kind = "transposed" if name not in ("subtract", "divide") else "sign"
        yield Edit(node, call(b, a), kind, 1.2)
        if name in ("dot", "matmul", "mm"):
            yield Edit(node, call(_transposed(a), _transposed(b)), "missing-transpose", 1.4)
            yield Edit(node, call(_transposed(b), _transposed(a)), "transposed", 1.1)
            yield Edit(node, call(_transposed(b), a), "transposed", 1.4)
            yield Edit(node, call(b, _transposed(a)), "transposed", 1.4)
            yield Edit(node, ast.BinOp(a, ast.Mult(), b), "elementwise-for-matmul", 1.2)
            yield Edit(node, ast.Call(ast.Attribute(ast.Name(self.np, ast.Load()), "outer", ast.Load()), [a, b], []), "elementwise-for-matmul", 1.5)
        if name == "outer":
            yield Edit(node, ast.BinOp(a, ast.Mult(), b), "elementwise-for-matmul", 1.3)
        if name == "multiply":
            yield Edit(node, call(a, b, "dot"), "elementwise-for-matmul", 1.2)
            yield Edit(node, call(a, b, "divide"), "scale", 1.3)
            yield Edit(node, a, "scale", 1.3)
            yield Edit(node, b, "scale", 1.4)
            for x, y in ((a, _transposed(b)), (_transposed(a), b)):
                yield Edit(node, call(x, y, "dot"), "elementwise-for-matmul", 1.5)
        if name == "divide":
            yield Edit(node, a, "scale", 1.3)

    def _function_swaps(self, node: ast.expr) -> Iterator[Edit]:
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in (self.np, "np", "numpy"):
            if node.attr in _UNARY:
                for other in _UNARY[:-1]:
                    if other != node.attr:
                        yield Edit(node, ast.Attribute(node.value, other, ast.Load()), "wrong-activation-derivative", 1.3)
            if node.attr in ("maximum", "minimum"):
                yield Edit(node, ast.Attribute(node.value, "minimum" if node.attr == "maximum" else "maximum", ast.Load()), "wrong-mask", 1.2)
            if node.attr in ("zeros_like", "ones_like", "zeros", "ones"):
                other = node.attr.replace("zeros", "!").replace("ones", "zeros").replace("!", "ones")
                yield Edit(node, ast.Attribute(node.value, other, ast.Load()), "wrong-mask", 1.4)
        own = ast.unparse(node)
        prefix = own.rsplit(".", 1)[0] + "." if "." in own and own.startswith("self") else ""
        if isinstance(node, ast.Name) or prefix:
            for f in self.functions:
                if f.startswith("self.") == bool(prefix) and f != own:
                    yield Edit(node, ast.parse(f, mode="eval").body, "wrong-activation-derivative", 1.2)

    # -- factors and terms -----------------------------------------------------------------------

    def factors(self, derived: list[Atom]) -> Iterator[Edit]:
        """The whole, or one of its parts, times or over something in scope."""
        spots = [self.root]
        spots += [n for n in ast.walk(self.root) if isinstance(n, ast.BinOp | ast.Call | ast.Name | ast.Attribute | ast.Subscript) and n is not self.root and self.shape(n) is not None][:8]
        parents = self._parents()
        for spot in spots:
            if self._is_function_position(spot, parents) or self._in_index(spot, parents):
                continue
            shape = self.shape(spot)
            if shape is None:
                continue
            extra = 0.0 if spot is self.root else 0.35
            for atom in [*self.atoms, *derived]:
                a = values.shape(atom.value)
                if a == () and not isinstance(atom.value, bool):
                    scalar = values.as_array(atom.value)
                    if scalar is None or float(scalar) in (0.0, 1.0):
                        continue
                    yield Edit(spot, ast.BinOp(_wrap(spot), ast.Div(), atom.node), "scale", 1.3 + extra)
                    yield Edit(spot, ast.BinOp(_wrap(spot), ast.Mult(), atom.node), "scale", 1.4 + extra)
                elif a and _broadcasts(a, shape):
                    d = 0.2 if atom in derived else 0.0
                    yield Edit(spot, ast.BinOp(_wrap(spot), ast.Mult(), _wrap(atom.node)), "missing-factor", 1.6 + extra + d)
                    yield Edit(spot, ast.BinOp(_wrap(spot), ast.Div(), _wrap(atom.node)), "missing-factor", 1.8 + extra + d)
            for c in (2, 0.5):
                yield Edit(spot, ast.BinOp(ast.Constant(c), ast.Mult(), _wrap(spot)), "scale", 1.5 + extra)

    def terms(self, derived: list[Atom], scalars: list[Atom]) -> Iterator[Edit]:
        """The whole plus or minus something in scope."""
        spots = [self.root]
        spots += [n for n in ast.walk(self.root) if n is not self.root and isinstance(n, ast.expr) and self.shape(n)][:4]
        for spot in spots:
            shape = self.shape(spot)
            if shape is None:
                continue
            extra = 0.0 if spot is self.root else 0.4
            for atom in [*self.atoms, *derived]:
                a = values.shape(atom.value)
                if isinstance(atom.value, bool) or (a != shape and not (spot is self.root and a and _broadcasts(a, shape))):
                    continue
                if a == () and isinstance(atom.value, int):
                    continue
                node = _wrap(atom.node)
                yield Edit(spot, ast.BinOp(spot, ast.Add(), node), "missing-term", 1.8 + extra)
                yield Edit(spot, ast.BinOp(spot, ast.Sub(), node), "missing-term", 1.9 + extra)
                if spot is not self.root:
                    continue
                for s in scalars:
                    yield Edit(spot, ast.BinOp(spot, ast.Add(), ast.BinOp(_wrap(s.node), ast.Mult(), node)), "missing-term", 2.0)


def _number(value: Any) -> ast.expr:
    if isinstance(value, int) and value < 0:
        return ast.UnaryOp(ast.USub(), ast.Constant(-value))
    return ast.Constant(value)


def _wrap(node: ast.expr) -> ast.expr:
    return node


def _broadcasts(a: tuple[int, ...], shape: tuple[int, ...]) -> bool:
    try:
        return np.broadcast_shapes(a, shape) == shape
    except ValueError:
        return False
