"""One run with every tap on: which statements ran, in which order, with what in scope."""

from __future__ import annotations

import ast
import contextlib
import itertools
import types
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from byhand.doctor import values
from byhand.doctor.edits import Atom
from byhand.doctor.instrument import Instrumented, Site, compiled
from byhand.doctor.probing import flat
from byhand.doctor.subject import State, Subject

PLAIN = (0.0, 0.5, 1.0, 2.0)
MOST_LITERALS = 6
MOST = 10
"""Executions of a statement that are remembered."""


@dataclass(eq=False)
class Visit:
    """A statement's executions: what was in scope at the first few, and the values.

    size        elements in the values of all of them; 0 where one is no array
    moments     when each of those that are remembered was over, in the order of all, and `begun`,
                before what it calls
    """

    site: Site
    order: int
    scopes: list[dict[str, Any]] = field(default_factory=list)
    results: list[Any] = field(default_factory=list)
    count: int = 0
    size: int = 0
    failed: bool = False
    moments: list[int] = field(default_factory=list)
    begun: list[int] = field(default_factory=list)


def afterwards(visit: Visit) -> Visit:
    """The visit with what was in scope once the statement had run."""
    to = visit.site.statement
    targets = to.targets if isinstance(to, ast.Assign) else []
    names = [t.id for t in targets if isinstance(t, ast.Name)]
    scopes = [
        there | dict.fromkeys(names, result)
        for there, result in zip(visit.scopes, visit.results, strict=False)
    ]
    return replace(visit, scopes=scopes)


def trace(
    subject: Subject, state: State, backward: bool = True
) -> tuple[dict[int, Visit], Exception | None]:
    """The visits by site, and what was raised."""
    module = subject.module
    visits: dict[int, Visit] = {}
    open_sites: list[int] = []
    failed: list[int] = []
    clock = itertools.count()

    def watch(site: Site) -> Any:
        def handler(there: dict[str, Any]) -> Any:
            visit = visits.get(site.number)
            if visit is None:
                visit = visits[site.number] = Visit(site, len(visits))
            visit.count += 1
            keep = len(visit.scopes) < MOST
            if keep:
                visit.scopes.append(_snapshot(there))
            start = next(clock)
            open_sites.append(site.number)
            try:
                result = module.evaluate(site.code, there)
            except Exception:
                if not failed:
                    failed.append(site.number)
                raise
            finally:
                open_sites.pop()
            if keep:
                visit.results.append(_copied(result))
                visit.moments.append(next(clock))
                visit.begun.append(start)
            elements = flat(result)
            plain = elements is not None and (visit.size or visit.count == 1)
            visit.size = visit.size + elements.size if plain else 0  # type: ignore[union-attr]
            return result

        return handler

    for site in module.sites:
        module.listen(site.number, watch(site))
    raised: Exception | None = None
    try:
        subject.run(state) if backward else subject.loss(state)
    except Exception as error:
        raised = error
    finally:
        module.quiet()
    if failed:
        visits[failed[0]].failed = True
    return visits, raised


def _snapshot(there: dict[str, Any]) -> dict[str, Any]:
    return {name: _copied(value) for name, value in there.items()}


def _copied(value: Any, depth: int = 0) -> Any:
    """A copy that later in-place writes do not reach; what cannot be copied is kept as it is."""
    if isinstance(value, np.ndarray):
        return value.copy()
    if depth > 3:
        return value
    if type(value) is dict:
        return {k: _copied(v, depth + 1) for k, v in value.items()}
    if type(value) in (list, tuple):
        return type(value)(_copied(v, depth + 1) for v in value)
    if values.is_tensor(value):
        return value.detach().clone()
    if _is_object(value):
        with contextlib.suppress(Exception):
            twin = object.__new__(type(value))
            twin.__dict__.update({k: _copied(v, depth + 1) for k, v in vars(value).items()})
            return twin
    return value


