"""The two trainings that the benchmark compares; nothing here looks at a clock's answer."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from byhand.engines import ENGINES
from byhand.training import Run, find_recipe

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))

import logging_cost


@pytest.mark.parametrize("engine", ENGINES)
def test_one_of_two_equal_trainings_is_observed_once_a_turn(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, engine: str
) -> None:
    trained: list[tuple[bool, int, int]] = []

    def timed(trainer: logging_cost.Trainer, steps: int) -> float:
        measured(trainer, steps)
        trained.append((trainer.run is not None, steps, trainer.position.step))
        return 3.0 if trainer.run else 2.0

    measured = logging_cost.seconds
    monkeypatch.setattr(logging_cost, "seconds", timed)
    recipe = find_recipe("nielsen-one-neuron", [f"training.engine={engine}"])
    assert logging_cost.ratios(recipe, 3, tmp_path) == [1.5, 1.5, 1.5]
    assert trained == [
        (observed, 50, 50 * turn) for turn in (1, 2, 3, 4) for observed in (False, True)
    ]
    [run] = Run.all(tmp_path)
    assert [row["step"] for row in run.rows("step")] == [50, 100, 150, 200]
