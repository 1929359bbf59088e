"""The corpus of mistakes: it loads, it is large enough, and what it says of itself is true."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks/doctor"))

import validate
from _corpus import CorpusError, Program, load

from .square import SHEET, SOURCE

ROOTS = {name: validate.ROOT.with_name(name) for name in ("programs", "holdout")}
STYLES = ["dictionary", "function", "klass", "lists", "loops", "pair", "torch"]


@pytest.fixture
def tiny(tmp_path: Path) -> Callable[..., Program]:
    """A corpus of one program: tiny(source, sheet) -> the program."""

    def write(source: str = SOURCE, sheet: str = SHEET) -> Program:
        (tmp_path / "pair").mkdir(exist_ok=True)
        (tmp_path / "pair/square.py").write_text(source, "utf-8")
        (tmp_path / "pair/square.toml").write_text(sheet, "utf-8")
        [program] = load(tmp_path)
        return program

    return write


def with_edit(old: str, new: str, more: str = "") -> str:
    """The sheet with another edit: lines of Python as TOML's own strings."""
    edits = f"edits = [{{ old = {_toml(old)}, new = {_toml(new)} }}{more}]"
    return SHEET[: SHEET.index("edits")] + edits + "\n"


def _toml(text: str) -> str:
    return '"' + text.replace("\n", "\\n") + '"'


@pytest.mark.parametrize("root", ROOTS.values(), ids=ROOTS)
def test_the_corpus_loads_and_every_mistake_can_be_planted(root: Path) -> None:
    programs = load(root)
    assert sorted({program.style for program in programs}) == STYLES
    for program in programs:
        assert program.mistakes, f"{program.title} has no mistake"
        for mistake in program.mistakes:
            compile(program.wrong(mistake), program.title, "exec")
            assert program.guilty_lines(mistake), f"{program.title} {mistake.id}"


def test_there_is_enough_to_judge_by() -> None:
    for root in ROOTS.values():
        programs = load(root)
        mistakes = [mistake for program in programs for mistake in program.mistakes]
        assert len(programs) >= 60
        assert sum(bool(program.trap) for program in programs) >= 6
        assert len(mistakes) >= 120
        assert sum(mistake.shape for mistake in mistakes) >= 20
        assert sum(mistake.double for mistake in mistakes) >= 20


def test_the_holdout_is_none_of_the_programs_that_the_doctor_was_tuned_on() -> None:
    tuned, held = ({program.source for program in load(root)} for root in ROOTS.values())
    assert not tuned & held


@pytest.mark.slow
@pytest.mark.parametrize("root", ROOTS.values(), ids=ROOTS)
def test_a_sample_of_the_corpus_is_what_it_says(root: Path) -> None:
    sample = load(root)[3::8]
    assert len(sample) >= 8
    assert [line for program in sample for line in validate.check(program)] == []


@pytest.mark.parametrize(
    ("old", "new", "guilty"),
    [
        ("    dz = 2 * z", "    dz = z", {8}),
        ("    dz = 2 * z\n    dw = (dz * x).sum()", "    dz = z\n    dw = dz.sum()", {8, 9}),
        ("    dz = 2 * z", "    dz = 2\n    dz = dz * z", {8, 9}),
        ("    dz = 2 * z", "    dz = 2 * z\n    dz = z", {9}),
        ("    dw = (dz * x).sum()", "", {8, 9}),
    ],
    ids=["changed", "two", "split", "added", "taken-away"],
)
def test_the_guilty_lines(
    tiny: Callable[..., Program], old: str, new: str, guilty: set[int]
) -> None:
    program = tiny(sheet=with_edit(old, new))
    assert program.guilty_lines(program.mistakes[0]) == guilty


def test_two_edits_are_both_guilty(tiny: Callable[..., Program]) -> None:
    more = ', { old = "    return dw", new = "    return -dw" }'
    program = tiny(sheet=with_edit("    dz = 2 * z", "    dz = z", more))
    assert program.guilty_lines(program.mistakes[0]) == {8, 10}


@pytest.mark.parametrize(
    ("sheet", "message"),
    [
        (
            SHEET.replace("call =", "calls ="),
            "Program.__init__() got an unexpected keyword argument 'calls'; see the keys in "
            "benchmarks/doctor/_corpus.py",
        ),
        (
            SHEET.replace("edits", "edit"),
            "'edits'; see the keys in benchmarks/doctor/_corpus.py",
        ),
        (
            SHEET.replace('"half"', "half"),
            "Invalid value (at line 7, column 6); see the keys in benchmarks/doctor/_corpus.py",
        ),
        (
            SHEET.replace('"scale"', '"scaling"'),
            "mistake 'half': expected a kind of KINDS, found 'scaling'; choose one",
        ),
        (
            SHEET + SHEET[SHEET.index("[[") :],
            "mistake 'half': expected one of this id, found two; rename one",
        ),
    ],
)
def test_a_sheet_that_is_not_as_it_should_be(
    tiny: Callable[..., Program], tmp_path: Path, sheet: str, message: str
) -> None:
    with pytest.raises(CorpusError) as refusal:
        tiny(sheet=sheet)
    assert str(refusal.value) == f"{tmp_path / 'pair/square.toml'}: {message}"


