"""Single-token mutants of the corpus' right programs: does the doctor notice each that is wrong?

    python benchmarks/doctor/_mutants.py [--count 2000] [--only TEXT] [ROOT]

A mutant differs from a right program by one operator, name, number, transpose or index. What it
does to the gradients is decided without the doctor, by running it beside the right program, whose
gradients validate.py has proved, at two examples, at two of the sheet's generic inputs, and near
each of them:

wrong       a gradient is another by more than 1e-3, or it raises: the doctor has to say so
hidden      the same, but only with inputs of other sizes than the example's: it need not
equivalent  no gradient changes by more than 1e-9: the doctor must not blame it
slight      between the two: either answer will do
forward     the loss is another: no mutant of the backward, and left out

What the doctor says to one that is wrong:

noticed     that it is wrong, or which error it raises
missed      that it is right
gone        that it is right, of fewer gradients than before: something else is returned or written
            in the place of one, and nothing says whose it should have been
undecided   that it could not be checked

Prints each that is not noticed and each equivalent one that is blamed; exit 1 where one is missed
or blamed.
"""

from __future__ import annotations

import argparse
import ast
import io
import random
import sys
import tempfile
import tokenize
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from itertools import islice, product
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
from _corpus import CorpusError, Program, load
from _workers import Worker, WorkerError
from validate import CHANGED, ROOT, Nudge, Outcome, Runner, floor_of, relative_error

from byhand.doctor import check_file
from byhand.doctor.report import Report

SAME = 1e-9
LIMIT = 60.0
FINE = ("noticed", "let be", "either")
TOKENS = {
    "+": ["-"],
    "-": ["+"],
    "*": ["/", "@"],
    "/": ["*"],
    "@": ["*"],
    "**": ["*"],
    "+=": ["=", "-="],
    "-=": ["=", "+="],
    "*=": ["=", "/="],
    "/=": ["=", "*="],
    ">": ["<", ">="],
    "<": [">", "<="],
    ">=": ["<"],
    "<=": [">"],
    "==": ["!="],
    "!=": ["=="],
    "True": ["False"],
    "False": ["True"],
    "sum": ["mean"],
    "mean": ["sum"],
    "tanh": ["sin"],
    "sin": ["cos"],
    "cos": ["sin"],
    "exp": ["tanh"],
    "sqrt": ["square"],
    "zeros_like": ["ones_like"],
}


@dataclass(frozen=True)
class Mutant:
    """A right program with `old` at this place replaced; the column is counted from 0."""

    program: Program
    line: int
    column: int
    old: str
    new: str

    @property
    def is_python(self) -> bool:
        try:
            compile(self.text, self.program.title, "exec")
        except SyntaxError:
            return False
        return True

    @property
    def text(self) -> str:
        lines = self.program.source.splitlines(keepends=True)
        line, end = lines[self.line - 1], self.column + len(self.old)
        lines[self.line - 1] = line[: self.column] + self.new + line[end:]
        return "".join(lines)

    def __str__(self) -> str:
        line = self.text.splitlines()[self.line - 1].strip()
        return f"{self.program.title}:{self.line}: {self.old or 'nothing'} → {self.new}: {line}"


@dataclass(frozen=True)
class Trial:
    """What a mutant is, how the doctor's answer fits to that, and the answer."""

    sort: str
    fits: str
    answer: str = ""

    def __str__(self) -> str:
        return f"{self.sort}, {self.fits}: {self.answer}"


