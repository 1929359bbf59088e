"""Corrected lines put into a file, and taken out again where they did not help."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable
from pathlib import Path

from byhand.doctor import loading
from byhand.doctor.report import Fix, Report
from byhand.errors import InputError
from byhand.storage import atomic

MOST = 5


class FixError(InputError):
    """A correction cannot be put in, because the file is not the one that was checked."""


def applied(text: str, fixes: Iterable[Fix], name: str = "the file") -> str:
    """The text with each fix's new lines in the place of its old ones, all else as it was.

    Line numbers are those of `text`. No old lines: the new ones are put in before the fix's line.
    No new lines: the old ones are taken away.

    Raises      FixError where the old lines do not stand there.
    """
    lines = list(io.StringIO(text, newline=""))
    # From the end: what was put in further up would move the lines below.
    for fix in sorted(set(fixes), key=lambda fix: fix.line, reverse=True):
        first, old = fix.line - 1, _bare(fix.old)
        last = first + len(old)
        found = [line.rstrip("\r\n") for line in lines[first:last]]
        if first < 0 or first > len(lines) or found != old:
            expected, there = (repr("\n".join(part)) for part in (old, found))
            raise FixError(
                f"{name}, line {fix.line}: expected {expected}, found {there}; the file was "
                "changed since it was checked: check it again"
            )
        lines[first:last] = _ended(_bare(fix.new), lines, first, last)
    return "".join(lines)


def apply_fix(path: Path, fix: Fix) -> bytes:
    """Put a fix into a file, which keeps its encoding, line endings and rights; what it held.

    Raises      FixError where the file is not the one that was checked.
    """
    before = path.read_bytes()
    try:
        text, encoding = loading.decode(before)
    except (SyntaxError, UnicodeDecodeError):
        raise FixError(
            f"{path.name}: expected Python text, found bytes that are none; the file was changed "
            "since it was checked: check it again"
        ) from None
    try:
        after = applied(text, [fix], path.name).encode(encoding)
    except UnicodeEncodeError as error:
        raise FixError(
            f"{path.name}, line {fix.line}: expected characters of {encoding}, found "
            f"{error.object[error.start]!r} in the correction; save the file as UTF-8"
        ) from None
    write_whole(path, after)
    return before


def write_whole(path: Path, content: bytes) -> None:
    """Write somebody's file at once, through links, and leave its rights as they are."""
    path = path.resolve()
    rights = path.stat().st_mode
    with atomic(path) as temporary:
        temporary.write_bytes(content)
    path.chmod(rights)


def repair(
    path: Path,
    report: Report,
    check: Callable[[], Report],
    show: Callable[[Fix], None],
) -> tuple[Report, list[Fix], list[Fix]]:
    """Put in the fixes of a report one at a time, each checked again; at most MOST are tried.

    check       checks the file as it is now
    show        is told of each fix before it is written
    Returns     the last report, the fixes that are in the file now, and those that were taken out
                again because they did not help
    Raises      FixError where the file changes in the meantime.
    """
    kept: list[Fix] = []
    refused: list[Fix] = []
    while len(kept) + len(refused) < MOST:
        fix = next((fix for fix in _fixes(report) if fix not in refused), None)
        if fix is None:
            break
        show(fix)
        before = apply_fix(path, fix)
        try:
            again = check()
        except BaseException:
            write_whole(path, before)
            raise
        if helped(report, again):
            kept.append(fix)
            report = again
        else:
            write_whole(path, before)
            refused.append(fix)
    return report, kept, refused


def helped(before: Report, after: Report) -> bool:
    """Whether less is wrong: it is right now, or it no longer raises, or fewer gradients are wrong,
    or as many of fewer mistakes."""
    if after.verdict not in ("wrong", "shape"):
        return after.verdict == "right"
    return _wrongness(after) < _wrongness(before)


def _wrongness(report: Report) -> tuple[bool, int, int]:
    wrong = sum(gradient.verdict != "right" for gradient in report.gradients)
    return report.verdict == "shape", wrong, len(report.findings)


def _fixes(report: Report) -> Iterable[Fix]:
    return (finding.fix for finding in report.findings if finding.fix is not None)


def _bare(text: str) -> list[str]:
    return [line.rstrip("\r\n") for line in io.StringIO(text, newline="")]


def _ended(new: list[str], lines: list[str], first: int, last: int) -> list[str]:
    """The new lines, ended like their neighbours: a file's last line may have no ending."""
    endings = [line[len(line.rstrip("\r\n")) :] for line in lines]
    usual = next((ending for ending in endings[first:] + endings if ending), "\n")
    if not new:
        return []
    closing = endings[last - 1] if last > first else usual
    return [line + usual for line in new[:-1]] + [new[-1] + closing]
