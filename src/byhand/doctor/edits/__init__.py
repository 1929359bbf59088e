"""Small changes to an expression, of the kind that turns a slip into what was meant.

Each edit replaces one node. Its cost says how unlikely the slip is: repairs are tried from the
cheapest on, and among those that make the gradients right the cheapest is proposed."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from byhand.doctor.edits.base import Atom, Edit, substitute
from byhand.doctor.edits.cuts import CutEdits
from byhand.doctor.edits.made import MadeEdits
from byhand.doctor.edits.nodes import NodeEdits
from byhand.doctor.edits.whole import WholeEdits

__all__ = ["Atom", "Edit", "Editor", "substitute"]


class Editor(NodeEdits, CutEdits, MadeEdits, WholeEdits):
    """The edits of one expression."""

    def cheap(self) -> Iterator[Edit]:
        """Edits that use nothing but what the line already has, and other names in its place."""
        seen_parents = self._parents()
        for node in ast.walk(self.root):
            if isinstance(node, ast.FormattedValue | ast.JoinedStr):
                continue  # what is in the braces of f"W{i}" is a node of its own
            if isinstance(node, ast.expr) and isinstance(
                getattr(node, "ctx", ast.Load()), ast.Load
            ):
                yield from self._of_node(node, seen_parents)
                if not self._in_index(node, seen_parents):
                    yield from self._cuts(node, seen_parents)
            if isinstance(node, ast.Call):
                yield from self._of_call(node)
        yield from self._throughout()
        yield from self._regrouped()
        yield from self._ordered()
