"""Edits of slices: which end is cut off, whether anything is, and which end comes first."""

from __future__ import annotations

import ast
from collections.abc import Iterator

import numpy as np

from byhand.doctor import values
from byhand.doctor.edits.base import Edit, Scoped, broadcasts, is_T, method

_NOTHING = ast.Slice()


class CutEdits(Scoped):
    """Edits of what is sliced, or should be."""

    def _cuts(self, node: ast.expr, parents: dict[int, ast.AST]) -> Iterator[Edit]:
        if isinstance(node, ast.Subscript):
            yield from self._other_ends(node)
            yield from self._behind_the_border(node)
        if isinstance(node, ast.BinOp):
            yield from self._fitted(node)
        parent = parents.get(id(node))
        shape = self.shape(node)
        beside = isinstance(parent, ast.BinOp) and isinstance(parent.op, ast.Mult | ast.Div)
        if shape == () and beside:
            yield from self._spread_in(node, parent)  # type: ignore[arg-type]
        handed_on = node is self.root or isinstance(parent, ast.Tuple | ast.List | ast.Dict)
        if handed_on and shape:
            yield from self._cropped(node, shape)
            yield from self._shortened(node, shape)
        if isinstance(node, ast.Name | ast.Attribute | ast.Call):
            stepped = method(parent or node) in ("zip", "enumerate") or node is self.root
            yield from self._reversed(node, shape, handed_on or stepped)
        if isinstance(node, ast.Subscript):
            yield from self._mirrored(node)

    def _other_ends(self, node: ast.Subscript) -> Iterator[Edit]:
        """x[1:] for x[:-1], x[p:-p] for x[p:], x for either: all axes that are cut alike."""
        parts = node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]
        widths = [_width(part) for part in parts]
        if not any(widths):
            return

        def cut(form: int, by: ast.expr | None = None) -> ast.expr:
            new = [
                part if width is None else _slice(by or width, form)
                for part, width in zip(parts, widths, strict=True)
            ]
            return _cut(node.value, new)

        for form in range(4):
            yield Edit(node, cut(form), "index-shift", 1.1 + 0.1 * (form == 2))
        if sum(width is not None for width in widths) > 1:
            for width in self._borders(self.shape(node.value) or ()):
                yield Edit(node, cut(2, width), "wrong-padding-or-stride", 1.4)
        if all(width or _is_whole(part) for part, width in zip(parts, widths, strict=True)):
            yield Edit(node, node.value, "index-shift", 1.4)

    def _behind_the_border(self, node: ast.Subscript) -> Iterator[Edit]:
        """x[:, p:p + h, p:p + w] for x[:, :h, :w]: what was padded begins after the border."""
        parts = node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]
        if not any(_is_first(part) for part in parts):
            return
        for width in self._borders(self.shape(node.value) or ()):
            new = [
                ast.Slice(width, ast.BinOp(width, ast.Add(), part.upper))  # type: ignore[attr-defined]
                if _is_first(part)
                else part
                for part in parts
            ]
            cost = 1.4 + 0.1 * isinstance(width, ast.Constant)
            yield Edit(node, _cut(node.value, new), "wrong-padding-or-stride", cost)

    def _fitted(self, node: ast.BinOp) -> Iterator[Edit]:
        """x[1:] beside y, where x has one element more: a bias, say."""
        left, right = self.shape(node.left) or (), self.shape(node.right) or ()
        product = isinstance(node.op, ast.MatMult)
        if product and left and right:
            axes = [(len(left) - 1, max(0, len(right) - 2))]
        elif len(left) == len(right):
            axes = [(k, k) for k in range(len(left))]
        else:
            return
        off = [(a, b, left[a] - right[b]) for a, b in axes if left[a] != right[b]]
        if len(off) != 1 or abs(off[0][2]) != 1:
            return
        a, b, more = off[0]
        operand, axis = (node.left, a) if more > 0 else (node.right, b)
        for form in (0, 1):
            new = _cut(operand, [*[_NOTHING] * axis, _slice(ast.Constant(1), form)])
            yield Edit(operand, new, "index-shift", 1.3)

    def _cropped(self, node: ast.expr, shape: tuple[int, ...]) -> Iterator[Edit]:
        """dx[:, :, p:-p, p:-p] for dx: what was padded is cut off again."""
        if isinstance(node, ast.Subscript) or is_T(node):
            return
        for width in self._borders(shape):
            part = _slice(width, 2)
            places = {(len(shape) - 1, 1)}  # a sequence; images, with channels first or last
            if len(shape) > 1:
                places |= {(len(shape) - 2, 2), (1 if len(shape) > 2 else 0, 2)}
            for before, count in sorted(places):
                new = _cut(node, [*[_NOTHING] * before, *[part] * count])
                yield Edit(node, new, "wrong-padding-or-stride", 1.6)

    def _borders(self, shape: tuple[int, ...]) -> list[ast.expr]:
        """How wide an array may have been padded: small numbers in scope, and 1."""
        found = [
            a.node
            for a in self.atoms
            if isinstance(a.value, int | np.integer)
            and not isinstance(a.value, bool)
            and 0 < a.value < min(shape[-3:], default=0) / 2
            and not a.far
        ]
        return [*found[:6], ast.Constant(1)]

    def _shortened(self, node: ast.expr, shape: tuple[int, ...]) -> Iterator[Edit]:
        for axis in range(min(2, len(shape))):
            for form in (0, 1) if shape[axis] > 1 else ():
                new = _cut(node, [*[_NOTHING] * axis, _slice(ast.Constant(1), form)])
                yield Edit(node, new, "index-shift", 1.7)

    def _reversed(
        self, node: ast.expr, shape: tuple[int, ...] | None, handed_on: bool
    ) -> Iterator[Edit]:
        """grads[::-1], where they were collected from the end; the steps of a sequence."""
        if type(self.value(node)) is list:
            yield Edit(node, _cut(node, [_backwards()]), "index-shift", 1.3)
        elif handed_on and shape and len(shape) > 1:
            for axis in range(min(2, len(shape))):
                new = _cut(node, [*[_NOTHING] * axis, _backwards()])
                yield Edit(node, new, "index-shift", 1.6)

    def _mirrored(self, node: ast.Subscript) -> Iterator[Edit]:
        """w[i, j] for w[-1 - i, -1 - j] and the other way round: a kernel is turned, or not."""
        parts = node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]
        plain: list[ast.expr] = []
        turned: list[ast.expr] = []
        for part in parts:
            names = [n for n in ast.walk(part) if isinstance(n, ast.Name)]
            moving = isinstance(part, ast.Name | ast.BinOp) and self.shape(part) == ()
            back = ast.BinOp(ast.UnaryOp(ast.USub(), ast.Constant(1)), ast.Sub(), part)
            turned.append(back if moving and isinstance(part, ast.Name) else part)
            plain.append(names[-1] if moving and names else part)
        for new in (plain, turned):
            if any(a is not b for a, b in zip(new, parts, strict=True)):
                yield Edit(node, _cut(node.value, new), "not-flipped", 1.4)

    def _spread_in(self, node: ast.expr, parent: ast.BinOp) -> Iterator[Edit]:
        """/ lengths[:, None] for / n: a number for all where each row has one of its own."""
        other = parent.right if node is parent.left else parent.left
        whole = self.shape(other) or ()
        every, new = ast.Slice(), ast.Constant(None)
        for atom in self.atoms:
            shape = values.shape(atom.value)
            if not shape or len(shape) > len(whole) or atom.far or atom.text == ast.unparse(other):
                continue
            if broadcasts(whole, whole, shape):
                yield Edit(node, atom.node, "swapped-variable", 1.5)
            for more in range(1, len(whole) - len(shape) + 1):
                if broadcasts(whole, whole, (*shape, *[1] * more)):
                    index: list[ast.expr] = [*[every] * len(shape), *[new] * more]
                    yield Edit(node, _cut(atom.node, index), "swapped-variable", 1.6)


