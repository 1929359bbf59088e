from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest

import byhand as package

VERBS = ["tour", "recipes", "train", "resume", "runs", "show", "predict", "reproduce", "data"]


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


def test_the_shell_completes_recipes_and_runs(byhand: Any, folder: Any) -> None:
    from byhand.cli.completion import recipe_names, run_names

    assert byhand("train", "points.toml", "--name", "first").exit_code == 0
    assert "nielsen-1" in recipe_names("niel")
    assert recipe_names("nothing-like-it") == []
    assert run_names("fi") == ["first"]


def test_shell_completion_can_be_installed(byhand: Any) -> None:
    assert "--install-completion" in byhand("--help").stdout
