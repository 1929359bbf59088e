"""Corrections go into the file exactly, and out of it again where they do not help."""

from __future__ import annotations

import stat
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from byhand.doctor.fixing import MOST, FixError, applied, apply_fix, helped, repair
from byhand.doctor.report import Finding, Fix, GradientVerdict, Report

TEXT = "import numpy as np\n\ndef back(x, dz):\n    dw = dz.T @ x   # weights\n    return dw\n"
FIX = Fix(4, "    dw = dz.T @ x   # weights", "    dw = x.T @ dz   # weights")
FIXED = TEXT.replace("dz.T @ x", "x.T @ dz")


def findings(*fixes: Fix | None) -> tuple[Finding, ...]:
    return tuple(Finding(4, 0, 0, "dw", "transposed", "m", fix) for fix in fixes)


def wrong(*fixes: Fix | None, gradients: int = 1, verdict: str = "wrong") -> Report:
    said = tuple(GradientVerdict(f"d{i}", "w", "wrong", 1.0, 3) for i in range(gradients))
    return Report("f.py", verdict, said, findings(*fixes))


RIGHT = Report("f.py", "right", (GradientVerdict("dw", "w", "right", 0.0, 3),))


@pytest.mark.parametrize(
    ("fix", "after"),
    [
        (FIX, FIXED),
        (Fix(4, FIX.old + "\n", FIX.new + "\n"), FIXED),
        (Fix(4, FIX.old, ""), TEXT.replace(FIX.old + "\n", "")),
        (Fix(5, "", "    dw /= len(x)"), TEXT.replace("    ret", "    dw /= len(x)\n    ret")),
        (Fix(6, "", "# end"), TEXT + "# end\n"),
        (Fix(2, "\n", "\n\n"), TEXT.replace("\n\n", "\n\n\n")),
        (
            Fix(4, FIX.old + "\n    return dw", "    return x.T @ dz"),
            "import numpy as np\n\ndef back(x, dz):\n    return x.T @ dz\n",
        ),
    ],
    ids=["one", "with-ending", "delete", "insert", "append", "blank", "two-into-one"],
)
def test_the_lines_are_exchanged(fix: Fix, after: str) -> None:
    assert applied(TEXT, [fix]) == after


def test_several_fixes_count_lines_in_the_text_that_was_checked() -> None:
    more = Fix(1, "import numpy as np", "import math\nimport numpy as np")
    assert applied(TEXT, [more, FIX, FIX]) == FIXED.replace("import n", "import math\nimport n")


