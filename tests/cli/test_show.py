from __future__ import annotations

import json
from pathlib import Path
from typing import Any


def test_show(byhand: Any, folder: Path) -> None:
    byhand("train", "points.toml")
    result = byhand("show", "points")
    assert (result.exit_code, result.stderr) == (0, "")
    lines = result.stdout.splitlines()
    assert lines[0] == "recipe      Two clouds of points"
    assert lines[1].startswith("status      finished, 3 of 3 epochs, ")
    figures = [Path(line.split()[-1]) for line in lines if line.startswith("figure")]
    assert Path("runs/points/figures/curves.png") in figures
    for figure in figures:
        assert figure.read_bytes().startswith(b"\x89PNG")


def test_show_one_view_as_json(byhand: Any) -> None:
    byhand("train", "points.toml")
    result = byhand("show", "points", "--view", "curves", "--json")
    assert result.exit_code == 0
    found = json.loads(result.stdout)
    assert found["figures"] == ["runs/points/figures/curves.png"]
    assert found["status"] == "finished"


def test_an_unknown_view(byhand: Any) -> None:
    byhand("train", "points.toml")
    result = byhand("show", "points", "--view", "curve")
    assert result.exit_code == 2
    assert result.stderr == "error: no view 'curve'; did you mean curves?\n"


def test_a_view_that_does_not_apply(byhand: Any) -> None:
    byhand("train", "points.toml")
    result = byhand("show", "points", "--view", "weights")
    assert result.exit_code == 2
    assert result.stderr.startswith("error: view weights does not apply: ")
