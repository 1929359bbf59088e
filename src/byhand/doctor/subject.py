"""How somebody's program is run: which function is the forward, which the backward, what they are
given, and which of their results is the gradient of what."""

from __future__ import annotations

import ast
import contextlib
import inspect
import io
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from types import FunctionType
from typing import Any

import numpy as np

from byhand.doctor import names, values
from byhand.doctor.instrument import Instrumented
from byhand.doctor.values import Path


class CannotBind(Exception):
    """A function wants an argument that nothing is known for."""


@dataclass
class Outcome:
    """One run: the loss, and the user's gradients by name."""

    loss: float
    gradients: dict[str, Any]


@dataclass
class State:
    """Everything a run reads; each run gets a copy of its own."""

    inputs: dict[str, Any]
    owner: Any = None  # the object whose methods are called
    world: dict[str, Any] = field(default_factory=dict)  # the module's own arrays

    def copy(self) -> State:
        return State(values.fresh(self.inputs), values.fresh(self.owner), values.fresh(self.world))

    def get(self, path: Path) -> Any:
        return values.get(getattr(self, path[0]), path[1:])

    def put(self, path: Path, value: Any) -> None:
        setattr(self, path[0], values.replaced(getattr(self, path[0]), path[1:], value))


@dataclass
class Plan:
    """Which functions are called, by name; methods of `owner_class` where that is given.

    order       "fb", forward then backward, or "f" where one function does both
    """

    forward: str
    backward: str | None
    loss: str | None = None
    owner_class: str | None = None
    torch: bool = False

    @property
    def name(self) -> str:
        if self.owner_class:
            return self.owner_class
        return self.backward or self.forward


