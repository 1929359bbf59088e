"""The corpus of gradient code with planted mistakes: its files, and how a mistake is planted.

<root>/<style>/<name>.py is a right program; <name>.toml beside it says how to call it and which
lines to change so that it becomes wrong.
"""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

KINDS = {
    "transposed",
    "missing-transpose",
    "sign",
    "scale",
    "swapped-variable",
    "missing-term",
    "extra-term",
    "missing-factor",
    "wrong-activation-derivative",
    "derivative-at-wrong-point",
    "wrong-axis",
    "not-reduced",
    "over-reduced",
    "elementwise-for-matmul",
    "index-shift",
    "dropped-path",
    "diagonal-jacobian",
    "not-accumulated",
    "double-counted",
    "wrong-mask",
    "wrong-padding-or-stride",
    "not-flipped",
    "updated-too-early",
    "aliased",
    "nan",
    "kink",
    "shape",
    "unexplained",
}


class CorpusError(Exception):
    """A file of the corpus is not as it should be; the message is one line."""


@dataclass(frozen=True)
class Edit:
    """Whole lines `old`, which occur once in the program, and what stands there instead."""

    old: str
    new: str


@dataclass(frozen=True)
class Mistake:
    """What makes the program wrong.

    kind        what the doctor should call it
    real        the reported mistake that it stands for, "" if none
    shape       it raises an error of shapes
    double      it is two independent mistakes
    hidden      the program's own example does not show it
    """

    id: str
    kind: str
    edits: tuple[Edit, ...]
    real: str = ""
    shape: bool = False
    double: bool = False
    hidden: bool = False


@dataclass(frozen=True)
class Program:
    """A right program and the mistakes that can be planted in it.

    call        Python that sets loss and grads from `m` (the module), `inputs` and `g`
    make        Python that sets `obj`, run before `call`
    generic     Python that sets `inputs` from `m` and `rng`, where the file has no example or has
                one that hides a mistake
    names       the author's name of each gradient and the variable that it belongs to
    trap        what makes the right program look suspicious, "" if nothing
    tolerance   relative error below which a gradient is right, and `step` the differences' width
    """

    path: Path
    source: str
    call: str
    make: str = ""
    generic: str = ""
    names: dict[str, str] = field(default_factory=dict)
    trap: str = ""
    tolerance: float = 1e-6
    step: float = 1e-5
    mistakes: tuple[Mistake, ...] = ()

    @property
    def style(self) -> str:
        return self.path.parent.name

    @property
    def title(self) -> str:
        return f"{self.style}/{self.path.name}"

    def wrong(self, mistake: Mistake) -> str:
        """The program's text with the mistake in it.

        Raises      CorpusError where an edit's old lines do not occur exactly once.
        """
        text = self.source
        for edit in mistake.edits:
            text = _replace(text, edit, f"{self.title} {mistake.id}")
        return text

    def guilty_lines(self, mistake: Mistake) -> frozenset[int]:
        """The numbers, from 1, of the lines that differ in the wrong text. A line that was taken
        away is answered for by its two neighbours."""
        right, wrong = self.source.splitlines(), self.wrong(mistake).splitlines()
        guilty: set[int] = set()
        matcher = difflib.SequenceMatcher(a=right, b=wrong, autojunk=False)
        for tag, _, _, first, last in matcher.get_opcodes():
            if tag == "delete":
                guilty |= {first, first + 1}
            elif tag != "equal":
                guilty |= set(range(first + 1, last + 1))
        return frozenset(guilty)


def load(root: Path) -> list[Program]:
    """Every program below `root`, by style and name.

    Raises      CorpusError where a file is missing, cannot be read or has a key nobody knows.
    """
    if not root.is_dir():
        raise CorpusError(f"{root}: expected a folder of styles, found none; give the corpus' root")
    files = sorted(root.glob("*/*.py")) + sorted(root.glob("*/*.toml"))
    programs = []
    for path in sorted({file.with_suffix(".py") for file in files}):
        for part in (path, path.with_suffix(".toml")):
            if not part.is_file():
                raise CorpusError(f"{part}: expected beside its other half, found none; write it")
        programs.append(_program(path))
    if not programs:
        raise CorpusError(f"{root}: expected <style>/<name>.py, found none; give the corpus' root")
    return programs


def _program(path: Path) -> Program:
    sheet = path.with_suffix(".toml")
    try:
        table = tomllib.loads(sheet.read_text("utf-8"))
        mistakes = tuple(_mistake(row) for row in table.pop("mistake", []))
        program = Program(path, path.read_text("utf-8"), mistakes=mistakes, **table)
    except (tomllib.TOMLDecodeError, TypeError, KeyError, ValueError) as error:
        raise CorpusError(
            f"{sheet}: {error}; see the keys in benchmarks/doctor/_corpus.py"
        ) from None
    seen: set[str] = set()
    for mistake in mistakes:
        where = f"{sheet}: mistake {mistake.id!r}"
        if mistake.id in seen:
            raise CorpusError(f"{where}: expected one of this id, found two; rename one")
        if mistake.kind not in KINDS:
            raise CorpusError(
                f"{where}: expected a kind of KINDS, found {mistake.kind!r}; choose one"
            )
        seen.add(mistake.id)
    return program


def _mistake(row: dict[str, Any]) -> Mistake:
    edits: Sequence[dict[str, str]] = row.pop("edits")
    return Mistake(edits=tuple(Edit(**edit) for edit in edits), **row)


def _replace(text: str, edit: Edit, where: str) -> str:
    lines, old = text.splitlines(), edit.old.splitlines()
    found = [i for i in range(len(lines)) if lines[i : i + len(old)] == old]
    if not old or len(found) != 1:
        raise CorpusError(
            f"{where}: expected the lines {edit.old!r} once, found them {len(found)} times; "
            "take whole lines, as many as make them unique"
        )
    lines[found[0] : found[0] + len(old)] = edit.new.splitlines()
    return "\n".join(lines) + "\n"