def _is_object(value: Any) -> bool:
    """Whether it is an instance of somebody's class, which may well be callable."""
    plain = isinstance(value, type | types.FunctionType | types.ModuleType | types.MethodType)
    return hasattr(value, "__dict__") and not plain


class Scope:
    """What an expression at a site could use."""

    def __init__(self, module: Instrumented, visit: Visit, texts: list[str]) -> None:
        self.module = module
        self.there = visit.scopes[-1] if visit.scopes else {}
        self.all = {**module.namespace, **self.there}
        self.texts = texts

    def value_of(self, node: ast.AST) -> Any:
        with np.errstate(all="ignore"):
            return eval(compiled(node), self.all)  # type: ignore[arg-type]

    def atoms(self) -> list[Atom]:
        """Names, entries and attributes that hold an array or a number."""
        found: dict[str, Any] = {}

        def add(text: str, value: Any) -> None:
            if text not in found and len(found) < 160 and _usable(value):
                found[text] = value

        for name, value in self.there.items():
            if name.isidentifier():
                add(name, value)
        for text in self.texts:
            try:
                node = ast.parse(text, mode="eval").body
                add(text, self.value_of(node))
            except Exception:
                continue
        near = len(found)
        for text in [*self._keyed(), *self._beside()]:
            with contextlib.suppress(Exception):
                add(text, self.value_of(ast.parse(text, mode="eval").body))
        for name, value in self.there.items():
            if not name.startswith("__") and name.isidentifier():
                self._expand(name, value, add, 0)
        for name, value in self.module.namespace.items():
            if not name.startswith("__") and name not in self.there and not callable(value):
                self._expand(name, value, add, 1)
        return [
            Atom(text, value, k >= near and "[" in text)
            for k, (text, value) in enumerate(found.items())
        ]

    def _beside(self) -> list[str]:
        """Each list at each index that the function's text has for some list: zs[-k], where it
        reads activations[-k - 1]."""
        indices: dict[str, None] = {}
        for text in self.texts:
            node = ast.parse(text, mode="eval").body
            index = node.slice if isinstance(node, ast.Subscript) else ast.Constant(0)
            moved = isinstance(index, ast.BinOp) and isinstance(index.right, ast.Constant)
            if any(isinstance(n, ast.Name) for n in ast.walk(index)):
                indices.setdefault(ast.unparse(index))
                base = ast.unparse(index.left if moved else index)  # type: ignore[attr-defined]
                for near in (base, f"{base} - 1", f"{base} + 1"):
                    indices.setdefault(near)
        return [f"{name}[{index}]" for name in self.containers() for index in list(indices)[:9]]

    def _keyed(self) -> list[str]:
        """Each entry of a dictionary whose key is made as those that the function's text reads:
        grads[f"W{l}"] and caches[f"A{l}"], where it reads caches[f"Z{l}"]."""
        made: dict[str, None] = {}
        for text in self.texts:
            key = getattr(ast.parse(text, mode="eval").body, "slice", None)
            if isinstance(key, ast.JoinedStr):
                parts = key.values
            elif isinstance(key, ast.BinOp) and isinstance(key.op, ast.Add):
                parts = [key.left, key.right]
            else:
                continue
            if len(parts) == 2 and isinstance(parts[0], ast.Constant):
                made.setdefault(ast.unparse(key).replace(str(parts[0].value), "\x00", 1))
        found: dict[str, None] = {}
        for name in self.containers() if made else []:
            holder = self.value_of(ast.parse(name, mode="eval").body)
            keys = [k for k in holder if isinstance(k, str)] if type(holder) is dict else []
            stems = dict.fromkeys(k.rstrip("0123456789") for k in keys if k[-1:].isdigit())
            for stem, form in itertools.product(list(stems)[:12], list(made)[:4]):
                found.setdefault(f"{name}[{form.replace(chr(0), stem)}]")
        return list(found)

    def containers(self) -> list[str]:
        """Names and attributes that hold a list, a tuple or a dictionary."""
        kinds = (list, tuple, dict)
        found = [n for n, v in self.there.items() if isinstance(v, kinds) and n.isidentifier()]
        owner = self.there.get("self")
        if hasattr(owner, "__dict__"):
            found += [f"self.{n}" for n, v in vars(owner).items() if isinstance(v, kinds)]
        return found

    def _expand(self, text: str, value: Any, add: Any, depth: int) -> None:
        if _usable(value):
            add(text, value)
            return
        if depth > 2 or value is None or isinstance(value, str | types.ModuleType | type):
            return
        if isinstance(value, dict):
            for key, child in list(value.items())[:24]:
                if isinstance(key, str):
                    self._expand(f"{text}[{key!r}]", child, add, depth + 1)
        elif isinstance(value, tuple) and hasattr(value, "_fields"):
            for key in value._fields:
                self._expand(f"{text}.{key}", getattr(value, key), add, depth + 1)
        elif isinstance(value, list | tuple):
            if depth == 0 and len(value) <= 6:
                for k, child in enumerate(value):
                    self._expand(f"{text}[{k}]", child, add, depth + 1)
        elif _is_object(value):
            shared = {k: v for k, v in vars(type(value)).items() if isinstance(v, int | float)}
            for key, child in [*list(vars(value).items())[:24], *shared.items()]:
                self._expand(f"{text}.{key}", child, add, depth + 1)

    def scalars(self, atoms: list[Atom]) -> list[Atom]:
        """Numbers: those in scope, and sizes of arrays."""
        found = {
            a.text: a
            for a in atoms
            if values.shape(a.value) == () and not isinstance(a.value, bool | np.bool_)
        }
        known: set[float] = set()
        for a in list(found.values()):
            v = values.as_array(a.value)
            if v is not None:
                known.add(float(v))
        for atom in atoms:
            for axis, size in enumerate(values.shape(atom.value)):
                if (
                    atom.text.replace("_", "a").replace(".", "a").isalnum()
                    and float(size) not in known
                    and size > 1
                ):
                    text = f"{atom.text}.shape[{axis}]"
                    known.add(float(size))
                    found[text] = Atom(text, size)
        for text, number in literals(self.module.tree).items():
            if number not in known:
                found[text] = Atom(text, number)
        return list(found.values())


