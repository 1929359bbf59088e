"""What a function returned: its results with their names, the loss, the gradients."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import Any

import numpy as np

from byhand.doctor import names, values
from byhand.doctor.values import Path


class CannotBind(Exception):
    """A function wants an argument that nothing is known for."""


def is_container(value: Any) -> bool:
    return isinstance(value, dict | list | tuple) or hasattr(value, "__dict__")


def is_output(value: Any) -> bool:
    if isinstance(value, list | tuple):
        return bool(value) and all(is_output(v) for v in value)
    if isinstance(value, dict):
        return bool(value) and all(
            isinstance(v, np.ndarray) and v.dtype.kind == "f" for v in value.values()
        )
    return values.is_real(value)


def random_like(value: Any, rng: Any) -> Any:
    if isinstance(value, list | tuple):
        return type(value)(random_like(v, rng) for v in value)
    if isinstance(value, dict):
        return {k: random_like(v, rng) for k, v in value.items()}
    if values.is_tensor(value):
        import torch

        return torch.from_numpy(np.asarray(rng.normal(size=values.shape(value)))).to(value.dtype)
    drawn = rng.normal(size=values.shape(value))
    return drawn.astype(value.dtype) if isinstance(value, np.ndarray) else float(drawn)


def weighted(value: Any, weight: Any) -> float:
    if isinstance(value, list | tuple):
        return sum(weighted(v, w) for v, w in zip(value, weight, strict=True))
    if isinstance(value, dict):
        return sum(weighted(value[k], weight[k]) for k in weight)
    a, b = values.as_array(value), values.as_array(weight)
    if a is None or b is None or a.shape != b.shape:
        raise CannotBind("the output changes its shape from run to run")
    return float((a * b).sum())


def is_scalar(value: Any) -> bool:
    if values.is_tensor(value):
        return value.numel() == 1 and bool(value.is_floating_point())
    if isinstance(value, np.ndarray):
        return value.size == 1 and value.dtype.kind == "f" and value.ndim <= 2
    return values.is_number(value) or (isinstance(value, int) and not isinstance(value, bool))


def scalar(value: Any) -> float:
    found = values.as_array(value)
    if found is None or found.size != 1:
        raise CannotBind("the loss is not a single number")
    return float(found.reshape(()))


def stamp(value: Any) -> Any:
    return value.copy() if isinstance(value, np.ndarray) else value


def _same(a: Any, b: Any) -> bool:
    if isinstance(a, np.ndarray) and isinstance(b, np.ndarray):
        return a.shape == b.shape and bool(np.array_equal(a, b, equal_nan=a.dtype.kind == "f"))
    return a is b or (type(a) is type(b) and values.is_number(a) and a == b)


def changed(owner: Any, before: dict[Path, Any]) -> Iterator[tuple[str, Any]]:
    """What a backward left behind: new leaves, and changed ones with a gradient's name."""
    for path, value in values.leaves(owner):
        if not values.is_real(value):
            continue
        if not any(names.looks_like_gradient(k) for k in path if isinstance(k, str)):
            continue
        zeros = isinstance(value, np.ndarray) and not np.any(value)
        if path not in before or zeros or not _same(before[path], value):
            yield values.named(path), value


def split(returned: Any, labels: list[str]) -> list[tuple[str, Any]]:
    """The results of a function with the names that its return statement gives them."""
    if isinstance(returned, tuple) and not hasattr(returned, "_fields"):
        padded = labels if len(labels) == len(returned) else [""] * len(returned)
        return list(zip(padded, returned, strict=True)) or [("", None)]
    return [(labels[0] if len(labels) == 1 else "", returned)]


def gradient_leaves(results: list[tuple[str, Any]]) -> Iterator[tuple[str, Any]]:
    there = [name for name, _ in results]
    for place, (given, value) in enumerate(results):
        name = given if there.count(given) == 1 else ""  # return dW1, dW1 names one at most
        if "," in name and isinstance(value, list | tuple) and len(name.split(",")) == len(value):
            yield from gradient_leaves(list(zip(name.split(","), value, strict=True)))
            continue
        if isinstance(value, list) and name:
            # A place that was never filled: [None, dW2].
            yield from ((f"{name}.{k}", None) for k, v in enumerate(value) if v is None)
        for path, leaf in values.leaves(value):
            if (
                values.is_real(leaf)
                or (isinstance(leaf, np.ndarray) and leaf.dtype.kind == "i")
                or values.is_number(leaf)
            ):
                parts = (
                    [name or f"result {place}", *map(str, path)]
                    if not (isinstance(value, dict))
                    else [*map(str, path)]
                )
                if isinstance(value, dict) and name and len(results) > 1:
                    parts = [name, *parts]
                yield ".".join(parts), leaf


