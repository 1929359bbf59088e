"""What a run ran on."""

from __future__ import annotations

import json
import platform
import subprocess
from pathlib import Path
from typing import Any

import pytest

from byhand.training.environment import environment


def git(*arguments: str) -> str:
    identity = ["-c", "user.name=a", "-c", "user.email=a@b.c", "-c", "commit.gpgsign=false"]
    command = ["git", *identity, *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def test_it_is_json_and_names_python_and_the_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    monkeypatch.delenv("MKL_NUM_THREADS", raising=False)
    found = json.loads(json.dumps(environment()))
    assert found["python"] == platform.python_version()
    assert found["threads"]["OMP_NUM_THREADS"] == "3"
    assert "MKL_NUM_THREADS" not in found["threads"]
    assert found["processor"] is not None


def test_git_is_the_commit_and_whether_there_are_changes() -> None:
    git("init", "--quiet")
    Path("a").write_text("")
    git("add", "a")
    git("commit", "--quiet", "--message", "a")
    assert environment()["git"] == {"commit": git("rev-parse", "HEAD"), "changed": False}
    Path("a").write_text("b")
    assert environment()["git"]["changed"] is True


def test_outside_a_repository_there_is_no_git_state(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    assert environment()["git"] is None


def test_without_git_there_is_no_git_state(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    assert environment()["git"] is None


def test_a_machine_without_cpuinfo_answers_what_python_knows(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def missing(*arguments: Any, **keywords: Any) -> str:
        raise FileNotFoundError

    monkeypatch.setattr(Path, "read_text", missing)
    monkeypatch.setattr(platform, "processor", lambda: "abacus")
    assert environment()["processor"] == "abacus"


def test_a_package_that_is_missing_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("byhand.training.environment.PACKAGES", ("numpy", "no-such-package-here"))
    assert list(environment()["packages"]) == ["numpy"]
