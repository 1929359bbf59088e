from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest

import byhand as package
from byhand.engines import ENGINES

VERBS = [
    *("tour", "recipes", "train", "resume", "runs", "show", "predict", "reproduce", "parity"),
    *("check", "data"),
]


def test_help_names_every_verb(byhand: Any) -> None:
    for arguments in ([], ["--help"]):
        result = byhand(*arguments)
        assert result.exit_code == 0
        for verb in VERBS:
            assert f" {verb} " in result.stdout


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_explains_itself_in_80_columns(byhand: Any, verb: str) -> None:
    result = byhand(verb, "--help")
    assert result.exit_code == 0
    assert "Usage" in result.stdout
    assert max(map(len, result.stdout.splitlines())) <= 80


def test_help_and_version_load_no_heavy_library() -> None:
    code = (
        "import sys\n"
        "from byhand.cli import app\n"
        "try:\n"
        "    app(sys.argv[1:])\n"
        "finally:\n"
        "    heavy = {'numpy', 'pydantic', 'matplotlib', 'safetensors', 'PIL'}\n"
        "    print('loaded', sorted(heavy & set(sys.modules)))\n"
    )
    for arguments in (["--help"], ["--version"]):
        done = subprocess.run(
            [sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=True
        )
        assert done.stdout.splitlines()[-1] == "loaded []"


def test_version(byhand: Any) -> None:
    result = byhand("--version")
    assert (result.exit_code, result.stdout) == (0, f"byhand {package.__version__}\n")


def test_help_names_every_engine(byhand: Any) -> None:
    said = f"What runs the model: {', '.join(ENGINES[:-1])} or {ENGINES[-1]}."
    for verb in ("train", "resume", "show", "predict", "reproduce"):
        assert said in byhand(verb, "--help").stdout


@pytest.mark.parametrize(
    "arguments",
    [
        ["train", "points.toml"],
        ["resume", "points"],
        ["show", "points"],
        ["predict", "points", "x.png"],
        ["reproduce", "nielsen"],
    ],
    ids=lambda arguments: arguments[0],
)
def test_an_unknown_engine_names_the_nearest(byhand: Any, arguments: list[str]) -> None:
    result = byhand(*arguments, "--engine", "natvie")
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr == "error: no engine 'natvie'; did you mean native?\n"
    result = byhand(*arguments, "--engine", "abacus")
    assert result.stderr == "error: no engine 'abacus'; there is numpy, native, torch\n"


def test_the_shell_completes_recipes_runs_and_engines(byhand: Any, folder: Any) -> None:
    from byhand.cli.options import engine_names, recipe_names, run_names

    assert byhand("train", "points.toml", "--name", "first").exit_code == 0
    assert "nielsen-1" in recipe_names("niel")
    assert recipe_names("nothing-like-it") == []
    assert run_names("fi") == ["first"]
    assert engine_names("") == sorted(ENGINES)
    assert engine_names("na") == ["native"]


def test_shell_completion_can_be_installed(byhand: Any) -> None:
    assert "--install-completion" in byhand("--help").stdout
