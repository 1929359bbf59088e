"""How somebody's program uses its numbers, read from its text: as counts, as settings, beside 0."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from byhand.doctor import names, values
from byhand.doctor.guards import LIMITS, SMALL
from byhand.doctor.subject import Subject

_BENT = ("abs", "fabs", "absolute", "sign", "relu", "leaky_relu", "hardtanh")
_BENT_AT_0 = ("maximum", "minimum", "fmax", "fmin", "max", "min", "clip", "clamp")
_COUNTING = ("range", "arange", "pad", "reshape", "repeat", "as_strided", "sliding_window_view")
_SATURATING = ("exp", "log", "log1p", "log2", "log10", "logaddexp", "sigmoid", "softmax", "expit")
_FAR = 10.0
_DISTINCT = ("permutation", "shuffle", "unique", "argsort", "sample")


def reached(subject: Subject) -> list[ast.AST]:
    """The functions that the forward may come through, and the file's lambdas."""
    tree = subject.module.tree
    there = {n.name: n for n in ast.walk(tree) if isinstance(n, ast.FunctionDef)}
    waiting, seen = [subject.plan.forward, subject.plan.loss or ""], set()
    while waiting:
        name = waiting.pop()
        if name in there and name not in seen:
            seen.add(name)
            waiting += [_last(n) for n in ast.walk(there[name])]
    lambdas = [
        n
        for statement in tree.body
        if not isinstance(statement, ast.FunctionDef | ast.ClassDef)
        for n in ast.walk(statement)
        if isinstance(n, ast.Lambda)
    ]
    return [*(there[name] for name in sorted(seen)), *lambdas]


def bends_at_zero(subject: Subject) -> bool:
    """Whether the forward has something like relu or |x| in it, and no guard that begins to hold
    where signs change, as in log(max(p, 1e-12))."""
    nodes = [n for function in reached(subject) for n in ast.walk(function)]
    return any(map(_bends, nodes)) and not any(map(_limits, nodes))


def has_limits(subject: Subject) -> bool:
    """Whether the forward does something else beyond a limit, as Huber's loss does, nothing in it
    saturates, and no gradient is cut off where it is large."""
    start, backward = subject.start, subject.definition
    given = [start.inputs, start.made_of, start.world]
    leaves = [leaf for each in given for leaf in values.leaves(each)]
    numbers = {str(path[-1]) for path, value in leaves if values.is_number(value)}
    nodes = [n for function in reached(subject) for n in ast.walk(function)]
    if any(isinstance(n, ast.Call) and _last(n.func) in _SATURATING for n in nodes):
        return False
    if not any(_is_limit(side, numbers) for node in nodes for side in _compared(node)):
        return False
    return backward is not None and not any(map(_cuts_off, ast.walk(backward)))


def _compared(node: ast.AST) -> list[ast.expr]:
    """What decides between two sides, by its size."""
    if isinstance(node, ast.Compare):
        ordered = all(isinstance(op, ast.Lt | ast.LtE | ast.Gt | ast.GtE) for op in node.ops)
        return [node.left, *node.comparators] if ordered else []
    if isinstance(node, ast.Call) and _last(node.func) in _BENT_AT_0:
        return [*node.args, *(k.value for k in node.keywords if k.arg not in ("axis", "dim"))]
    return []


def _is_limit(node: ast.expr, numbers: set[str]) -> bool:
    """A number that is neither a guard nor out of reach, or made of some that have names."""
    if isinstance(node, ast.UnaryOp):
        return _is_limit(node.operand, numbers)
    if isinstance(node, ast.Constant):
        number = node.value
        return isinstance(number, int | float) and SMALL < number <= _FAR
    parts = list(ast.walk(node))
    called = [_last(n) for n in parts if isinstance(n, ast.Name | ast.Attribute)]
    called = [name for name in called if name != "self"]
    return (
        bool(called) and set(called) <= numbers and not any(isinstance(n, ast.Call) for n in parts)
    )


def _cuts_off(node: ast.AST) -> bool:
    if isinstance(node, ast.Compare):
        return any("norm" in _last(n) for n in ast.walk(node))
    if not isinstance(node, ast.Call) or _last(node.func) not in ("clip", "clamp", "clamp_"):
        return False
    what = [*node.args[:1], getattr(node.func, "value", None)]
    into = any(keyword.arg == "out" for keyword in node.keywords)
    return into or any(w is not None and names.looks_like_gradient(_last(w)) for w in what)


def _bends(node: ast.AST) -> bool:
    if isinstance(node, ast.Compare):
        return any(_is_zero(side) for side in (node.left, *node.comparators))
    if not isinstance(node, ast.Call):
        return False
    given = [*node.args, *(k.value for k in node.keywords if k.arg not in ("axis", "dim"))]
    called = _last(node.func)
    return (called in _BENT and len(given) == 1) or (
        called in _BENT_AT_0 and any(map(_is_zero, given))
    )