class Subject:
    """A program with its plan, ready to be run as often as one likes."""

    def __init__(self, module: Instrumented, plan: Plan, start: State) -> None:
        self.module = module
        self.plan = plan
        self.start = start
        self.cotangents: dict[tuple[int, ...], Any] = {}
        self.names = {
            name: _return_names(_def(module, plan, name))
            for name in (plan.forward, plan.backward, plan.loss)
            if name
        }
        self.parameters: dict[str, Any] = {}

    def loss(self, state: State) -> float:
        return self._run(state, backward=False).loss

    def run(self, state: State) -> Outcome:
        return self._run(state, backward=True)

    def function(self, state: State, name: str) -> Callable[..., Any]:
        if self.plan.owner_class:
            found: Callable[..., Any] = getattr(state.owner, name)
            return found
        found = self.module.namespace[name]
        return found

    def _run(self, state: State, backward: bool) -> Outcome:
        state = state.copy()
        namespace = self.module.namespace
        namespace.update(state.world)
        np.random.seed(20)  # noqa: NPY002  # the user's own code may draw from it
        random.seed(20)
        with np.errstate(all="ignore"), contextlib.redirect_stdout(io.StringIO()):
            if self.plan.torch:
                return self._run_torch(state, backward)
            return self._run_numpy(state, backward)

    def _call(self, state: State, name: str, pools: list[dict[str, Any]], spare: list[Any]) -> Any:
        function = self.function(state, name)
        positional, keywords = bind(function, pools, spare, self._signature(name, function))
        return function(*positional, **keywords)

    def _signature(self, name: str, function: Callable[..., Any]) -> Any:
        if name not in self.parameters:
            self.parameters[name] = list(inspect.signature(function).parameters.values())
        return self.parameters[name]

    def _run_numpy(self, state: State, backward: bool) -> Outcome:
        plan = self.plan
        before = None
        returned = self._call(state, plan.forward, [state.inputs], list(state.inputs.values()))
        outputs = split(returned, self.names[plan.forward])
        pool = {name: value for name, value in outputs if name}
        if plan.loss:
            spare = [value for _, value in outputs]
            loss_value = self._call(state, plan.loss, [pool, state.inputs], spare)
            loss_value = loss_value[0] if isinstance(loss_value, tuple) else loss_value
            loss, upstream = _scalar(loss_value), {}
        elif (place := self._loss_place(outputs)) is not None:
            loss, upstream = _scalar(outputs[place][1]), {}
            outputs = [outputs[place], *outputs[:place], *outputs[place + 1 :]]
        else:
            loss, upstream = self._weigh(outputs)
        if not backward:
            return Outcome(loss, {})
        if plan.owner_class:
            before = dict(values.leaves(state.owner))
            before = {path: _stamp(value) for path, value in before.items()}
        world_before = {p: _stamp(v) for p, v in values.leaves(state.world)}
        if plan.backward is None:
            found = dict(_gradient_leaves([o for o in outputs[1:]]))
        else:
            result = self._backward(state, outputs, pool, upstream)
            found = dict(_gradient_leaves(split(result, self.names[plan.backward])))
        if before is not None:
            found.update((f"self.{n}", v) for n, v in _changed(state.owner, before))
        world = {key: self.module.namespace.get(key) for key in state.world}
        found.update((f"global.{n}", v) for n, v in _changed(world, world_before))
        return Outcome(loss, found)

    def _backward(self, state: State, outputs: Any, pool: Any, upstream: Any) -> Any:
        name = str(self.plan.backward)
        function = self.function(state, name)
        parameters = self._signature(name, function)
        given: dict[str, Any] = {}
        waiting = dict(upstream)
        rest: list[inspect.Parameter] = []
        extra = [value for name, value in outputs[1:] if not (name and name in upstream)]
        for p in parameters:
            if p.kind in (p.VAR_POSITIONAL, p.VAR_KEYWORD):
                continue
            if p.name in pool and not (p.name in upstream and names.looks_like_gradient(p.name)):
                given[p.name] = pool[p.name]
            elif p.name in state.inputs:
                given[p.name] = state.inputs[p.name]
            else:
                match = next(
                    (o for o in waiting if o and o != p.name and o in names.stems(p.name)),
                    None,
                )
                if match is not None:
                    given[p.name] = waiting.pop(match)
                else:
                    rest.append(p)
        used = {id(v) for v in given.values()}
        extra = [v for v in extra if id(v) not in used]
        leftover = [v for k, v in state.inputs.items() if id(v) not in used]
        scalar_loss = not upstream
        for p in rest:
            upstream_like = bool(names.UPSTREAM.match(p.name)) or names.looks_like_gradient(p.name)
            if waiting and (upstream_like or not extra or p is rest[0] and not names.CACHE.search(p.name)):
                key = next(iter(waiting))
                given[p.name] = waiting.pop(key)
            elif scalar_loss and upstream_like and p.default is p.empty and not (extra and names.CACHE.search(p.name)):
                given[p.name] = 1.0
                scalar_loss = False
            elif p.default is not p.empty and not names.CACHE.search(p.name):
                continue
            elif extra:
                given[p.name] = extra.pop(0)
            elif p.default is not p.empty:
                continue
            elif is_container(outputs[0][1]) and not any(v is outputs[0][1] for v in given.values()):
                given[p.name] = outputs[0][1]
            elif len(outputs) > 1 and names.CACHE.search(p.name):
                given[p.name] = tuple(v for _, v in outputs[1:])
            elif leftover:
                given[p.name] = leftover.pop(0)
            else:
                raise CannotBind(f"{name} wants {p.name}, which nothing is known for")
        if upstream and len(waiting) == len(upstream):
            raise CannotBind(f"{name} takes no gradient of the output of {self.plan.forward}")
        for p in parameters:
            if p.kind is p.VAR_KEYWORD:
                taken = set(given)
                given.update({k: v for k, v in state.inputs.items() if k not in taken})
        positional = []
        for p in parameters:
            if p.kind is p.POSITIONAL_ONLY:
                positional.append(given.pop(p.name))
        return function(*positional, **given)

    def _loss_place(self, outputs: list[tuple[str, Any]]) -> int | None:
        """Which of the results is the loss: the first where it is a number, or one of that name."""
        if is_scalar(outputs[0][1]):
            return 0
        for place, (name, value) in enumerate(outputs):
            if is_scalar(value) and (names.LOSS.search(name or "") or self.plan.backward is None):
                return place
        return None

    def _weigh(self, outputs: Any) -> tuple[float, dict[str, Any]]:
        """The loss of an array output: its sum weighted by a fixed random cotangent, for each
        output that the backward asks for."""
        wanted = self._wanted(outputs)
        loss, upstream = 0.0, {}
        for place, (name, value) in enumerate(outputs):
            if place not in wanted:
                continue
            weight = self._cotangent(place, value)
            loss += weighted(value, weight)
            upstream[name or f"output {place}"] = values.fresh(weight)
        if not upstream:
            raise CannotBind(f"{self.plan.forward} returns nothing that can be differentiated")
        return loss, upstream

    def _wanted(self, outputs: Any) -> set[int]:
        real = [k for k, (_, v) in enumerate(outputs) if _is_output(v)]
        if not real or self.plan.backward is None:
            return set(real[:1])
        wanted = set()
        asked = [
            p.name
            for p in self.parameters_of_backward()
            if p.name not in self.start.inputs
            and p.default is p.empty
            and p.name not in {n for n, _ in outputs}
            and (names.UPSTREAM.match(p.name) or names.looks_like_gradient(p.name))
            and not names.CACHE.fullmatch(p.name)
        ]
        for k in real:
            name = outputs[k][0]
            if name and any(name != a and name in names.stems(a) for a in asked):
                wanted.add(k)
        for k in real:
            if len(wanted) < len(asked) and isinstance(outputs[k][1], np.ndarray):
                wanted.add(k)
        return wanted or set(real[:1])

    def parameters_of_backward(self) -> list[inspect.Parameter]:
        name = str(self.plan.backward)
        if name not in self.parameters:
            self._signature(name, self.function(self.start, name))
        return list(self.parameters[name])

    def _cotangent(self, place: int, value: Any) -> Any:
        key = (place, *values.shape(value)) if not isinstance(value, list | tuple | dict) else (place, -1)
        if key not in self.cotangents:
            rng = np.random.default_rng(7 + place)
            self.cotangents[key] = _random_like(value, rng)
        return self.cotangents[key]

    def _run_torch(self, state: State, backward: bool) -> Outcome:
        import torch

        cls = self.module.namespace[str(self.plan.owner_class)]
        arguments = list(state.inputs.items())
        order = [p.name for p in list(inspect.signature(cls.forward).parameters.values())[1:]]
        if set(order) >= set(state.inputs):
            arguments = [(k, state.inputs[k]) for k in order if k in state.inputs]
        torch.manual_seed(20)
        given = {}
        for name, value in arguments:
            if isinstance(value, np.ndarray) and value.dtype.kind in "fiub":
                value = torch.from_numpy(value)
            if values.is_tensor(value) and value.is_floating_point():
                value = value.detach().clone().requires_grad_(backward)
            given[name] = value
        with torch.set_grad_enabled(backward):
            out = cls.apply(*given.values())
        outs = out if isinstance(out, tuple) else (out,)
        total: Any = 0.0
        for place, o in enumerate(outs):
            if values.is_tensor(o) and o.is_floating_point() and (o.requires_grad or not backward):
                total = total + (o.double() * torch.as_tensor(self._cotangent(place, o.detach().double()))).sum()
        if not backward:
            return Outcome(float(total), {})
        total.backward()
        found = {}
        returned = [n for n in self.names.get(str(self.plan.backward), [])]
        for k, (name, value) in enumerate(given.items()):
            if values.is_tensor(value) and value.requires_grad and value.grad is not None:
                label = returned[k] if k < len(returned) and returned[k] else f"d{name}"
                found[f"{label}\x00{name}"] = value.grad
        return Outcome(float(total.detach()), found)


