"""What a function is given: arguments by name, what is left over by position."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from types import FunctionType
from typing import Any

from byhand.doctor import names, values
from byhand.doctor.instrument import Instrumented
from byhand.doctor.results import CannotBind, is_container


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


class Passing:
    """What a backward is given: by name what the forward returned, was given, or has a gradient
    of, and the parts of what it returned; then the rest by what their names say they are, or in
    their order.

    outputs     the forward's results, each with its name
    packed      the names in the tuples that the forward makes: {"cache": ["x", "mask"]}
    upstream    the gradients of those that have one, by the names of the results; empty where the
                forward returns the loss
    guessed     the last parameter that was given something only for its place
    """

    def __init__(
        self,
        function: Callable[..., Any],
        parameters: list[inspect.Parameter],
        outputs: list[tuple[str, Any]],
        packed: dict[str, list[str]],
        upstream: dict[str, Any],
        inputs: dict[str, Any],
    ) -> None:
        self.function = function
        self.parameters = parameters
        self.outputs = outputs
        self.packed = packed
        self.upstream = upstream
        self.inputs = inputs
        self.waiting = dict(upstream)
        self.of_loss = not upstream  # whether 1, the loss's own gradient, may be asked for
        self.given: dict[str, Any] = {}
        self.guessed = ""

    def call(self) -> Any:
        """The backward's results.

        Raises      CannotBind, and whatever the backward raises
        """
        returned = {name: value for name, value in self.outputs if name}
        named = [p for p in self.parameters if p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)]
        rest = [p for p in named if not self._by_name(p, returned)]
        opened = self._from_parts(rest)
        rest = [p for p in rest if p.name not in self.given]
        used = {id(v) for v in self.given.values()} | opened
        kept = [v for name, v in self.outputs[1:] if not (name and name in self.upstream)]
        self.extra = [v for v in kept if id(v) not in used]
        alone = self.extra[0] if len(self.extra) == 1 else None
        required = sum(p.default is p.empty and not names.STEPS.search(p.name) for p in rest)
        if isinstance(alone, tuple) and 1 < len(alone) == required - len(self.waiting):
            self.extra = list(alone)  # backward(dout, *cache)
        self.leftover = [v for v in self.inputs.values() if id(v) not in used]
        for p in rest:
            if not self._by_role(p, rest):
                self._in_turn(p, alone=len(rest) == 1)
        if self.upstream and len(self.waiting) == len(self.upstream):
            raise CannotBind(f"{self._name} takes no gradient of the forward's output")
        if any(p.kind is p.VAR_KEYWORD for p in self.parameters):
            self.given = {**self.inputs, **self.given}
        positional = [
            self.given.pop(p.name) for p in self.parameters if p.kind is p.POSITIONAL_ONLY
        ]
        return self.function(*positional, **self.given)

    @property
    def _name(self) -> str:
        return getattr(self.function, "__name__", str(self.function))

    def _by_name(self, p: inspect.Parameter, returned: dict[str, Any]) -> bool:
        a_gradient = p.name in self.upstream and names.looks_like_gradient(p.name)
        if p.name in returned and not a_gradient:
            self.given[p.name] = returned[p.name]
            return True
        if p.name in self.inputs:
            self.given[p.name] = self.inputs[p.name]
            return True
        for name in self.waiting:
            if name and name != p.name and name in names.stems(p.name):
                self.given[p.name] = self.waiting.pop(name)
                return True
        return False

    def _from_parts(self, rest: list[inspect.Parameter]) -> set[int]:
        """What a cache holds under a parameter's own name; returns the ids of the caches."""
        opened = set()
        for p in rest:
            for name, value in self.outputs:
                parts = dict(self._parts(name, value))
                if p.name in parts:
                    self.given[p.name] = parts[p.name]
                    opened.add(id(value))
        return opened

    def _parts(self, name: str, value: Any) -> Iterator[tuple[str, Any]]:
        """What a result holds, by name: the entries of a tuple where the forward says how they are
        called, those of a dictionary or an object by their keys."""
        if type(value) in (list, tuple):
            inside = self.packed.get(name) or name.split(",")
            if len(inside) == len(value) > 1:
                yield from zip(inside, value, strict=True)
        elif is_container(value):
            yield from ((key, v) for key, v in values.children(value) if isinstance(key, str))

    def _by_role(self, p: inspect.Parameter, rest: list[inspect.Parameter]) -> bool:
        """A gradient of an output, or of the loss; what has a default may keep it."""
        a_gradient = bool(names.UPSTREAM.match(p.name)) or names.looks_like_gradient(p.name)
        a_cache, optional = bool(names.CACHE.search(p.name)), p.default is not p.empty
        later = [q for q in rest[rest.index(p) + 1 :] if names.UPSTREAM.match(q.name)]
        may_be_one = len(self.waiting) > len(later) and (
            not self.extra or (p is rest[0] and not a_cache)
        )
        if self.waiting and (a_gradient or may_be_one):
            self.given[p.name] = self.waiting.pop(next(iter(self.waiting)))
            return True
        if self.of_loss and a_gradient and not optional and not (self.extra and a_cache):
            self.given[p.name] = 1.0
            self.of_loss = False
            return True
        return optional and not a_cache

    def _in_turn(self, p: inspect.Parameter, alone: bool) -> None:
        """What the forward returned beside its output, and at last what it was given."""
        first = self.outputs[0][1]
        a_cache = bool(names.CACHE.search(p.name))
        still = self._at_rest() if names.STEPS.search(p.name) else None
        if still is not None:
            self.given[p.name] = still
        elif self.extra:
            if not alone and not a_cache:
                self.guessed = p.name
            self.given[p.name] = self.extra.pop(0)
        elif p.default is not p.empty:
            return
        elif is_container(first) and all(v is not first for v in self.given.values()):
            self.given[p.name] = first
        elif len(self.outputs) > 1 and a_cache:
            self.given[p.name] = tuple(v for _, v in self.outputs[1:])
        elif self.leftover:
            self.guessed = p.name
            self.given[p.name] = self.leftover.pop(0)
        else:
            raise CannotBind(f"{self._name} wants {p.name}, which nothing is known for")

    def _at_rest(self) -> Any:
        """Zeros like the parameters, for what an optimizer keeps of its steps until now."""
        held = [v for v in self.inputs.values() if isinstance(v, dict | list) and v]
        for value in held:
            leaves = list(values.leaves(value))
            if leaves and all(values.is_real(v) for _, v in leaves):
                still = values.fresh(value)
                for path, leaf in leaves:
                    still = values.replaced(still, path, leaf * 0.0)
                return still
        return None


def functions(module: Instrumented) -> dict[str, FunctionType]:
    """The functions that the file itself defines."""
    return {
        name: value
        for name, value in module.namespace.items()
        if isinstance(value, FunctionType)
        and value.__code__.co_filename == module.path
        and name != "example"
        and not name.startswith("__")
    }


def classes(module: Instrumented) -> dict[str, type]:
    return {
        name: value
        for name, value in module.namespace.items()
        if isinstance(value, type) and value.__module__ == module.namespace["__name__"]
    }


def methods(cls: type) -> list[str]:
    """A class's own methods and those it inherits; a torch.nn.Module has a hundred of its own."""
    return [
        name
        for base in reversed(cls.__mro__)
        if not base.__module__.startswith("torch.")
        for name, value in vars(base).items()
        if isinstance(value, FunctionType | staticmethod)
        and (name == "__call__" or not name.startswith("__"))
    ]


def parameters(cls: type, name: str) -> list[inspect.Parameter]:
    """A method's parameters beside the object itself."""
    found = list(inspect.signature(getattr(cls, name)).parameters.values())
    return found if isinstance(inspect.getattr_static(cls, name), staticmethod) else found[1:]
