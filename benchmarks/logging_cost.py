"""What the metrics of a training step cost, on each engine.

    python benchmarks/logging_cost.py

For a small and for a large network two trainings of the same recipe take turns, in one process and
with one thread: as many steps as lie between two rows of metrics, the last of them observed and its
row written to disk, and the same steps without. Prints the median over the turns of the ratio of
their processor times, which a busy machine disturbs less than wall time, and its middle half. The
bound is 1.05. Evaluation at the end of an epoch is not part of it.
"""

from __future__ import annotations

import platform
import statistics
import tempfile
import time
from pathlib import Path

from byhand.engines import ENGINES
from byhand.training import Recipe, Run, Trainer, find_recipe, trainer_for

TURNS = {"nielsen-1": 60, "mlp-mnist": 11}
NEVER = 10**9


def ratios(recipe: Recipe, turns: int, folder: Path) -> list[float]:
    """The processor time of training with metrics, in that of training without; one per turn."""
    observed = trainer_for(recipe, Run.create(recipe, root=folder))
    plain = trainer_for(recipe)
    plain.log_every = NEVER
    steps = observed.log_every
    for trainer in (plain, observed):
        seconds(trainer, steps)  # memory and caches are as they will be
    found = []
    for _ in range(turns):
        alone = seconds(plain, steps)
        found.append(seconds(observed, steps) / alone)
    return found


def seconds(trainer: Trainer, steps: int) -> float:
    """Processor time of the next so many steps."""
    end = trainer.position.step + steps
    began = time.process_time()
    while trainer.position.step < end:
        trainer.advance(end - trainer.position.step)
    return time.process_time() - began


def main() -> None:
    print(f"{platform.machine()}, Python {platform.python_version()}, one thread")
    for name, turns in TURNS.items():
        for engine in ENGINES:
            changes = [f"training.engine={engine}", "training.threads=1"]
            with tempfile.TemporaryDirectory() as folder:
                found = ratios(find_recipe(name, changes), turns, Path(folder))
            low, middle, high = statistics.quantiles(found, n=4)
            print(
                f"{name:10} {engine:7} median ratio {middle:.3f}   "
                f"(middle half {low:.3f} to {high:.3f}, {turns} turns)"
            )


if __name__ == "__main__":
    main()