def is_container(value: Any) -> bool:
    return isinstance(value, dict | list | tuple) or hasattr(value, "__dict__")


def _is_output(value: Any) -> bool:
    if isinstance(value, list | tuple):
        return bool(value) and all(_is_output(v) for v in value)
    if isinstance(value, dict):
        return bool(value) and all(isinstance(v, np.ndarray) and v.dtype.kind == "f" for v in value.values())
    return values.is_real(value)


def _random_like(value: Any, rng: Any) -> Any:
    if isinstance(value, list | tuple):
        return type(value)(_random_like(v, rng) for v in value)
    if isinstance(value, dict):
        return {k: _random_like(v, rng) for k, v in value.items()}
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


def _scalar(value: Any) -> float:
    found = values.as_array(value)
    if found is None or found.size != 1:
        raise CannotBind("the loss is not a single number")
    return float(found.reshape(()))


def _stamp(value: Any) -> Any:
    return value.copy() if isinstance(value, np.ndarray) else value


def _same(a: Any, b: Any) -> bool:
    if isinstance(a, np.ndarray) and isinstance(b, np.ndarray):
        return a.shape == b.shape and bool(np.array_equal(a, b, equal_nan=a.dtype.kind == "f"))
    return a is b or (type(a) is type(b) and values.is_number(a) and a == b)


def _changed(owner: Any, before: dict[Path, Any]) -> Iterator[tuple[str, Any]]:
    """What a backward left behind: new leaves, and changed ones with a gradient's name."""
    for path, value in values.leaves(owner):
        if not values.is_real(value):
            continue
        text = values.named(path)
        gradient_like = any(names.looks_like_gradient(str(k)) for k in path if isinstance(k, str))
        if path not in before:
            if gradient_like:
                yield text, value
        elif gradient_like and not _same(before[path], value):
            yield text, value
        elif gradient_like and isinstance(value, np.ndarray) and not np.any(value):
            yield text, value


def split(returned: Any, labels: list[str]) -> list[tuple[str, Any]]:
    """The results of a function with the names that its return statement gives them."""
    if isinstance(returned, tuple) and not hasattr(returned, "_fields"):
        padded = labels if len(labels) == len(returned) else [""] * len(returned)
        return list(zip(padded, returned, strict=True)) or [("", None)]
    return [(labels[0] if len(labels) == 1 else "", returned)]


