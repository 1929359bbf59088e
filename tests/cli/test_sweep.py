"""byhand sweep, its trials trained in this process; tests/training/test_sweep.py has Ray."""

from __future__ import annotations

import importlib.util
import json
import re
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from byhand.errors import TrainingError
from byhand.training import trainer_for
from byhand.training.sweep import Sweep, Trial

RATE = "optimizer.learning_rate"
TABLE = ["validation", "test", "epochs", "time"]


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch) -> list[str | None]:
    """Trials are trained one after the other, all to their ends; the addresses that were given."""
    addresses: list[str | None] = []

    def fit(sweep: Sweep, address: str | None, notify: Callable[[Trial], None]) -> None:
        addresses.append(address)
        for name in sweep.plan.trials:
            if name in sweep.ended():
                continue
            run = sweep.run(name)
            with suppress(TrainingError):
                trainer_for(run.recipe, run).fit()
            sweep.end(name)
            notify(sweep.trial(name))

    monkeypatch.setattr(Sweep, "fit", fit)
    return addresses


def test_a_sweep(byhand: Any, folder: Path, here: list[str | None]) -> None:
    spaces = ("--set", f"{RATE}=log(1e-3,1)", "--set", "model.sizes=choice([2,2],[2,4,2])")
    fixed = ("--set", "training.epochs=2", "--trials", "3", "--address", "auto")
    result = byhand("sweep", "points.toml", *spaces, *fixed)
    assert (result.exit_code, here) == (0, ["auto"])
    said = result.stderr.splitlines()
    assert said[0] == "sweep folder runs/points-sweep, 3 trials"
    for k, line in enumerate(said[1:], start=1):
        assert re.fullmatch(
            rf"{k}/3  trial-{k}  learning_rate 0\.\d+, sizes \[2, (4, )?2\]: "
            r"validation \d+\.\d\d %, finished after 2 of 2 epochs",
            line,
        )
    lines = result.stdout.splitlines()
    assert lines[0].split() == ["trial", "learning_rate", "sizes", *TABLE]
    best = lines[1].split()[0]
    assert lines[4:7] == [
        "the best epoch of each trial by the validation split, the best trial first",
        "figure  runs/points-sweep/figures/settings.png",
        "figure  runs/points-sweep/figures/epochs.png",
    ]
    assert lines[7] == f"best    byhand show runs/points-sweep/{best}"
    values = Sweep.open("points-sweep").plan.trials[best]
    assert lines[8] == (
        f"again   byhand train points.toml --set {RATE}={values[RATE]} "
        f"--set 'model.sizes={values['model.sizes']}' --set training.epochs=2"
    )
    assert byhand("show", f"runs/points-sweep/{best}", "--view", "curves").exit_code == 0


def test_a_sweep_that_is_over_is_shown_again(byhand: Any, here: list[str | None]) -> None:
    made = byhand("sweep", "points.toml", "--set", f"{RATE}=log(1e-3,1)", "--trials", "2")
    again = byhand("sweep", "--resume", "points-sweep")
    assert again.stdout == made.stdout
    assert again.stderr == "sweep folder runs/points-sweep, 2 trials, 2 of them over already\n"


def test_the_same_seed_is_the_same_sweep_as_json(byhand: Any, here: list[str | None]) -> None:
    arguments = ("sweep", "points.toml", "--set", f"{RATE}=log(1e-3,1)", "--trials", "2", "--json")
    one, other, third = (json.loads(byhand(*arguments, "--seed", s).stdout) for s in "445")
    assert (one["sweep"], other["sweep"]) == ("points-sweep", "points-sweep-2")
    assert (one["recipe"], one["seed"], one["monitor"]) == ("points.toml", 4, "validation")
    settings = [[trial["settings"] for trial in each["trials"]] for each in (one, other, third)]
    assert settings[0] == settings[1] != settings[2]
    for trial in one["trials"]:
        assert trial["folder"] == f"runs/points-sweep/{trial['trial']}"
        assert (trial["ended"], trial["epochs"], trial["epochs_planned"]) == ("finished", 3, 3)
        assert trial["best"]["validation_accuracy"] > 0
        assert trial["failure"] is None


def test_the_same_name_in_two_tables_is_said_in_full(byhand: Any, here: list[str | None]) -> None:
    spaces = (
        "--set",
        "optimizer.name=choice(momentum,nesterov)",
        "--set",
        "training.seed=int(0,9)",
    )
    other = ("--set", "regularizer.name=choice(l1,l2)", "--set", "regularizer.strength=0.1")
    result = byhand("sweep", "points.toml", *spaces, *other, "--trials", "1")
    assert result.stdout.split()[:4] == ["trial", "optimizer.name", "seed", "regularizer.name"]


def test_no_trial_finishes_an_epoch(byhand: Any, here: list[str | None]) -> None:
    result = byhand("sweep", "points.toml", "--set", f"{RATE}=uniform(2e38,3e38)", "--trials", "2")
    assert result.exit_code == 1
    assert re.fullmatch(
        r"error: no trial of points-sweep finished an epoch: loss is nan at step \d+: .+; "
        r"lower optimizer\.learning_rate \(now \S+\) or add \[clipping\]",
        result.stderr.splitlines()[-1],
    )


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ((), "expected a RECIPE or --resume SWEEP, one of the two"),
        (("points.toml", "--resume", "x"), "expected a RECIPE or --resume SWEEP, one of the two"),
        (
            ("--resume", "x", "--set", "a=int(1,2)"),
            "--resume goes on with what was drawn: leave --set out",
        ),
        (("--resume", "x"), "no sweep 'x' in runs/; there is none yet"),
        (
            ("points.toml", "--set", f"{RATE}=log(1,0)"),
            f"--set {RATE}=log(1,0): expected 0 < LOW < HIGH, found 1 and 0",
        ),
        (
            ("points.toml", "--set", "optimizer.rate=log(1,2)"),
            "points.toml: optimizer: unknown key rate; momentum takes learning_rate, momentum",
        ),
        (
            ("points.toml", "--set", f"{RATE}=log(1,2)", "--address", "here"),
            "--address is auto or HOST:PORT of a Ray cluster; found 'here'",
        ),
    ],
)
def test_what_is_refused(byhand: Any, arguments: tuple[str, ...], text: str) -> None:
    result = byhand("sweep", *arguments)
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.splitlines()[-1] == f"error: {text}"


def test_without_ray(byhand: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda n: None if n == "ray" else find(n))
    result = byhand("sweep", "points.toml", "--set", f"{RATE}=log(1e-3,1)")
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr == "error: Ray is not installed: pip install 'byhand[distributed]'\n"
    assert not Path("runs").exists()
