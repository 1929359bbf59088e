from __future__ import annotations

import json
import shutil
import signal
from pathlib import Path
from typing import Any

import pytest

from byhand import engines
from byhand.engines import ENGINES
from byhand.training import Run, read_recipe, trainer_for

from .conftest import NO_NATIVE, Starter

TEXT = "the cat sat on the mat.\nthe dog sat on the cat.\n" * 40
RECIPE = """
title = "Cats and dogs"
loss = "softmax_cross_entropy"
data = { text = "cats.txt", steps = 16 }
model = { kind = "char_rnn", cell = "gru", hidden = [12] }
optimizer = { name = "adam", learning_rate = 0.02 }
training = { epochs = 6, batch_size = 4 }
"""


@pytest.fixture(scope="module")
def once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a text, a recipe, and a run that has learnt it."""
    root = tmp_path_factory.mktemp("cats")
    (root / "cats.txt").write_text(TEXT, "utf-8")
    (root / "cats.toml").write_text(RECIPE, "utf-8")
    recipe = read_recipe(root / "cats.toml", [f'data.text="{root / "cats.txt"}"'])
    run = Run.create(recipe, root=root / "runs")
    trainer_for(recipe, run).fit()
    return root


@pytest.fixture
def trained(once: Path, folder: Path) -> None:
    shutil.copytree(once, folder, dirs_exist_ok=True)


def test_sample(byhand: Any, trained: None) -> None:
    result = byhand("sample", "cats", "--prompt", "the ", "--length", "40", "--temperature", "0")
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout.startswith("the ")
    assert len(result.stdout) == len("the ") + 40 + len("\n")
    assert "at" in result.stdout


def test_one_seed_is_one_text_on_every_engine(byhand: Any, trained: None) -> None:
    run = [engine for engine in ENGINES if engines.available(engine) is None]
    texts = [
        byhand("sample", "cats", "--length", "80", "--seed", "3", "--engine", engine).stdout
        for engine in run
    ]
    assert texts == [texts[0]] * len(run)
    other = byhand("sample", "cats", "--length", "80", "--seed", "4").stdout
    assert len(texts[0]) == len(other) == 81
    assert other != texts[0]


def test_sample_as_json(byhand: Any, trained: None) -> None:
    arguments = ("sample", "cats", "--prompt", "the d", "--length", "30", "--top-k", "3")
    found = json.loads(byhand(*arguments, "--json").stdout)
    assert list(found) == ["run", "seed", "prompt", "text"]
    assert (found["run"], found["seed"], found["prompt"]) == ("cats", 0, "the d")
    assert byhand(*arguments).stdout == f"{found['prompt']}{found['text']}\n"


def test_what_may_come_next(byhand: Any, trained: None) -> None:
    result = byhand("sample", "cats", "--prompt", "the cat s", "--next")
    assert (result.exit_code, result.stderr) == (0, "")
    header, first, *rest = result.stdout.splitlines()
    assert header.split() == ["character", "probability"]
    name, share, sign, bar = first.split()
    assert (name, sign) == ("'a'", "%")
    assert len(bar) == round(40 * float(share) / 100)
    # The vocabulary has 14 characters, fewer than are shown.
    assert len(rest) == 13
    assert result.stdout.count("others") == 0
    found = json.loads(byhand("sample", "cats", "--prompt", "the cat s", "--next", "--json").stdout)
    assert found[0]["character"] == "a"
    assert sum(each["probability"] for each in found) == pytest.approx(1)
    assert {each["character"] for each in found} == set(TEXT)


def test_what_may_come_next_of_the_likeliest(byhand: Any, trained: None) -> None:
    arguments = ("sample", "cats", "--next", "--json")
    found = json.loads(byhand(*arguments, "--top-k", "2").stdout)
    assert len(found) == 2
    (only,) = json.loads(byhand(*arguments, "--temperature", "0").stdout)
    assert only == {"character": found[0]["character"], "probability": 1.0}


def test_the_tokens_that_are_not_shown(byhand: Any, trained: None, folder: Path) -> None:
    change = 'data={ text = "cats.txt", steps = 8, tokens = "bpe", vocabulary = 270 }'
    byhand("train", "cats.toml", "--name", "pairs", "--set", change)
    result = byhand("sample", "pairs", "--prompt", "the ", "--next")
    lines = result.stdout.splitlines()
    assert lines[0].split() == ["token", "probability"]
    assert lines[-1].split()[1:2] == ["others"]
    assert len(lines) == 1 + 15 + 1
    written = byhand("sample", "pairs", "--prompt", "the ", "--length", "20", "--top-p", "0.5")
    assert written.stdout.startswith("the ")


@pytest.mark.usefixtures("trained")
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["--prompt", "the Cat"],
            "the prompt: the character 'C' (U+0043) at line 1, column 5 is not one of the 14 in "
            "the vocabulary; did you mean 'c'?",
        ),
        (
            ["--prompt", ""],
            "the prompt is empty, and the network goes on from something: give a character or "
            "more, or leave --prompt out to begin a line",
        ),
        (
            ["--temperature", "-1"],
            "temperature is a number of at least 0, found -1; 1 is the network's own, 0 always "
            "takes the likeliest",
        ),
        (["--top-k", "0"], "top-k is how many of the likeliest are left, at least 1; found 0"),
        (
            ["--top-p", "0"],
            "top-p is the share that the likeliest sum to, above 0 and at most 1; found 0",
        ),
        (
            ["--length", "0"],
            "invalid value for '--length': Input should be greater than or equal to 1; "
            "see byhand sample --help",
        ),
    ],
)
def test_what_cannot_be_asked_for(byhand: Any, arguments: list[str], message: str) -> None:
    result = byhand("sample", "cats", *arguments)
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr == f"error: {message}\n"


def test_a_prompt_longer_than_the_text(byhand: Any, trained: None) -> None:
    prompt = TEXT * 2
    result = byhand("sample", "cats", "--prompt", prompt, "--length", "1", "--temperature", "0")
    assert result.exit_code == 0
    assert result.stdout == f"{prompt}t\n"


def test_a_run_of_another_kind(byhand: Any) -> None:
    byhand("train", "points.toml")
    result = byhand("sample", "points")
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr == (
        "error: run points was not trained on a text, so it cannot write one: train a recipe such "
        "as char-lstm\n"
    )


def test_the_text_is_not_needed_any_more(byhand: Any, once: Path, folder: Path) -> None:
    shutil.copytree(once / "runs", folder / "runs")
    config = folder / "runs" / "cats" / "config.toml"
    config.write_text(config.read_text("utf-8").replace("cats.txt", "gone.txt"), "utf-8")
    assert byhand("sample", "cats", "--length", "5").exit_code == 0


def test_where_the_run_s_engine_cannot_run(
    byhand: Any, trained: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = Run.open("cats").folder / "config.toml"
    config.write_text(config.read_text("utf-8") + 'engine = "native"\n', "utf-8")
    monkeypatch.setattr(engines, "available", {"native": NO_NATIVE}.get)
    result = byhand("sample", "cats")
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith(f"error: run cats was trained on native: {NO_NATIVE}; ")
    assert byhand("sample", "cats", "--engine", "numpy", "--length", "5").exit_code == 0


def test_the_text_appears_as_it_is_written_until_ctrl_c(start: Starter, trained: None) -> None:
    process = start("sample", "cats", "--length", "100000000")
    assert process.stdout is not None
    assert len(process.stdout.read(50)) == 50
    process.send_signal(signal.SIGINT)
    rest, errors = process.communicate(timeout=60)
    assert rest.endswith("\n")
    assert (process.returncode, errors) == (130, "interrupted\n")