def literals(tree: ast.Module) -> dict[str, float]:
    """The numbers that the file's functions contain, such as 0.2 or 0.044715; not the 1e-8 that
    keeps a division from being one by zero."""
    found: dict[str, float] = {}
    for function in ast.walk(tree):
        if isinstance(function, ast.FunctionDef) and function.name != "example":
            for node in ast.walk(function):
                number = node.value if isinstance(node, ast.Constant) else None
                if isinstance(number, float) and 0.001 < number < 1000 and number not in PLAIN:
                    found.setdefault(repr(number), number)
    return dict(list(found.items())[:MOST_LITERALS])


def _usable(value: Any) -> bool:
    if isinstance(value, np.ndarray):
        return value.dtype.kind in "fiub" and value.size > 0
    if values.is_tensor(value):
        return bool(value.numel() > 0)
    return isinstance(value, int | float | np.number | np.bool_) and not isinstance(value, bool)


def texts_of(definition: ast.AST) -> list[str]:
    """The entries and attributes that a function's own text reads."""
    found: dict[str, None] = {}
    for node in ast.walk(definition):
        read = isinstance(node, ast.Subscript | ast.Attribute) and isinstance(node.ctx, ast.Load)
        if read and not any(_computed(n) for n in ast.walk(node)):
            text = ast.unparse(node)
            if (
                not text.endswith((".T", ".shape", ".dtype", ".size", ".ndim"))
                and "__" not in text
                and not text.startswith(("np.", "torch.", "numpy."))
            ):
                found[text] = None
    return list(found)


def _computed(node: ast.AST) -> bool:
    """Whether it is more than an entry's place; a key may be "W" + str(l)."""
    named = isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "str"
    return isinstance(node, ast.Call | ast.Slice | ast.Compare) and not named
