"""Where training stands, in one file that is written whole."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from byhand.engines import Program
from byhand.errors import DamagedFileError
from byhand.storage import read_tensors, write_tensors

Array = NDArray[Any]


@dataclass
class Position:
    """Everything beside the arrays that the next step depends on, or that is reported of the past.

    step            steps taken so far, over all epochs
    scores          the score after each finished epoch, higher is better
    first_loss      of the very first step
    loss_sum, loss_steps    of the epoch so far, and since the last row of metrics
    seconds         training time so far
    """

    step: int = 0
    scores: list[float] = field(default_factory=list)
    first_loss: float | None = None
    epoch_loss_sum: float = 0.0
    epoch_loss_steps: int = 0
    row_loss_sum: float = 0.0
    row_loss_steps: int = 0
    seconds: float = 0.0

    @property
    def best_epoch(self) -> int:
        """The first epoch with the best score, counted from 1; 0 before any."""
        return self.scores.index(max(self.scores)) + 1 if self.scores else 0

    def add_losses(self, losses: Sequence[float]) -> None:
        """Count the losses of further steps, one by one: a sum of sums would depend on how many
        steps are taken at once."""
        epoch, row = self.epoch_loss_sum, self.row_loss_sum
        for loss in losses:
            epoch += loss
            row += loss
        self.epoch_loss_sum, self.row_loss_sum = epoch, row
        self.epoch_loss_steps += len(losses)
        self.row_loss_steps += len(losses)

    def take_row_loss(self) -> float:
        mean = self.row_loss_sum / self.row_loss_steps
        self.row_loss_sum, self.row_loss_steps = 0.0, 0
        return mean

    def take_epoch_loss(self) -> float:
        mean = self.epoch_loss_sum / self.epoch_loss_steps
        self.epoch_loss_sum, self.epoch_loss_steps = 0.0, 0
        return mean


def save(path: Path, program: Program, position: Position) -> None:
    """Write the program's parameters, optimizer state and recurrent state with the position."""
    tensors = {f"parameter.{name}": value for name, value in program.parameters().items()}
    tensors |= {f"optimizer.{name}": value for name, value in program.optimizer_state().items()}
    tensors |= {f"recurrent.{name}": value for name, value in program.recurrent_state().items()}
    write_tensors(path, tensors, {"position": json.dumps(asdict(position))})


def load(path: Path, program: Program) -> Position:
    """Put the program back to where `save` found it.

    Raises      DamagedFileError, InputError where the parameters are not the program's.
    """
    tensors, metadata = read_tensors(path)
    if "position" not in metadata:
        raise DamagedFileError(f"{path} is not a checkpoint: it has no position")
    program.set_optimizer_state(_named(tensors, "optimizer."))
    program.set_parameters(_named(tensors, "parameter."))
    program.set_recurrent_state(_named(tensors, "recurrent."))
    return Position(**json.loads(metadata["position"]))


def _named(tensors: dict[str, Array], prefix: str) -> dict[str, Array]:
    return {n.removeprefix(prefix): v for n, v in tensors.items() if n.startswith(prefix)}
