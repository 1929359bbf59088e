"""What the metrics cost: an epoch with them and an epoch without, in turn, in one process.

    python benchmarks/logging_cost.py

Prints, for a small and for a large model, the median over pairs of the ratio of the two processor
times, which a busy machine disturbs less than wall time. The loop promises less than 1.05.
Evaluation at the end of an epoch is not part of either time.
"""

from __future__ import annotations

import platform
import statistics
import tempfile
import time
from pathlib import Path

from byhand.training import Run, find_recipe, trainer_for

PAIRS = 5
NEVER = 10**9


def epoch_seconds(recipe_name: str, folder: Path, *, observed: bool) -> float:
    """Processor time of one epoch of training steps, with metrics written to disk or without."""
    recipe = find_recipe(recipe_name, ["training.epochs=1"])
    trainer = trainer_for(recipe, Run.create(recipe, root=folder))
    if not observed:
        trainer.log_every = NEVER
    began = time.process_time()
    while trainer.position.step < trainer.steps_per_epoch:
        trainer.advance(500)
    return time.process_time() - began


def main() -> None:
    print(f"{platform.machine()}, Python {platform.python_version()}, {PAIRS} pairs of epochs")
    for name in ("nielsen-1", "mlp-mnist"):
        with tempfile.TemporaryDirectory() as folder:
            ratios = [
                epoch_seconds(name, Path(folder), observed=True)
                / epoch_seconds(name, Path(folder), observed=False)
                for _ in range(PAIRS)
            ]
        low, middle, high = min(ratios), statistics.median(ratios), max(ratios)
        print(f"{name:12} median ratio {middle:.3f}   (from {low:.3f} to {high:.3f})")


if __name__ == "__main__":
    main()