@pytest.mark.parametrize(
    ("old", "times"), [("    dz = 3 * z", 0), ("dz = 2 * z", 0), ("", 14), ("\n", 4)]
)
def test_an_edit_that_does_not_fit(tiny: Callable[..., Program], old: str, times: int) -> None:
    program = tiny(sheet=with_edit(old, "    dz = z"))
    with pytest.raises(CorpusError) as refusal:
        program.wrong(program.mistakes[0])
    assert str(refusal.value) == (
        f"pair/square.py half: expected the lines {old!r} once, found them {times} times; take "
        "whole lines, as many as make them unique"
    )


def test_a_folder_without_programs(tmp_path: Path) -> None:
    with pytest.raises(CorpusError) as refusal:
        load(tmp_path)
    assert str(refusal.value) == (
        f"{tmp_path}: expected <style>/<name>.py, found none; give the corpus' root"
    )
    with pytest.raises(CorpusError) as refusal:
        load(tmp_path / "no")
    assert str(refusal.value) == (
        f"{tmp_path / 'no'}: expected a folder of styles, found none; give the corpus' root"
    )


@pytest.mark.parametrize("half", ["square.py", "square.toml"])
def test_a_half_that_is_missing(tiny: Callable[..., Program], tmp_path: Path, half: str) -> None:
    tiny()
    (tmp_path / "pair" / half).unlink()
    with pytest.raises(CorpusError) as refusal:
        load(tmp_path)
    assert str(refusal.value) == (
        f"{tmp_path / 'pair' / half}: expected beside its other half, found none; write it"
    )


def test_validation_passes_what_holds(tiny: Callable[..., Program]) -> None:
    assert list(validate.check(tiny())) == []


@pytest.mark.parametrize(
    ("source", "sheet", "message"),
    [
        (
            SOURCE.replace("2 * z", "2.2 * z"),
            SHEET.replace("2 * z", "2.2 * z"),
            "pair/square.py: w: expected central differences, found a relative error of 9.1e-02; "
            "correct the program, or state its tolerance and step",
        ),
        (
            SOURCE,
            with_edit("    dz = 2 * z", "    dz = z + z"),
            "pair/square.py half: expected a changed gradient, found a change of 0.0e+00",
        ),
        (
            SOURCE,
            with_edit("    z = w * x", "    z = w * x * x"),
            "pair/square.py half: expected the loss as it was, found another; plant it in the "
            "backward",
        ),
        (
            SOURCE,
            SHEET + "shape = true\n",
            "pair/square.py half: expected an error of shapes, found none; remove shape = true",
        ),
        (
            SOURCE,
            SHEET + "double = true\n",
            "pair/square.py half: expected two edits, found 1; remove double = true",
        ),
        (
            SOURCE,
            SHEET + "hidden = true\n",
            "pair/square.py half: expected generic inputs that show what is hidden, found none; "
            "add them",
        ),
        (
            SOURCE,
            with_edit("    dz = 2 * z", "    dz = 2 * zz"),
            "pair/square.py half: expected it to run, found NameError in line 8 of it: name 'zz' "
            "is not defined",
        ),
    ],
)
def test_validation_names_what_does_not_hold(
    tiny: Callable[..., Program], source: str, sheet: str, message: str
) -> None:
    found = list(validate.check(tiny(source, sheet)))
    assert message in found


def test_the_judgement_of_a_corrected_text(tiny: Callable[..., Program]) -> None:
    program = tiny()
    assert validate.judge(program, program.source) == []
    assert validate.judge(program, program.source.replace("2 * z", "z + z")) == []
    [line] = validate.judge(program, program.wrong(program.mistakes[0]))
    assert line.startswith("pair/square.py: w: expected central differences, found a relative ")
    # Right gradients of another loss: the forward is the definition.
    other = program.source.replace("z = w * x\n", "z = w * x * 3\n").replace("dz * x", "3 * dz * x")
    [line] = validate.judge(program, other)
    assert line.startswith("pair/square.py: expected the loss ")
    [line] = validate.judge(program, "def")
    assert line.startswith("pair/square.py: expected it to run, found SyntaxError")


def test_validation_as_a_command(
    tiny: Callable[..., Program], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tiny()
    assert validate.main([str(tmp_path)]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == "0 failed"
    tiny(sheet=with_edit("    dz = 2 * z", "    dz = z + z"))
    assert validate.main([str(tmp_path)]) == 1
    assert capsys.readouterr().out.splitlines()[-1] == "1 failed"
    assert validate.main([str(tmp_path / "no")]) == 1
    assert "expected a folder of styles" in capsys.readouterr().out
