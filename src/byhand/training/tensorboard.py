"""The run's metrics as TensorBoard event files, written by tensorboardX."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from byhand.errors import InputError
from byhand.training.run import Row
from byhand.training.texts import BITS

if TYPE_CHECKING:
    from byhand.training.trainer import Trainer

EPOCH_SCALARS = (
    "train_loss", "validation_loss", "validation_accuracy", "test_loss", "test_accuracy"
)  # fmt: skip
TEXT_SCALARS = (f"validation_{BITS}", f"test_{BITS}")
LAYER_SCALARS = ("gradient_norm", "update_ratio", "dead", "saturated")


class TensorBoard:
    """A listener that writes each row of metrics to event files in the run's tensorboard/.

    Raises      InputError where tensorboardX is not installed.
    """

    def __init__(self) -> None:
        try:
            from tensorboardX import SummaryWriter
        except ImportError:
            raise InputError(
                "--tensorboard needs tensorboardX: pip install 'byhand[tensorboard]'"
            ) from None
        self._open = SummaryWriter
        self._writer: Any = None

    def start(self, trainer: Trainer) -> None:
        # Events after the step that a resumed run goes back to are dropped by the reader.
        if trainer.run is None:
            raise InputError("TensorBoard events need a run folder: give the trainer a run")
        folder = trainer.run.folder / "tensorboard"
        self._writer = self._open(str(folder), purge_step=trainer.position.step + 1)

    def progress(self, trainer: Trainer) -> None:
        pass

    def row(self, row: Row) -> None:
        step = row["step"]
        if row["kind"] == "step":
            for name in ("loss", "accuracy", "learning_rate"):
                self._scalar(f"step/{name}", row[name], step)
            for name in LAYER_SCALARS:
                for layer, value in row[name].items():
                    self._scalar(f"{name}/{layer}", value, step)
        elif row["kind"] == "epoch":
            for name in EPOCH_SCALARS + TEXT_SCALARS:
                self._scalar(f"epoch/{name}", row.get(name), step)

    def end(self) -> None:
        self._writer.close()

    def _scalar(self, tag: str, value: float | None, step: int) -> None:
        if value is not None:
            self._writer.add_scalar(tag, value, step)
