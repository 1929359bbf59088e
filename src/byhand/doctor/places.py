"""What a result is the gradient of where its name does not say it, as in return dz @ W.T, dW.

Without this a wrong gradient that has no name would go unnoticed: names do not tell whose it is,
and its numbers are nobody's."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from byhand.doctor import names, values
from byhand.doctor.subject import Outcome, Subject
from byhand.doctor.values import Path


def by_place(
    subject: Subject, outcome: Outcome, claimed: Mapping[str, Path]
) -> Iterator[tuple[str, Path]]:
    """The results that nothing is claimed of yet, each with the argument that it belongs to."""
    order = _Order(subject, claimed)
    for name, gradient in outcome.gradients.items():
        # W beside grad_W is the variable after its update.
        updated = ("inputs", name) in claimed.values()
        if name not in claimed and not updated and order.place(name) is not None:
            shape = values.shape(gradient)
            argument = order.at_its_place(name, shape) or order.of_its_shape(name, shape)
            if argument is not None:
                del order.free[argument]
                yield name, ("inputs", argument)


def _number(name: str) -> int | None:
    """The place of a result without a name."""
    found = re.fullmatch(r"result (\d+)", name)
    return int(found[1]) if found else None


class _Order:
    """The results in the order of the return statement, beside the arguments of the forward.

    free        the arguments that nothing is claimed of, with their shapes
    places      the results that something is claimed of, with the places of their arguments
    """

    def __init__(self, subject: Subject, claimed: Mapping[str, Path]) -> None:
        plan, inputs = subject.plan, subject.start.inputs
        self.alone = plan.backward is None
        self.given = inputs
        self.anything = bool(claimed)
        self.arguments = [p.name for p in subject.parameters.get(plan.forward, ())]
        # One function that does both returns the loss first.
        self.labels = subject.names.get(plan.backward or plan.forward, [])[self.alone :]
        self.free = {
            name: values.shape(value)
            for name, value in inputs.items()
            if values.is_real(value) and ("inputs", name) not in claimed.values()
        }
        self.places = {
            here: self.arguments.index(path[1])
            for name, path in claimed.items()
            if path[0] == "inputs" and path[1:] == path[1:2] and path[1] in self.arguments
            if (here := self.place(name)) is not None
        }

    def place(self, name: str) -> int | None:
        """Of a result, among all; None for what is inside of another or not returned."""
        number = _number(name)
        return self.labels.index(name) if number is None and name in self.labels else number

    def at_its_place(self, name: str, shape: tuple[int, ...]) -> str | None:
        """The argument that is as far along as the result, where the others are so too.

        Something else that is returned there, such as the variable itself, is a wrong gradient."""
        shifts = {there - here for here, there in self.places.items()}
        if not self.anything and len(self.labels) == len(self.arguments):
            shifts = {0}
        here, unnamed = self.place(name), _number(name) is not None
        if here is None or len(shifts) != 1:
            return None
        there = here + min(shifts)
        argument = self.arguments[there] if 0 <= there < len(self.arguments) else ""
        if argument not in self.free:
            return None
        if any(k > here for k in self.places) and (unnamed or any(k < here for k in self.places)):
            return argument
        if len(self.labels) == len(self.arguments) and (unnamed or name in self.given):
            return argument
        speaks = unnamed or name in self.given or names.looks_like_gradient(name)
        return argument if speaks and self.free[argument] == shape else None

    def of_its_shape(self, name: str, shape: tuple[int, ...]) -> str | None:
        """The only argument that the result can belong to."""
        if shape == ():
            return None
        unnamed = _number(name) is not None
        alike = [argument for argument, its in self.free.items() if its == shape]
        if self.alone:
            # A loss and the gradient, without a name with respect to what comes first.
            fits = len(alike) == 1 and not self.anything
            fits &= names.looks_like_gradient(name) or (unnamed and alike == self.arguments[:1])
            return alike[0] if fits else None
        if unnamed and len(alike) == 1:
            return alike[0]
        if len(self.free) == 1 and not self.places:
            # A layer's backward hands back the gradient of its one input.
            (argument,) = self.free
            if alike and names.looks_like_gradient(name):
                return argument
            if unnamed and len(self.labels) == 1 and 1 < len(shape) == len(self.free[argument]):
                return argument
        return None
