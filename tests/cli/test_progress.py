"""What a person at a terminal sees, in 80 columns."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path

import pexpect
import pytest

ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


def terminal(folder: Path, *arguments: str, **environment: str) -> tuple[str, int]:
    """What the command writes to a terminal of 80 columns, and its exit code."""
    left_out = ("NO_COLOR", "FORCE_COLOR", "COLUMNS", "LINES", "CI")
    kept = {name: value for name, value in os.environ.items() if name not in left_out}
    child = pexpect.spawn(
        sys.executable,
        ["-m", "byhand", *arguments],
        cwd=str(folder),
        env=kept | {"TERM": "xterm-256color"} | environment,
        dimensions=(40, 80),
        encoding="utf-8",
        timeout=120,
    )
    child.expect(pexpect.EOF)
    child.close()
    return str(child.before), int(child.exitstatus or 0)


def test_a_bar_with_epochs_above_it(folder: Path) -> None:
    written, code = terminal(folder, "train", "points.toml", "--epochs", "40")
    assert code == 0
    text = ESCAPES.sub("", written)
    lines = [line.strip() for line in re.split(r"[\r\n]+", text)]
    assert max(map(len, lines)) <= 80
    assert [line[:11] for line in lines if line.startswith("epoch 40/40  loss")] == ["epoch 40/40"]
    bars = [line for line in lines if "━" in line]
    assert bars
    assert all(re.match(r"epoch +\d+/40 ", line) for line in bars)
    assert all(line.endswith("left") for line in bars)
    assert "\x1b[?25h" in written, "the cursor is shown again"


@pytest.mark.slow
def test_parity_says_what_it_is_doing(folder: Path) -> None:
    written, code = terminal(folder, "parity", "points.toml", "--steps", "3")
    assert code == 0
    doing, table = written.split("\x1b[?25h")
    assert "torch and numpy in float32: 3 steps in a row" in ESCAPES.sub("", doing)
    assert table.startswith("\r\x1b[1A\x1b[2K"), "the line is gone before the table"
    assert ESCAPES.sub("", table).lstrip().startswith("engine ")


def test_no_color(folder: Path) -> None:
    written, code = terminal(folder, "train", "nowhere")
    assert code == 2
    assert "\x1b[1;31merror\x1b[0m: no recipe 'nowhere'" in written
    written, code = terminal(folder, "train", "nowhere", NO_COLOR="1")
    assert code == 2
    assert re.search(r"\x1b\[[0-9;]*3[0-9]m", written) is None
    assert "error" in written


def test_warnings_stand_above_the_bar(folder: Path) -> None:
    written, code = terminal(
        *(folder, "train", "points.toml", "--epochs", "10"),
        *("--set", "optimizer.learning_rate=1e-9", "--set", "training.batch_size=1"),
    )
    assert code == 0
    assert "warning: loss is flat" in ESCAPES.sub("", written)
