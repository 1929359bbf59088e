"""A derivation is the answer: the quantities and their formulas, as text, Markdown, LaTeX or JSON.

One line a person can follow with a pencil:

    KV = κ·B·T = 327,680 B/token × 1 × 4,096 tokens
       = 1,342,177,280 B = 1.342 GB = 1.250 GiB        [exact]
"""

from __future__ import annotations

import textwrap
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from byhand.napkin.quantity import (
    Expression,
    Number,
    Operation,
    Quantity,
    ancestors,
    sensitivity,
)
from byhand.napkin.units import ONE, SUPERSCRIPTS, Value, plain, show, sizes

WIDTH = 100
COLUMN = 52  # of what the inputs are
LOOSENESS = {"+": 1, "-": 1, "*": 2, "/": 2, "^": 3}
GREEK = {"κ": r"\kappa", "Ψ": r"\Psi", "β": r"\beta", "η": r"\eta", "π": r"\pi", "ρ": r"\rho"}


@dataclass(frozen=True)
class Notation:
    """How quantities and operations are written."""

    quantity: Callable[[Quantity], str]
    signs: dict[str, str]
    power: Callable[[str, str], str]
    call: Callable[[str, list[str]], str]
    fraction: Callable[[str, str], str] | None = None


@dataclass(frozen=True)
class Derivation:
    """The answer to one question.

    title    the question in words
    results  the quantities that were asked for, under their stable names
    binding  what limits: the largest term of the memory, the resource that the time waits for
    notes    what was assumed or questioned, one sentence each
    main     the result that the sensitivities are of; the first one by default
    words    answers that are no numbers, by name: the quantisation that fits
    """

    title: str
    results: tuple[Quantity, ...]
    binding: str = ""
    notes: tuple[str, ...] = ()
    main: str = ""
    words: tuple[tuple[str, str], ...] = ()

    def __getitem__(self, name: str) -> Quantity:
        return next(result for result in self.results if result.name == name)

    def __contains__(self, name: str) -> bool:
        return any(result.name == name for result in self.results)

    @property
    def steps(self) -> list[Quantity]:
        """Everything on the way to the results, inputs first."""
        return ancestors(self.results)

    @property
    def sensitivities(self) -> list[tuple[Quantity, float]]:
        """What the main result depends on: per cent of it for one per cent of each input."""
        main = self._main
        leaves = [each for each in ancestors([main]) if is_leaf(each) and each is not main]
        found = [(leaf, sensitivity(main, leaf)) for leaf in leaves]
        return sorted((pair for pair in found if abs(pair[1]) > 5e-4), key=lambda x: -abs(x[1]))

    @property
    def _main(self) -> Quantity:
        return self[self.main] if self.main else self.results[0]

    def lines(self) -> list[str]:
        """One line for each quantity: symbol = formula = numbers = result [kind]."""
        return [line(step) for step in self.steps]

    def text(self) -> str:
        """For a terminal, lines folded where they are long."""
        parts = [self.title, ""]
        wide = min(COLUMN, max((len(line(step)) for step in self._leaves), default=0))
        parts += [f"  {line(step):{wide}}  {_about(step)}" for step in self._leaves]
        for step in self._derived:
            parts += ["", *_folded(step)]
        parts += ["", *self._ending()]
        return "\n".join(parts)

    def markdown(self) -> str:
        """For a page: the inputs as a table, the steps as a list of code lines."""
        parts = [f"## {self.title}", "", "| symbol | value | what it is |", "|---|---|---|"]
        for leaf in self._leaves:
            value = "".join(_equation(leaf)).removeprefix(f"{leaf.symbol} = ")
            parts.append(f"| {leaf.symbol} | {value} | {_about(leaf)} |")
        for step in self._derived:
            parts += [
                "",
                f"{_about(step)}:",
                "",
                *(f"    {text.strip()}" for text in _folded(step)[1:]),
            ]
        parts += ["", *(f"- {text}" for text in self._ending())]
        return "\n".join(parts)

    def latex(self) -> str:
        """For a paper: one align* environment."""
        rows = [r"\begin{align*}"]
        for step in self.steps:
            right = [rf"\text{{{_escaped(_result(step))}}}"]
            if step.formula is not None:
                right = [render(step.formula, LATEX), render(step.formula, LATEX_NUMBERS), *right]
            rows += [
                rf"{_latex_symbol(step)} &= {right[0]} && \text{{{_escaped(_about(step))}}} \\",
                *(rf"&= {each} \\" for each in dict.fromkeys(right[1:])),
            ]
        return "\n".join([*rows, r"\end{align*}"])

    def as_json(self) -> dict[str, Any]:
        """A flat object: each result as {value, unit, kind} under its name, and the lines."""
        texts = {name: {"value": text, "unit": "", "kind": "exact"} for name, text in self.words}
        return {
            **texts,
            **{result.name: result.as_json() for result in self.results},
            "derivation": self.lines(),
            "binding": self.binding,
            "sensitivities": {leaf.symbol: round(x, 4) for leaf, x in self.sensitivities},
            "notes": list(self.notes),
        }

    @property
    def _leaves(self) -> list[Quantity]:
        return [step for step in self.steps if is_leaf(step)]

    @property
    def _derived(self) -> list[Quantity]:
        return [step for step in self.steps if not is_leaf(step)]

    def _ending(self) -> list[str]:
        main = self._main
        said = [f"{main.meaning}: {_result(main)}  [{main.kind}]"]
        said += [f"{name}: {text}" for name, text in self.words]
        said += [f"what limits: {self.binding}"] if self.binding else []
        moving = ", ".join(f"{leaf.symbol} {x:+.2f} %" for leaf, x in self.sensitivities[:4])
        if moving:
            said.append(f"one per cent more of an input changes {main.name} by: {moving}")
        return said + [f"note: {note}" for note in self.notes]