def mutants(program: Program) -> Iterator[Mutant]:
    """All of a program's; some are no Python."""
    tree = ast.parse(program.source)
    lines = program.source.splitlines()
    functions = [n for n in ast.walk(tree) if isinstance(n, ast.FunctionDef)]
    places: dict[tuple[int, int], list[str]] = {}
    for function in functions:
        if function.name != "example":
            for place, names in _names(function, lines):
                places.setdefault(place, names)
    inside = {
        number
        for f in functions
        if f.name != "example"
        for statement in f.body
        for number in range(statement.lineno, (statement.end_lineno or 0) + 1)
    }
    for token in tokenize.generate_tokens(io.StringIO(program.source).readline):
        if token.start[0] not in inside:
            continue
        for new in [*_replacements(token), *places.get(token.start, [])]:
            yield Mutant(program, *token.start, token.string, new)
    for node in ast.walk(tree):
        if node_line(node) in inside and isinstance(node, ast.expr):
            for column, old, new in _pieces(node, lines):
                yield Mutant(program, node.end_lineno or 0, column, old, new)


def node_line(node: ast.AST) -> int:
    return int(getattr(node, "lineno", 0))


def _replacements(token: tokenize.TokenInfo) -> list[str]:
    if token.type == tokenize.NUMBER:
        value = ast.literal_eval(token.string)
        return [repr(value + 1), repr(value - 1) if value else "2"]
    return TOKENS.get(token.string, []) if token.type in (tokenize.OP, tokenize.NAME) else []


def _names(function: ast.FunctionDef, lines: list[str]) -> Iterator[tuple[Any, list[str]]]:
    """Each variable that is read, with the others of its function."""
    nodes = [n for n in ast.walk(function) if isinstance(n, ast.Name)]
    arguments = [a.arg for a in ast.walk(function.args) if isinstance(a, ast.arg)]
    local = {*arguments, *(n.id for n in nodes if isinstance(n.ctx, ast.Store))} - {"self", "_"}
    for node in nodes:
        if isinstance(node.ctx, ast.Load) and node.id in local:
            place = (node.lineno, _column(lines, node.lineno, node.col_offset))
            yield place, sorted(local - {node.id})


def _pieces(node: ast.expr, lines: list[str]) -> Iterator[tuple[int, str, str]]:
    """A transpose left out, an index one off."""
    end = _column(lines, node.end_lineno or 0, node.end_col_offset or 0)
    if isinstance(node, ast.Attribute) and node.attr == "T":
        yield end - 2, ".T", ""
    elif isinstance(node, ast.Subscript) and isinstance(node.slice, ast.Name):
        end = _column(lines, node.slice.lineno, node.slice.end_col_offset or 0)
        yield end, "", " - 1"
        yield end, "", " + 1"


def _column(lines: list[str], line: int, offset: int) -> int:
    """Characters, where a syntax tree counts bytes."""
    return len(lines[line - 1].encode()[:offset].decode())


@dataclass(frozen=True)
class Place:
    """Where a mutant is compared with its right program, and the right outcome there."""

    runner: Runner
    nudges: tuple[Nudge, ...]
    right: Outcome


def places(program: Program) -> Iterator[Place]:
    """Two examples and two of the sheet's generic inputs, each with a place nearby, where nothing
    is 0, equal or symmetric by chance; the examples come first."""
    for generic, seed in product((False, True), (0, 1)):
        if not (program.generic if generic else "def example(" in program.source):
            continue
        runner = Runner(program, program.source, generic, seed)
        right = runner.run()
        yield Place(runner, (), right)
        nudges = tuple(_nudges(runner, right.gradients))
        near = runner.run(*nudges)
        if np.isfinite(near.loss):
            yield Place(runner, nudges, near)


def _nudges(runner: Runner, names: Iterable[str]) -> Iterator[Nudge]:
    rng = np.random.default_rng(3)
    for name in names:
        value = runner.variable(name)
        size = 0.4 * (float(value.std()) or float(np.abs(value).max(initial=0)) or 1.0)
        for element, step in enumerate(size * rng.normal(size=value.size)):
            yield Nudge(name, element, float(step))


def sort(mutant: Mutant) -> str:
    """What a mutant is."""
    changes: dict[bool, float] = {}
    for place in places(mutant.program):
        change = _change(mutant, place)
        if change is None:
            return "forward"
        generic = place.runner.generic
        changes[generic] = max(change, changes.get(generic, 0.0))
    wrong = max(CHANGED, 10 * mutant.program.tolerance)
    if max(changes.values()) > wrong:
        # The example comes first where there is one.
        return "wrong" if next(iter(changes.values())) > wrong else "hidden"
    return "equivalent" if max(changes.values()) < SAME else "slight"