def return_names(definition: ast.FunctionDef | None) -> list[str]:
    """The names in the last return statement: dx, dw, db."""
    if definition is None:
        return []
    returns = [
        n for n in own_nodes(definition) if isinstance(n, ast.Return) and n.value is not None
    ]
    if not returns:
        return []
    value = returns[-1].value
    if isinstance(value, ast.IfExp) and isinstance(value.test, ast.Subscript):
        value = value.orelse
    if isinstance(value, ast.Tuple):
        return [_labels(e) for e in value.elts]
    assert value is not None
    label = _name_of(value)
    if label and isinstance(value, ast.Name):
        # A name that was bound to a tuple: return grads, where grads = dx, dw.
        for node in own_nodes(definition):
            if isinstance(node, ast.Assign) and any(
                isinstance(t, ast.Name) and t.id == label for t in node.targets
            ):
                v = node.value.orelse if isinstance(node.value, ast.IfExp) else node.value
                if isinstance(v, ast.Tuple):
                    return [_name_of(e) for e in v.elts]
    return [label]


def keys(nodes: list[ast.AST]) -> Iterator[str]:
    """The keys of the dictionaries that are made there."""
    for node in nodes:
        found: list[ast.expr | None] = []
        if isinstance(node, ast.Dict):
            found = node.keys
        elif isinstance(node, ast.Subscript) and isinstance(node.ctx, ast.Store):
            found = [node.slice]
        elif isinstance(node, ast.Call) and ast.unparse(node.func) == "dict":
            yield from (keyword.arg for keyword in node.keywords if keyword.arg)
        for key in found:
            if isinstance(key, ast.Constant) and isinstance(key.value, str):
                yield key.value


def packed(definition: ast.FunctionDef | None) -> dict[str, list[str]]:
    """The names in each tuple that a function makes: {"cache": ["x", "mask"]}."""
    made = [n for n in own_nodes(definition) if isinstance(n, ast.Assign)] if definition else []
    return {
        target.id: [_name_of(e) for e in n.value.elts]
        for n in made
        for target in n.targets
        if isinstance(target, ast.Name) and isinstance(n.value, ast.Tuple)
    }


def _labels(node: ast.expr) -> str:
    """The name of a result; of a tuple in it the names of its parts, "g_w,g_b"."""
    if isinstance(node, ast.Tuple | ast.List):
        return ",".join(_name_of(e) for e in node.elts)
    return _name_of(node)


def own_nodes(definition: ast.FunctionDef) -> Iterator[ast.AST]:
    """The nodes of a function without those of the functions in it."""
    stack: list[ast.AST] = list(definition.body)
    while stack:
        node = stack.pop(0)
        yield node
        if not isinstance(node, ast.FunctionDef | ast.Lambda | ast.ClassDef):
            stack = list(ast.iter_child_nodes(node)) + stack


def _name_of(node: ast.expr) -> str:
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        return _name_of(node.value) if node.attr in ("T", "real") else node.attr
    if isinstance(node, ast.Subscript) and isinstance(node.slice, ast.Constant):
        return str(node.slice.value)
    if isinstance(node, ast.Call) and len(node.args) == 1 and isinstance(node.args[0], ast.Name):
        if isinstance(node.func, ast.Attribute) and node.func.attr in ("reshape", "dot", "astype"):
            return _name_of(node.func.value)
        return node.args[0].id
    if (
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and isinstance(node.func.value, ast.Name)
    ):
        return "" if node.func.value.id in ("np", "numpy", "torch", "math") else node.func.value.id
    if isinstance(node, ast.BinOp) and isinstance(node.left, ast.Name):
        # dW / m is dW still, and s * mask is not s.
        name = node.left.id
        plain = isinstance(node.right, ast.Constant)
        speaks = names.looks_like_gradient(name) or names.LOSS.search(name)
        return name if plain or (speaks and isinstance(node.right, ast.Name)) else ""
    if isinstance(node, ast.UnaryOp):
        return _name_of(node.operand)
    return ""
