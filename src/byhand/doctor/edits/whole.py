"""Edits of an expression as a whole."""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Iterator
from typing import Any

from byhand.doctor import values
from byhand.doctor.edits.base import Edit, Scoped


class WholeEdits(Scoped):
    """One name for another throughout, and a term that belongs inside of a product."""

    def _throughout(self) -> Iterator[Edit]:
        """gs * s * (1 - s) for gs * v * (1 - v): what is copied is renamed in one go."""
        kinds = (ast.Name, ast.Attribute, ast.Subscript)
        texts = Counter(ast.unparse(n) for n in ast.walk(self.root) if isinstance(n, kinds))
        for text, count in texts.items():
            shape = self.shape(ast.parse(text, mode="eval").body) if count > 1 else None
            if not shape:
                continue
            for atom in self.atoms:
                if atom.text == text or values.shape(atom.value) != shape:
                    continue
                new: Any = _replaced(self.root, text, atom.node)
                yield Edit(self.root, new, "swapped-variable", 1.1 + 0.7 * atom.far)
        calls = [n for n in ast.walk(self.root) if isinstance(n, ast.Call) and len(n.args) == 1]
        for text, count in Counter(map(ast.unparse, calls)).items():
            if count > 1:  # y * (1 - y) for sigmoid(y) * (1 - sigmoid(y))
                inner = next(n.args[0] for n in calls if ast.unparse(n) == text)
                new = _replaced(self.root, text, inner)
                yield Edit(self.root, new, "wrong-activation-derivative", 1.2)

    def _ordered(self) -> Iterator[Edit]:
        """A row of objects, (self.second, self.first), in another order or with one more."""
        plain = (ast.Name, ast.Attribute)
        for node in ast.walk(self.root):
            if not isinstance(node, ast.Tuple | ast.List):
                continue
            e = node.elts
            for k in range(len(e) - 1):
                new = [*e[:k], e[k + 1], e[k], *e[k + 2 :]]
                if isinstance(e[k], plain) and isinstance(e[k + 1], plain):
                    yield Edit(node, type(node)(new, ast.Load()), "swapped-variable", 1.4)
            if not all(isinstance(part, plain) for part in e):
                continue
            there = {ast.unparse(part) for part in e}
            for text in dict.fromkeys(t for part in e for t in self._like(part)):
                one = ast.parse(text, mode="eval").body
                for k in range(len(e) + 1) if text not in there else ():
                    new = [*e[:k], one, *e[k:]]
                    yield Edit(node, type(node)(new, ast.Load()), "missing-term", 1.5)

    def _like(self, node: ast.expr) -> Iterator[str]:
        """What else the object has that is no number: self.norm beside self.first; and the same of
        what is beside it, self.second.weight beside self.first.weight."""
        if not isinstance(node, ast.Attribute):
            return
        own = self.value(node)
        for name, value in getattr(self.value(node.value), "__dict__", {}).items():
            if hasattr(value, "__dict__") and not isinstance(value, type):
                yield f"{ast.unparse(node.value)}.{name}"
        if isinstance(node.value, ast.Attribute):
            for text in self._like(node.value):
                other = f"{text}.{node.attr}"
                if type(self.value(ast.parse(other, mode="eval").body)) is type(own):
                    yield other

    def _regrouped(self) -> Iterator[Edit]:
        """(a + c) * b for a * b + c."""
        root = self.root
        if not (isinstance(root, ast.BinOp) and isinstance(root.op, ast.Add | ast.Sub)):
            return
        for product, term in ((root.left, root.right), (root.right, root.left)):
            chain = []
            node = product
            while isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mult | ast.Div):
                chain.append(node)
                node = node.left
            if not chain or (term is root.left and isinstance(root.op, ast.Sub)):
                continue
            new: ast.expr = ast.BinOp(node, root.op, term)
            for above in reversed(chain):
                new = ast.BinOp(new, above.op, above.right)
            yield Edit(root, new, "wrong-operator", 1.6)


def _replaced(node: Any, text: str, new: ast.expr) -> Any:
    if isinstance(node, ast.expr) and ast.unparse(node) == text:
        return new
    if isinstance(node, list):
        return [_replaced(n, text, new) for n in node]
    if not isinstance(node, ast.AST):
        return node
    fields = {name: _replaced(child, text, new) for name, child in ast.iter_fields(node)}
    return ast.copy_location(type(node)(**fields), node)
