"""Finds the forward and the backward in somebody's file."""

from __future__ import annotations

import ast
import inspect
import random
import types
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from byhand.doctor import binding, names, results, values
from byhand.doctor.instrument import Instrumented
from byhand.doctor.subject import Plan, State, Subject
from byhand.errors import InputError

_DATA = (
    *(np.ndarray, dict, list, tuple, int, float, types.SimpleNamespace),
    *(np.random.Generator, np.random.RandomState, random.Random),
)


def plans(
    module: Instrumented, inputs: dict[str, Any], name: str | None
) -> list[tuple[float, Plan]]:
    """All ways to see a forward and a backward in the file, the likeliest first."""
    found = [
        *(_of_torch(module)),
        *(_of_classes(module, inputs)),
        *(_of_functions(module, inputs)),
    ]
    if name is not None:
        found = [(score, plan) for score, plan in found if _goes_by(plan, name)]
    return sorted(found, key=lambda pair: -pair[0])


def _goes_by(plan: Plan, name: str) -> bool:
    called = {plan.forward, plan.backward, plan.owner_class, plan.name}
    called |= {f"{plan.owner_class}.{plan.forward}", f"{plan.owner_class}.{plan.backward}"}
    return name in called or name.casefold() == names.role_stem(plan.backward or plan.forward)


def accepts(function: Any, keys: set[str]) -> float | None:
    """How many of the keys a function takes; None where it wants more than there are."""
    try:
        parameters = list(inspect.signature(function).parameters.values())
    except (TypeError, ValueError):
        return None
    own = [p for p in parameters if p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)]
    wanted = [p for p in own if p.default is p.empty and p.name not in keys]
    taken = len([p for p in own if p.name in keys])
    if any(p.kind is p.VAR_KEYWORD for p in parameters):
        taken = len(keys)
    if wanted:
        return None
    return taken


def _calls(definition: ast.AST | None) -> set[str]:
    if definition is None:
        return set()
    return {
        n.func.id if isinstance(n.func, ast.Name) else n.func.attr
        for n in ast.walk(definition)
        if isinstance(n, ast.Call) and isinstance(n.func, ast.Name | ast.Attribute)
    }


def _is_function_of_torch(cls: type) -> bool:
    return any(b.__module__.startswith("torch.") and b.__name__ == "Function" for b in cls.__mro__)


def _of_torch(module: Instrumented) -> Iterator[tuple[float, Plan]]:
    for name, cls in binding.classes(module).items():
        if _is_function_of_torch(cls):
            yield 20.0, Plan("forward", "backward", owner_class=name, torch=True)


def _of_functions(module: Instrumented, inputs: dict[str, Any]) -> Iterator[tuple[float, Plan]]:
    found = binding.functions(module)
    keys = set(inputs)
    definitions = {n.name: n for n in ast.walk(module.tree) if isinstance(n, ast.FunctionDef)}
    calls = {name: _calls(definitions.get(name)) for name in found}
    called = set().union(*calls.values()) if calls else set()
    takes = {name: accepts(f, keys) for name, f in found.items()}
    for f, count in takes.items():
        if count is None or (count == 0 and keys):
            continue
        share = count / max(1, len(keys))
        forwardness = bool(names.FORWARD.search(f)) - 1.0 * bool(names.BACKWARD.search(f))
        root = 0.5 * (f not in called)
        # One function that returns the loss and its gradients.
        yield (
            2 * share
            + 0.4 * forwardness
            + root
            - 1.0
            + 0.6 * _returns_gradients(definitions.get(f)),
            Plan(f, None),
        )
        for b in found:
            if b == f:
                continue
            backwardness = _backwardness(b)
            if backwardness <= 0 and not _returns_gradients(definitions.get(b)):
                if len(found) > 8:
                    continue
                # What calls the forward and is no backward trains with it.
                backwardness -= 0.5 + 2.0 * (f in calls[b])
            related = names.role_stem(f) == names.role_stem(b)
            # Forward steps and losses apart from each other share the inputs.
            broot = 0.5 * (b not in called)
            score = (
                2 * share
                + 0.5 * forwardness
                + 1.2 * backwardness
                + 1.5 * related
                + root
                + broot
                - 1.5 * (b in calls[f])
                + 4.0 * _are_a_pair(f, b)
            )
            yield score, Plan(f, b)
            for loss in _losses(found, f, b):
                yield score - 0.3, Plan(f, b, loss=loss)


