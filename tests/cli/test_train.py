from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from .conftest import NO_NATIVE

SECONDS = re.compile(r"\d+\.\d s\b")


def test_train_piped(start: Any, folder: Path, engine: str) -> None:
    process = start("train", "points.toml", "--engine", engine)
    stdout, stderr = process.communicate(timeout=60)
    assert (process.returncode, stderr) == (0, "")
    assert "\x1b" not in stdout
    lines = SECONDS.sub("T", stdout).splitlines()
    assert lines[:2] == ["Two clouds of points", "run folder runs/points"]
    for epoch, line in enumerate(lines[2:5], start=1):
        assert re.fullmatch(
            rf"epoch {epoch}/3  loss 0\.\d{{4}}  validation \d+\.\d\d %  test \d+\.\d\d %  T", line
        )
    names = [line[:12].strip() for line in lines[5:]]
    assert names == ["recipe", "status", "best epoch", "last epoch", "folder", "next"]
    assert lines[6] == "status      finished, 3 of 3 epochs, T of training"
    assert lines[7].startswith("best epoch  ")
    assert ", by validation accuracy: validation " in lines[7]
    assert lines[8].startswith("last epoch  3: validation ")
    assert lines[-1] == "next        byhand show points"
    assert (folder / "runs/points/model.safetensors").is_file()


def test_train_as_json(start: Any) -> None:
    process = start("train", "points.toml", "--json", "--epochs", "2", "--name", "first")
    stdout, stderr = process.communicate(timeout=60)
    assert process.returncode == 0
    found = json.loads(stdout)
    assert found["run"] == "first"
    assert found["status"] == "finished"
    assert (found["epochs"], found["epochs_planned"]) == (2, 2)
    assert found["last"]["epoch"] == 2
    assert found["best"]["validation_accuracy"] >= found["last"]["validation_accuracy"]
    assert (found["published"], found["warnings"], found["failure"]) == ([], [], None)
    assert [line[:9] for line in stderr.splitlines()[2:]] == ["epoch 1/2", "epoch 2/2"]


def test_flags_change_the_recipe(byhand: Any, folder: Path) -> None:
    result = byhand(
        *("train", "points.toml", "--epochs", "1", "--seed", "7"),
        *("--engine", "native", "--threads", "2"),
        *("--set", "optimizer.learning_rate=0.5", "--set", "model.activation=tanh"),
    )
    assert result.exit_code == 0
    config = (folder / "runs/points/config.toml").read_text("utf-8")
    for line in ("epochs = 1", "seed = 7", "learning_rate = 0.5", 'activation = "tanh"'):
        assert line in config
    assert 'engine = "native"\nthreads = 2\n' in config


@pytest.mark.usefixtures("no_native")
def test_an_engine_that_cannot_run_here(byhand: Any, folder: Path) -> None:
    result = byhand("train", "points.toml", "--engine", "native")
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr == f"error: {NO_NATIVE}\n"
    assert not (folder / "runs").exists()
    assert byhand("train", "points.toml").exit_code == 0


