"""byhand.grad: from a function to the function that gives its gradient."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import wraps
from typing import Any

import numpy as np

from byhand.autodiff.recording import recording
from byhand.autodiff.refusal import Unsupported
from byhand.autodiff.tape import Node, gradients
from byhand.autodiff.variable import Variable
from byhand.errors import DTypeError, InputError, ShapeError

Argument = int | str | tuple[int | str, ...]


def grad(f: Callable[..., Any], argument: Argument = 0) -> Callable[..., Any]:
    """The function that gives ∂f/∂(argument) for an f that returns one number.

    f           ordinary NumPy code; it may loop, branch, and write in place
    argument    a position, a name, or a tuple of these, which gives a tuple of gradients
    returns     a function of f's arguments; its result is built like the argument: an array for an
                array, a float for a float, and lists, tuples and dictionaries of these

    Raises      ShapeError where f returns anything but one number, DTypeError for an argument of
                integers, InputError for one that is not there, Unsupported where f does what the
                tape cannot follow.
    """
    both = value_and_grad(f, argument)

    @wraps(f)
    def gradient(*args: Any, **kwargs: Any) -> Any:
        return both(*args, **kwargs)[1]

    return gradient


def value_and_grad(f: Callable[..., Any], argument: Argument = 0) -> Callable[..., tuple[Any, Any]]:
    """As grad, and the function gives the pair (f's value, gradient) for the price of one."""
    chosen = argument if isinstance(argument, tuple) else (argument,)

    @wraps(f)
    def value_and_gradient(*args: Any, **kwargs: Any) -> tuple[Any, Any]:
        positional, named = list(args), dict(kwargs)
        places = [_place(f, which, positional, named) for which in chosen]
        given = [arguments[key] for arguments, key in places]
        for (arguments, key), which in zip(places, chosen, strict=True):
            arguments[key] = _map(_input, arguments[key], path=f"argument {which!r}")
        # The nodes that go in: f may write into its arguments, which is no change of the question.
        asked = [_map(lambda v, path: v.node, arguments[key]) for arguments, key in places]
        with recording():
            value, found = _one_number(f(*positional, **named))
        table = None if found is None else gradients(found)

        def answer(x: Any, path: str, node: Node) -> Any:
            gradient = np.zeros_like(node.value) if table is None else table[node]
            return gradient if isinstance(x, np.ndarray) else type(x)(gradient[()])

        answers = tuple(_map(answer, x, nodes) for x, nodes in zip(given, asked, strict=True))
        return value, answers if isinstance(argument, tuple) else answers[0]

    return value_and_gradient


def _place(
    f: Callable[..., Any], which: int | str, positional: list[Any], named: dict[str, Any]
) -> tuple[Any, Any]:
    """Where an argument of this call is: the list or dictionary that holds it, and its key."""
    if which in named:
        return named, which
    parameters = [] if isinstance(which, int) else list(inspect.signature(f).parameters)
    index = parameters.index(which) if which in parameters else which
    if isinstance(index, int) and -len(positional) <= index < len(positional):
        return positional, index
    raise InputError(
        f"byhand.grad needs argument={which!r} among the arguments of the call, found "
        f"{len(positional)} by position and {sorted(named)} by name; give it, or name another"
    )


def _map(function: Callable[..., Any], tree: Any, *others: Any, path: str = "") -> Any:
    """The same lists, tuples and dictionaries with function(leaf, path, ...) for every leaf."""
    if isinstance(tree, dict):
        return {
            key: _map(function, item, *(o[key] for o in others), path=f"{path}[{key!r}]")
            for key, item in tree.items()
        }
    if isinstance(tree, (list, tuple)):
        items = [
            _map(function, item, *(o[i] for o in others), path=f"{path}[{i}]")
            for i, item in enumerate(tree)
        ]
        return type(tree)(*items) if hasattr(tree, "_fields") else type(tree)(items)
    return function(tree, path, *others)


def _input(x: Any, path: str) -> Variable:
    if isinstance(x, Variable):
        raise Unsupported(
            f"byhand.grad cannot follow itself, found a traced value as {path}; for second "
            "derivatives use byhand.finite_differences on the first"
        )
    found = type(x).__name__
    if isinstance(x, (np.ndarray, np.generic)):
        found = str(x.dtype)
        if x.dtype.kind == "f":
            return Variable(x)
    elif isinstance(x, float):
        return Variable(x)
    raise DTypeError(
        f"byhand.grad needs floating-point numbers, found {found} as {path}; "
        "write x.astype(float), or leave it out of the arguments to differentiate"
    )


def _one_number(output: Any) -> tuple[Any, Variable | None]:
    """f's value, and where it is on the tape: nowhere if it depends on nothing."""
    if isinstance(output, Variable) and output.shape == ():
        return output.value[()], output
    if isinstance(output, (int, float, np.number)):
        return output, None
    if isinstance(output, (Variable, np.ndarray)):
        found = f"an array of shape {output.shape}"
    elif isinstance(output, (tuple, list)):
        found = f"a {type(output).__name__} of {len(output)}"
    else:
        found = f"a {type(output).__name__}"
    raise ShapeError(
        f"byhand.grad needs a function that returns one number, it returned {found}; "
        "return the loss alone, summed over its elements"
    )