def is_leaf(quantity: Quantity) -> bool:
    """Whether it rests on nothing but numbers."""
    return quantity.formula is None or not list(quantity.formula.inputs())


def line(step: Quantity) -> str:
    """The whole step on one line."""
    return "".join(_equation(step))


def render(expression: Expression, notation: Notation, looseness: int = 0) -> str:
    """An expression in symbols, in numbers or in LaTeX; brackets only where they are needed."""
    if isinstance(expression, Quantity):
        return notation.quantity(expression)
    if isinstance(expression, Number):
        return plain(expression.value)
    assert isinstance(expression, Operation)
    name, arguments = expression.name, expression.arguments
    if name not in LOOSENESS:
        return notation.call(name, [render(argument, notation) for argument in arguments])
    seen = [argument for argument in arguments if not _is_unseen(argument)]
    if name in "*/" and len(seen) == 1:
        return render(seen[0], notation, looseness)
    return _binary(name, arguments, notation, looseness)


def _binary(
    name: str, arguments: tuple[Expression, ...], notation: Notation, looseness: int
) -> str:
    if name == "/" and notation.fraction:
        return notation.fraction(*(render(argument, notation) for argument in arguments))
    own = LOOSENESS[name]
    first = render(arguments[0], notation, own)
    # a − (b − c) and a / (b·c) need their brackets; a + (b + c) does not.
    second = render(arguments[1], notation, own + (name in "-/^"))
    if name == "^":
        text = notation.power(first, second)
    else:
        text = f"{first}{notation.signs[name]}{second}"
    return f"({text})" if own < looseness else text


def _is_unseen(expression: Expression) -> bool:
    """Whether it is a one that only carries a unit."""
    return isinstance(expression, Number) and expression.value == 1 and expression.unit != ONE


