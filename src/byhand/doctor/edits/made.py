"""Edits that put something new into an expression: a factor, a term."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from byhand.doctor import values
from byhand.doctor.edits.base import Atom, Edit, Scoped, broadcasts


class MadeEdits(Scoped):
    """Factors and terms from what is in scope."""

    def factors(self, derived: list[Atom]) -> Iterator[Edit]:
        """The whole, or one of its parts, times or over something in scope."""
        spots = [self.root]
        spots += [
            n
            for n in ast.walk(self.root)
            if isinstance(n, ast.BinOp | ast.Call | ast.Name | ast.Attribute | ast.Subscript)
            and n is not self.root
            and self.shape(n) is not None
        ][:8]
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
                    yield Edit(spot, ast.BinOp(spot, ast.Div(), atom.node), "scale", 1.3 + extra)
                    yield Edit(spot, ast.BinOp(spot, ast.Mult(), atom.node), "scale", 1.4 + extra)
                elif a and broadcasts(shape, a, shape):
                    d = 0.2 if atom in derived else 0.0
                    yield Edit(
                        spot,
                        ast.BinOp(spot, ast.Mult(), atom.node),
                        "missing-factor",
                        1.6 + extra + d,
                    )
                    yield Edit(
                        spot,
                        ast.BinOp(spot, ast.Div(), atom.node),
                        "missing-factor",
                        1.8 + extra + d,
                    )
            for c in (2, 0.5):
                yield Edit(spot, ast.BinOp(ast.Constant(c), ast.Mult(), spot), "scale", 1.5 + extra)

    def terms(self, derived: list[Atom], scalars: list[Atom]) -> Iterator[Edit]:
        """The whole plus or minus something in scope."""
        spots = [self.root]
        spots += [
            n
            for n in ast.walk(self.root)
            if n is not self.root and isinstance(n, ast.expr) and self.shape(n)
        ][:4]
        for spot in spots:
            shape = self.shape(spot)
            if shape is None:
                continue
            extra = 0.0 if spot is self.root else 0.4
            for atom in [*self.atoms, *derived]:
                a = values.shape(atom.value)
                if isinstance(atom.value, bool) or (
                    a != shape and not (spot is self.root and a and broadcasts(shape, a, shape))
                ):
                    continue
                if a == () and isinstance(atom.value, int):
                    continue
                node = atom.node
                yield Edit(spot, ast.BinOp(spot, ast.Add(), node), "missing-term", 1.8 + extra)
                yield Edit(spot, ast.BinOp(spot, ast.Sub(), node), "missing-term", 1.9 + extra)
                if spot is not self.root:
                    continue
                for s in scalars:
                    yield Edit(
                        spot,
                        ast.BinOp(spot, ast.Add(), ast.BinOp(s.node, ast.Mult(), node)),
                        "missing-term",
                        2.0,
                    )