def _change(mutant: Mutant, place: Place) -> float | None:
    """How far the gradients are off, infinite where it raises; None where the loss is another."""
    try:
        found = replace(place.runner, text=mutant.text).run(*place.nudges)
    except Exception:  # a mutant can raise anything
        return np.inf
    if found.loss != place.right.loss:
        return None
    if found.gradients.keys() != place.right.gradients.keys():
        return np.inf
    floor = floor_of(place.right.gradients)
    pairs = ((found.gradients[name], d) for name, d in place.right.gradients.items())
    return max(relative_error(a, b, floor) for a, b in pairs)


def trial(mutant: Mutant) -> Trial:
    """Decide what a mutant is, and ask the doctor."""
    is_one = sort(mutant)
    if is_one in ("forward", "hidden", "slight"):
        return Trial(is_one, "either")
    report = examined(mutant.program, mutant.text)
    answer = f"{report.verdict} {report.reason}".rstrip()
    blames = report.verdict in ("wrong", "shape")
    if is_one == "equivalent":
        return Trial(is_one, "blamed" if blames else "let be", answer)
    if blames or (report.verdict == "error" and "Error" in report.reason):
        return Trial(is_one, "noticed", answer)
    if report.verdict != "right":
        return Trial(is_one, "undecided", answer)
    before, now = (
        {gradient.of for gradient in each.gradients}
        for each in (examined(mutant.program, mutant.program.source), report)
    )
    return Trial(is_one, "gone" if before - now else "missed", answer)


def examined(program: Program, text: str) -> Report:
    """The doctor's report, which does not look for the correction."""
    with (
        tempfile.TemporaryDirectory() as folder,
        mock.patch("byhand.doctor.diagnose._search", return_value=[]),
    ):
        path = Path(folder) / program.path.name
        path.write_text(text, encoding="utf-8")
        return check_file(path)


def sample(programs: Sequence[Program], count: int) -> Iterator[Mutant]:
    """So many mutants, always the same, in equal shares from every program, and each at another
    token: a name has many more replacements than an operator."""
    for k, program in enumerate(programs):
        share = count * (k + 1) // len(programs) - count * k // len(programs)
        draw = random.Random(program.title)
        there: dict[tuple[int, int], list[Mutant]] = {}
        for mutant in mutants(program):
            there.setdefault((mutant.line, mutant.column), []).append(mutant)
        one_each = map(draw.choice, draw.sample(list(there.values()), len(there)))
        yield from islice((mutant for mutant in one_each if mutant.is_python), share)


def trials(these: Iterable[Mutant]) -> Iterator[tuple[Mutant, Trial]]:
    """Each with its trial, which takes place in a process of its own: a mutant may never end."""
    with closing(Worker()) as worker:
        for mutant in these:
            try:
                yield mutant, worker.ask(LIMIT, trial, mutant)
            except WorkerError as error:
                yield mutant, Trial("wrong", "undecided", str(error))


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(description="Single-token mutants of the right programs.")
    parser.add_argument("--count", type=int, default=2000)
    parser.add_argument("--only", default="", help="text that a program's title holds")
    parser.add_argument("root", nargs="?", type=Path, default=ROOT)
    options = parser.parse_args(arguments)
    counts: Counter[str] = Counter()
    try:
        chosen = [program for program in load(options.root) if options.only in program.title]
        for mutant, result in trials(sample(chosen, options.count)):
            counts[f"{result.sort}: {result.fits}"] += 1
            if result.fits not in FINE:
                print(f"{mutant}\n    {result}", flush=True)
    except CorpusError as error:
        print(error)
        return 1
    for name, count in counts.most_common():
        print(f"{count:>6} {name}")
    return 1 if counts["wrong: missed"] or counts["equivalent: blamed"] else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