@pytest.mark.parametrize("ending", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("closed", [True, False])
def test_line_endings_stay(ending: str, closed: bool) -> None:
    text = "a\nb\x0c\u2028b\nc" + "\n" * closed
    fix = Fix(3, "c", "d\ne")
    expected = "a\nb\x0c\u2028b\nd\ne" + "\n" * closed
    found = applied(text.replace("\n", ending), [fix])
    assert found == expected.replace("\n", ending)


@given(
    lines=st.lists(st.text(st.sampled_from("ab #="), max_size=5), min_size=1, max_size=6),
    where=st.data(),
    new=st.lists(st.text(st.sampled_from("xy"), min_size=1, max_size=3), max_size=3),
)
def test_a_fix_and_its_inverse_change_nothing(
    lines: list[str], where: st.DataObject, new: list[str]
) -> None:
    text = "".join(line + "\n" for line in lines)
    first = where.draw(st.integers(0, len(lines) - 1))
    last = where.draw(st.integers(first, len(lines)))
    old, put = ("".join(line + "\n" for line in part) for part in (lines[first:last], new))
    after = applied(text, [Fix(first + 1, old, put)])
    assert after.splitlines() == lines[:first] + new + lines[last:]
    assert applied(after, [Fix(first + 1, put, old)]) == text


@pytest.mark.parametrize(
    ("fix", "found"),
    [
        (Fix(3, FIX.old, FIX.new), "'def back(x, dz):'"),
        (Fix(9, FIX.old, FIX.new), "''"),
        (Fix(0, FIX.old, FIX.new), "''"),
        (Fix(4, FIX.old.replace("   #", " #"), FIX.new), repr(FIX.old)),
    ],
)
def test_a_file_that_was_changed_is_left_alone(tmp_path: Path, fix: Fix, found: str) -> None:
    path = tmp_path / "back.py"
    path.write_text(TEXT, "utf-8")
    with pytest.raises(FixError) as refusal:
        apply_fix(path, fix)
    assert str(refusal.value) == (
        f"back.py, line {fix.line}: expected {fix.old!r}, found {found}; the file was changed "
        "since it was checked: check it again"
    )
    assert path.read_text("utf-8") == TEXT


@pytest.mark.parametrize(
    ("head", "encoding"),
    [
        ("# größe\n", "utf-8"),
        ("\ufeff# größe\n", "utf-8"),
        ("# coding: latin-1\n# größe\n", "latin-1"),
    ],
    ids=["utf-8", "bom", "latin-1"],
)
def test_encoding_rights_and_links_stay(tmp_path: Path, head: str, encoding: str) -> None:
    real, path = tmp_path / "real.py", tmp_path / "back.py"
    before = (head + TEXT).replace("\n", "\r\n").encode(encoding)
    real.write_bytes(before)
    real.chmod(0o750)
    path.symlink_to(real)
    line = 4 + head.count("\n")
    assert apply_fix(path, Fix(line, FIX.old, FIX.new)) == before
    assert path.is_symlink()
    assert real.read_bytes() == (head + FIXED).replace("\n", "\r\n").encode(encoding)
    assert stat.S_IMODE(real.stat().st_mode) == 0o750
    assert set(tmp_path.iterdir()) == {path, real}, "no temporary file is left"


def test_a_file_that_is_no_text_any_more(tmp_path: Path) -> None:
    path = tmp_path / "back.py"
    path.write_bytes(b"\xff\xfe" + TEXT.encode())
    with pytest.raises(FixError) as refusal:
        apply_fix(path, FIX)
    assert str(refusal.value) == (
        "back.py: expected Python text, found bytes that are none; the file was changed since it "
        "was checked: check it again"
    )


def test_a_correction_that_the_encoding_does_not_have(tmp_path: Path) -> None:
    path = tmp_path / "back.py"
    path.write_bytes(("# coding: latin-1\n" + TEXT).encode("latin-1"))
    with pytest.raises(FixError) as refusal:
        apply_fix(path, Fix(5, FIX.old, "    dw = x.T @ δ"))
    assert str(refusal.value) == (
        "back.py, line 5: expected characters of iso-8859-1, found 'δ' in the correction; save "
        "the file as UTF-8"
    )


@pytest.fixture
def path(tmp_path: Path) -> Path:
    found = tmp_path / "back.py"
    found.write_text(TEXT, "utf-8")
    return found


def answers(*reports: Report) -> Callable[[], Report]:
    return iter(reports).__next__


def test_a_fix_that_helps_is_kept(path: Path) -> None:
    shown: list[tuple[Fix, str]] = []
    show = lambda fix: shown.append((fix, path.read_text("utf-8")))  # noqa: E731
    assert repair(path, wrong(FIX), answers(RIGHT), show) == (RIGHT, [FIX], [])
    assert shown == [(FIX, TEXT)], "a fix is shown before it is written"
    assert path.read_text("utf-8") == FIXED


def test_a_fix_that_does_not_help_is_taken_out_and_the_next_is_tried(path: Path) -> None:
    bad = Fix(5, "    return dw", "    return -dw")
    report = wrong(bad, FIX)
    found = repair(path, report, answers(report, RIGHT), lambda fix: None)
    assert found == (RIGHT, [FIX], [bad])
    assert path.read_text("utf-8") == FIXED


def test_two_mistakes_are_corrected_one_after_the_other(path: Path) -> None:
    second = Fix(5, "    return dw", "    return dw / len(x)")
    reports = answers(wrong(second), RIGHT)
    report, kept, refused = repair(path, wrong(FIX, second), reports, lambda fix: None)
    assert (report, kept, refused) == (RIGHT, [FIX, second], [])
    assert path.read_text("utf-8") == applied(TEXT, [FIX, second])


def test_at_most_five_are_tried(path: Path) -> None:
    report = wrong(*(Fix(5, "    return dw", f"    return {i}") for i in range(9)))
    found, kept, refused = repair(path, report, lambda: report, lambda fix: None)
    assert (found, kept, len(refused)) == (report, [], MOST)
    assert path.read_text("utf-8") == TEXT


def test_without_a_correction_nothing_happens(path: Path) -> None:
    report = wrong(None)
    assert repair(path, report, answers(), lambda fix: None) == (report, [], [])


def test_an_interrupted_check_leaves_the_file_as_it_was(path: Path) -> None:
    def interrupted() -> Report:
        assert path.read_text("utf-8") == FIXED
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        repair(path, wrong(FIX), interrupted, lambda fix: None)
    assert path.read_text("utf-8") == TEXT


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        (wrong(FIX), RIGHT, True),
        (wrong(FIX, gradients=3), wrong(FIX, gradients=2), True),
        (wrong(FIX, FIX), wrong(FIX), True),
        (wrong(FIX), wrong(FIX), False),
        (wrong(FIX), wrong(FIX, gradients=2), False),
        (wrong(FIX, verdict="shape", gradients=0), wrong(FIX, gradients=4), True),
        (wrong(FIX, gradients=4), wrong(FIX, verdict="shape", gradients=0), False),
        (wrong(FIX), Report("f.py", "error", reason="no"), False),
        (wrong(FIX), Report("f.py", "undecided", reason="no"), False),
    ],
)
def test_what_helped_means(before: Report, after: Report, expected: bool) -> None:
    assert helped(before, after) is expected
