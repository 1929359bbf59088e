from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from typer.testing import CliRunner

from byhand import language
from byhand.cli import app
from byhand.language import Sampling

from ..checkpoints import models

PROMPT = "the quick brown fox"


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.set_num_threads(1)
    return models.folder(tmp_path_factory.mktemp("tiny"), "llama")


def test_the_text_goes_on(byhand: Any, tiny: Path) -> None:
    settings = ("--max-tokens", "12", "--temperature", "0", "--dtype", "f32", "--device", "cpu")
    result = byhand("generate", str(tiny), "--prompt", PROMPT, *settings)
    assert (result.exit_code, result.stderr) == (0, "")
    expected = language.load(tiny, "cpu", "f32").generate(PROMPT, Sampling(0), 12).text()
    assert result.stdout == expected + "\n"
    piped = CliRunner().invoke(app, ["generate", str(tiny), *settings], input=PROMPT)
    assert piped.stdout == result.stdout
    stop = expected[6:8]
    ended = byhand("generate", str(tiny), "--prompt", PROMPT, *settings, "--stop", stop)
    assert ended.stdout == expected[: expected.find(stop)] + "\n"


def test_as_json(byhand: Any, tiny: Path) -> None:
    asked = ("generate", str(tiny), "--prompt", PROMPT, "--max-tokens", "9", "--json")
    asked += ("--top-k", "30", "--top-p", "0.9", "--seed", "3", "--dtype", "f32")
    said = json.loads(byhand(*asked).stdout)
    text = said.pop("text")
    assert text
    assert said.pop("tokens")["answer"] <= 9
    assert said.pop("finish") in ("length", "stop")
    assert said == {
        "model": str(tiny),
        "dtype": "f32",
        "seed": 3,
        # The temperature is the one that the model's folder recommends.
        "sampling": {"temperature": 0.5, "top_k": 30, "top_p": 0.9},
        "prompt": PROMPT,
    }
    assert json.loads(byhand(*asked).stdout)["text"] == text


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("nothing-here",), "nothing-here does not exist; expected a folder with a model"),
        (("{tiny}", "--dtype", "q4"), "no dtype is called 'q4'; there is f32, f16, bf16 and int8"),
        (("{tiny}", "--device", "tpu"), "device is one of auto, cpu, cuda, mps; found 'tpu'"),
        (("{tiny}", "--context", "9999"), "{tiny} was trained for a context of 512 tokens; found"),
        (("{tiny}", "--temperature", "-1"), "temperature is a number of at least 0, found -1"),
        (("{tiny}", "--top-p", "2"), "top-p is the share that the likeliest sum to"),
        (("{tiny}", "--max-tokens", "0"), "max-tokens is at least 1, found 0"),
        (("{tiny}", "--stop", ""), "a stop is a text of one character or more"),
    ],
)
def test_what_cannot_be_asked(
    byhand: Any, tiny: Path, options: tuple[str, ...], message: str
) -> None:
    given = [option.format(tiny=tiny) for option in options]
    result = byhand("generate", *given, "--prompt", PROMPT)
    assert result.exit_code == 2
    assert result.stdout == ""
    assert result.stderr.startswith(f"error: {message.format(tiny=tiny)}")
    assert result.stderr.count("\n") == 1


def test_help_names_the_default(byhand: Any) -> None:
    for verb in ("generate", "chat"):
        assert "smollm2" in byhand(verb, "--help").stdout
