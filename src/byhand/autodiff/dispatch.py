"""From a NumPy call with Variables in it to nodes on the tape."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from functools import cache
from itertools import zip_longest
from typing import Any

import numpy as np

from byhand.autodiff import indexing, linear_algebra, reductions, shaping  # noqa: F401
from byhand.autodiff.elementwise import ELEMENTWISE, SIDES
from byhand.autodiff.plain import DECISIONS, PLAIN
from byhand.autodiff.refusal import refuse
from byhand.autodiff.rules import COMPOSITES, PRIMITIVES, VIEWS, Rule
from byhand.autodiff.state import decided
from byhand.autodiff.tape import Array, Node, Pullback
from byhand.autodiff.variable import Variable, View

signature = cache(inspect.signature)

# The methods of a ufunc, and the function that each is.
REDUCE = {"add": "sum", "multiply": "prod", "maximum": "max", "minimum": "min"}
REDUCE |= {"logical_and": "all", "logical_or": "any"}
ACCUMULATE = {"add": "cumsum", "multiply": "cumprod"}


def call_function(name: str, function: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """np.NAME(*args, **kwargs) with Variables somewhere in the arguments."""
    if "out" in kwargs:
        out = kwargs.pop("out")
        result = call_function(name, function, args, kwargs)
        return result if out is None else store(out, result, name)
    if name == "where" and len(args) == 1:
        name = "nonzero"
    if name in COMPOSITES:
        rule = COMPOSITES[name]
        bind(name, rule, args, kwargs)
        return rule(*args, **kwargs)
    if name in PRIMITIVES:
        return call_primitive(name, PRIMITIVES[name], args, kwargs)
    if name in PLAIN:
        return call_plain(name, function, args, kwargs)
    raise refuse(f"np.{name}")


def call_plain(name: str, function: Any, args: Any, kwargs: Any) -> Any:
    """A function that is constant wherever it is smooth: argmax, sign, a comparison, a shape."""
    result = function(*values(args), **values(kwargs))
    if name in DECISIONS:
        decided(name, result)
    is_number = isinstance(result, (np.ndarray, np.generic)) and result.dtype.kind == "f"
    return constant(result) if is_number else result


def constant(result: Any) -> Variable:
    """A value on the tape that depends on no input."""
    return Variable.of(Node(np.asarray(result), traced=False), isinstance(result, np.generic))


def call_primitive(name: str, rule: Rule, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    raw, node = trace(name, rule, args, kwargs)
    first = args[0] if args else None
    if (
        name in VIEWS
        and isinstance(first, Variable)
        and not first.is_scalar
        and np.may_share_memory(raw, first.node.value)
    ):
        return Variable.of(node, view=View(first, name, rule, args[1:], kwargs))
    return Variable.of(node, isinstance(raw, np.generic))


def trace(name: str, rule: Rule, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, Node]:
    """Run a rule and put its result on the tape."""
    bound = bind(name, rule, args, kwargs)
    arguments = list(bound.args)
    if not takes_list(rule):
        arguments = [stacked(a) if is_list_of_variables(a) else a for a in arguments]
    raw, pullbacks = rule(*values(arguments), **values(bound.kwargs))
    given = [*arguments, *bound.kwargs.values()]
    return raw, record(name, raw, sources(name, given, pullbacks))


def record(name: str, raw: Any, found: Iterator[tuple[Node, Pullback]]) -> Node:
    value = np.asarray(raw)
    if value.dtype.kind != "f":
        raise refuse(f"np.{name}", f"it gives {value.dtype} here, and the tape holds real numbers")
    return Node(value, name, tuple(found))


def sources(name: str, arguments: Any, pullbacks: Any) -> Iterator[tuple[Node, Pullback]]:
    """Each Variable among the arguments, with its pullback; a None says that it has no gradient."""
    for argument, pullback in zip_longest(arguments, pullbacks, fillvalue=()):
        if isinstance(argument, (Variable, Node)):
            node = argument if isinstance(argument, Node) else argument.node
            if callable(pullback):
                yield node, pullback
            elif pullback is not None and node.traced:
                raise refuse(f"np.{name}", "with a traced value as an option", "give a number")
        elif isinstance(argument, (list, tuple)) and isinstance(pullback, (list, tuple)):
            yield from sources(name, argument, pullback)


def bind(name: str, rule: Rule, args: Any, kwargs: Any) -> inspect.BoundArguments:
    """The arguments in the order of the rule's parameters."""
    try:
        bound = signature(rule).bind(*args, **kwargs)
    except TypeError as error:
        raise refuse(f"np.{name}", f"with these arguments ({error})") from None
    bound.apply_defaults()
    return bound


def values(of: Any) -> Any:
    """The same with plain arrays in place of Variables."""
    if isinstance(of, Variable):
        return of.node.value
    if isinstance(of, Node):
        return of.value
    if type(of) in (list, tuple):
        return type(of)(values(item) for item in of)
    if type(of) is dict:
        return {key: values(item) for key, item in of.items()}
    return of


def is_list_of_variables(of: Any) -> bool:
    if not isinstance(of, (list, tuple)):
        return False
    return any(isinstance(item, Variable) or is_list_of_variables(item) for item in of)


def takes_list(rule: Rule) -> bool:
    first = next(iter(signature(rule).parameters), "")
    return first in ("arrays", "operands")


def stacked(items: Any) -> Variable:
    """np.array(items) for a nested list with Variables in it."""
    whole = [stacked(item) if is_list_of_variables(item) else item for item in items]
    result: Variable = call_primitive("stack", PRIMITIVES["stack"], (whole,), {})
    return result


