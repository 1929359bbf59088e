"""Every way a command can end is one line and an exit code."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from byhand.training import Run


def fails_with(error: BaseException) -> Any:
    def fail(*arguments: object) -> None:
        raise error

    return fail


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["trian"], "error: no such command 'trian'. Did you mean 'train'?; see byhand --help"),
        (["train"], "error: missing argument 'RECIPE'; see byhand train --help"),
        (
            ["train", "x", "--epoch", "3"],
            "error: no such option: --epoch (Possible options: --epochs); see byhand train --help",
        ),
        (["predict", "x"], "error: missing argument 'IMAGE'; see byhand predict --help"),
    ],
)
def test_a_usage_error_is_one_line_and_2(byhand: Any, arguments: list[str], line: str) -> None:
    result = byhand(*arguments)
    assert result.exit_code == 2
    assert result.stdout == ""
    assert result.stderr == f"{line}\n"


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (
            OSError(28, "No space left on device", "runs/x"),
            "error: runs/x: No space left on device",
        ),
        (PermissionError(13, "Permission denied", "runs"), "error: runs: Permission denied"),
        (
            MemoryError("Unable to allocate 7 GiB"),
            "error: not enough memory (Unable to allocate 7 GiB): choose a smaller model or batch",
        ),
        (MemoryError(), "error: not enough memory: choose a smaller model or batch"),
        (
            ZeroDivisionError("division by zero"),
            "unexpected: ZeroDivisionError: division by zero; "
            "run again with --debug for the traceback",
        ),
    ],
)
def test_a_failure_is_one_line_and_1(
    byhand: Any, monkeypatch: pytest.MonkeyPatch, error: Exception, line: str
) -> None:
    monkeypatch.setattr(Run, "all", fails_with(error))
    result = byhand("runs")
    assert (result.exit_code, result.stdout, result.stderr) == (1, "", f"{line}\n")


def test_ctrl_c_is_one_word_and_130(byhand: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Run, "all", fails_with(KeyboardInterrupt()))
    result = byhand("runs")
    assert (result.exit_code, result.stdout, result.stderr) == (130, "", "interrupted\n")


@pytest.mark.parametrize("arguments", [["--debug", "train", "no"], ["train", "no", "--debug"]])
def test_debug_shows_the_traceback(byhand: Any, arguments: list[str]) -> None:
    result = byhand(*arguments)
    assert result.exit_code == 2
    assert result.stderr.startswith("Traceback")
    assert result.stderr.endswith("error: no recipe 'no'; byhand recipes lists those there are\n")


def test_debug_shows_no_traceback_where_nothing_failed(byhand: Any) -> None:
    result = byhand("--version", "--debug")
    assert (result.exit_code, result.stderr) == (0, "")


def test_no_line_is_wrapped_when_piped(start: Any) -> None:
    name = "x" * 200
    process = start("train", name)
    _, stderr = process.communicate(timeout=60)
    assert process.returncode == 2
    assert stderr == f"error: no recipe '{name}'; byhand recipes lists those there are\n"


def test_a_closed_pipe_is_quiet(start: Any) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    process = start("recipes", stdout=writer)
    os.close(writer)
    _, stderr = process.communicate(timeout=60)
    assert stderr == ""
    assert process.returncode == 1


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="only Linux has /dev/full")
def test_a_full_disk_is_one_line(start: Any) -> None:
    with Path("/dev/full").open("w") as full:
        process = start("recipes", stdout=full)
        _, stderr = process.communicate(timeout=60)
    assert (process.returncode, stderr) == (1, "error: No space left on device\n")
