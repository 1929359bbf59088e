"""Warnings that a person looking over your shoulder would give, each at most once a run."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from byhand.engines import Program
from byhand.training.observation import layer_norms

Row = dict[str, Any]
Warning = tuple[str, str]
"""What it is about (exploding, flat, chance), and the sentence for a person."""
EXPLODED = 10.0
FLAT = 0.01
LEARNT = 0.9
FEW_ROWS = 6


class Watch:
    """Looks at each row of metrics and says what is wrong with the run, if anything."""

    def __init__(self, chance: float | None, chance_loss: float | None = None) -> None:
        """chance          the accuracy of always giving the most frequent class; None without one
        chance_loss     of a text: the loss of who only knows how often each token occurs
        """
        self.chance = chance
        self.chance_loss = chance_loss
        self.first_loss: float | None = None
        self.rows: list[Row] = []
        self.given: set[str] = set()

    def step(self, row: Row) -> list[Warning]:
        """What is due after a row of kind "step"."""
        self.rows.append(row)
        return self._once("exploding", self._exploding(row)) + self._once("flat", self._flat())

    def epoch(self, row: Row) -> list[Warning]:
        """What is due after a row of kind "epoch"."""
        if self.chance_loss is not None and row["epoch"] == 1:
            return self._once("chance", self._knows_frequencies(row["validation_loss"]))
        accuracy = row["validation_accuracy"]
        if self.chance is None or accuracy is None or row["epoch"] > 1:
            return []
        # A twentieth of the way from chance to perfection is something learnt.
        if accuracy > self.chance + 0.05 * (1 - self.chance):
            return []
        return self._once(
            "chance",
            f"validation accuracy is {accuracy:.1%} after epoch 1, no better than always answering "
            f"the most frequent class ({self.chance:.1%}): {self._causes()}",
        )

    def _knows_frequencies(self, loss: float) -> str | None:
        assert self.chance_loss is not None
        if loss < (1 - FLAT) * self.chance_loss:
            return None
        return (
            f"validation loss is {loss:.4g} nats after epoch 1, no better than knowing how often "
            f"each token occurs ({self.chance_loss:.4g}): {self._causes()}"
        )

    def _once(self, about: str, text: str | None) -> list[Warning]:
        if text is None or about in self.given:
            return []
        self.given.add(about)
        return [(about, text)]

    def _exploding(self, row: Row) -> str | None:
        # A row is a mean over many steps; the first one may hold the explosion already.
        first = self.rows[0]["loss"] if self.first_loss is None else self.first_loss
        if not row["loss"] > EXPLODED * max(first, 1e-3):
            return None
        layer, norm = max(row["gradient_norm"].items(), key=lambda item: item[1])
        return (
            f"loss is exploding: {row['loss']:.3g} at step {row['step']}, {first:.3g} at first; "
            f'the largest gradient is that of layer "{layer}", norm {norm:.3g}; lower '
            f"optimizer.learning_rate (now {row['learning_rate']:g}) or add [clipping]"
        )

    def _flat(self) -> str | None:
        losses = [row["loss"] for row in self.rows]
        if len(losses) < FEW_ROWS:
            return None
        half = len(losses) // 2
        early, late = float(np.mean(losses[:half])), float(np.mean(losses[half:]))
        # A loss that came down and now rests, near zero or on the noise of its targets, is learnt.
        learnt = late < max(1e-3, LEARNT * losses[0])
        if learnt or late < early * (1 - FLAT) or late > early * (1 + FLAT):
            return None
        return (
            f"loss is flat: {early:.4g} over the first half of {self.rows[-1]['step']} steps, "
            f"{late:.4g} over the second: {self._causes()}"
        )

    def _causes(self) -> str:
        """The usual causes, those that this run shows first, with its numbers."""
        row = self.rows[-1] if self.rows else {}
        seen = []
        ratios = row.get("update_ratio", {}).values()
        if ratios and max(ratios) < 1e-5:
            seen.append(
                f"the learning rate is too small (an update is {max(ratios):.1g} of the weights, "
                "1e-3 is usual)"
            )
        if ratios and max(ratios) > 0.1:
            seen.append(
                f"the learning rate is too large (an update is {max(ratios):.1g} of the weights, "
                "1e-3 is usual)"
            )
        for share, what in (("saturated", "saturated"), ("dead", "dead")):
            for layer, value in row.get(share, {}).items():
                if value > 0.5:
                    seen.append(f'{value:.0%} of layer "{layer}" is {what}')
        if seen:
            return "; ".join(seen)
        return (
            "usual causes are a learning rate too small or too large, saturated sigmoids or dead "
            "ReLUs from large starting weights, and labels that do not belong to their inputs"
        )


def explain_failure(
    program: Program, inputs: NDArray[Any], targets: NDArray[Any], step: int, rate: float
) -> str:
    """Why the loss of a step is not a number: where in the network it begins, in one line."""
    with np.errstate(all="ignore"):
        broken = _first_not_finite(program.parameters())
        outputs = program.activations(inputs)
        loss, gradients = program.gradients(inputs, targets, step)
    where = f"loss is {'nan' if math.isnan(loss) else 'infinite'} at step {step + 1}: "
    if not np.isfinite(inputs).all():
        return where + "the inputs hold nan or inf; clean the data"
    if broken:
        where += f"parameter {broken} is not finite"
    elif layer := _first_not_finite(outputs):
        where += f'the output of layer "{layer}" is not finite'
    elif name := _first_not_finite(gradients):
        where += f"the gradient of {name} is not finite"
    else:
        where += "every output is finite, only the loss is not"
    finite = {name: np.nan_to_num(g) for name, g in gradients.items()}
    if _first_not_finite(gradients) is None:
        layer, norm = max(layer_norms(finite).items(), key=lambda item: item[1])
        where += f' (largest gradient: layer "{layer}", norm {norm:.3g})'
    return f"{where}; lower optimizer.learning_rate (now {rate:g}) or add [clipping]"


def _first_not_finite(arrays: dict[str, NDArray[Any]]) -> str | None:
    return next((name for name, value in arrays.items() if not np.isfinite(value).all()), None)
