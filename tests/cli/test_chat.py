from __future__ import annotations

import os
import re
import signal
import sys
from pathlib import Path
from typing import Any

import pexpect
import pytest
import torch
from typer.testing import CliRunner

from byhand import language
from byhand.cli import app
from byhand.language import Sampling

from ..checkpoints import models

SETTINGS = ("--dtype", "f32", "--device", "cpu", "--temperature", "0", "--max-tokens", "8")


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.set_num_threads(1)
    return models.folder(tmp_path_factory.mktemp("tiny"), "llama")


def chat(tiny: Path, typed: str, *options: str) -> Any:
    return CliRunner().invoke(app, ["chat", str(tiny), *SETTINGS, *options], input=typed)


def conversation(tiny: Path, messages: list[str], system: str | None = None) -> list[str]:
    model = language.load(tiny, "cpu", "f32")
    history = [] if system is None else [{"role": "system", "content": system}]
    said = []
    for message in messages:
        history.append({"role": "user", "content": message})
        said.append(model.generate(history, Sampling(0), 8).text())
        history.append({"role": "assistant", "content": said[-1]})
    return said


def test_each_line_is_a_message(tiny: Path) -> None:
    result = chat(tiny, "the fox\n\nand the dog?\n")
    assert result.exit_code == 0
    assert result.stdout == "".join(
        f"{s}\n" for s in conversation(tiny, ["the fox", "and the dog?"])
    )
    lines = result.stderr.splitlines()
    assert len(lines) == 2
    taken = [int(re.match(r"\[(\d+) of 512 tokens", line)[1]) for line in lines]
    assert taken[1] > taken[0] > 8
    assert lines[0].endswith((" tokens]", " tokens, cut off]"))


def test_a_system_prompt_changes_the_answer(tiny: Path) -> None:
    system = "a lazy dog"
    result = chat(tiny, "the fox\n", "--system", system)
    assert result.stdout == conversation(tiny, ["the fox"], system)[0] + "\n"
    assert result.stdout != chat(tiny, "the fox\n").stdout


def test_a_new_conversation_and_the_end(tiny: Path) -> None:
    once = chat(tiny, "the fox\n").stdout
    assert chat(tiny, "the fox\n/new\nthe fox\n/exit\nnever read\n").stdout == once + once


def test_a_conversation_that_outgrows_its_context(tiny: Path) -> None:
    result = chat(tiny, "the fox\n" + "fox " * 300 + "\n", "--context", "64")
    assert result.exit_code == 2
    assert re.fullmatch(
        r"error: the prompt has [\d,]+ tokens and the context is 64: shorten it, or load the model "
        r"with a context of up to 512",
        result.stderr.splitlines()[-1],
    )


def test_a_model_that_does_not_answer(tiny: Path, tmp_path: Path) -> None:
    for path in tiny.iterdir():
        if path.name != "chat_template.jinja":
            (tmp_path / path.name).write_bytes(path.read_bytes())
    result = chat(tmp_path, "hello\n")
    assert result.exit_code == 2
    assert result.stdout == ""
    assert result.stderr == (
        f"error: {tmp_path} has no chat template, so it goes on with a text and does not answer: "
        "use byhand generate, or an instruct model\n"
    )


@pytest.mark.slow
def test_at_a_terminal(tiny: Path) -> None:
    """Ctrl-C stops an answer and empties a line; the program ends with Ctrl-D."""
    endless = [word for word in SETTINGS if word not in ("--max-tokens", "8")]
    program = pexpect.spawn(
        sys.executable,
        ["-m", "byhand", "chat", str(tiny), *endless, "--stop", "never"],
        env=os.environ | {"OMP_NUM_THREADS": "1", "TERM": "dumb"},
        timeout=60,
        encoding="utf-8",
    )
    program.expect("Ctrl-C stops an answer, /new begins a new conversation, Ctrl-D or /exit ends.")
    program.expect("> ")
    program.sendline("the quick fox")
    program.expect("the quick fox\r\n")  # what was typed
    program.expect(r"\S\s*\S")
    program.kill(signal.SIGINT)
    program.expect(r"\[\d+ of 512 tokens(, stopped|, cut off)?\]")
    program.expect("> ")
    program.sendintr()
    program.expect("> ")
    program.sendline("fox " * 600)
    program.expect("error: the prompt has")
    program.expect("/new begins a new conversation")
    program.expect("> ")
    program.sendeof()
    program.expect(pexpect.EOF)
    program.close()
    assert program.exitstatus == 0
