"""What a check found: the verdict, each gradient, and where it is wrong what to write instead."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Fix:
    """Whole source lines: `old`, which begin at `line`, and what they should be."""

    line: int
    old: str
    new: str


@dataclass(frozen=True)
class Finding:
    """One mistake.

    column, end_column   the faulty part of the line, counted from 0; the whole line where it is
                         not known more closely
    gradient             the first gradient that it makes wrong, by its name in the program
    kind                 such as "sign" or "missing-transpose"; explain.py has them all
    alternatives         other repairs that are right at every probe point
    """

    line: int
    column: int
    end_column: int
    gradient: str
    kind: str
    message: str
    fix: Fix | None = None
    alternatives: tuple[Fix, ...] = ()


@dataclass(frozen=True)
class GradientVerdict:
    """One gradient: `name` in the program, the variable that it is the gradient `of`, and
    "right", "wrong", or "inherited" where only an earlier mistake makes it wrong.

    points      how many probe points it was compared at
    note        what a reader should know beside it, such as "kink at Z1[3, 7]"
    """

    name: str
    of: str
    verdict: str
    relative_error: float
    points: int = 0
    note: str = ""


@dataclass(frozen=True)
class Report:
    """The outcome of a check.

    verdict     "right", "wrong", "shape", "undecided" or "error"
    reason      why it could not be decided, in one sentence that says what to do; otherwise empty
    method      how the true gradients were found: "tape" or "finite differences"
    """

    target: str
    verdict: str
    gradients: tuple[GradientVerdict, ...] = ()
    findings: tuple[Finding, ...] = ()
    reason: str = ""
    notes: tuple[str, ...] = ()
    method: str = "finite differences"
    source: tuple[str, ...] = field(default=(), repr=False)

    def __str__(self) -> str:
        from byhand.doctor import present

        return present.text(self)

    def _repr_html_(self) -> str:
        from byhand.doctor import present

        return present.as_html(self)
