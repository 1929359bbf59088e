"""The training loop. It knows the program's interface and nothing of the engine behind it."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from byhand.data import Dataset, Split
from byhand.engines import Program
from byhand.engines.program import are_answers
from byhand.errors import InputError, TrainingError
from byhand.losses import are_labels
from byhand.schedules import Constant, Plan, Schedule
from byhand.training import checkpoint
from byhand.training.checkpoint import Position
from byhand.training.histograms import histograms
from byhand.training.observation import (
    accuracy,
    layer_norms,
    probe,
    unit_health,
    update_ratios,
)
from byhand.training.order import order_of_epoch, smallest_batch, steps_per_epoch
from byhand.training.run import Row, Run, score
from byhand.training.stopping import StopRequest
from byhand.training.texts import (
    bits_of,
    check_streams,
    evaluated,
    frequency_loss,
)
from byhand.training.watch import Watch, explain_failure

LOGS_PER_EPOCH = 3
STEPS_PER_LOG = 50
AUTOSAVE_SECONDS = 60.0
PACE_SECONDS = 0.05
"""How long the program may train before the loop looks up: Ctrl-C is noticed within twice that."""


class Listener(Protocol):
    """Told about the run as it goes; every method may do nothing."""

    def start(self, trainer: Trainer) -> None: ...

    def progress(self, trainer: Trainer) -> None: ...

    def row(self, row: Row) -> None: ...

    def end(self) -> None: ...


@dataclass(frozen=True)
class Result:
    """How training ended. `reason` is finished, or stopped on request."""

    reason: str
    epochs: int
    steps: int
    best_epoch: int
    best: Row | None
    last: Row | None
    seconds: float


class Trainer:
    """Trains a program on a data set.

    epochs, batch_size      as usual; the last batch of an epoch may be short, and is left out where
                            a model cannot train on the one example in it
    seed                    of the order of examples
    schedule                a factor on the optimizer's learning rate; constant by default
    monitor                 the split whose accuracy (or negative loss) is the score: it decides the
                            best epoch, early stopping and HalveOnPlateau
    patience                stop when the best score is this many epochs old; None: never
    run                     where everything is recorded; None: nowhere
    keep_epochs             whether the run keeps the parameters of the start and of every epoch
    epoch_steps             where an epoch ends before it has seen all examples; None: nowhere

    A program that carries its state reads a text in `batch_size` streams, each from its beginning
    at the start of every epoch; see `stream_order`. All others see the examples in a new order at
    each epoch.
    """

    def __init__(
        self,
        program: Program,
        dataset: Dataset,
        *,
        epochs: int,
        batch_size: int,
        seed: int = 0,
        schedule: Schedule | None = None,
        monitor: str = "validation",
        patience: int | None = None,
        run: Run | None = None,
        keep_epochs: bool = False,
        epoch_steps: int | None = None,
        listeners: tuple[Listener, ...] = (),
    ) -> None:
        if epochs < 1 or batch_size < 1:
            raise InputError(
                f"epochs and batch_size are at least 1, found {epochs} and {batch_size}"
            )
        if monitor not in ("validation", "test"):
            raise InputError(f"monitor is validation or test, found {monitor!r}")
        self.program = program
        self.dataset = dataset
        self.epochs = epochs
        self.batch_size = batch_size
        self.seed = seed
        self.schedule = schedule or Constant()
        self.monitor = monitor
        self.patience = patience
        self.run = run
        self.keep_epochs = keep_epochs
        self.listeners = listeners
        self.position = Position()
        self.history: list[Row] = []
        dtype = next(iter(program.parameters().values())).dtype
        self._train, self._validation, self._test = (
            _converted(split, dtype) for split in (dataset.train, dataset.validation, dataset.test)
        )
        program.description.model.output_shape(dataset.input_shape)
        for name in ("train", "validation", "test"):
            if not len(getattr(dataset, name)):
                raise InputError(f"the {name} split of {dataset.name} is empty")
        self._carries = program.description.carry_state
        if self._carries:
            check_streams(dataset, batch_size)
        streams = batch_size if self._carries else None
        self._evaluated = {
            "validation": evaluated(self._validation, streams),
            "test": evaluated(self._test, streams),
        }
        smallest = smallest_batch(program.description.model, self._train.inputs, batch_size)
        self.steps_per_epoch = steps_per_epoch(
            len(self._train), batch_size, self._carries, epoch_steps, smallest
        )
        self.log_every = max(STEPS_PER_LOG, self.steps_per_epoch // LOGS_PER_EPOCH)
        self._ordered: tuple[int, NDArray[np.int64]] | None = None
        self._watch = Watch(_chance(self._validation), frequency_loss(dataset))

    @property
    def epoch(self) -> int:
        """The epoch that the next step belongs to, counted from 0."""
        return self.position.step // self.steps_per_epoch

    @property
    def total_steps(self) -> int:
        return self.epochs * self.steps_per_epoch

    def resume(self) -> None:
        """Go on from the run's checkpoint, or from the start where it has none yet."""
        if self.run is None:
            raise InputError("only a trainer with a run folder can resume")
        path = self.run.folder / "checkpoint.safetensors"
        if path.exists():
            self.position = checkpoint.load(path, self.program)
        self.run.append({"kind": "resumed", "step": self.position.step})
        self.history = self.run.rows("epoch")
        self._watch.rows = self.run.rows("step")
        self._watch.given = {row["about"] for row in self.run.rows("warning")}

    def fit(self, epochs: int | None = None) -> Result:
        """Train until the end, until it is time to stop early, until Ctrl-C, or to the end of the
        `epochs`-th epoch from here; called again it goes on.

        Raises      TrainingError where the loss is not a number; the epochs before are saved.
        """
        if self.run and self.dataset.vocabulary:
            self.run.keep_vocabulary(self.dataset.vocabulary)
        if self.run and self.dataset.languages:
            self.run.keep_languages(self.dataset.languages)
        for listener in self.listeners:
            listener.start(self)
        try:
            with StopRequest() as stop:
                return self._fit(stop, None if epochs is None else self.epoch + epochs)
        finally:
            for listener in self.listeners:
                listener.end()

    def _fit(self, stop: StopRequest, until: int | None) -> Result:
        saved = time.monotonic()
        pace = 1
        if self.position.step == 0:
            self._keep(0)
        while not self._done():
            began = time.perf_counter()
            steps = self.advance(pace)
            took = time.perf_counter() - began
            self.position.seconds += took
            # The results do not depend on it. An observed step is no measure of the others: most of
            # its time is spent on looking.
            if self.position.step % self.log_every:
                pace = max(1, min(2 * pace, int(steps * PACE_SECONDS / max(took, 1e-9))))
            for listener in self.listeners:
                listener.progress(self)
            if self.position.step % self.steps_per_epoch == 0:
                self._end_epoch()
                saved = time.monotonic()
            elif time.monotonic() - saved > AUTOSAVE_SECONDS:
                self._save()
                saved = time.monotonic()
            if (stop.requested or self.epoch == until) and not self._done():
                return self._end("stopped")
        return self._end("finished")

    def _plan(self) -> Plan:
        return Plan(self.steps_per_epoch, self.total_steps, tuple(self.position.scores))

    def _done(self) -> bool:
        if self.position.step >= self.total_steps:
            return True
        scores = self.position.scores
        if self.position.step % self.steps_per_epoch or not scores:
            return False
        late = self.patience and len(scores) - self.position.best_epoch >= self.patience
        return bool(late) or self.schedule.finished(self._plan())

    def advance(self, at_most: int) -> int:
        """Train up to the next observed step, the end of the epoch or `at_most` steps."""
        step, in_epoch = self.position.step, self.position.step % self.steps_per_epoch
        if self._carries and in_epoch == 0:
            self.program.set_recurrent_state({})
        observed = step % self.log_every == self.log_every - 1
        until_observed = self.log_every - 1 - step % self.log_every
        steps = min(at_most, self.steps_per_epoch - in_epoch, until_observed)
        if observed:
            self._observed_step()
            return 1
        self._steps(steps)
        return steps

    def _steps(self, count: int) -> float:
        """Take `count` steps of this epoch; the learning rate of the last one."""
        step = self.position.step
        first = step % self.steps_per_epoch * self.batch_size
        order = self._order()[first : first + count * self.batch_size]
        plan = self._plan()
        base = self.program.description.optimizer.learning_rate
        rates = [base * factor for factor in self.schedule.factors(step, count, plan)]
        losses = self.program.train(
            self._train.inputs, self._train.targets, order, self.batch_size, step, rates
        )
        finite = losses[np.isfinite(losses)]
        if step == 0 and len(finite):
            self.position.first_loss = float(finite[0])
        self.position.add_losses(finite.tolist())
        self.position.step += len(finite)
        if len(finite) < len(losses):
            self._fail(order[len(finite) * self.batch_size :], rates[len(finite)])
        return rates[-1]

    def _order(self) -> NDArray[np.int64]:
        """This epoch's order of examples, kept until the epoch ends."""
        if self._ordered is None or self._ordered[0] != self.epoch:
            how = self.batch_size, self._carries, self.seed, self.epoch
            self._ordered = self.epoch, order_of_epoch(self._train, *how)
        return self._ordered[1]

    def _observed_step(self) -> None:
        """One step with everything measured around it."""
        step, epoch = self.position.step, self.epoch
        first = step % self.steps_per_epoch * self.batch_size
        batch = self._order()[first : first + self.batch_size]
        _, gradients = self.program.gradients(
            self._train.inputs[batch], self._train.targets[batch], step
        )
        before = self._trained()
        rate = self._steps(1)
        probed = probe(self._train)
        activations = self.program.activations(probed.inputs)
        dead, saturated = unit_health(self.program, activations)
        row = {
            "kind": "step",
            "step": step + 1,
            "epoch": epoch + 1,
            "loss": self.position.take_row_loss(),
            "accuracy": accuracy(self.program, activations, probed.targets),
            "learning_rate": rate,
            "gradient_norm": layer_norms(gradients),
            "update_ratio": update_ratios(before, self._trained()),
            "dead": dead,
            "saturated": saturated,
        }
        self._record(row)
        self._watch.first_loss = self.position.first_loss
        self._warn(self._watch.step(row))

    def _trained(self) -> dict[str, NDArray[Any]]:
        """The parameters that steps change, without running statistics."""
        names = self.program.description.model.trained
        return {name: w for name, w in self.program.parameters().items() if name in names}

    def _end_epoch(self) -> None:
        """Evaluate, record, keep the best parameters, save."""
        validation = self.program.evaluate(*self._evaluated["validation"])
        test = self.program.evaluate(*self._evaluated["test"])
        epoch = self.position.step // self.steps_per_epoch
        row = {
            "kind": "epoch",
            "epoch": epoch,
            "step": self.position.step,
            "train_loss": self.position.take_epoch_loss(),
            "validation_loss": validation.loss,
            "validation_accuracy": validation.accuracy,
            "test_loss": test.loss,
            "test_accuracy": test.accuracy,
            "seconds": round(self.position.seconds, 3),
        }
        row |= bits_of(row, self.dataset)
        self.position.scores.append(score(row, self.monitor))
        self.history.append(row)
        if self.run and self.position.best_epoch == epoch:
            self.run.save_parameters("best", self.program.parameters(), epoch)
        self._record(row)
        self._warn(self._watch.epoch(row))
        self._keep(epoch)
        self._save()

    def _keep(self, epoch: int) -> None:
        """Record what the network is like after this epoch, or at the start, which is epoch 0."""
        if self.run is None or (epoch == 0 and self.run.rows("histograms")):
            return  # a run that is resumed at its first step has recorded its start
        found = histograms(self.program, probe(self._train).inputs)
        step = self.position.step
        self.run.append({"kind": "histograms", "epoch": epoch, "step": step, **found})
        if self.keep_epochs:
            self.run.keep_parameters(self.program.parameters(), epoch)

    def _save(self) -> None:
        if self.run is None:
            return
        checkpoint.save(self.run.folder / "checkpoint.safetensors", self.program, self.position)

    def _end(self, reason: str) -> Result:
        epochs = len(self.position.scores)
        if self.run:
            self.run.save_parameters("model", self.program.parameters(), epochs)
        self._save()
        self._record({"kind": reason, "step": self.position.step, "epoch": epochs})
        best = self.position.best_epoch
        return Result(
            reason,
            epochs,
            self.position.step,
            best,
            next((row for row in self.history if row["epoch"] == best), None),
            self.history[-1] if self.history else None,
            self.position.seconds,
        )

    def _fail(self, batches: NDArray[np.int64], rate: float) -> None:
        batch = batches[: self.batch_size]
        text = explain_failure(
            self.program,
            self._train.inputs[batch],
            self._train.targets[batch],
            self.position.step,
            rate,
        )
        self._record({"kind": "failed", "step": self.position.step, "message": text})
        raise TrainingError(text)

    def _warn(self, warnings: list[tuple[str, str]]) -> None:
        for about, text in warnings:
            step = self.position.step
            self._record({"kind": "warning", "step": step, "about": about, "message": text})

    def _record(self, row: Row) -> None:
        if self.run:
            self.run.append(row)
        for listener in self.listeners:
            listener.row(row)


def _converted(split: Split, dtype: np.dtype[Any]) -> Split:
    """The split with its arrays in the model's dtype, converted once and not at every batch."""
    inputs, targets = (
        each if are_labels(each) else each.astype(dtype, copy=False)
        for each in (split.inputs, split.targets)
    )
    return Split(inputs, targets)


def _chance(split: Split) -> float | None:
    if not are_answers(split.targets):
        return None
    return float(np.bincount(split.targets).max()) / len(split)
