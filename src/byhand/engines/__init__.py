"""Ways to run one model. `compile` turns a description into a program; nothing above this room
knows which engine is behind it."""

from __future__ import annotations

from byhand.clipping import Clipping
from byhand.engines.program import Description, Evaluation, Program, answers
from byhand.errors import InputError
from byhand.layers import Sequential
from byhand.losses import Loss
from byhand.optimizers import Optimizer
from byhand.regularizers import Regularizer

ENGINES = ("numpy",)

__all__ = ["ENGINES", "Description", "Evaluation", "Program", "answers", "compile"]


def compile(
    model: Sequential,
    loss: Loss,
    optimizer: Optimizer,
    *,
    regularizer: Regularizer | None = None,
    clipping: Clipping | None = None,
    examples: int | None = None,
    seed: int = 0,
    engine: str = "numpy",
) -> Program:
    """A program that trains and runs the model; it works on a copy of the model's parameters.

    examples    number of training examples; needed with a regularizer, whose strength is divided
                by it
    seed        of the dropout masks
    Raises      InputError for an unknown engine or a regularizer without `examples`
    """
    if engine not in ENGINES:
        raise InputError(f"engine is one of {', '.join(ENGINES)}; found {engine!r}")
    if examples is not None and examples < 1:
        raise InputError(f"examples is at least 1, found {examples}")
    if regularizer is not None and examples is None:
        raise InputError(
            "a regularizer is scaled by the number of training examples: give examples=len(train)"
        )
    if not model.parameters:
        raise InputError("the model has no parameters, so there is nothing to train")
    from byhand.engines.numpy import NumPyProgram

    count = 1 if examples is None else examples
    return NumPyProgram(Description(model, loss, optimizer, regularizer, clipping, count, seed))
