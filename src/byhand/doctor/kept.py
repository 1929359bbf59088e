"""Repairs that stay in place while the next mistake is looked for."""

from __future__ import annotations

import ast
import copy
from types import CodeType

from byhand.doctor.blocks import Change, place_of, with_blocks
from byhand.doctor.instrument import (
    MADE,
    WRITTEN,
    Instrumented,
    Site,
    compiled,
    definition,
    expression_of,
    put,
)
from byhand.doctor.repair import Repair


class Kept:
    """The program with the repairs found so far; `tree` is its text with them."""

    def __init__(self, module: Instrumented, tree: ast.Module) -> None:
        self.module = module
        self.tree = tree
        self.codes: list[tuple[str, CodeType]] = []

    def put(self, repair: Repair) -> None:
        """Let the program run with a repair, tapped like the rest of it."""
        site, change = repair.site, repair.change
        if isinstance(change, Change):
            for statement in change.new if change.move is None else []:
                setattr(statement, MADE, True)
            new = change.definition
        else:
            assert repair.expression is not None
            new = self._with(site, repair.expression)
        code = self.module.adopt(site.function, new)
        if code is not None:
            self.codes.append((site.function, code))
            self.tree = _exchanged(self.tree, definition(self.tree, site.function), new)
        elif repair.expression is not None:
            self._replace(site, repair.expression)

    def _with(self, site: Site, expression: ast.expr) -> ast.FunctionDef:
        """The site's function with another expression there."""
        function = definition(self.tree, site.function)
        place = place_of(function, site.statement)
        assert place is not None
        block, k = place
        statement = copy.deepcopy(block[k])
        setattr(statement, WRITTEN, getattr(block[k], WRITTEN, expression_of(block[k])))
        put(statement, expression)
        new: ast.FunctionDef = with_blocks(
            function, {id(block): [*block[:k], statement, *block[k + 1 :]]}
        )
        return new

    def _replace(self, site: Site, expression: ast.expr) -> None:
        """The expression alone, where its function cannot be made anew."""
        site.expression, site.code = expression, compiled(expression)
        code = site.code
        self.module.always[site.number] = lambda there: self.module.evaluate(code, there)
        self.module.quiet()

    def restore(self) -> None:
        for name, code in reversed(self.codes):
            function = self.module.function(name)
            if function is not None:
                function.__code__ = code
        self.module.always.clear()
        self.module.quiet()


def _exchanged(tree: ast.Module, old: ast.FunctionDef, new: ast.FunctionDef) -> ast.Module:
    """The tree with another definition; what does not hold it is shared."""

    class Exchange(ast.NodeTransformer):
        def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
            return new if node is old else node

        def visit_ClassDef(self, node: ast.ClassDef) -> ast.AST:
            twin = copy.copy(node)
            twin.body = [self.visit(statement) for statement in node.body]
            return twin

    made: ast.Module = Exchange().visit(ast.Module(list(tree.body), tree.type_ignores))
    return made
