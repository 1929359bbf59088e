"""A run that was stopped or killed ends as if it had not been."""

from __future__ import annotations

import json
import os
import random
import re
import signal
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from byhand import engines
from byhand.storage import read_tensors
from byhand.training import Trainer

from .conftest import NO_NATIVE

EPOCHS = 40
LONG = 150
"""So long that Ctrl-C meets the run under way."""


def parameters(run: str) -> dict[str, Any]:
    return read_tensors(Path("runs") / run / "model.safetensors")[0]


def assert_same_end(run: str, other: str) -> None:
    ours, theirs = parameters(run), parameters(other)
    assert ours.keys() == theirs.keys()
    for name in ours:
        np.testing.assert_array_equal(ours[name], theirs[name])


def train(start: Any, name: str, epochs: int = EPOCHS, engine: str = "numpy") -> Any:
    options = ("--epochs", str(epochs), "--name", name, "--engine", engine)
    return start("train", "points.toml", *options)


def read_until_epoch(process: Any, epoch: int) -> None:
    for line in process.stdout:
        if line.split("/")[0].split()[-1] == str(epoch):
            return
    raise AssertionError(f"epoch {epoch} was not printed")


def test_ctrl_c_then_resume_is_the_uninterrupted_run(byhand: Any, start: Any, engine: str) -> None:
    process = train(start, "stopped", LONG, engine)
    read_until_epoch(process, 3)
    process.send_signal(signal.SIGINT)
    stdout, stderr = process.communicate(timeout=60)
    assert (process.returncode, stderr) == (130, "")
    assert re.fullmatch(
        rf"stopped at step \d+ \(epoch \d+ of {LONG}\), everything is saved; "
        r"go on with: byhand resume stopped",
        stdout.splitlines()[-1],
    )
    assert "stopped " in byhand("runs").stdout
    assert byhand("show", "stopped", "--json").exit_code == 0

    result = byhand("resume", "stopped")
    assert (result.exit_code, result.stderr) == (0, "")
    assert re.match(rf"run stopped goes on from step \d+ of {16 * LONG}\n", result.stdout)
    options = ("--epochs", str(LONG), "--name", "whole", "--engine", engine)
    assert byhand("train", "points.toml", *options).exit_code == 0
    assert_same_end("stopped", "whole")


def stop(byhand: Any, monkeypatch: pytest.MonkeyPatch, *options: str) -> None:
    """Train a run that stops after its first epoch, as it does at Ctrl-C."""
    with monkeypatch.context() as patch:
        patch.setattr(Trainer, "_end_epoch", interrupt)
        assert byhand("train", "points.toml", *options).exit_code == 130


def interrupt(trainer: Trainer) -> None:
    END_EPOCH(trainer)
    os.kill(os.getpid(), signal.SIGINT)


END_EPOCH = Trainer._end_epoch


def test_a_run_goes_on_on_another_engine(
    byhand: Any, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stop(byhand, monkeypatch, "--engine", "native", "--name", "moved")
    result = byhand("resume", "moved", "--engine", "numpy", "--threads", "1")
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout.startswith("run moved goes on from step 16 of 48\n")
    assert byhand("train", "points.toml", "--name", "whole").exit_code == 0
    ours, theirs = parameters("moved"), parameters("whole")
    for name in theirs:
        np.testing.assert_allclose(ours[name], theirs[name], rtol=1e-4)
    # What the run is called and was begun with stays.
    assert 'engine = "native"' in (folder / "runs/moved/config.toml").read_text("utf-8")


def test_a_native_run_where_there_is_no_native_engine(
    byhand: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    stop(byhand, monkeypatch, "--engine", "native")
    reasons = {"native": NO_NATIVE}
    monkeypatch.setattr(engines, "available", reasons.get)
    result = byhand("resume", "points")
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr == (
        f"error: run points was trained on native: {NO_NATIVE}; --engine numpy takes it too, "
        "for a run's files are the same for all engines\n"
    )
    result = byhand("resume", "points", "--engine", "native")
    assert (result.exit_code, result.stderr) == (2, f"error: {NO_NATIVE}\n")
    assert byhand("resume", "points", "--engine", "numpy").exit_code == 0


def test_ctrl_c_with_json_still_prints_one_object(start: Any) -> None:
    process = start("train", "points.toml", "--epochs", "2000", "--json")
    for line in process.stderr:
        if line.startswith("epoch"):
            break
    process.send_signal(signal.SIGINT)
    stdout, _ = process.communicate(timeout=60)
    assert process.returncode == 130
    assert json.loads(stdout)["status"] == "stopped"


@pytest.mark.slow
def test_kill_then_resume_is_the_uninterrupted_run(byhand: Any, start: Any) -> None:
    assert byhand("train", "points.toml", "--epochs", str(EPOCHS), "--name", "whole").exit_code == 0
    rng = random.Random(1)
    kills = 0
    for attempt in range(5):
        name = f"killed-{attempt}"
        process = train(start, name)
        read_until_epoch(process, 1)
        for _ in range(3):
            time.sleep(rng.uniform(0, 0.3))
            if process.poll() is None:
                process.kill()
                kills += 1
            process.communicate()
            if byhand("runs").stdout.count("interrupted"):
                process = start("resume", name)
                process.stdout.readline()
        process.communicate(timeout=60)
        assert byhand("resume", name).exit_code == 0
        assert_same_end(name, "whole")
    assert kills >= 5


def test_a_second_process_is_refused(byhand: Any, start: Any) -> None:
    process = train(start, "busy", epochs=100_000)
    try:
        read_until_epoch(process, 1)
        assert " running " in byhand("runs").stdout
        result = byhand("resume", "busy")
        assert result.exit_code == 1
        assert result.stderr == "error: run busy is being trained by another process\n"
    finally:
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=60)
    assert process.returncode == 130


def test_a_finished_run_says_so(byhand: Any) -> None:
    assert byhand("train", "points.toml").exit_code == 0
    result = byhand("resume", "points")
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout.startswith("run points is finished, there is nothing to resume\n")


def test_an_unknown_run_names_the_nearest(byhand: Any) -> None:
    assert byhand("train", "points.toml").exit_code == 0
    for verb in (["resume"], ["show"], ["predict"]):
        images = ["x.png"] if verb == ["predict"] else []
        result = byhand(*verb, "point", *images)
        assert result.exit_code == 2
        assert result.stderr == "error: no run 'point' in runs/; did you mean points?\n"


def test_a_damaged_checkpoint_is_named(byhand: Any, start: Any, folder: Path) -> None:
    process = train(start, "damaged", epochs=100_000)
    read_until_epoch(process, 1)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=60)
    path = folder / "runs/damaged/checkpoint.safetensors"
    path.write_bytes(path.read_bytes()[:-5])
    result = byhand("resume", "damaged")
    assert result.exit_code == 1
    assert result.stderr.startswith(
        "error: runs/damaged/checkpoint.safetensors is damaged or not a safetensors file"
    )
    assert result.stderr.count("\n") == 1
