"""Ways to run one model. `compile` turns a description into a program; nothing above this room
knows which engine is behind it."""

from __future__ import annotations

import importlib

from byhand.clipping import Clipping
from byhand.engines.program import (
    Description,
    Evaluation,
    Program,
    answers,
    layers_over_steps,
    recurrent_layers,
)
from byhand.errors import InputError
from byhand.layers import Bidirectional, Sequential
from byhand.layers.recurrent import RecurrentLayer
from byhand.losses import Loss
from byhand.optimizers import Optimizer
from byhand.regularizers import Regularizer

ENGINES = ("numpy", "native", "torch")

__all__ = ["ENGINES", "Description", "Evaluation", "Program", "answers", "available", "compile"]


def available(engine: str) -> str | None:
    """None where the engine can run here, else one line that says why not and what to do."""
    if engine == "native":
        try:
            importlib.import_module("byhand.engines._native")
        except ImportError as error:
            return _why_not_native(error)
    if engine == "torch":
        try:
            importlib.import_module("torch")
        except (ImportError, OSError) as error:  # OSError: one of its libraries cannot be loaded
            return _why_not_torch(error)
    return None


def _why_not_native(error: ImportError) -> str:
    if isinstance(error, ModuleNotFoundError):
        return (
            "the native engine was not built when byhand was installed: put a C++20 compiler "
            "(g++ or clang++) on the PATH and install byhand again; with pip's --verbose it says "
            "what fails, and engine numpy runs without"
        )
    return (
        f"the native engine cannot be loaded: {error}; install byhand again on this machine, "
        f"or use engine numpy"
    )


def _why_not_torch(error: ImportError | OSError) -> str:
    if isinstance(error, ModuleNotFoundError):
        return (
            "the torch engine needs PyTorch: pip install 'byhand[torch]'; engine numpy runs without"
        )
    return f"PyTorch cannot be loaded: {error}; install it again, or use engine numpy"


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
    threads: int | None = None,
    device: str = "auto",
    compile: bool = False,
    amp: bool = False,
    carry_state: bool = False,
) -> Program:
    """A program that trains and runs the model; it works on a copy of the model's parameters.

    examples    number of training examples; needed with a regularizer, whose strength is divided
                by it
    seed        of the dropout masks
    threads     at most so many, and no more than help; by default as many as there are processors
    device      of engine torch: auto, cpu, cuda or mps
    compile     whether torch.compile makes one program of engine torch's training pass
    amp         whether engine torch computes products in bfloat16 (automatic mixed precision)
    carry_state     whether a training step starts from the recurrent layers' states after the step
                    before it
    Raises      InputError for an unknown engine, for one that cannot run here or has not got what
                it is asked for, and for a regularizer without `examples`
    """
    if engine not in ENGINES:
        raise InputError(f"engine is one of {', '.join(ENGINES)}; found {engine!r}")
    if threads is not None and threads < 1:
        raise InputError(f"threads is at least 1, found {threads}")
    if engine != "torch" and (device != "auto" or compile or amp):
        raise InputError(
            f"only engine torch takes device, compile and amp, the engine is {engine}; "
            f"choose torch, or leave them out"
        )
    if reason := available(engine):
        raise InputError(reason)
    if examples is not None and examples < 1:
        raise InputError(f"examples is at least 1, found {examples}")
    if regularizer is not None and examples is None:
        raise InputError(
            "a regularizer is scaled by the number of training examples: give examples=len(train)"
        )
    if not model.parameters:
        raise InputError("the model has no parameters, so there is nothing to train")
    if carry_state:
        _check_carried(model)
    count = 1 if examples is None else examples
    description = Description(
        model, loss, optimizer, regularizer, clipping, count, seed, carry_state
    )
    if engine == "native":
        from byhand.engines.native import NativeProgram

        return NativeProgram(description, threads)
    if engine == "torch":
        from byhand.engines.torch.program import TorchProgram

        return TorchProgram(description, threads, device, compile, amp)
    from byhand.engines.numpy import NumPyProgram

    return NumPyProgram(description, threads)


def _check_carried(model: Sequential) -> None:
    """Refuse a model that has no state to carry, or reads from the end, where nothing comes from
    before."""
    if both := [layer for layer in model.layers if isinstance(layer, Bidirectional)]:
        raise InputError(
            f"{both[0]} reads each sequence from its end too, so no state can be carried on: "
            f"leave carry_state out, or read in one direction"
        )
    grows = [n for n, a in layers_over_steps(model).items() if not isinstance(a, RecurrentLayer)]
    if grows:
        raise InputError(
            f"the state of {grows[0]} is of all steps so far, and carry_state would keep the whole "
            "text: leave it out"
        )
    if not recurrent_layers(model):
        raise InputError(
            "carry_state carries the states of recurrent layers (RNN, GRU, LSTM), the model has "
            "none: leave it out"
        )