def _are_a_pair(forward: str, backward: str) -> bool:
    """forward and backward: whoever calls two functions so wants no others to be meant."""
    return (forward.strip("_"), backward.strip("_")) in (("forward", "backward"), ("fwd", "bwd"))


def _backwardness(name: str) -> float:
    if names.BACKWARD.search(name):
        return 1.0
    return -0.5 if names.FORWARD.search(name) else 0.0


def _losses(there: Iterable[str], forward: str, backward: str) -> list[str]:
    """The functions that by their names turn an output into a loss."""
    return [
        name
        for name in there
        if name not in (forward, backward)
        and names.LOSS.search(name)
        and not names.BACKWARD.search(name)
    ]


def _returns_gradients(definition: ast.FunctionDef | None) -> bool:
    if definition is None:
        return False
    labels = results.return_names(definition)
    if any(names.looks_like_gradient(label) for label in labels if label):
        return True
    for node in ast.walk(definition):
        if isinstance(node, ast.Return) and node.value is not None:
            for part in ast.walk(node.value):
                if (
                    isinstance(part, ast.Constant)
                    and isinstance(part.value, str)
                    and names.looks_like_gradient(part.value)
                ):
                    return True
    return False


def _of_classes(module: Instrumented, inputs: dict[str, Any]) -> Iterator[tuple[float, Plan]]:
    owner, inputs = _apart(inputs)
    init = inputs.get("init", {}) if isinstance(inputs.get("init", {}), dict) else {}
    forward = inputs.get("forward", inputs)
    if not isinstance(forward, dict):
        return
    explicit = owner is not None or any(
        isinstance(inputs.get(key), dict) for key in ("init", "forward")
    )
    definitions = {n.name: n for n in module.tree.body if isinstance(n, ast.ClassDef)}
    for name, cls in binding.classes(module).items():
        if _is_function_of_torch(cls):
            continue
        taken = accepts(cls, set(init)) if owner is None else float(type(owner).__name__ == name)
        if taken is None or (owner is not None and not taken):
            continue
        own = binding.methods(cls)
        fit = taken / max(1, len(init)) + 0.3 * (set(own) != set())
        used = sum(name in _calls(d) for other, d in definitions.items() if other != name)
        for f in own:
            count = accepts(getattr(cls, f), set(forward) | {"self"})
            if count is not None:
                count -= "self" in inspect.signature(getattr(cls, f)).parameters
            else:
                count = _by_position(cls, f, forward)
            if count is None or (count == 0 and forward):
                continue
            share = count / max(1, len(forward))
            forwardness = bool(names.FORWARD.search(f)) - 1.0 * bool(names.BACKWARD.search(f))
            base = 2 * fit + 3 * share + 0.6 * forwardness + 2 * explicit - 0.4 * used
            definition = _method(definitions.get(name), f)
            if _returns_gradients(definition) or names.looks_like_gradient(f):
                yield base - 0.8, Plan(f, None, owner_class=name)
            yield base - 3, Plan(f, None, owner_class=name)
            for b in own:
                backwardness = _backwardness(b)
                if b == f or (backwardness <= 0 and len(own) > 4):
                    continue
                wanted = _required(cls, b)
                score = (
                    base
                    + 1.2 * backwardness
                    - 0.2 * max(0, wanted - 1)
                    + 0.2 * bool(names.LOSS.search(f))
                    - (b in _calls(definition)) * 1.5
                    + 4.0 * _are_a_pair(f, b)
                )
                yield score, Plan(f, b, owner_class=name)
                for loss in _losses(own, f, b):
                    yield score - 0.3, Plan(f, b, loss=loss, owner_class=name)


