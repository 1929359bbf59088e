"""The napkin against the machine: what is predicted for a training step beside what it takes."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from byhand.errors import InputError, nearest
from byhand.napkin.sources.load import is_module


@dataclass(frozen=True)
class Term:
    """One term: bytes as predicted and as measured.

    what    what is kept, by the rules: the operations of a module that keep something, or which
            value a layer keeps
    """

    name: str
    predicted: int
    measured: int
    what: str = field(default="", compare=False)

    @property
    def difference(self) -> float:
        """predicted / measured − 1; 0 where both are 0, infinite where only one is."""
        if self.measured:
            return self.predicted / self.measured - 1
        return float("inf") if self.predicted else 0.0


@dataclass(frozen=True)
class Measurement:
    """A step, term by term.

    inputs          the shapes that it was run on
    activations     what the forward pass keeps for the backward pass, by the part that keeps it;
                    what two parts keep together counts for the first
    notes           what was guessed, and what isn't in the prediction
    """

    subject: str
    inputs: str
    activations: tuple[Term, ...]
    weights: Term
    gradients: Term
    optimizer: Term
    notes: tuple[str, ...] = ()

    @property
    def activation_bytes(self) -> Term:
        """All activations together."""
        return Term(
            "activations",
            sum(term.predicted for term in self.activations),
            sum(term.measured for term in self.activations),
        )


@dataclass(frozen=True)
class OptimizerState:
    """What an optimizer keeps: so many numbers for each parameter, and for each tensor of them; and
    how PyTorch and byhand call it."""

    for_each_parameter: int
    for_each_tensor: int
    torch: tuple[str, dict[str, Any]]


OPTIMIZERS = {
    "sgd": OptimizerState(0, 0, ("SGD", {})),
    "momentum": OptimizerState(1, 0, ("SGD", {"momentum": 0.9})),
    "adam": OptimizerState(2, 1, ("Adam", {})),
    "adamw": OptimizerState(2, 1, ("AdamW", {})),
}
"""Adam keeps both moments of each parameter and counts its steps, tensor by tensor, in float32."""


def optimizer_bytes(optimizer: str, parameter_bytes: int, tensors: int) -> int:
    """The bytes of an optimizer's state for parameters of so many bytes in so many tensors."""
    state = OPTIMIZERS[optimizer]
    return state.for_each_parameter * parameter_bytes + 4 * state.for_each_tensor * tensors


def measure(
    text: str, *, batch: int = 32, context: int = 128, optimizer: str = "adamw"
) -> Measurement:
    """Run one training step of a PyTorch module (FILE.py::NAME or package.module:NAME, whose code
    is executed) or of one of our runs, and set the prediction beside it.

    batch       examples; context: steps of a sequence, where the module takes sequences
    Raises      InputError for what is neither, for numbers below 1, and for unknown optimizers
    """
    if batch < 1 or context < 1:
        raise InputError(f"batch and context are at least 1; found {batch} and {context}")
    if optimizer not in OPTIMIZERS:
        advice = nearest(optimizer, OPTIMIZERS, f"there is {', '.join(OPTIMIZERS)}")
        raise InputError(f"unknown optimizer {optimizer[:40]!r}; {advice}")
    if is_module(text):
        from byhand.napkin.measure_module import measure_module

        return measure_module(text, batch, context, optimizer)
    for folder in (Path(text), Path("runs") / text):
        if (folder / "config.toml").is_file():
            from byhand.napkin.measure_run import measure_run

            return measure_run(folder, batch)
    raise InputError(
        f"{text[:80]} is neither a PyTorch module, written FILE.py::NAME or package.module:NAME, "
        "nor a run; byhand runs lists the runs there are"
    )
