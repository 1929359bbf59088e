"""Inputs made from shape annotations: Float[Array, "batch in"] and the like."""

from __future__ import annotations

import ast
from typing import Any

import numpy as np

_SIZES = (3, 5, 4, 6, 7, 8, 9, 10, 11, 12)
_FLOATS = ("Float", "Float32", "Float64", "Float16", "Inexact", "Real", "Num", "Shaped")
_INTEGERS = ("Int", "Int32", "Int64", "Integer", "UInt8", "Int8", "UInt")


class Maker:
    """Draws arrays; an axis of one name has one size throughout."""

    def __init__(self, seed: int) -> None:
        self.rng = np.random.default_rng(seed)
        self.sizes: dict[str, int] = {}

    def size(self, name: str) -> int:
        name = name.strip("*#? ").split("=")[-1]
        if name.isdigit():
            return int(name)
        if name not in self.sizes:
            self.sizes[name] = _SIZES[len(self.sizes) % len(_SIZES)]
        return self.sizes[name]

    def value(self, annotation: ast.expr | None) -> Any:
        """A value of this annotation; None where it says nothing."""
        if isinstance(annotation, ast.Constant) and isinstance(annotation.value, str):
            try:
                annotation = ast.parse(annotation.value, mode="eval").body
            except SyntaxError:
                return None
        if isinstance(annotation, ast.Name):
            return {"float": float(self.rng.uniform(0.2, 0.8)), "int": 3}.get(annotation.id)
        if not isinstance(annotation, ast.Subscript):
            return None
        kind = (
            annotation.value.attr
            if isinstance(annotation.value, ast.Attribute)
            else getattr(annotation.value, "id", "")
        )
        parts = annotation.slice.elts if isinstance(annotation.slice, ast.Tuple) else []
        text = next(
            (p.value for p in parts if isinstance(p, ast.Constant) and isinstance(p.value, str)),
            None,
        )
        if text is None:
            return None
        try:
            shape = tuple(self.size(n) for n in text.split() if n != "...")
        except ValueError:
            return None
        if kind in _FLOATS:
            return self.rng.normal(size=shape) if shape else float(self.rng.normal())
        if kind in _INTEGERS:
            return self.rng.integers(0, 2, size=shape)
        if kind == "Bool":
            return self.rng.random(size=shape) < 0.6
        return None

    def arguments(self, definition: ast.FunctionDef) -> dict[str, Any] | None:
        """Keyword arguments; None where a required one has no shape."""
        arguments = [
            *definition.args.posonlyargs,
            *definition.args.args,
            *definition.args.kwonlyargs,
        ]
        with_default = {
            a.arg
            for a in definition.args.args[
                len(definition.args.args) - len(definition.args.defaults) :
            ]
        }
        found = {}
        for a in arguments:
            if a.arg in ("self", "cls", "ctx"):
                continue
            made = self.value(a.annotation)
            if made is not None:
                found[a.arg] = made
            elif a.arg not in with_default and not any(a is k for k in definition.args.kwonlyargs):
                return None
        return found or None


def candidates(tree: ast.Module, seed: int) -> list[dict[str, Any]]:
    """What example(rng) might have returned, for each annotated function or class."""
    found: list[dict[str, Any]] = []
    for node in tree.body:
        if isinstance(node, ast.FunctionDef):
            made = Maker(seed).arguments(node)
            if made is not None:
                found.append(made)
        if isinstance(node, ast.ClassDef):
            methods = {m.name: m for m in node.body if isinstance(m, ast.FunctionDef)}
            for name, method in methods.items():
                maker = Maker(seed)
                init = maker.arguments(methods["__init__"]) if "__init__" in methods else {}
                forward = maker.arguments(method)
                if forward is None or name == "__init__":
                    continue
                torch = any("Function" in ast.unparse(b) for b in node.bases)
                found.append(forward if torch else {"init": init or {}, "forward": forward})
    return found
