"""byhand check: the report for people and for programs, and exit codes for scripts."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import byhand.doctor
from byhand.doctor.report import Finding, Fix, GradientVerdict, Report

SOURCE = """\
def linear_forward(x, w):
    return x @ w, (x, w)


def linear_backward(dout, cache):
    x, w = cache
    dx = dout @ w.T
    dw = dout.T @ x  # weights
    return dx, dw


def example(rng):
    return {"x": rng.normal(size=(5, 4)), "w": rng.normal(size=(4, 3))}
"""
OLD, NEW = "    dw = dout.T @ x  # weights", "    dw = x.T @ dout  # weights"
FIXED = SOURCE.replace(OLD, NEW)
DX = GradientVerdict("dx", "x", "right", 2e-11, 3)
RIGHT = Report("linear.py", "right", (DX, GradientVerdict("dw", "w", "right", 3e-11, 3)))
WRONG = Report(
    "linear.py",
    "wrong",
    (DX, GradientVerdict("dw", "w", "wrong", float("nan"), 3)),
    (Finding(8, 9, 19, "dw", "transposed", "dw is transposed.", Fix(8, OLD, NEW)),),
    source=tuple(SOURCE.splitlines()),
)
SHAPE = Report("linear.py", "shape", (), WRONG.findings)
FIX_SHOWN = """\
linear.py, line 8:
- dw = dout.T @ x  # weights
+ dw = x.T @ dout  # weights
"""


@pytest.fixture
def path(folder: Path) -> Path:
    found = folder / "linear.py"
    found.write_text(SOURCE, "utf-8")
    return found


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """What the doctor is asked; it calls the file as it is right or wrong by its text alone."""
    questions: list[dict[str, Any]] = []

    def check_file(path: Path, name: str | None, **options: Any) -> Report:
        questions.append({"path": path, "name": name, **options})
        return RIGHT if path.read_text("utf-8") == FIXED else WRONG

    monkeypatch.setattr(byhand.doctor, "check_file", check_file)
    return questions


@pytest.fixture
def says(monkeypatch: pytest.MonkeyPatch) -> Callable[[Report], None]:
    """Let the doctor say this, whatever it is asked."""

    def answer(report: Report) -> None:
        monkeypatch.setattr(byhand.doctor, "check_file", lambda *_, **__: report)

    return answer


@pytest.mark.parametrize(("report", "code"), [(RIGHT, 0), (WRONG, 1), (SHAPE, 1)])
@pytest.mark.parametrize("as_json", [False, True])
@pytest.mark.usefixtures("path")
def test_exit_codes(byhand: Any, says: Any, report: Report, code: int, as_json: bool) -> None:
    says(report)
    result = byhand("check", "linear.py", *["--json"] * as_json)
    assert (result.exit_code, result.stderr) == (code, "")
    if as_json:
        found = json.loads(result.stdout)
        assert found["verdict"] == report.verdict
        assert len(found["findings"]) == len(report.findings)
    else:
        assert result.stdout == f"{report}\n", "no colour and no wrapping where it is piped"


@pytest.mark.usefixtures("path", "asked")
def test_json_is_strict_and_complete(byhand: Any) -> None:
    def refuse(name: str) -> None:
        raise AssertionError(f"{name} is no JSON")

    found = json.loads(byhand("check", "linear.py", "--json").stdout, parse_constant=refuse)
    assert found == {
        "version": 1,
        "target": "linear.py",
        "verdict": "wrong",
        "gradients": [
            {"name": "dx", "of": "x", "verdict": "right", "relative_error": 2e-11},
            {"name": "dw", "of": "w", "verdict": "wrong", "relative_error": None},
        ],
        "findings": [
            {
                "line": 8,
                "column": 9,
                "gradient": "dw",
                "kind": "transposed",
                "message": "dw is transposed.",
                "fix": {"line": 8, "old": OLD, "new": NEW},
                "alternatives": [],
            }
        ],
    }


@pytest.mark.usefixtures("path")
def test_the_options_reach_the_doctor(byhand: Any, asked: Any) -> None:
    np.savez("in.npz", x=np.ones((2, 3)), lam=0.5, steps=3)
    options = ("--inputs", "in.npz", "--of", "g1=W1", "--of", " g2 = W2", "--seed", "7")
    byhand("check", "linear.py::linear_backward", *options)
    [question] = asked
    x = question["inputs"].pop("x")
    np.testing.assert_array_equal(x, np.ones((2, 3)))
    assert question == {
        "path": Path("linear.py"),
        "name": "linear_backward",
        "inputs": {"lam": 0.5, "steps": 3},
        "of": {"g1": "W1", "g2": "W2"},
        "seed": 7,
    }
    assert type(question["inputs"]["steps"]) is int, "an array without axes becomes its number"


@pytest.mark.usefixtures("path")
def test_without_options_the_doctor_decides(byhand: Any, asked: Any) -> None:
    byhand("check", "linear.py")
    assert asked == [
        {"path": Path("linear.py"), "name": None, "inputs": None, "of": None, "seed": 0}
    ]


@pytest.mark.usefixtures("path", "asked")
def test_verbose_says_how(byhand: Any) -> None:
    said = byhand("check", "linear.py", "--verbose").stdout
    assert "true gradients by: finite differences" in said
    assert "true gradients by" not in byhand("check", "linear.py").stdout


@pytest.mark.parametrize("verdict", ["undecided", "error"])
@pytest.mark.usefixtures("path")
def test_what_could_not_be_checked_says_why(byhand: Any, says: Any, verdict: str) -> None:
    says(Report("linear.py", verdict, reason="no gradient of w: say which with --of dw=w"))
    result = byhand("check", "linear.py")
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr == "error: no gradient of w: say which with --of dw=w\n"
    result = byhand("check", "linear.py", "--json")
    assert (result.exit_code, json.loads(result.stdout)["verdict"]) == (2, verdict)
    assert result.stderr == "error: no gradient of w: say which with --of dw=w\n"


@pytest.mark.usefixtures("path")
def test_lines_to_add_can_be_copied(byhand: Any, says: Any) -> None:
    lines = 'def example(rng):\n    return {"x": rng.normal(size=(5, 4))}'
    says(Report("linear.py", "error", reason=f"no inputs; add to the file:\n{lines}"))
    assert byhand("check", "linear.py").stderr == f"error: no inputs; add to the file:\n{lines}\n"


@pytest.mark.usefixtures("path")
def test_what_was_decided_is_shown_beside_what_was_not(byhand: Any, says: Any) -> None:
    says(Report("linear.py", "undecided", (DX,), reason="dw has a kink: use --seed 1"))
    result = byhand("check", "linear.py")
    assert (result.exit_code, result.stderr) == (2, "error: dw has a kink: use --seed 1\n")
    assert result.stdout.splitlines()[0] == "linear.py: undecided"
    assert "  right  dx" in result.stdout
    assert "kink" not in result.stdout


@pytest.mark.usefixtures("asked")
def test_fix_corrects_the_file_and_checks_it_again(byhand: Any, path: Path) -> None:
    result = byhand("check", "linear.py", "--fix")
    assert (result.exit_code, result.stderr) == (0, "")
    assert path.read_text("utf-8") == FIXED
    assert result.stdout == f"{WRONG}\n\n{FIX_SHOWN}line 8 is corrected\n\n{RIGHT}\n"


@pytest.mark.usefixtures("asked")
def test_fix_beside_json_talks_on_stderr(byhand: Any, path: Path) -> None:
    result = byhand("check", "linear.py", "--fix", "--json")
    assert (result.exit_code, json.loads(result.stdout)["verdict"]) == (0, "right")
    assert path.read_text("utf-8") == FIXED
    assert result.stderr == f"{FIX_SHOWN}line 8 is corrected\n\n"


def test_fix_restores_what_did_not_help(byhand: Any, says: Any, path: Path) -> None:
    says(WRONG)
    result = byhand("check", "linear.py", "--fix")
    assert result.exit_code == 1
    assert "line 8 is as it was: the correction did not help\n" in result.stdout
    assert path.read_text("utf-8") == SOURCE


def test_fix_without_a_corrected_line(byhand: Any, says: Any, path: Path) -> None:
    says(Report("linear.py", "wrong", WRONG.gradients))
    result = byhand("check", "linear.py", "--fix")
    assert result.exit_code == 1
    assert "\nnothing to correct with: no finding has a corrected line\n" in result.stdout
    assert path.read_text("utf-8") == SOURCE


def test_fix_leaves_a_file_that_was_changed_meanwhile(byhand: Any, says: Any, path: Path) -> None:
    says(WRONG)
    path.write_text("# new\n" + SOURCE, "utf-8")
    result = byhand("check", "linear.py", "--fix")
    assert result.exit_code == 2
    said = (
        f"error: linear.py, line 8: expected {OLD!r}, found '    dx = dout @ w.T'; the file was "
        "changed since it was checked: check it again"
    )
    assert result.stderr.split() == said.split()
    assert path.read_text("utf-8") == "# new\n" + SOURCE


def test_fix_touches_nothing_that_is_right(byhand: Any, says: Any, path: Path) -> None:
    says(RIGHT)
    result = byhand("check", "linear.py", "--fix")
    assert (result.exit_code, result.stdout) == (0, f"{RIGHT}\n")
    assert path.read_text("utf-8") == SOURCE


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["no.py"], "no.py: expected a Python file, found none; look at its path"),
        (["no.py::f"], "no.py: expected a Python file, found none; look at its path"),
        (["."], ".: expected a Python file, found a folder; name one file in it"),
        (
            ["net.ipynb"],
            "net.ipynb: expected a Python file, found a notebook; call in it "
            "byhand.check(forward, backward, inputs)",
        ),
        (
            ["points.csv"],
            "points.csv: expected a file that ends in .py; give FILE.py or FILE.py::NAME",
        ),
        (
            ["linear.py", "--of", "dW1"],
            "--of: expected GRADIENT=VARIABLE, as in dW1=W1, found 'dW1'",
        ),
        (
            ["linear.py", "--of", "=W1"],
            "--of: expected GRADIENT=VARIABLE, as in dW1=W1, found '=W1'",
        ),
        (
            ["linear.py", "--of", "d=W1", "--of", "d=W2"],
            "--of: expected one variable for d, found W1 and W2; leave one out",
        ),
        (
            ["linear.py", "--inputs", "no.npz"],
            "no.npz: expected an .npz file, found none; look at its path",
        ),
        (
            ["linear.py", "--seed", "-1"],
            "invalid value for '--seed': Input should be greater than or equal to 0; "
            "see byhand check --help",
        ),
    ],
)
@pytest.mark.usefixtures("path")
def test_a_mistake_in_the_command(
    byhand: Any, asked: Any, arguments: list[str], message: str
) -> None:
    result = byhand("check", *arguments)
    assert (result.exit_code, result.stdout, result.stderr) == (2, "", f"error: {message}\n")
    assert asked == []


def truncated(path: Path) -> None:
    np.savez(path, x=np.ones(1000))
    path.write_bytes(path.read_bytes()[:-300])


def flipped(path: Path) -> None:
    np.savez(path, x=np.ones(1000))
    content = bytearray(path.read_bytes())
    content[500] ^= 255
    path.write_bytes(content)


def pickled(path: Path) -> None:
    np.savez(path, x=np.array([{"a": 1}], dtype=object))


def one_array(path: Path) -> None:
    with path.open("wb") as file:
        np.save(file, np.ones(3))


@pytest.mark.parametrize(
    "write", [truncated, flipped, pickled, one_array, lambda path: path.write_text("no")]
)
@pytest.mark.usefixtures("path")
def test_damaged_inputs(byhand: Any, write: Callable[[Path], object], folder: Path) -> None:
    write(folder / "in.npz")
    result = byhand("check", "linear.py", "--inputs", "in.npz")
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr == (
        "error: in.npz: expected arrays that numpy.savez wrote, found something else or damaged; "
        "write it again\n"
    )


@pytest.mark.usefixtures("path")
def test_no_inputs_in_the_archive(byhand: Any) -> None:
    np.savez("in.npz")
    result = byhand("check", "linear.py", "--inputs", "in.npz")
    assert (result.exit_code, result.stderr) == (
        2,
        "error: in.npz: expected the forward's arguments, found none; write it again\n",
    )


@pytest.mark.usefixtures("path")
def test_the_doctor_itself_from_the_command_to_the_corrected_file(byhand: Any, path: Path) -> None:
    result = byhand("check", "linear.py")
    assert (result.exit_code, result.stderr) == (1, "")
    assert "linear.py:8  dw: " in result.stdout
    result = byhand("check", "linear.py", "--fix", "--json")
    found = json.loads(result.stdout)
    assert (result.exit_code, found["verdict"]) == (0, "right")
    assert {gradient["of"] for gradient in found["gradients"]} == {"x", "w"}
    assert path.read_text("utf-8") == FIXED


def test_what_the_file_prints_stays_out_of_the_json(byhand: Any, path: Path) -> None:
    noise = "import sys\nprint('out')\nprint('err', file=sys.stderr)\n"
    path.write_text(noise + FIXED.replace("    x, w = cache", "    print('x')\n    x, w = cache"))
    result = byhand("check", "linear.py", "--json")
    assert (result.exit_code, result.stderr) == (0, "")
    assert json.loads(result.stdout)["verdict"] == "right"


def test_what_python_says_of_a_shape_is_shown(byhand: Any, path: Path) -> None:
    path.write_text(SOURCE.replace("dout @ w.T", "dout @ w"))
    result = byhand("check", "linear.py")
    assert (result.exit_code, result.stderr) == (1, "")
    first, second, *_ = result.stdout.splitlines()
    assert first == "linear.py: shapes do not fit"
    assert second.startswith("  ValueError: matmul: Input operand 1 has a mismatch")


def test_a_file_that_does_not_run_ends_with_2(byhand: Any, path: Path) -> None:
    path.write_text("import sys\nsys.exit(0)\n")
    result = byhand("check", "linear.py", "--json")
    assert (result.exit_code, json.loads(result.stdout)["verdict"]) == (2, "error")
    assert result.stderr == (
        "error: linear.py cannot be imported: line 2: SystemExit: 0; it ends the program there; "
        'put that under if __name__ == "__main__":\n'
    )


@pytest.mark.parametrize(
    "encode",
    [
        lambda text: text.replace("\n", "\r\n").encode(),
        lambda text: text.replace("    ", "\t").encode(),
        lambda text: ("# -*- coding: latin-1 -*-\n# caf\xe9\n" + text).encode("latin-1"),
    ],
    ids=["crlf", "tabs", "latin-1"],
)
def test_fix_keeps_the_file_as_it_is_written(
    byhand: Any, path: Path, encode: Callable[[str], bytes]
) -> None:
    path.write_bytes(encode(SOURCE))
    result = byhand("check", "linear.py", "--fix", "--json")
    assert (result.exit_code, json.loads(result.stdout)["verdict"]) == (0, "right")
    assert path.read_bytes() == encode(FIXED)
