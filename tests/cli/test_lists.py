"""The verbs that list: recipes, runs, data."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from byhand.data import files


def test_recipes(byhand: Any) -> None:
    result = byhand("recipes")
    assert (result.exit_code, result.stderr) == (0, "")
    header, *lines = result.stdout.splitlines()
    assert header.split() == ["name", "published", "what", "it", "is"]
    first = next(line for line in lines if line.startswith("nielsen-1 "))
    assert "  95.42 %  " in first
    assert first.endswith("Nielsen's first network: 30 hidden sigmoid units, quadratic cost")


def test_recipes_as_json(byhand: Any) -> None:
    found = {recipe["name"]: recipe for recipe in json.loads(byhand("recipes", "--json").stdout)}
    assert found["nielsen-1"]["published"][0]["figure"] == 0.9542
    assert found["nielsen-1"]["set"] == "nielsen"


def test_runs(byhand: Any) -> None:
    result = byhand("runs")
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout == "no runs here yet: byhand train nielsen-1 makes one\n"
    assert json.loads(byhand("runs", "--json").stdout) == []
    byhand("train", "points.toml", "--name", "first")
    byhand("train", "points.toml", "--name", "second", "--epochs", "2")
    header, first, second = byhand("runs").stdout.splitlines()
    assert header.split() == ["name", "status", "epochs", "test", "time"]
    assert first.split()[:3] == ["first", "finished", "3/3"]
    assert second.split()[:3] == ["second", "finished", "2/2"]
    assert [run["run"] for run in json.loads(byhand("runs", "--json").stdout)] == [
        "first",
        "second",
    ]


def test_a_damaged_run_does_not_hide_the_others(byhand: Any, folder: Path) -> None:
    byhand("train", "points.toml", "--name", "first")
    byhand("train", "points.toml", "--name", "second")
    (folder / "runs/first/config.toml").write_text("nonsense", "utf-8")
    result = byhand("runs")
    assert result.exit_code == 0
    assert [line.split()[0] for line in result.stdout.splitlines()] == ["name", "second"]
    assert result.stderr.startswith(
        "warning: first is left out: runs/first/config.toml: not a TOML"
    )
    assert result.stderr.count("\n") == 1


def test_data_list(byhand: Any, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BYHAND_CACHE", str(folder / "cache"))
    lines = byhand("data", "list").stdout.splitlines()
    assert [line.split()[:4] for line in lines[1:]] == [
        ["mnist", "no", "55", "MB"],
        ["fashion-mnist", "no", "55", "MB"],
        ["chelsea.png", "no", "0.2", "MB"],
        ["coffee.png", "no", "0.5", "MB"],
        ["efficientnet-lite0.pth", "no", "18.8", "MB"],
        ["tiny-shakespeare", "no", "1.1", "MB"],
        ["fra-eng", "no", "3.0", "MB"],
        ["verses", "no", "218.0", "MB"],
        ["smollm2-135m-instruct", "no", "98.4", "MB"],
        ["gemma-3-270m", "no", "253.1", "MB"],
    ]
    assert "commonly stated as CC BY-SA 3.0" in lines[1]
    assert "/karpathy/char-rnn/" in lines[6]
    assert lines[6].endswith("; public domain")
    (folder / "cache").mkdir()
    (folder / "cache/mnist.safetensors").touch()
    found = json.loads(byhand("data", "list", "--json").stdout)
    assert [(entry["name"], entry["cached"]) for entry in found] == [
        ("mnist", True),
        ("fashion-mnist", False),
        ("chelsea.png", False),
        ("coffee.png", False),
        ("efficientnet-lite0.pth", False),
        ("tiny-shakespeare", False),
        ("fra-eng", False),
        ("verses", False),
        ("smollm2-135m-instruct", False),
        ("gemma-3-270m", False),
    ]


def test_data_get_of_an_unknown_set(byhand: Any) -> None:
    result = byhand("data", "get", "mnst")
    assert result.exit_code == 2
    assert result.stderr == "error: no data is called 'mnst'; did you mean mnist?\n"


def test_data_get_of_a_file(byhand: Any, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is in the cache and not damaged is not fetched again."""
    monkeypatch.setenv("BYHAND_CACHE", str(folder / "cache"))
    content = b"a small picture"
    known = replace(files.FILES["chelsea.png"], sha256=hashlib.sha256(content).hexdigest())
    monkeypatch.setitem(files.FILES, "chelsea.png", known)
    path = folder / "cache/files/chelsea.png"
    path.parent.mkdir(parents=True)
    path.write_bytes(content)
    result = byhand("data", "get", "chelsea.png")
    assert result.stdout.split() == ["checked", "as", "published", "cache", str(path)]
    found = json.loads(byhand("data", "get", "chelsea.png", "--json").stdout)
    assert found == {"name": "chelsea.png", "path": str(path)}


def test_data_get_says_what_it_tries(
    byhand: Any, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With every source unplugged, each is named as it is tried, and the error says what to do."""
    from byhand.data import known
    from byhand.data.sources import Folder

    unplugged = [
        known.Entry("mnist", "t", "o", "free", ("0", "1"), "0", (Folder(folder / "nowhere"),))
    ]
    monkeypatch.setattr(known, "_ENTRIES", unplugged)
    monkeypatch.setenv("BYHAND_CACHE", str(folder / "cache"))
    result = byhand("data", "get", "mnist")
    assert result.exit_code == 1
    tried, error = result.stderr.splitlines()
    assert tried == f"mnist: trying folder {folder / 'nowhere'}"
    assert error.startswith("error: mnist is not in the cache and no source has it: folder ")
    assert error.endswith(f"into {folder / 'cache/mnist'} and run again")
