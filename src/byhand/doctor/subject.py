"""How somebody's program is run: which function is the forward, which the backward, what they are
given, and which of their results is the gradient of what."""

from __future__ import annotations

import ast
import inspect
import math
import random
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from byhand.doctor import deadline, names, surroundings, values
from byhand.doctor.binding import Passing, bind
from byhand.doctor.instrument import Instrumented, definition
from byhand.doctor.results import (
    CannotBind,
    changed,
    gradient_leaves,
    is_output,
    is_scalar,
    packed,
    random_like,
    return_names,
    scalar,
    split,
    stamp,
    weighted,
)
from byhand.doctor.values import Path


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
    made_of: dict[str, Any] = field(default_factory=dict)  # what the owner's constructor was given

    def copy(self) -> State:
        # An object and the module may hold the same array, and one array under several names.
        memo: dict[int, Any] = {}
        return State(
            values.fresh(self.inputs),
            values.fresh(self.owner, memo),
            values.fresh(self.world, memo),
            self.made_of,
        )

    def get(self, path: Path) -> Any:
        return values.get(getattr(self, path[0]), path[1:])

    def put(self, path: Path, value: Any) -> None:
        at = self.get(path)
        if isinstance(at, np.ndarray) and at.shape == values.shape(value):
            at[...] = value  # seen under all its names
            return
        setattr(self, path[0], values.replaced(getattr(self, path[0]), path[1:], value))


