"""A run folder: how it is made, found, read and guarded."""

from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import byhand
from byhand.errors import ByhandError, InputError
from byhand.training import Recipe, Run, read_recipe

from .tiny import heaps_program, heaps_recipe, start

HOLD = """
import sys, time
from pathlib import Path
from byhand.training import Run
with Run(Path(sys.argv[1])).locked():
    print("held", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def recipe(tmp_path: Path) -> Recipe:
    return heaps_recipe(tmp_path)


@pytest.fixture
def run(recipe: Recipe, tmp_path: Path) -> Run:
    return Run.create(recipe, "first-try", tmp_path / "runs")


def test_a_new_run_is_a_folder_with_its_recipe(recipe: Recipe, run: Run, tmp_path: Path) -> None:
    assert run.folder == tmp_path / "runs" / "first-try"
    assert run.name == "first-try"
    assert sorted(path.name for path in run.folder.iterdir()) == ["config.toml", "environment.json"]
    assert run.recipe.model_dump() == recipe.model_dump()
    assert run.figures == run.folder / "figures"


def test_changes_are_in_the_config(tmp_path: Path) -> None:
    recipe = heaps_recipe(tmp_path, "training.seed=7", "optimizer.learning_rate=0.125")
    config = Run.create(recipe).folder / "config.toml"
    assert config.parent == Path("runs/heaps")
    assert read_recipe(config).training.seed == 7
    assert read_recipe(config).optimizer == {"name": "sgd", "learning_rate": 0.125}


def test_without_a_name_runs_are_numbered(recipe: Recipe) -> None:
    assert [Run.create(recipe).name for _ in range(3)] == ["heaps", "heaps-2", "heaps-3"]


def test_a_name_that_another_process_takes_first_is_passed_over(
    recipe: Recipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As the processes of `byhand reproduce` do, which start with the same recipe at once."""
    make = Path.mkdir

    def too_late(folder: Path, **arguments: Any) -> None:
        if folder.name == "heaps" and not folder.exists():
            make(folder)
        make(folder, **arguments)

    monkeypatch.setattr(Path, "mkdir", too_late)
    assert Run.create(recipe).name == "heaps-2"


def test_a_name_that_is_taken_is_refused(recipe: Recipe, run: Run, tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        Run.create(recipe, "first-try", tmp_path / "runs")
    assert str(caught.value) == (
        f"{run.folder} exists already: choose another --name, "
        "or continue it with byhand resume first-try"
    )


@pytest.mark.parametrize("name", ["", "a/b", "/a", "."])
def test_a_name_is_one_folder(recipe: Recipe, name: str) -> None:
    with pytest.raises(InputError) as caught:
        Run.create(recipe, name)
    assert str(caught.value) == (
        f"a run's name is one folder name such as first-try; found {name!r}"
    )
    assert not Path("runs").exists()


def test_a_run_is_found_by_name_and_by_path(run: Run, tmp_path: Path) -> None:
    assert Run.open("first-try") == Run(Path("runs/first-try"))
    assert Run.open("first-try", tmp_path / "runs") == run
    assert Run.open(str(run.folder), tmp_path) == run


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("first-tri", "no run 'first-tri' in runs/; did you mean first-try?"),
        ("x", "no run 'x' in runs/; byhand runs lists the runs there are"),
    ],
)
@pytest.mark.usefixtures("run")
def test_a_run_that_is_not_there_is_named(name: str, message: str) -> None:
    with pytest.raises(InputError) as caught:
        Run.open(name)
    assert str(caught.value) == message


def test_a_folder_without_a_config_is_no_run(run: Run) -> None:
    (run.folder / "config.toml").unlink()
    assert Run.all() == []
    with pytest.raises(InputError, match="no run 'first-try'"):
        Run.open("first-try")


def test_all_runs_are_listed_oldest_first(recipe: Recipe) -> None:
    for age, name in enumerate("cab"):
        config = Run.create(recipe, name).folder / "config.toml"
        os.utime(config, (1e9 + age, 1e9 + age))
    assert [run.name for run in Run.all()] == ["c", "a", "b"]
    assert Run.all(Path("nowhere")) == []


@pytest.mark.parametrize(
    ("kinds", "status"),
    [
        ([], "interrupted"),
        (["step", "epoch"], "interrupted"),
        (["epoch", "finished"], "finished"),
        (["step", "stopped"], "stopped"),
        (["stopped", "resumed"], "interrupted"),
        (["failed"], "failed"),
        (["finished", "warning"], "finished"),
    ],
)
def test_status_is_what_the_last_row_tells(run: Run, kinds: list[str], status: str) -> None:
    for step, kind in enumerate(kinds):
        run.append({"kind": kind, "step": step})
    assert run.status == status


def held_elsewhere(run: Run) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(run.folder)],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(Path(byhand.__file__).parents[1])},
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    return process


