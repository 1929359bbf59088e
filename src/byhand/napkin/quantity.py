"""A quantity knows its formula: one definition gives its value, its interval and its text.

    L, h = given("L", 32), given("h", 4096)
    N = define("parameters", "N", 12 * L * h**2, kind="modelled", source="Kaplan et al. 2020")

`12 * L * h**2` is an expression. It is evaluated as [floor, expected, ceiling], checked for its
unit, printed in symbols, in numbers and in LaTeX (`derivation`), and evaluated again with other
inputs to see what the answer depends on (`sensitivity`). Whole numbers stay whole while exact.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cached_property, reduce
from typing import Any, Literal

from byhand.napkin.units import ONE, Unit, Value, unit

Kind = Literal["exact", "measured", "modelled", "assumed"]
KINDS: tuple[Kind, ...] = ("exact", "measured", "modelled", "assumed")
"""From the surest to the least sure; what is derived is as sure as its least sure input."""


@dataclass(frozen=True)
class Interval:
    """The lowest, the expected and the highest value."""

    low: Value
    value: Value
    high: Value

    @property
    def is_point(self) -> bool:
        """Whether nothing is uncertain."""
        return self.low == self.high


Inputs = Mapping["Quantity", Interval]


class Expression:
    """What can be computed with: `+ - * / **` and the functions of this module."""

    unit: Unit

    def evaluate(self, instead: Inputs) -> Interval:
        """The value, with other values for the given quantities."""
        raise NotImplementedError

    def inputs(self) -> Iterator[Quantity]:
        """The quantities that the formula names, as often as it names them."""
        raise NotImplementedError

    def __add__(self, other: Expression | Value) -> Expression:
        return Operation("+", (self, _expression(other)))

    def __radd__(self, other: Value) -> Expression:
        return Operation("+", (_expression(other), self))

    def __sub__(self, other: Expression | Value) -> Expression:
        return Operation("-", (self, _expression(other)))

    def __rsub__(self, other: Value) -> Expression:
        return Operation("-", (_expression(other), self))

    def __mul__(self, other: Expression | Value) -> Expression:
        return Operation("*", (self, _expression(other)))

    def __rmul__(self, other: Value) -> Expression:
        return Operation("*", (_expression(other), self))

    def __truediv__(self, other: Expression | Value) -> Expression:
        return Operation("/", (self, _expression(other)))

    def __rtruediv__(self, other: Value) -> Expression:
        return Operation("/", (_expression(other), self))

    def __pow__(self, power: int) -> Expression:
        return Operation("^", (self, Number(power)))


@dataclass(frozen=True)
class Number(Expression):
    """A number of the formula itself: the 2 of key and value. It may carry a unit unseen."""

    value: Value
    unit: Unit = ONE

    def evaluate(self, instead: Inputs) -> Interval:
        return Interval(self.value, self.value, self.value)

    def inputs(self) -> Iterator[Quantity]:
        yield from ()


@dataclass(frozen=True)
class Operation(Expression):
    """An operation on expressions, with the unit that follows.

    Raises      ValueError where units cannot be added or compared: a mistake in a formula.
    """

    name: str
    arguments: tuple[Expression, ...]

    @cached_property
    def unit(self) -> Unit:  # type: ignore[override]
        units = [argument.unit for argument in self.arguments]
        if self.name == "*":
            return units[0] * units[1]
        if self.name == "/":
            return units[0] / units[1]
        if self.name == "^":
            power = self.arguments[1].evaluate({}).value
            return Unit(tuple(int(power) * each for each in units[0].powers))
        if len(set(units)) > 1:
            raise ValueError(f"{self.name} of {' and '.join(map(str, units))}")
        return units[0]

    def evaluate(self, instead: Inputs) -> Interval:
        values = [argument.evaluate(instead) for argument in self.arguments]
        if self.name == "ceil" and instead:
            # A derivative is asked for, and that of whole pages and devices is 0 or infinite.
            return values[0]
        if self.name in ("-", "/"):
            # The lowest difference or quotient takes the highest of what is taken away.
            a, b = values
            values = [a, Interval(b.high, b.value, b.low)]
        rule = RULES[self.name]
        return Interval(
            rule(*(each.low for each in values)),
            rule(*(each.value for each in values)),
            rule(*(each.high for each in values)),
        )

    def inputs(self) -> Iterator[Quantity]:
        for argument in self.arguments:
            yield from argument.inputs()


@dataclass(frozen=True, eq=False)
class Quantity(Expression):
    """A named value: given (no formula) or derived.

    name     the stable name for programs: "kv_bytes"
    symbol   the name in formulas: "KV"
    meaning  what it is, in words
    kind     how sure: exact, measured, modelled or assumed
    source   where the formula or the fact comes from
    """

    name: str
    symbol: str
    unit: Unit
    interval: Interval
    kind: Kind
    meaning: str = ""
    source: str = ""
    formula: Expression | None = field(default=None, repr=False)

    def evaluate(self, instead: Inputs) -> Interval:
        if self in instead:
            return instead[self]
        return self.formula.evaluate(instead) if instead and self.formula else self.interval

    def inputs(self) -> Iterator[Quantity]:
        yield self

    @property
    def value(self) -> Value:
        """The expected value."""
        return self.interval.value

    @property
    def low(self) -> Value:
        """The floor."""
        return self.interval.low

    @property
    def high(self) -> Value:
        """The ceiling."""
        return self.interval.high

    def as_json(self) -> dict[str, Any]:
        """{value, unit, kind}, and {low, high} where they differ; a peak always has them."""
        plain: dict[str, Any] = {
            "value": _plain(self.value),
            "unit": str(self.unit),
            "kind": self.kind,
        }
        if not self.interval.is_point or self.name == "peak_bytes":
            plain |= {"low": _plain(self.low), "high": _plain(self.high)}
        return plain


def given(
    symbol: str,
    value: Value,
    of: str = "1",
    meaning: str = "",
    *,
    name: str = "",
    kind: Kind | None = None,
    source: str = "",
    low: Value | None = None,
    high: Value | None = None,
) -> Quantity:
    """A quantity that nothing here derives: the user's, the model's or a datasheet's.

    Its kind is exact, or assumed where it is an interval.
    """
    interval = Interval(value if low is None else low, value, value if high is None else high)
    kind = kind or ("exact" if interval.is_point else "assumed")
    return Quantity(name or symbol, symbol, unit(of), interval, kind, meaning, source)


def define(
    name: str,
    symbol: str,
    formula: Expression | Value,
    of: str,
    meaning: str,
    *,
    kind: Kind = "exact",
    source: str = "",
) -> Quantity:
    """A derived quantity. `kind` is how sure the formula is; the inputs can only lower it.

    Raises      ValueError where the formula's unit is not `of`: a mistake in the formula.
    """
    formula = _expression(formula)
    if formula.unit != unit(of):
        raise ValueError(f"{symbol}: expected {of}, found {formula.unit}")
    kinds = [kind, *(each.kind for each in formula.inputs())]
    surest = max(kinds, key=KINDS.index)
    return Quantity(name, symbol, unit(of), formula.evaluate({}), surest, meaning, source, formula)


def per(of: str, value: Value) -> Number:
    """A number of a formula with its unit: per("FLOP/parameter/token", 6)."""
    return Number(value, unit(of))


def total(summands: Iterable[Expression]) -> Expression:
    """Their sum; there must be at least one."""
    return reduce(lambda a, b: a + b, summands)


def largest(*arguments: Expression | Value) -> Expression:
    """The largest of several, as of phases that follow each other."""
    return _alike("max", arguments)


def smallest(*arguments: Expression | Value) -> Expression:
    """The smallest of several."""
    return _alike("min", arguments)


def ceil(term: Expression) -> Expression:
    """The next whole number: devices and cache blocks come in wholes."""
    return Operation("ceil", (term,))


def terms(expression: Expression) -> list[Expression]:
    """What a sum adds up."""
    if isinstance(expression, Operation) and expression.name == "+":
        return [each for argument in expression.arguments for each in terms(argument)]
    return [expression]


def ancestors(results: Iterable[Quantity]) -> list[Quantity]:
    """All quantities that lead to the results, inputs before what is derived from them."""
    found: dict[Quantity, None] = {}

    def visit(quantity: Quantity) -> None:
        if quantity in found:
            return
        if quantity.formula is not None:
            for each in quantity.formula.inputs():
                visit(each)
        found[quantity] = None

    for result in results:
        visit(result)
    return list(found)


def sensitivity(result: Quantity, to: Quantity) -> float:
    """By how many per cent the result changes if `to` grows by one per cent, near its value."""
    if not result.value:
        return 0.0
    step = Fraction(1, 10**4)
    up = result.evaluate({to: _point(to.value * (1 + step))}).value
    down = result.evaluate({to: _point(to.value * (1 - step))}).value
    return float((up - down) / (2 * step * result.value))


def _alike(name: str, arguments: tuple[Expression | Value, ...]) -> Expression:
    """An operation on arguments of one unit; plain numbers take the unit of the others."""
    of = next(each.unit for each in arguments if isinstance(each, Expression))
    same = (each if isinstance(each, Expression) else Number(each, of) for each in arguments)
    return Operation(name, tuple(same))


def _point(value: Value) -> Interval:
    return Interval(value, value, value)


def _expression(value: Expression | Value) -> Expression:
    return value if isinstance(value, Expression) else Number(value)


def _divide(a: Value, b: Value) -> Value:
    if isinstance(a, float) or isinstance(b, float):
        return a / b
    return _whole(Fraction(a) / b)


def _multiply(a: Value, b: Value) -> Value:
    return _whole(a * b)


def _whole(value: Value) -> Value:
    if isinstance(value, Fraction) and value.denominator == 1:
        return value.numerator
    return value


def _plain(value: Value) -> int | float:
    """For JSON: whole numbers stay whole."""
    whole = _whole(value)
    return float(whole) if isinstance(whole, Fraction) else whole


RULES: dict[str, Callable[..., Value]] = {
    "+": lambda a, b: _whole(a + b),
    "-": lambda a, b: _whole(a - b),
    "*": _multiply,
    "/": _divide,
    "^": lambda a, b: _whole(a**b),
    "max": max,
    "min": min,
    "ceil": math.ceil,
}