MISTAKES = {
    "an unknown key": (
        ("batch_size = 10", "batch_size = 10\npatiense = 3"),
        "points.toml: unknown key training.patiense; did you mean patience?",
    ),
    "a wrong type": (
        ("epochs = 3", 'epochs = "three"'),
        "points.toml: training.epochs: expected a whole number, found 'three'",
    ),
    "an impossible size": (
        ("sizes = [2, 4, 2]", "sizes = [2, 0, 2]"),
        "points.toml: model.sizes.1: expected greater than or equal to 1, found 0",
    ),
    "an unknown optimizer": (
        ('name = "momentum"', 'name = "momentun"'),
        "points.toml: optimizer: name is one of sgd, momentum, nesterov, rmsprop, adam, adamw; "
        "found 'momentun'; did you mean momentum?",
    ),
    "a missing key": (
        ("learning_rate = 0.1\n", ""),
        "points.toml: optimizer: learning_rate is missing; momentum takes learning_rate, momentum",
    ),
    "a size that is not the data's": (
        ("sizes = [2, 4, 2]", "sizes = [3, 4, 2]"),
        "points: model.sizes: points has 2 inputs (2), the first size is 3",
    ),
    "not TOML": (
        ("epochs = 3", "epochs 3"),
        "points.toml: not a TOML file: Expected '=' after a key in a key/value pair "
        "(at line 17, column 8)",
    ),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_in_a_recipe(byhand: Any, folder: Path, mistake: str) -> None:
    (old, new), message = MISTAKES[mistake]
    path = folder / "points.toml"
    text = path.read_text("utf-8")
    assert old in text
    path.write_text(text.replace(old, new), "utf-8")
    result = byhand("train", "points.toml")
    assert (result.exit_code, result.stdout, result.stderr) == (2, "", f"error: {message}\n")
    assert not (folder / "runs").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nielsen-11"], "no recipe 'nielsen-11'; did you mean nielsen-1?"),
        (["pints.toml"], "no file 'pints.toml'; byhand recipes lists those there are"),
        (
            ["points.toml", "--set", "epochs"],
            "--set takes key=value, as training.epochs=3; found 'epochs'",
        ),
        (
            ["points.toml", "--threads", "0"],
            "invalid value for '--threads': Input should be greater than or equal to 1; "
            "see byhand train --help",
        ),
        (
            ["points.toml", "--name", "a/b"],
            "a run's name is one folder name such as first-try; found 'a/b'",
        ),
    ],
)
def test_a_mistake_in_the_command(byhand: Any, arguments: list[str], message: str) -> None:
    result = byhand("train", *arguments)
    assert (result.exit_code, result.stdout, result.stderr) == (2, "", f"error: {message}\n")


def test_a_name_that_is_taken(byhand: Any) -> None:
    assert byhand("train", "points.toml", "--name", "first").exit_code == 0
    result = byhand("train", "points.toml", "--name", "first")
    assert result.exit_code == 2
    assert result.stderr == (
        "error: runs/first exists already: choose another --name, "
        "or continue it with byhand resume first\n"
    )


def test_warnings_go_to_stderr(byhand: Any) -> None:
    changes = ("--set", "optimizer.learning_rate=1e-9", "--set", "training.batch_size=1")
    result = byhand("train", "points.toml", *changes)
    assert result.exit_code == 0
    warnings = [line for line in result.stderr.splitlines() if line.startswith("warning: ")]
    assert any("loss is flat" in line for line in warnings)
    assert result.stderr.splitlines() == warnings
    assert "warning     loss is flat" in result.stdout


def test_a_failed_run_says_where_and_does_not_resume(
    byhand: Any, folder: Path, engine: str
) -> None:
    recipe = """
title = "Far too large a step"
loss = "quadratic"
data = { inputs = [[1.0]], targets = [[0.0]] }
model = { sizes = [1, 1] }
optimizer = { name = "sgd", learning_rate = 1e30 }
training = { epochs = 5, batch_size = 1 }
"""
    (folder / "wild.toml").write_text(recipe, "utf-8")
    result = byhand("train", "wild.toml", "--engine", engine)
    assert result.exit_code == 1
    message = result.stderr.splitlines()[-1].removeprefix("error: ")
    assert message.startswith("loss is ")
    assert "lower optimizer.learning_rate (now 1e+30)" in message
    result = byhand("resume", "wild")
    assert result.exit_code == 1
    assert result.stderr == f"error: run wild failed and would fail again: {message}\n"


TEXT_RECIPE = """
title = "A text"
loss = "softmax_cross_entropy"
data = { name = "tiny-shakespeare", steps = 4 }
model = { kind = "char_rnn", hidden = [5] }
optimizer = { name = "adam", learning_rate = 0.02 }
training = { epochs = 2, batch_size = 5, carry_state = true }
"""
LOSS = r"\d\.\d{4} nats \(\d\.\d{3} bits per character\)"


@pytest.fixture
def song(folder: Path) -> Path:
    """A text of the user's, and a recipe that reads another one."""
    (folder / "letters.toml").write_text(TEXT_RECIPE, "utf-8")
    path = folder / "a song.txt"
    path.write_text("la la la, ti ta.\n" * 100, "utf-8")
    return path