def _apart(inputs: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
    """The object among the inputs, for a class that takes more than its constructor to make."""
    return inputs.get("self"), {key: v for key, v in inputs.items() if key != "self"}


def _required(cls: type, name: str) -> int:
    return len([p for p in binding.parameters(cls, name) if p.default is p.empty])


def _by_position(cls: type, name: str, forward: dict[str, Any]) -> float | None:
    positional = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    own = [p for p in binding.parameters(cls, name) if p.kind in positional]
    required = [p for p in own if p.default is p.empty]
    if own and len(required) <= len(forward) <= len(own):
        return 0.3 * len(forward)
    return None


def _method(definition: ast.ClassDef | None, name: str) -> ast.FunctionDef | None:
    body = definition.body if definition else []
    return next((n for n in body if isinstance(n, ast.FunctionDef) and n.name == name), None)


def build(module: Instrumented, plan: Plan, inputs: dict[str, Any]) -> Subject:
    """The subject at these inputs.

    Raises      CannotBind, and whatever the user's constructor raises
    """
    world = world_of(module)
    if plan.torch:
        flat = inputs.get("forward", inputs)
        return Subject(module, plan, State(dict(flat), None, world))
    if plan.owner_class is None:
        return Subject(module, plan, State(dict(inputs), None, world))
    cls = module.namespace[plan.owner_class]
    owner, inputs = _apart(inputs)
    init = inputs.get("init", {})
    forward = inputs.get("forward", {} if "init" in inputs else inputs)
    np.random.seed(20)
    if owner is None:
        owner = cls(**values.fresh(init))
    elif not isinstance(owner, cls):
        # It was made where the file is imported as usual; here its methods are tapped.
        owner = values.fresh(owner)
        owner.__class__ = cls
    return Subject(module, plan, State(dict(forward), owner, world, dict(init)))


def world_of(module: Instrumented) -> dict[str, Any]:
    """The module's own data that its functions may read or change; a model made of a library's
    layers is part of that."""
    found = {}
    own = set(binding.classes(module).values())
    for name, value in module.namespace.items():
        if name.startswith("__") or callable(value) or inspect.ismodule(value):
            continue
        data = isinstance(value, _DATA) or values.is_tensor(value) or type(value) in own
        if data or _is_model(value):
            found[name] = value
    return values.fresh(found, {})  # type: ignore[no-any-return]


def _is_model(value: Any) -> bool:
    """Whether it is an object with a forward and a backward, such as a library's layers."""
    made = not isinstance(value, type) and not inspect.ismodule(value)
    return made and hasattr(value, "forward") and hasattr(value, "backward")


def others(module: Instrumented, plan: Plan) -> list[str]:
    """Backwards of the file, functions and classes, that the plan has no part in."""
    definitions = [n for n in module.tree.body if isinstance(n, ast.FunctionDef | ast.ClassDef)]
    used = {plan.forward, plan.backward, plan.owner_class, "example"}.union(
        *(_calls(d) - {d.name} for d in definitions)
    )
    return [
        d.name
        for d in definitions
        if d.name not in used
        and any(
            names.BACKWARD.search(n.name)
            for n in (d.body if isinstance(d, ast.ClassDef) else [d])
            if isinstance(n, ast.FunctionDef)
        )
    ]


def both(subject: Subject) -> bool:
    """Whether the one function of the plan is forward and backward: by what it returns, or because
    the file has no other backward beside it and what it calls."""
    own, tops = subject.definition, subject.module.tree.body
    inside = list(ast.walk(own)) if own else []
    returned = [*subject.names[subject.plan.forward], *results.keys(inside)]
    if any(names.looks_like_gradient(n) for n in returned if n):
        return True
    aside = {subject.plan.forward}
    aside |= {n.id for n in inside if isinstance(n, ast.Name)}
    aside |= {n.attr for n in inside if isinstance(n, ast.Attribute)}
    methods = [n for top in tops if isinstance(top, ast.ClassDef) for n in top.body]
    there = {n.name for n in (*tops, *methods) if isinstance(n, ast.FunctionDef)}
    return not any(names.BACKWARD.search(name) for name in there - aside)


def refuse(module: Instrumented, name: str | None, given: set[str] | None = None) -> InputError:
    """Why there is nothing to check.

    given       the names of the inputs, where there are any
    """
    there = [*binding.functions(module), *binding.classes(module)]
    if name is not None:
        return InputError(
            f"{name} is no forward or backward that could be run; the file has "
            f"{', '.join(there) or 'no function'}"
        )
    for called, function in binding.functions(module).items():
        own = inspect.signature(function).parameters.values()
        missing = [p.name for p in own if p.default is p.empty and p.name not in (given or ())]
        if given and names.FORWARD.search(called) and 0 < len(missing) < len(own):
            return InputError(
                f"{called}() wants {', '.join(missing)}: return it from example(rng), which "
                f"returns {', '.join(sorted(given))}"
            )
    made = [n for n, value in module.namespace.items() if _is_model(value)]
    if made:
        return InputError(
            f"the file makes {made[0]}, whose source is elsewhere, and has no function that runs "
            f"it; add to it:\n    def forward(x):\n        return {made[0]}.forward(x)\n\n"
            f"    def backward(dy, cache):\n        return {made[0]}.backward(dy, cache)"
        )
    return InputError(
        "no pair of a forward and a backward was found: name them alike (affine_forward, "
        "affine_backward) or say which with FILE.py::NAME; the file has "
        f"{', '.join(there) or 'no function'}"
    )