@dataclass
class Plan:
    """Which functions are called, by name; methods of `owner_class` where that is given.

    backward    None where one function does both
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


class Ended(Exception):
    """sys.exit() was called."""


class Subject:
    """A program with its plan, ready to be run as often as one likes."""

    def __init__(self, module: Instrumented, plan: Plan, start: State) -> None:
        self.module = module
        self.plan = plan
        self.start = start
        self.cotangents: dict[tuple[int, ...], Any] = {}
        self.names = {
            name: return_names(_def(module, plan, name))
            for name in (plan.forward, plan.backward, plan.loss)
            if name
        }
        self.packed = packed(_def(module, plan, plan.forward))
        self.definition = _def(module, plan, plan.backward or plan.forward)
        globals_ = [n for n in ast.walk(module.tree) if isinstance(n, ast.Global)]
        self.assigned = {name for n in globals_ for name in n.names} - set(start.world)
        self.parameters: dict[str, Any] = {}
        self.wanted: dict[tuple[Any, ...], set[int]] = {}
        self.guessed = ""
        self.took = 0.0  # seconds, of the longest run
        self.quickest = math.inf  # seconds, of the shortest run
        self.patience = math.inf
        uses = {str(getattr(v, "__name__", "")) for v in module.namespace.values()}
        torch = sys.modules.get("torch") if any("torch" in name for name in uses) else None
        self.torch = torch and torch.default_generator

    def loss(self, state: State) -> float:
        return self._run(state, backward=False).loss

    def run(self, state: State) -> Outcome:
        return self._run(state, backward=True)

    def after(self, state: State) -> State:
        """What a run leaves of a state."""
        left = state.copy()
        self._run_in(left, backward=True)
        left.world = {key: self.module.namespace.get(key) for key in left.world}
        return left

    def left_out(self) -> dict[str, Any]:
        """The forward's arguments that nothing is given for, with their defaults, as far as the
        backward knows of them."""
        backward = self.definition if self.plan.backward else None
        known = {str(v) for n in ast.walk(backward) for v in vars(n).values()} if backward else None
        return {
            p.name: p.default
            for p in self.parameters.get(self.plan.forward, ())
            if p.default is not p.empty
            and p.name not in self.start.inputs
            and (known is None or p.name in known)
        }

    def function(self, state: State, name: str) -> Callable[..., Any]:
        if self.plan.owner_class:
            return getattr(state.owner, name)  # type: ignore[no-any-return]
        return self.module.namespace[name]  # type: ignore[no-any-return]

    def _run(self, state: State, backward: bool) -> Outcome:
        return self._run_in(state.copy(), backward)

    def _run_in(self, state: State, backward: bool) -> Outcome:
        self.module.namespace.update(state.world)
        self._seed()
        began = time.perf_counter()
        try:
            with (
                deadline.limit(self.patience),
                surroundings.read_only(self.module.path),
                np.errstate(all="ignore"),
            ):
                if self.plan.torch:
                    return self._run_torch(state, backward)
                return self._run_numpy(state, backward)
        except SystemExit as error:
            raise Ended("it ends the program") from error
        finally:
            seconds = time.perf_counter() - began
            self.took, self.quickest = max(self.took, seconds), min(self.quickest, seconds)

    def _seed(self) -> None:
        """The same numbers in each run, for code that draws its own."""
        np.random.seed(20)
        random.seed(20)
        if self.torch is not None:
            self.torch.manual_seed(20)

    def hurry(self) -> None:
        """From now on a run that takes far longer than those until now is ended: a change that is
        tried may loop for ever."""
        self.patience = 0.5 + 20 * self.took

    def _call(self, state: State, name: str, pools: list[dict[str, Any]], spare: list[Any]) -> Any:
        function = self.function(state, name)
        positional, keywords = bind(function, pools, spare, self._signature(name, function))
        return function(*positional, **keywords)

    def _signature(self, name: str, function: Callable[..., Any]) -> Any:
        if name not in self.parameters:
            self.parameters[name] = list(inspect.signature(function).parameters.values())
        return self.parameters[name]

    def _run_numpy(self, state: State, backward: bool) -> Outcome:
        plan, module = self.plan, self.module.namespace
        before = None
        upstream: dict[str, Any] = {}
        globals_before = {name: module.get(name) for name in self.assigned}
        returned = self._call(state, plan.forward, [state.inputs], list(state.inputs.values()))
        outputs = split(returned, self.names[plan.forward])
        pool = {name: value for name, value in outputs if name}
        if plan.loss:
            spare = [value for _, value in outputs]
            loss_value = self._call(state, plan.loss, [pool, state.inputs], spare)
            loss_value = loss_value[0] if isinstance(loss_value, tuple) else loss_value
            loss = scalar(loss_value)
        elif (place := self._loss_place(outputs)) is not None:
            loss = scalar(outputs[place][1])
            outputs = [outputs[place], *outputs[:place], *outputs[place + 1 :]]
        else:
            loss, upstream = self._weigh(outputs)
        if not backward:
            return Outcome(loss, {})
        if plan.owner_class:
            before = dict(values.leaves(state.owner))
            before = {path: stamp(value) for path, value in before.items()}
        world_before = {p: stamp(v) for p, v in values.leaves(state.world)}
        if plan.backward is None:
            found = dict(gradient_leaves(outputs[1:]))
        else:
            result = self._backward(state, outputs, upstream)
            found = dict(gradient_leaves(split(result, self.names[plan.backward])))
        if before is not None:
            found.update((f"self.{n}", v) for n, v in changed(state.owner, before))
        world = {key: module.get(key) for key in state.world}
        found.update((f"global.{n}", v) for n, v in changed(world, world_before))
        # As in: global dW
        new = {k: module.get(k) for k, v in globals_before.items() if module.get(k) is not v}
        found.update((f"global.{n}", v) for n, v in changed(new, {}))
        return Outcome(loss, found)

    def _backward(self, state: State, outputs: Any, upstream: dict[str, Any]) -> Any:
        name = str(self.plan.backward)
        function = self.function(state, name)
        parameters = self._signature(name, function)
        passing = Passing(function, parameters, outputs, self.packed, upstream, state.inputs)
        try:
            return passing.call()
        finally:
            self.guessed = passing.guessed

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
        sort = tuple((name, type(value)) for name, value in outputs)
        if sort not in self.wanted:
            self.wanted[sort] = self._wanted(outputs)
        wanted = self.wanted[sort]
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
        real = [k for k, (_, v) in enumerate(outputs) if is_output(v)]
        if not real or self.plan.backward is None:
            return set(real[:1])
        wanted: set[int] = set()
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
            if any(name == outputs[w][0] for w in wanted):
                continue  # return a, a: an output, and the same as a cache
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
        key = (
            (place, *values.shape(value))
            if not isinstance(value, list | tuple | dict)
            else (place, -1)
        )
        if key not in self.cotangents:
            rng = np.random.default_rng(7 + place)
            self.cotangents[key] = random_like(value, rng)
        return self.cotangents[key]

    def _run_torch(self, state: State, backward: bool) -> Outcome:
        import torch

        cls = self.module.namespace[str(self.plan.owner_class)]
        arguments = list(state.inputs.items())
        order = [p.name for p in list(inspect.signature(cls.forward).parameters.values())[1:]]
        if set(order) >= set(state.inputs):
            arguments = [(k, state.inputs[k]) for k in order if k in state.inputs]
        given = {}
        for name, value in arguments:
            numeric = isinstance(value, np.ndarray) and value.dtype.kind in "fiub"
            tensor = torch.from_numpy(value) if numeric else value
            if values.is_tensor(tensor) and tensor.is_floating_point():
                tensor = tensor.detach().clone().requires_grad_(backward)
            given[name] = tensor
        with torch.set_grad_enabled(backward):
            out = cls.apply(*given.values())
        outs = out if isinstance(out, tuple) else (out,)
        total: Any = 0.0
        for place, o in enumerate(outs):
            if values.is_tensor(o) and o.is_floating_point() and (o.requires_grad or not backward):
                total = (
                    total
                    + (
                        o.double() * torch.as_tensor(self._cotangent(place, o.detach().double()))
                    ).sum()
                )
        if not backward:
            return Outcome(float(total), {})
        total.backward()
        found = {}
        returned = self.names.get(str(self.plan.backward), [])
        for k, (name, value) in enumerate(given.items()):
            if values.is_tensor(value) and value.requires_grad and value.grad is not None:
                label = returned[k] if k < len(returned) and returned[k] else f"d{name}"
                found[f"{label}\x00{name}"] = value.grad
        return Outcome(float(total.detach()), found)


def _def(module: Instrumented, plan: Plan, name: str) -> ast.FunctionDef | None:
    path = f"{plan.owner_class}.{name}" if plan.owner_class else name
    try:
        return definition(module.tree, path)
    except (IndexError, AssertionError):
        return next(
            (
                node
                for node in ast.walk(module.tree)
                if isinstance(node, ast.FunctionDef) and node.name == name
            ),
            None,
        )