def _width(part: ast.expr) -> ast.expr | None:
    """How much a slice cuts off: p of p:, :-p or p:-p."""
    if not isinstance(part, ast.Slice) or part.step is not None:
        return None
    if part.lower is not None:
        return None if _negative(part.lower) else part.lower
    return part.upper.operand if _negative(part.upper) else None  # type: ignore[union-attr]


def _is_first(part: ast.expr) -> bool:
    """Whether a slice is :h, the first h."""
    return (
        isinstance(part, ast.Slice)
        and part.lower is part.step is None
        and part.upper is not None
        and not _negative(part.upper)
    )


def _negative(bound: ast.expr | None) -> bool:
    return isinstance(bound, ast.UnaryOp) and isinstance(bound.op, ast.USub)


def _is_whole(part: ast.expr) -> bool:
    plain = isinstance(part, ast.Slice) and part.lower is part.upper is part.step is None
    return plain or (isinstance(part, ast.Constant) and part.value is ...)


def _slice(width: ast.expr, form: int) -> ast.Slice:
    """p:, :-p, p:-p or :p"""
    back = ast.UnaryOp(ast.USub(), width)
    forms = ((width, None), (None, back), (width, back), (None, width))
    return ast.Slice(*forms[form])


def _backwards() -> ast.Slice:
    return ast.Slice(None, None, ast.UnaryOp(ast.USub(), ast.Constant(1)))


def _cut(node: ast.expr, parts: list[ast.expr]) -> ast.expr:
    index = parts[0] if len(parts) == 1 else ast.Tuple(parts, ast.Load())
    return ast.Subscript(node, index, ast.Load())
