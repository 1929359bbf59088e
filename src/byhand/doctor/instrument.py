"""The user's source with a tap at every statement: its value can be watched, nudged or replaced.

    dA1 = dZ2 @ W2.T

becomes

    dA1 = __tap__(17, locals()) if __on__[17] else dZ2 @ W2.T

so that a run without taps costs a list look-up a statement, a repaired expression is tried without
compiling the function again, and locals() gives it the very values that the line had.
"""

from __future__ import annotations

import ast
import copy
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from types import CodeType, FunctionType
from typing import Any

TAP, ON = "__tap__", "__on__"
MADE, WRITTEN = "made", "written"
"""Attributes of statements that repairs have put there or changed."""
_FIELDS = {
    ast.Assign: "value",
    ast.AnnAssign: "value",
    ast.AugAssign: "value",
    ast.Return: "value",
    ast.Expr: "value",
    ast.For: "iter",
    ast.If: "test",
    ast.While: "test",
}
Handler = Callable[[dict[str, Any]], Any]


@dataclass(eq=False)
class Site:
    """One tapped expression: `expression` as the user wrote it, in `statement` of `function`.

    function    the outermost definition that it is in, "backward" or "Net.backward"
    written     the expression in the file; another one where a repair stands in its place already
    """

    number: int
    function: str
    statement: ast.stmt
    expression: ast.expr
    code: CodeType
    written: ast.expr


class _Tapper(ast.NodeTransformer):
    """Puts a tap into every statement of the functions of a module."""

    def __init__(
        self,
        path: str,
        skip: frozenset[str],
        sites: list[Site],
        function: str | None = None,
    ) -> None:
        self.path = path
        self.skip = skip
        self.sites = sites
        self.classes: list[str] = []
        self.function = function

    def visit_ClassDef(self, node: ast.ClassDef) -> ast.AST:
        if self.function is not None:
            return node
        self.classes.append(node.name)
        self.generic_visit(node)
        self.classes.pop()
        return node

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        if self.function is None:
            name = ".".join([*self.classes, node.name])
            if name in self.skip:
                return node
            self.function = name
            self._body(node)
            self.function = None
        else:
            self._body(node)
        return node

    def _body(self, node: ast.FunctionDef) -> None:
        node.body = [self.visit(statement) for statement in node.body]

    def visit_Lambda(self, node: ast.Lambda) -> ast.AST:
        return node

    def generic_visit(self, node: ast.AST) -> ast.AST:
        if isinstance(node, ast.stmt) and self.function is not None and type(node) in _FIELDS:
            value = expression_of(node)
            if value is not None and not is_made(node) and not _untappable(node, value):
                original = copy.deepcopy(node)
                number = len(self.sites)
                expression = expression_of(original)
                assert expression is not None
                self.sites.append(
                    Site(
                        number,
                        str(self.function),
                        original,
                        expression,
                        compiled(expression),
                        getattr(original, WRITTEN, expression),
                    )
                )
                put(node, _tapped(number, value))
        if isinstance(node, ast.expr):
            return node
        return super().generic_visit(node)


def expression_of(statement: ast.stmt) -> ast.expr | None:
    """What a statement computes: of deltas.append(dz @ W.T) what is appended."""
    call = _kept_by(statement)
    found: ast.expr | None = (
        call.args[-1] if call is not None else getattr(statement, _FIELDS[type(statement)])
    )
    return found


def put(statement: ast.stmt, expression: ast.expr) -> None:
    """Let a statement compute something else."""
    call = _kept_by(statement)
    if call is not None:
        call.args[-1] = expression
    else:
        setattr(statement, _FIELDS[type(statement)], expression)


def is_made(statement: ast.stmt) -> bool:
    """Whether a repair has put the statement there, so that the file has no line of it."""
    return hasattr(statement, MADE)


def _kept_by(statement: ast.stmt) -> ast.Call | None:
    """The call, where a statement is deltas.append(...) or the like."""
    call = statement.value if isinstance(statement, ast.Expr) else None
    if isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute) and call.args:
        return call if call.func.attr in ("append", "insert", "appendleft") else None
    return None


def _untappable(statement: ast.AST, value: ast.expr) -> bool:
    if isinstance(statement, ast.Expr) and isinstance(value, ast.Constant):
        return True
    return any(
        isinstance(node, ast.Yield | ast.YieldFrom | ast.Await | ast.NamedExpr | ast.Starred)
        or (isinstance(node, ast.Call) and _called(node) in ("super", "locals", "print"))
        for node in ast.walk(value)
    )


def _called(call: ast.Call) -> str:
    return call.func.id if isinstance(call.func, ast.Name) else ""


def _tapped(number: int, value: ast.expr) -> ast.expr:
    def name(text: str) -> ast.expr:
        return ast.Name(text, ast.Load())

    index = ast.Constant(number)
    there = ast.Call(name("locals"), [], [])
    return ast.copy_location(
        ast.IfExp(
            ast.Subscript(name(ON), index, ast.Load()),
            ast.Call(name(TAP), [index, there], []),
            value,
        ),
        value,
    )


def compiled(expression: ast.expr) -> CodeType:
    """An expression ready to be evaluated, in double precision."""
    tree = ast.Expression(expression)
    if any(is_single(node) for node in ast.walk(expression)):
        tree = in_double(copy.deepcopy(tree))
    return compile(ast.fix_missing_locations(tree), "<repair>", "eval")


