"""The whole of a check, on files as people write them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from byhand.doctor import check, check_file

ROOT = Path(__file__).parents[2]
PROGRAMS = ROOT / "benchmarks" / "doctor" / "programs"

RIGHT = """
import numpy as np

def dense_forward(x, W, b):
    return np.tanh(x @ W + b), (x, W, b)

def dense_backward(dout, cache):
    x, W, b = cache
    dz = dout * (1 - np.tanh(x @ W + b) ** 2)
    dW = x.T @ dz
    db = dz.sum(axis=0)
    return dz @ W.T, dW, db

def example(rng):
    return {"x": rng.normal(size=(4, 3)), "W": rng.normal(size=(3, 2)), "b": rng.normal(size=2)}
"""


def checked(folder: Path, text: str, **options):  # type: ignore[no-untyped-def]
    path = folder / "net.py"
    path.write_text(text, encoding="utf-8")
    return check_file(path, **options)


def test_the_day_long_mistake() -> None:
    report = check_file(ROOT / "examples" / "delta_of_the_weights.py")
    assert report.verdict == "wrong"
    verdicts = {g.name: g.verdict for g in report.gradients}
    assert verdicts["delta_W2"] == verdicts["delta_b2"] == "right"
    assert verdicts["delta_W1"] == "wrong"
    assert verdicts["delta_b1"] == "inherited"
    (finding,) = report.findings
    assert finding.kind == "swapped-variable"
    assert finding.message == (
        "The line uses delta_W2 where W2 belongs. delta_W2 is the change of W2, not W2."
    )
    assert finding.fix is not None
    assert finding.fix.old == "    da1 = dz2 @ delta_W2.T  # through the second layer"
    assert finding.fix.new == "    da1 = dz2 @ W2.T  # through the second layer"
    assert finding.fix.old[finding.column : finding.end_column] == "delta_W2"


def test_a_right_program_is_right(tmp_path: Path) -> None:
    report = checked(tmp_path, RIGHT)
    assert report.verdict == "right"
    assert {(g.name, g.of) for g in report.gradients} == {
        ("result 0", "x"),
        ("dW", "W"),
        ("db", "b"),
    }
    assert max(g.relative_error for g in report.gradients) < 1e-7
    assert {g.points for g in report.gradients} == {2}


@pytest.mark.parametrize(
    ("right", "wrong", "kind"),
    [
        ("1 - np.tanh(x @ W + b) ** 2", "1 - np.tanh(x @ W + b)", "wrong-activation-derivative"),
        ("    dW = x.T @ dz", "    dW = -x.T @ dz", "sign"),
        ("    dW = x.T @ dz", "    dW = x.T @ dz / len(x)", "scale"),
        ("dz.sum(axis=0)", "dz.mean(axis=0)", "scale"),
        ("    dW = x.T @ dz", "    dW = x.T @ dout", "swapped-variable"),
    ],
)
def test_a_mistake_is_found_named_and_mended(
    tmp_path: Path, right: str, wrong: str, kind: str
) -> None:
    assert right in RIGHT
    text = RIGHT.replace(right, wrong)
    report = checked(tmp_path, text)
    assert report.verdict == "wrong"
    fix = report.findings[0].fix
    assert fix is not None
    assert text.splitlines()[fix.line - 1] == fix.old
    if kind != "wrong-activation-derivative":
        assert report.findings[0].kind == kind
    mended = checked(tmp_path, text.replace(fix.old, fix.new))
    assert mended.verdict == "right"


def test_a_wrong_shape_that_raises_is_mended(tmp_path: Path) -> None:
    text = RIGHT.replace("dz @ W.T", "dz @ W")
    report = checked(tmp_path, text)
    assert report.verdict == "shape"
    assert report.reason.startswith("ValueError: matmul:")
    fix = report.findings[0].fix
    assert fix is not None
    assert fix.new == "    return dz @ W.T, dW, db"


def test_a_mapping_may_be_given(tmp_path: Path) -> None:
    text = RIGHT.replace("dz @ W.T, dW, db", "(dz @ W.T, dW, db)[1]")
    report = checked(tmp_path, text, of={"result 0": "W"})
    assert [(g.of, g.verdict) for g in report.gradients] == [("W", "right")]


def test_functions_are_checked_where_they_stand() -> None:
    rng = np.random.default_rng(0)
    inputs = {"x": rng.normal(size=(4, 3)), "w": rng.normal(size=3)}
    report = check(_forward, _backward, inputs)
    assert report.verdict == "right"
    assert {g.of for g in report.gradients} == {"x", "w"}


def _forward(x, w):  # type: ignore[no-untyped-def]
    return np.exp(x @ w), (x, w)


def _backward(dy, cache):  # type: ignore[no-untyped-def]
    x, w = cache
    dz = dy * np.exp(x @ w)
    return np.outer(dz, w), x.T @ dz


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("def f(:\n", "net.py, line 1: invalid syntax; it has to be valid Python 3"),
        (
            "import numpy\nimport no_such_thing\n",
            "net.py cannot be imported: line 2: ModuleNotFoundError: No module named "
            "'no_such_thing'; install it for the Python that runs byhand",
        ),
        (
            "x = 1\ndef example(rng):\n    return {'x': rng.normal(size=3)}\n",
            "no pair of a forward and a backward was found: name them alike (affine_forward, "
            "affine_backward) or say which with FILE.py::NAME; the file has no function",
        ),
        (
            RIGHT[: RIGHT.index("def example")],
            "there are no inputs to run it with; add to the file, with the forward's own "
            "arguments:\n    def example(rng):\n"
            '        return {"x": rng.normal(size=(3, 4)), "W": rng.normal(size=(4, 5))}',
        ),
        (
            RIGHT.replace("return {", "return 1 / 0, {"),
            "example(rng) fails: line 15: ZeroDivisionError: division by zero",
        ),
        (
            RIGHT.replace("return {", "return 3, {"),
            "example(rng) returns the forward's keyword arguments as a dict, found tuple",
        ),
    ],
)
def test_what_cannot_be_checked_says_why(tmp_path: Path, text: str, reason: str) -> None:
    report = checked(tmp_path, text)
    assert report.verdict == "error"
    assert report.reason == reason


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    report = check_file(tmp_path / "none.py")
    assert (report.verdict, report.reason) == ("error", f"{tmp_path / 'none.py'}: no such file")


@pytest.mark.slow
def test_no_right_program_of_the_corpus_is_blamed() -> None:
    """Every third of them, of all styles; make bench-doctor takes them all."""
    blamed = {
        f"{path.parent.name}/{path.name}": str(report)
        for path in sorted(PROGRAMS.glob("*/*.py"))[::3]
        if (report := check_file(path)).verdict in ("wrong", "shape")
    }
    assert blamed == {}
