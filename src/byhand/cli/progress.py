"""What is going on: training as a bar on a terminal or else a line per epoch; other work, on a
terminal alone, as one line that is gone at the end."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TextIO

from byhand.cli.say import complain, duration, percent, text_loss

if TYPE_CHECKING:
    from rich.progress import Progress

    from byhand.training import Listener, Trainer

Row = dict[str, Any]


def progress(quiet_stdout: bool = False) -> Listener:
    """The listener that suits where the output goes; `quiet_stdout` keeps to stderr."""
    if watched(quiet_stdout):
        return Bar()
    return Lines(sys.stderr if quiet_stdout else sys.stdout)


@contextmanager
def status(quiet_stdout: bool = False) -> Iterator[Callable[[str], None]]:
    """Takes what is being done now and shows it on a terminal; elsewhere it says nothing."""
    if not watched(quiet_stdout):
        yield lambda text: None
        return
    from rich.console import Console

    with Console(stderr=True, highlight=False).status("") as shown:
        yield shown.update


def watched(quiet_stdout: bool) -> bool:
    """Whether a person sees stderr, and it does not mingle with results that go elsewhere."""
    return sys.stderr.isatty() and (quiet_stdout or sys.stdout.isatty())


def bar() -> Progress:
    """A bar with numbers beside it and the time that is left."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    return Progress(
        TextColumn("{task.description}", style="bold"),
        BarColumn(bar_width=None),
        TextColumn("{task.fields[numbers]}"),
        TimeRemainingColumn(elapsed_when_finished=True),
        TextColumn("left"),
        console=Console(stderr=True, highlight=False),
        transient=True,
        expand=True,
    )


class Lines:
    """One plain line per epoch."""

    def __init__(self, file: TextIO) -> None:
        self._file = file
        self._epochs = 0

    def start(self, trainer: Trainer) -> None:
        self._epochs = trainer.epochs

    def progress(self, trainer: Trainer) -> None:
        pass

    def row(self, row: Row) -> None:
        if row["kind"] == "epoch":
            print(epoch_line(row, self._epochs), file=self._file, flush=True)
        elif row["kind"] == "warning":
            complain("warning", row["message"])

    def end(self) -> None:
        pass


class Bar:
    """A bar over all steps; finished epochs and warnings scroll by above it."""

    def start(self, trainer: Trainer) -> None:
        self._epochs = trainer.epochs
        self._progress = bar()
        self._accuracy = ""
        self._task = self._progress.add_task(
            "", total=trainer.total_steps, completed=trainer.position.step, numbers=""
        )
        self.progress(trainer)
        self._progress.start()

    def progress(self, trainer: Trainer) -> None:
        position = trainer.position
        steps = position.epoch_loss_steps
        loss = f"loss {_short(position.epoch_loss_sum / steps)}" if steps else ""
        self._progress.update(
            self._task,
            description=f"epoch {min(trainer.epoch + 1, self._epochs)}/{self._epochs}",
            completed=position.step,
            numbers=f"{loss}{self._accuracy}",
        )

    def row(self, row: Row) -> None:
        if row["kind"] == "step" and row["accuracy"] is not None:
            self._accuracy = f"  accuracy {percent(row['accuracy'])}"
        elif row["kind"] == "epoch":
            self._progress.console.print(epoch_line(row, self._epochs), soft_wrap=True)
        elif row["kind"] == "warning":
            complain("warning", row["message"], self._progress.console)

    def end(self) -> None:
        self._progress.stop()


def epoch_line(row: Row, epochs: int) -> str:
    """A finished epoch: its losses, or its accuracies where there are classes, and the time."""
    words = [
        f"epoch {row['epoch']:{len(str(epochs))}}/{epochs}",
        f"loss {_short(row['train_loss'])}",
    ]
    for split in ("validation", "test"):
        accuracy, loss = row[f"{split}_accuracy"], row[f"{split}_loss"]
        unit = " nats" if text_loss(row, split) else ""
        said = f"{_short(loss)}{unit}" if accuracy is None else percent(accuracy)
        words.append(f"{split} {said}")
    return "  ".join([*words, duration(row["seconds"])])


def _short(loss: float) -> str:
    return f"{loss:.4f}" if abs(loss) < 1e4 else f"{loss:.3e}"