def _equation(step: Quantity) -> list[str]:
    """["KV = κ·T", " = 327,680 B/token × 4,096 tokens", " = … B", "  [exact]"]."""
    parts = [_result(step)]
    if step.formula is not None:
        # A formula of numbers is the same in symbols; one other quantity is its value already.
        symbols = [] if is_leaf(step) else [render(step.formula, SYMBOLS)]
        alone = isinstance(step.formula, Quantity | Number)
        numbers = [] if alone else [render(step.formula, NUMBERS)]
        parts = [*symbols, *numbers, *parts]
    first, *rest = dict.fromkeys(parts)
    return [f"{step.symbol} = {first}", *(f" = {part}" for part in rest), f"  [{step.kind}]"]


def _folded(step: Quantity) -> list[str]:
    """The step under its meaning; where it is longer than a line, one = per line."""
    first, *rest, kind = _equation(step)
    whole = f"  {first}{''.join(rest)}{kind}"
    if len(whole) <= WIDTH:
        return [f"{_about(step)}:", whole]
    indent = " " * (2 + len(step.symbol))
    lines = [f"  {first}", *(f"{indent}{part}" for part in rest)]
    lines[-1] += kind
    deeper = f"{indent}   "
    folded = [
        textwrap.wrap(x, WIDTH, subsequent_indent=deeper, break_long_words=False) for x in lines
    ]
    return [f"{_about(step)}:", *(each for several in folded for each in several)]


def _result(step: Quantity) -> str:
    text = show(step.value, step.unit)
    if step.interval.is_point:
        return text
    return f"{text}, from {_short(step.low, step)} to {_short(step.high, step)}"


def _short(value: Value, step: Quantity) -> str:
    """An end of an interval: of bytes only both sizes."""
    if str(step.unit) == "B" and value >= 1000:
        return "{} ({})".format(*sizes(value))
    return show(value, step.unit)


def _about(step: Quantity) -> str:
    source = f" ({step.source})" if step.source else ""
    return f"{step.meaning or step.name}{source}"


def _number(step: Quantity) -> str:
    """A value inside of a formula: bytes and counts in full, rates in short."""
    name = str(step.unit)
    if name == "B":
        return f"{plain(step.value)} B"
    if name == "parameter":
        return plain(step.value)
    return show(step.value, step.unit).split(" = ")[0]


def _call(name: str, arguments: list[str]) -> str:
    if name == "ceil":
        return f"⌈{arguments[0]}⌉"
    return f"{name}({'; '.join(arguments)})"


def _latex_call(name: str, arguments: list[str]) -> str:
    if name == "ceil":
        return rf"\left\lceil {arguments[0]} \right\rceil"
    return rf"\{name}\left({', '.join(arguments)}\right)"


def _latex_symbol(step: Quantity) -> str:
    base, _, below = step.symbol.partition("_")
    base = GREEK.get(base, base if len(base) == 1 else rf"\mathrm{{{base}}}")
    return rf"{base}_{{\mathrm{{{below}}}}}" if below else base


def _latex_number(step: Quantity) -> str:
    return rf"\text{{{_escaped(_number(step))}}}"


def _escaped(text: str) -> str:
    for sign in "&%$#_":
        text = text.replace(sign, rf"\{sign}")
    return text


def _superscript(base: str, power: str) -> str:
    return f"{base}{power.translate(SUPERSCRIPTS)}"


def _latex_power(base: str, power: str) -> str:
    return f"{base}^{{{power}}}"


def _latex_fraction(above: str, below: str) -> str:
    return rf"\frac{{{above}}}{{{below}}}"


SIGNS = {"+": " + ", "-": " − ", "*": " × ", "/": " / "}
LATEX_SIGNS = {"+": " + ", "-": " - ", "*": r" \cdot ", "/": " / "}
SYMBOLS = Notation(lambda q: q.symbol, SIGNS | {"*": "·", "/": "/"}, _superscript, _call)
NUMBERS = Notation(_number, SIGNS, _superscript, _call)
LATEX = Notation(_latex_symbol, LATEX_SIGNS, _latex_power, _latex_call, _latex_fraction)
LATEX_NUMBERS = Notation(_latex_number, LATEX_SIGNS, _latex_power, _latex_call, _latex_fraction)