# ------------------------------------------------------------------------------- ufuncs


def call_ufunc(ufunc: Any, method: str, inputs: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """What Variable.__array_ufunc__ passes on: np.add(a, b), np.add.reduce(a), np.add.at(...)."""
    name = ufunc.__name__
    inputs = tuple(stacked(x) if is_list_of_variables(x) else x for x in inputs)
    out = kwargs.pop("out", (None,))
    out = out[0] if isinstance(out, tuple) else out
    if method == "__call__":
        result = call_elementwise(ufunc, inputs, kwargs, out)
    elif method == "reduce" and name in REDUCE:
        axis = kwargs.pop("axis", inputs[1] if len(inputs) > 1 else 0)
        kwargs = {key: value for key, value in kwargs.items() if value is not np._NoValue}
        result = call_function(REDUCE[name], None, (inputs[0], axis), kwargs)
    elif method == "accumulate" and name in ACCUMULATE:
        result = call_function(ACCUMULATE[name], None, (inputs[0], kwargs.pop("axis", 0)), kwargs)
    elif method == "outer":
        a, b = (np.asarray(x) if not isinstance(x, Variable) else x for x in inputs)
        result = ufunc(a.reshape(a.shape + (1,) * b.ndim), b, **kwargs)
    elif method == "at" and name in ("add", "subtract"):
        x, indices, b = inputs
        return add_at(x, indices, b if name == "add" else np.negative(b))
    else:
        raise refuse(f"np.{name}" if method == "__call__" else f"np.{name}.{method}")
    return result if out is None else store(out, result, name)


def call_elementwise(ufunc: Any, inputs: Any, kwargs: dict[str, Any], out: Any) -> Any:
    name = ufunc.__name__
    if name in PRIMITIVES:
        return call_primitive(name, PRIMITIVES[name], inputs, kwargs)
    if name in PLAIN:
        return call_plain(name, ufunc, inputs, kwargs)
    if name not in ELEMENTWISE:
        raise refuse(f"np.{name}" if hasattr(np, name) else f"the ufunc {name}")
    if name in SIDES:
        decided(name, SIDES[name](*values(inputs)))
    mask = kwargs.pop("where", True)
    if mask is not True:
        return masked(ufunc, inputs, kwargs, out, np.asarray(mask))
    xs = tuple(np.asarray(x) if isinstance(x, (list, tuple)) else x for x in values(inputs))
    y = ufunc(*xs, **kwargs)
    node = record(name, y, sources(name, inputs, elementwise_pullbacks(name, xs, y)))
    return Variable.of(node, isinstance(y, np.generic))


def elementwise_pullbacks(name: str, xs: tuple[Array, ...], y: Array) -> list[Pullback]:
    def pullback(partial: Rule) -> Pullback:
        return lambda g: partial(g, y, *xs)

    return [pullback(partial) for partial in ELEMENTWISE[name]]


def masked(ufunc: Any, inputs: Any, kwargs: Any, out: Any, mask: Array) -> Variable:
    """ufunc(..., where=mask, out=out): where the mask is False, out keeps what it has."""
    xs = values(inputs)
    before = (
        values(out)
        if out is not None
        else np.zeros(np.broadcast_shapes(mask.shape, *(np.shape(x) for x in xs)))
    )
    y = np.array(before)
    ufunc(*xs, where=mask, out=y, **kwargs)

    def inside(pullback: Pullback) -> Pullback:
        return lambda g: np.where(mask, pullback(g), 0)

    pullbacks: list[Pullback] = [inside(p) for p in elementwise_pullbacks(ufunc.__name__, xs, y)]
    pullbacks.append(lambda g: np.where(mask, 0, g))
    name = ufunc.__name__
    return Variable.of(record(name, y, sources(name, (*inputs, out), pullbacks)))


# --------------------------------------------------------------------- writing in place


def store(out: Any, result: Any, name: str) -> Any:
    """out[...] = result, as np.NAME(..., out=out) does it."""
    if not isinstance(out, Variable):
        if isinstance(result, Variable) and result.node.traced:
            raise refuse(
                f"np.{name} into a plain array",
                "that can't hold a traced value",
                "make it with np.zeros inside of the function",
            )
        out[...] = values(result)
        return out
    shape = np.shape(result)
    if np.broadcast_shapes(shape, out.shape) != out.shape:
        raise ValueError(
            f"non-broadcastable output operand with shape {out.shape} "
            f"doesn't match the broadcast shape {np.broadcast_shapes(shape, out.shape)}"
        )
    if shape == out.shape and isinstance(result, Variable) and result.dtype == out.dtype:
        out.hold(result.node)  # the result itself: its gradient is that of all later uses
    else:
        assign(out, ..., result)
    return out


def assign(x: Variable, key: Any, value: Any) -> None:
    """x[key] = value"""
    if is_list_of_variables(value):
        value = stacked(value)
    x.hold(trace("setitem", PRIMITIVES["setitem"], (x, key, value), {})[1])


def add_at(x: Any, indices: Any, b: Any) -> None:
    """np.add.at(x, indices, b): an index that appears twice is added to twice."""
    if not isinstance(x, Variable):
        raise refuse(
            "np.add.at into a plain array",
            "that can't hold a traced value",
            "make it with np.zeros inside of the function",
        )
    x.hold(trace("add.at", PRIMITIVES["add.at"], (x, indices, b), {})[1])
