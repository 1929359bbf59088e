"""byhand parity: a table for people, an exit code for scripts."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from byhand import engines

from .conftest import NO_NATIVE


def test_parity(byhand: Any) -> None:
    result = byhand("parity", "points.toml")
    assert (result.exit_code, result.stderr) == (0, "")
    header, *lines = result.stdout.splitlines()
    assert header.split("  ")[0] == "engine"
    table = [re.split(r"  +", line) for line in lines if line.startswith(("native  ", "torch  "))]
    pairs = {(row[0], row[1]) for row in table}
    assert pairs == {(e, d) for e in ("native", "torch") for d in ("float64", "float32")}
    quantities = [row[2] for row in table if row[:2] == ["torch", "float64"]]
    assert quantities == [
        "loss of a step",
        "gradients of a step",
        "predictions for its batch",
        "parameters after a step",
        "state v after a step",
        "losses of 100 steps",
        "parameters after 100 steps",
        "state v after 100 steps",
        "predictions after 100 steps",
    ]
    for row in table:
        error, bound, verdict = row[-3:]
        assert float(error) <= float(bound)
        assert verdict == "agrees"
        several = "1e-03" if "100 steps" in row[2] else "1e-05"
        assert bound == ("1e-10" if row[1] == "float64" else several)
    assert lines[-1] == "numpy, native and torch agree"


def test_parity_as_json(byhand: Any) -> None:
    result = byhand("parity", "points.toml", "--steps", "3", "--json")
    assert (result.exit_code, result.stderr) == (0, "")
    rows = json.loads(result.stdout)
    assert all(row["agrees"] and row["error"] <= row["bound"] for row in rows)
    gradients = {row["array"] for row in rows if row["quantity"] == "gradients of a step"}
    assert gradients == {"hidden1.W", "hidden1.b", "output.W", "output.b"}
    assert {row["engine"] for row in rows} == {"native", "torch"}


@pytest.fixture
def doctored(monkeypatch: pytest.MonkeyPatch) -> None:
    """A native engine whose gradient of output.W is off by a hundred millionth."""
    real = engines.compile

    def compiled(*arguments: Any, **options: Any) -> Any:
        program = real(*arguments, **options)
        if options["engine"] == "native":
            gradients = program.gradients

            def off(*given: Any) -> Any:
                loss, found = gradients(*given)
                return loss, {**found, "output.W": found["output.W"] * (1 + 1e-8)}

            program.gradients = off
        return program

    monkeypatch.setattr(engines, "compile", compiled)


@pytest.mark.usefixtures("doctored")
@pytest.mark.parametrize("options", [[], ["--json"]], ids=["table", "json"])
def test_a_disagreement_is_named_and_exits_with_1(byhand: Any, options: list[str]) -> None:
    result = byhand("parity", "points.toml", "--steps", "5", *options)
    assert result.exit_code == 1
    assert result.stderr == (
        "error: native and numpy disagree in float64 on the gradients of a step (output.W): "
        "error 1.0e-08, expected at most 1e-10\n"
    )
    assert "numpy and native agree" not in result.stdout
    if options:
        [row] = [row for row in json.loads(result.stdout) if not row["agrees"]]
        assert (row["dtype"], row["array"]) == ("float64", "output.W")
    else:
        [line] = [line for line in result.stdout.splitlines() if line.endswith("disagrees")]
        assert line.split()[-4:] == ["output.W", "1.0e-08", "1e-10", "disagrees"]


def test_only_steps_in_a_row_that_disagree_may_be_unstable_training(
    byhand: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = engines.compile

    def compiled(*arguments: Any, **options: Any) -> Any:
        program = real(*arguments, **options)
        train = program.train

        def drift(*given: Any) -> Any:
            losses = train(*given)
            in_a_row = options["engine"] == "native" and len(losses) > 1
            return losses * (1 + 1e-3 * in_a_row)

        program.train = drift
        return program

    monkeypatch.setattr(engines, "compile", compiled)
    result = byhand("parity", "points.toml", "--steps", "5")
    assert result.exit_code == 1
    assert result.stderr == (
        "error: native and numpy disagree in float64 on the losses of 5 steps: error 1.0e-03, "
        "expected at most 1e-10; and on 1 more; each step by itself agrees, so training may be "
        "unstable and magnify roundings: try a lower optimizer.learning_rate\n"
    )


@pytest.mark.usefixtures("no_native")
def test_an_engine_that_cannot_run_here_is_left_out(byhand: Any) -> None:
    result = byhand("parity", "points.toml", "--steps", "3")
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout.splitlines()[-1] == "numpy and torch agree"


def test_with_numpy_alone_there_is_nothing_to_compare(
    byhand: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    reasons = {"native": NO_NATIVE, "torch": "no PyTorch: install it"}
    monkeypatch.setattr(engines, "available", reasons.get)
    result = byhand("parity", "points.toml")
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr == (
        f"error: nothing to compare NumPy with: {NO_NATIVE}; no PyTorch: install it\n"
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nielsen-11"], "no recipe 'nielsen-11'; did you mean nielsen-1?"),
        (
            ["points.toml", "--steps", "0"],
            "invalid value for '--steps': Input should be greater than or equal to 1; "
            "see byhand parity --help",
        ),
    ],
)
def test_a_mistake_in_the_command(byhand: Any, arguments: list[str], message: str) -> None:
    result = byhand("parity", *arguments)
    assert (result.exit_code, result.stdout, result.stderr) == (2, "", f"error: {message}\n")