def _gradient_leaves(results: list[tuple[str, Any]]) -> Iterator[tuple[str, Any]]:
    for place, (name, value) in enumerate(results):
        if "," in name and isinstance(value, list | tuple) and len(name.split(",")) == len(value):
            yield from _gradient_leaves(list(zip(name.split(","), value, strict=True)))
            continue
        for path, leaf in values.leaves(value):
            if values.is_real(leaf) or (isinstance(leaf, np.ndarray) and leaf.dtype.kind == "i") or values.is_number(leaf):
                parts = [name or f"result {place}", *map(str, path)] if not (isinstance(value, dict)) else [*map(str, path)]
                if isinstance(value, dict) and name and len(results) > 1:
                    parts = [name, *parts]
                yield ".".join(parts), leaf


def _def(module: Instrumented, plan: Plan, name: str) -> ast.FunctionDef | None:
    path = f"{plan.owner_class}.{name}" if plan.owner_class else name
    try:
        return module.definition(path)
    except (IndexError, AssertionError):
        return next(
            (
                node
                for node in ast.walk(module.tree)
                if isinstance(node, ast.FunctionDef) and node.name == name
            ),
            None,
        )


def _return_names(definition: ast.FunctionDef | None) -> list[str]:
    """The names in the last return statement: dx, dw, db."""
    if definition is None:
        return []
    returns = [n for n in _own(definition) if isinstance(n, ast.Return) and n.value is not None]
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
        for node in _own(definition):
            if (
                isinstance(node, ast.Assign)
                and any(isinstance(t, ast.Name) and t.id == label for t in node.targets)
            ):
                v = node.value.orelse if isinstance(node.value, ast.IfExp) else node.value
                if isinstance(v, ast.Tuple):
                    return [_name_of(e) for e in v.elts]
    return [label]


def _labels(node: ast.expr) -> str:
    """The name of a result; of a tuple in it the names of its parts, "g_w,g_b"."""
    if isinstance(node, ast.Tuple | ast.List):
        return ",".join(_name_of(e) for e in node.elts)
    return _name_of(node)


def _own(definition: ast.FunctionDef) -> Iterator[ast.AST]:
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
        return node.args[0].id
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and isinstance(node.func.value, ast.Name):
        return "" if node.func.value.id in ("np", "numpy", "torch", "math") else node.func.value.id
    if isinstance(node, ast.BinOp) and isinstance(node.left, ast.Name) and isinstance(node.right, ast.Name | ast.Constant):
        return node.left.id
    if isinstance(node, ast.UnaryOp):
        return _name_of(node.operand)
    return ""


def bind(
    function: Callable[..., Any],
    pools: list[dict[str, Any]],
    spare: list[Any],
    parameters: list[inspect.Parameter] | None = None,
) -> tuple[list[Any], dict[str, Any]]:
    """Arguments by name from the pools, in their order; what is left over by position.

    Raises      CannotBind
    """
    if parameters is None:
        parameters = list(inspect.signature(function).parameters.values())
    given: dict[str, Any] = {}
    missing = []
    for p in parameters:
        if p.kind is p.VAR_KEYWORD:
            for pool in reversed(pools):
                given.update({k: v for k, v in pool.items() if k not in given})
        elif p.kind is p.VAR_POSITIONAL:
            continue
        else:
            pool = next((pool for pool in pools if p.name in pool), None)
            if pool is not None:
                given[p.name] = pool[p.name]
            elif p.default is p.empty:
                missing.append(p)
    used = {id(v) for v in given.values()}
    spare = [v for v in spare if id(v) not in used]
    for p in missing:
        if not spare:
            raise CannotBind(f"{getattr(function, '__name__', function)} wants {p.name}")
        given[p.name] = spare.pop(0)
    positional = [given.pop(p.name) for p in parameters if p.kind is p.POSITIONAL_ONLY]
    return positional, given


def functions(module: Instrumented) -> dict[str, FunctionType]:
    """The functions that the file itself defines."""
    return {
        name: value
        for name, value in module.namespace.items()
        if isinstance(value, FunctionType) and value.__code__.co_filename == module.path
        and name != "example" and not name.startswith("__")
    }


def classes(module: Instrumented) -> dict[str, type]:
    return {
        name: value
        for name, value in module.namespace.items()
        if isinstance(value, type) and value.__module__ == module.namespace["__name__"]
    }


def methods(cls: type) -> list[str]:
    return [
        name
        for base in reversed(cls.__mro__)
        for name, value in vars(base).items()
        if isinstance(value, FunctionType) and not name.startswith("__")
    ]
