"""The arithmetic of the benchmark of generating, with workers that answer at once."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))

import language
from _measure import WorkerError


class Answers:
    """Takes `first` seconds for the prompt and `each` for a token after the first."""

    def __init__(self, first: float, each: float, kl: float = 0.005, fails: str = "") -> None:
        self.first, self.each, self.kl, self.fails = first, each, kl, fails

    def ask(self, method: str, *arguments: Any) -> Any:
        if method == self.fails:
            raise WorkerError("out of memory")
        if method == "generate":
            return self.first + (arguments[0] - 1) * self.each
        return {"words": 100, "peak_memory": 321.0, "quality": [self.kl, 0.95]}[method]


def raced(ours: Answers, theirs: Answers) -> list[Any]:
    entrants = [language.Entrant(language.OURS, ours), language.Entrant(language.PEER, theirs)]
    language.race(entrants, 3)
    return entrants


def test_rates_and_ratios() -> None:
    entrants = raced(Answers(1.0, 0.02), Answers(0.5, 0.05))
    assert entrants[0].decode == pytest.approx([0.02] * 3)
    assert entrants[0].prefill == pytest.approx([0.01] * 3)
    lines = language.table(entrants)
    assert lines[1].split() == [
        *("byhand", "int8", "50.0", "2.50", "x", "100.0", "0.50", "x"),
        *("321", "0.0050", "95.0%"),
    ]
    assert lines[2].split() == [
        *("transformers", "20.0", "1.00", "x", "200.0", "1.00", "x", "321"),
    ]


@pytest.mark.parametrize(
    ("each", "kl", "verdict"),
    [(0.02, 0.005, "met"), (0.04, 0.005, "missed"), (0.02, 0.02, "missed")],
)
def test_the_target_is_speed_at_quality(each: float, kl: float, verdict: str) -> None:
    entrants = raced(Answers(1.0, each, kl), Answers(0.5, 0.05))
    assert language.verdict(entrants) == (
        f"target: 1.5 x transformers in decoding with KL ≤ 0.01: {verdict}"
    )


@pytest.mark.parametrize("step", ["words", "generate", "peak_memory"])
def test_one_that_fails_leaves_the_others_alone(step: str) -> None:
    entrants = raced(Answers(1.0, 0.02), Answers(0.5, 0.05, fails=step))
    lines = language.table(entrants)
    assert lines[1].split()[2] == "50.0"
    assert lines[2] == "transformers    out of memory"
    assert language.verdict(entrants) == "target: nothing to compare"