def test_one_process_at_a_time_and_a_killed_one_frees_the_run(run: Run) -> None:
    run.append({"kind": "finished", "step": 1})
    with held_elsewhere(run) as other:
        assert run.status == "running"
        with pytest.raises(ByhandError) as caught, run.locked():
            pass
        assert str(caught.value) == "run first-try is being trained by another process"
        other.send_signal(signal.SIGKILL)
    assert run.status == "finished"
    with run.locked():
        assert Run(run.folder).status == "running"
    with run.locked():
        pass


def test_rows_come_back_as_they_were(run: Run) -> None:
    assert run.metrics() == []
    rows = [
        {"kind": "step", "step": 1, "loss": 0.1 + 0.2},
        {"kind": "epoch", "step": 2, "validation_accuracy": None},
        {"kind": "step", "step": 3, "layer": "η"},
    ]
    for row in rows:
        run.append(row)
    assert run.metrics() == rows
    assert run.rows("step") == [rows[0], rows[2]]
    assert len((run.folder / "metrics.jsonl").read_text().splitlines()) == 3


@pytest.mark.parametrize("kept", range(1, 26))
def test_a_line_that_a_kill_cut_short_is_dropped_and_closed_off(run: Run, kept: int) -> None:
    path = run.folder / "metrics.jsonl"
    run.append({"kind": "step", "step": 1})
    whole = path.read_bytes()
    run.append({"kind": "step", "step": 2})
    assert len(path.read_bytes()) - len(whole) == 28
    path.write_bytes(path.read_bytes()[: len(whole) + kept])
    assert [row["step"] for row in run.metrics()] == [1]
    run.append({"kind": "step", "step": 3})
    assert [row["step"] for row in run.metrics()] == [1, 3]


def test_rows_that_a_resumed_run_repeats_count_once(run: Run) -> None:
    for row in (
        {"kind": "step", "step": 4, "try": 1},
        {"kind": "step", "step": 8, "try": 1},
        {"kind": "warning", "step": 8, "about": "flat"},
        {"kind": "resumed", "step": 4},
        {"kind": "step", "step": 8, "try": 2},
        {"kind": "resumed", "step": 0},
        {"kind": "step", "step": 4, "try": 3},
    ):
        run.append(row)
    assert run.metrics() == [
        {"kind": "resumed", "step": 0},
        {"kind": "step", "step": 4, "try": 3},
    ]


def test_nothing_is_ever_taken_from_the_file(run: Run) -> None:
    path = run.folder / "metrics.jsonl"
    run.append({"kind": "step", "step": 4})
    before = path.read_bytes()
    run.append({"kind": "resumed", "step": 0})
    assert run.metrics() == [{"kind": "resumed", "step": 0}]
    assert path.read_bytes().startswith(before)


def test_parameters_of_a_run_without_an_epoch(run: Run) -> None:
    with pytest.raises(InputError) as caught:
        run.parameters()
    assert str(caught.value) == (
        "run first-try has no best.safetensors yet: it has not finished its first epoch; "
        "continue it with byhand resume first-try"
    )


def test_the_environment_is_recorded(
    recipe: Recipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", ["/usr/local/bin/byhand", "train", "heaps"])
    folder = Run.create(recipe, root=tmp_path).folder
    content = json.loads((folder / "environment.json").read_text())
    assert content["byhand"] == byhand.__version__
    assert content["packages"]["numpy"] == np.__version__
    assert content["command"] == ["byhand", "train", "heaps"]
    assert content["cores"] == os.cpu_count()
    assert set(content) == {
        "byhand", "python", "packages", "platform", "processor", "cores", "threads",
        "command", "git",
    }  # fmt: skip


def full(*arguments: Any) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def save_text(run: Run) -> None:
    Run.create(run.recipe, "second", run.folder.parent)


def save_tensors(run: Run) -> None:
    run.save_parameters("best", heaps_program(seed=1).parameters(), 2)


@pytest.mark.parametrize("save", [save_text, save_tensors])
def test_a_full_disk_leaves_what_was_there(
    run: Run, save: Callable[[Run], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    run.save_parameters("best", heaps_program(seed=0).parameters(), 1)
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(OSError, match="No space left"):
            save(run)
    best = run.parameters("best")
    for name, value in heaps_program(seed=0).parameters().items():
        np.testing.assert_array_equal(best[name], value)
    assert [other.name for other in Run.all()] == ["first-try"]
    assert not list(Path().rglob("*.part"))


def test_a_run_on_a_full_disk_goes_on_when_there_is_space(
    tmp_path: Path, recipe: Recipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    trainer = start(recipe, tmp_path / "runs")
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(OSError, match="No space left"):
            trainer.fit()
    assert trainer.run.status == "interrupted"
    assert not list(trainer.run.folder.glob("*.safetensors"))