def _limits(node: ast.AST) -> bool:
    return (
        isinstance(node, ast.Call)
        and _last(node.func) in LIMITS
        and any(
            isinstance(v, ast.Constant) and type(v.value) is float and 0 < v.value <= SMALL
            for v in (*node.args, *(keyword.value for keyword in node.keywords))
        )
    )


def _is_zero(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and type(node.value) in (int, float) and node.value == 0


def counts(subject: Subject) -> set[str]:
    """The names of what says how many or how far in the forward: in a slice, range() or //."""
    nodes = [n for function in reached(subject) for n in ast.walk(function)]
    found: set[str] = set()
    for node in nodes:
        for part in _counting(node):
            found |= _names(part)
    pairs = [pair for n in nodes if isinstance(n, ast.Assign) for pair in _assigned(n)]
    for _ in range(3):
        for name, value in pairs:
            if name in found:
                found |= _names(value)
    return found


def _counting(node: ast.AST) -> Iterator[ast.AST]:
    if isinstance(node, ast.Slice):
        yield from (part for part in (node.lower, node.upper, node.step) if part is not None)
    elif isinstance(node, ast.BinOp) and isinstance(node.op, ast.FloorDiv):
        yield node
    elif isinstance(node, ast.Call) and _last(node.func) in _COUNTING:
        yield from (*node.args, *(keyword.value for keyword in node.keywords))


def _assigned(node: ast.Assign) -> Iterator[tuple[str, ast.expr]]:
    """The names of an assignment, each with what it is bound to: s, p = d["stride"], d["pad"]."""
    # A tap stands around the value that is written there.
    value = node.value.orelse if isinstance(node.value, ast.IfExp) else node.value
    for target in node.targets:
        targets = target.elts if isinstance(target, ast.Tuple) else [target]
        parts = value.elts if isinstance(value, ast.Tuple) else [value]
        for name, part in zip(targets, parts, strict=False):
            yield _last(name), part


def _names(node: ast.AST) -> set[str]:
    return {_last(n) for n in ast.walk(node)} - {""}


def _last(node: ast.AST) -> str:
    """The name that something goes by: stride, self.stride, options["stride"]."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    return str(getattr(node, "attr", getattr(node, "id", "")))


def strings(tree: ast.Module) -> set[str]:
    return {n.value for n in ast.walk(tree) if isinstance(n, ast.Constant) and type(n.value) is str}


def settings(tree: ast.Module) -> set[str]:
    """The module's numbers that nothing else is computed from when it is imported: LAMBDA = 0.0,
    read in functions only."""
    nodes = list(_when_imported(tree))
    stored = [n.id for n in nodes if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)]
    read = {n.id for n in nodes if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Load)}
    changed = {name for n in ast.walk(tree) if isinstance(n, ast.Global) for name in n.names}
    return {
        target.id
        for n in tree.body
        if isinstance(n, ast.Assign) and isinstance(n.value, ast.Constant)
        for target in n.targets
        if isinstance(target, ast.Name) and stored.count(target.id) == 1
    } - (read | changed)


def _when_imported(tree: ast.Module) -> Iterator[ast.AST]:
    """The nodes outside of the bodies of functions; the defaults of parameters are inside none."""
    waiting: list[ast.AST] = list(tree.body)
    while waiting:
        node = waiting.pop()
        yield node
        if isinstance(node, ast.FunctionDef | ast.Lambda):
            waiting += [d for d in (*node.args.defaults, *node.args.kw_defaults) if d is not None]
            waiting += getattr(node, "decorator_list", [])
        else:
            waiting += ast.iter_child_nodes(node)


def asks_length(subject: Subject, data: list[str], axis: int) -> bool:
    """Whether the forward asks for the length of an axis of its data: len(x), x.shape[0]."""
    places = ("0",) if axis == 0 else ("1", "-1")
    for node in (n for function in reached(subject) for n in ast.walk(function)):
        if isinstance(node, ast.Call):
            if axis == 0 and _last(node.func) == "len" and _last(node.args[0]) in data:
                return True
        elif isinstance(node, ast.Subscript) and _last(node.value) == "shape":
            of = getattr(node.value, "value", node)
            if _last(of) in data and ast.unparse(node.slice) in places:
                return True
    return False


def wants_distinct(tree: ast.Module) -> bool:
    """Whether the file draws or sorts so that no index occurs twice: it may rely on that."""
    return any(
        (isinstance(n, ast.Call) and _last(n.func) in _DISTINCT)
        or (isinstance(n, ast.keyword) and n.arg == "replace")
        for n in ast.walk(tree)
    )