def test_a_text_of_your_own(byhand: Any, folder: Path, song: Path) -> None:
    result = byhand("train", "letters.toml", "--text", song.name)
    assert (result.exit_code, result.stderr) == (0, "")
    config = (folder / "runs/letters/config.toml").read_text("utf-8")
    assert 'text = "a song.txt"\nsteps = 4\n' in config
    assert "tiny-shakespeare" not in config
    assert "vocabulary = 8\n" in config
    lines = SECONDS.sub("T", result.stdout).splitlines()
    nats = r"\d\.\d{4}"
    for epoch, line in enumerate(lines[2:4], start=1):
        assert re.fullmatch(
            rf"epoch {epoch}/2  loss {nats}  validation {nats} nats  test {nats} nats  T", line
        )
    best = next(line for line in lines if line.startswith("best epoch"))
    splits = rf"validation {LOSS}, test {LOSS}"
    assert re.fullmatch(rf"best epoch  \d, by validation loss: {splits}", best)
    assert re.search(rf"letters  finished  +2/2  {LOSS}", byhand("runs").stdout)


def test_a_text_that_is_none(byhand: Any, folder: Path, song: Path) -> None:
    for name, message in {
        "none.txt": "none.txt does not exist: expected a text file in UTF-8",
        "empty.txt": "empty.txt is empty: expected a text",
    }.items():
        (folder / "empty.txt").touch()
        result = byhand("train", "letters.toml", "--text", name)
        assert (result.exit_code, result.stdout) == (2, "")
        assert result.stderr == f"error: {message}\n"
    result = byhand("train", "points.toml", "--text", song.name)
    assert result.exit_code == 2
    assert result.stderr == (
        "error: points: model.kind: a song is a text, which takes char_rnn or gpt\n"
    )
    assert not (folder / "runs").exists()


def test_a_text_is_drawn_in_nats_and_in_bits(byhand: Any, folder: Path, song: Path) -> None:
    byhand("train", "letters.toml", "--text", song.name)
    result = byhand("show", "letters")
    assert (result.exit_code, result.stderr) == (0, "")
    drawn = {path.stem for path in (folder / "runs/letters/figures").iterdir()}
    assert drawn >= {"curves", "histograms", "gradient-flow"}
    result = byhand("show", "letters", "--view", "confusion")
    assert "classes are needed, and a song is a text" in result.stderr


def test_tensorboard_events(byhand: Any, folder: Path) -> None:
    assert byhand("train", "points.toml", "--tensorboard").exit_code == 0
    assert list((folder / "runs/points/tensorboard").glob("events.out.*"))


PUBLISHED = """
[[published]]
metric = "best_test_accuracy"
figure = 0.9
band = [{band}]
source = "a paper, table 1"
"""


@pytest.mark.parametrize(
    ("band", "verdict"),
    [("0.2, 1.0", "inside the band 20.00 to 100.00 %"), ("0, 0.1", "outside the band")],
)
def test_the_published_figure(byhand: Any, folder: Path, band: str, verdict: str) -> None:
    with (folder / "points.toml").open("a") as file:
        file.write(PUBLISHED.format(band=band))
    result = byhand("train", "points.toml")
    assert result.exit_code == 0
    line = next(line for line in result.stdout.splitlines() if line.startswith("published"))
    assert re.match(r"published   90.00 %; ours \d+\.\d\d % \(best test accuracy\), ", line)
    assert verdict in line
    assert "a paper, table 1" in result.stdout


def test_a_changed_recipe_is_not_judged(
    byhand: Any, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with (folder / "points.toml").open("a") as file:
        file.write(PUBLISHED.format(band="0, 0.1"))
    monkeypatch.setattr("byhand.training.recipe.recipe_folder", lambda: folder)
    result = byhand("train", "points", "--seed", "3", "--engine", "native", "--threads", "1")
    assert "outside the band 0.00 to 10.00 %" in result.stdout
    result = byhand("train", "points", "--epochs", "2")
    assert "not judged by the band 0.00 to 10.00 %, as the recipe was changed" in result.stdout