_SINGLE = ("float32", "float16", "single", "half")


def is_single(node: ast.AST) -> bool:
    if isinstance(node, ast.Attribute):
        return node.attr in _SINGLE or node.attr == "float"
    return isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value in _SINGLE


class _Double(ast.NodeTransformer):
    def visit_Attribute(self, node: ast.Attribute) -> ast.AST:
        self.generic_visit(node)
        if node.attr in _SINGLE:
            node.attr = "float64"
        elif node.attr == "float" and not (
            isinstance(node.value, ast.Name) and node.value.id == "np"
        ):
            node.attr = "double"
        return node

    def visit_Constant(self, node: ast.Constant) -> ast.AST:
        if is_single(node):
            node.value = "float64"
        return node


def in_double(tree: Any) -> Any:
    """float32 named in a program's text read as float64, where differences have ten digits."""
    return _Double().visit(tree)


@dataclass(eq=False)
class Instrumented:
    """A module's source, tapped, and the switches of its taps."""

    tree: ast.Module
    sites: list[Site]
    path: str
    namespace: dict[str, Any] = field(default_factory=dict)
    on: list[bool] = field(default_factory=list)
    handlers: dict[int, Handler] = field(default_factory=dict)
    always: dict[int, Handler] = field(default_factory=dict)

    def tap(self, number: int, there: dict[str, Any]) -> Any:
        return self.handlers[number](there)

    def listen(self, number: int, handler: Handler) -> None:
        self.handlers[number] = handler
        self.on[number] = True

    def quiet(self) -> None:
        """Take all taps away but those in `always`."""
        for number in self.handlers:
            self.on[number] = False
        self.handlers.clear()
        for number, handler in self.always.items():
            self.listen(number, handler)

    def evaluate(self, code: CodeType, there: dict[str, Any]) -> Any:
        """The value of an expression where a tap is."""
        return eval(code, {**self.namespace, **there})

    def install(self, name: str, definition: ast.FunctionDef) -> CodeType | None:
        """Let the function run this definition instead; returns its code until now, and None where
        it cannot, such as where a name is used above its declaration as global."""
        function = self.function(name)
        if function is None:
            return None
        scratch: dict[str, Any] = {}
        bare = copy.copy(definition)
        bare.decorator_list = []
        if any(is_single(node) for node in ast.walk(bare)):
            bare = in_double(copy.deepcopy(bare))
        module = ast.Module([ast.fix_missing_locations(bare)], [])
        try:
            exec(compile(module, self.path, "exec"), {**self.namespace}, scratch)
        except SyntaxError:
            return None
        new = scratch[definition.name].__code__
        if new.co_freevars != function.__code__.co_freevars:
            return None
        kept = function.__code__
        function.__code__ = new
        return kept

    def adopt(self, name: str, definition: ast.FunctionDef) -> CodeType | None:
        """Let the function be this definition from now on, tapped anew; returns its code until
        now."""
        first = len(self.sites)
        tapper = _Tapper(self.path, frozenset(), self.sites, name)
        tapped = copy.deepcopy(definition)
        tapper.visit_FunctionDef(tapped)
        self.on.extend([False] * (len(self.sites) - first))
        code = self.install(name, tapped)
        if code is None:
            del self.sites[first:], self.on[first:]
        return code

    def function(self, name: str) -> FunctionType | None:
        found: Any = self.namespace
        for part in name.split("."):
            found = found.get(part) if isinstance(found, dict) else vars(found).get(part)
            if found is None:
                return None
            if isinstance(found, staticmethod | classmethod):
                found = found.__func__
        while hasattr(found, "__wrapped__"):
            found = found.__wrapped__
        return found if isinstance(found, FunctionType) else None


def definition(tree: ast.Module, name: str) -> ast.FunctionDef:
    """A function or a method by its name.

    Raises      IndexError where there is none, AssertionError where it is a class
    """
    body: list[ast.stmt] = tree.body
    found: Any = None
    for part in name.split("."):
        inside = [
            s
            for s in _flat(body)
            if isinstance(s, ast.FunctionDef | ast.ClassDef) and s.name == part
        ]
        found = inside[-1]
        body = found.body
    assert isinstance(found, ast.FunctionDef)
    return found


def _flat(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    for s in body:
        yield s
        if isinstance(s, ast.If | ast.Try):
            yield from _flat(s.body)
            yield from _flat(getattr(s, "orelse", []))
            for h in getattr(s, "handlers", []):
                yield from _flat(h.body)


def instrument(text: str, path: str, skip: frozenset[str] = frozenset({"example"})) -> Instrumented:
    """The tapped module; nothing of it has run yet.

    Raises      SyntaxError
    """
    tree = ast.parse(text, path)
    tapper = _Tapper(path, skip, [])
    tree.body = [tapper.visit(s) if _defines(s) else s for s in tree.body]
    tree = in_double(ast.fix_missing_locations(tree))
    module = Instrumented(tree, tapper.sites, path)
    module.on = [False] * len(tapper.sites)
    return module


def _defines(statement: ast.stmt) -> bool:
    return isinstance(statement, ast.FunctionDef | ast.ClassDef | ast.If | ast.Try)
