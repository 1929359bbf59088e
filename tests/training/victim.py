"""A process that trains tiny runs and lets itself be killed in all manners: `victim.py FOLDER`.

Each run is trained in a child process of its own. A kill at event k comes just before the k-th time
that the child opens, renames or removes a file, so every moment between two writes is met.
"""

from __future__ import annotations

import os
import random
import signal
import sys
import time
from pathlib import Path

import filelock  # noqa: F401  # once here, and not in every child
import safetensors.numpy  # noqa: F401

from byhand.training import Recipe, Run, Trainer, read_recipe, trainer_for

if "training.engine=torch" in sys.argv:
    import torch._dynamo  # noqa: F401  # PyTorch's optimizers load it

LOG_EVERY = 4
EVENTS = ("open", "os.rename", "os.remove", "os.chmod")


class Sleepy:
    """Slows training down, so that a kill from outside meets it under way."""

    def start(self, trainer: Trainer) -> None: ...

    def progress(self, trainer: Trainer) -> None:
        time.sleep(0.002)

    def row(self, row: object) -> None: ...

    def end(self) -> None: ...


def train(run: Run, listener: Sleepy | None = None, kill_at: int | None = None) -> int:
    """Train in a child process and wait for it: its exit code, negative where it was killed."""
    child = os.fork()
    if not child:
        trainer = trainer_for(run.recipe, run, (listener,) if listener else ())
        trainer.log_every = LOG_EVERY
        with run.locked():
            if kill_at is not None:
                kill_before(kill_at, run.folder)
            trainer.fit()
        os._exit(0)
    if listener:
        time.sleep(random.uniform(0.02, 0.15))
        os.kill(child, signal.SIGKILL)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def kill_before(event: int, folder: Path) -> None:
    """SIGKILL this process just before its n-th touch of a file in the folder."""
    left = event

    def count(name: str, arguments: tuple[object, ...]) -> None:
        nonlocal left
        if name in EVENTS and str(arguments[0]).startswith(str(folder)):
            left -= 1
            if left < 0:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(count)


def main(recipe: Recipe, runs: Path) -> None:
    event, code = 0, -signal.SIGKILL
    while code:
        code = train(Run.create(recipe, f"event-{event}", runs), kill_at=event)
        event += 1
    for k in range(4):
        train(Run.create(recipe, f"moment-{k}", runs), Sleepy())


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    random.seed(0)
    main(read_recipe(folder / "heaps.toml", sys.argv[2:]), folder / "runs")
