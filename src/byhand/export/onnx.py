"""A run as an ONNX file, which many programs can run, without Python or in the browser."""

from __future__ import annotations

import contextlib
import copy
import importlib
import logging
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from byhand.errors import ByhandError, InputError, ShapeError
from byhand.export.trained import Trained, recurrent_layers, trained
from byhand.layers.recurrent import RecurrentLayer
from byhand.losses import are_labels
from byhand.storage import atomic
from byhand.training import Run

if TYPE_CHECKING:
    from torch import nn

INPUT, OUTPUT = "x", "y"
NEEDED = ("torch", "onnx", "onnxscript", "onnxruntime")
TOLERANCE = {"float32": 1e-4, "float64": 1e-8}
"""How far ONNX Runtime's answers may be from ours. They differ by roundings: a file that answers
something else is wrong by far more."""


def export_onnx(run: Run, path: Path) -> float:
    """Write the network to `path`; how far its answers in ONNX Runtime are from ours at most.

    The input x has the shape of a batch of examples, of any size, where they are sequences of any
    length, as long as the model takes it; ids are int64, and padding, −1, is at the end. Of a model
    that translates x is pairs[batch, 2, time], the source and what is written so far. The output y
    is what the network answers: probabilities, or values. Recurrent layers start every sequence
    from a state of zeros; but where the run carried it from step to step, the states are further
    inputs, by the names of their layers, and those after the last step further outputs,
    NAME_after.
    Raises      InputError where a package is missing, or the run has not finished an epoch, and for
                recurrent layers in float64; ByhandError where the file does not answer what the
                network does
    """
    for package in NEEDED:
        try:
            importlib.import_module(package)
        except ImportError:
            raise InputError(
                f"--to onnx needs {package}: pip install 'byhand[onnx]'; --to torch needs nothing"
            ) from None
    found = trained(run, "torch")
    _check_dtype(found)
    with atomic(path) as temporary:
        _write(_answering(found), found, temporary)
        difference = _difference(temporary, found)
        if not difference <= TOLERANCE[str(found.answers.dtype)]:
            raise ByhandError(
                f"ONNX Runtime answers other than the network does, by up to {difference:.1e}: "
                f"{path} was not written; export --to torch, and report it"
            )
    return difference


def _check_dtype(found: Trained) -> None:
    recurrent = recurrent_layers(found.program.description.model)
    if recurrent and found.answers.dtype == np.float64:
        raise InputError(
            f"{recurrent[0]}: ONNX Runtime has recurrent layers in float32 only, the network is "
            f"float64: train in float32 (training.dtype), or export --to torch"
        )


def _answering(found: Trained) -> nn.Module:
    """The network with what its loss reads in the output."""
    from torch import Tensor, nn

    from byhand.engines.torch.layers import OverSteps
    from byhand.engines.torch.losses import PROBABILITIES
    from byhand.engines.torch.program import TorchProgram
    from byhand.engines.torch.recurrent import TWINS
    from byhand.export.operators import Operators

    program, names = found.program, list(_states(found, 1))
    assert isinstance(program, TorchProgram)
    network, kind = copy.deepcopy(program.network).cpu(), type(program.description.loss)
    for twin in network.modules():
        if isinstance(twin, OverSteps) and type(twin.layer) in TWINS:
            twin.function = Operators(twin)

    class Answering(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.network = network

        def forward(self, x: Tensor, states: Sequence[Tensor] = ()) -> tuple[Tensor, ...]:
            real = None if x.is_floating_point() else x >= 0
            y, finals = self.network(x, {}, real, dict(zip(names, states, strict=True)))
            answer = PROBABILITIES[kind](y) if kind in PROBABILITIES else y
            return answer, *(finals[name] for name in names)

    return Answering()


def _write(module: nn.Module, found: Trained, path: Path) -> None:
    import torch

    # Two examples, and steps: of a batch of one it would be thought that it is always one.
    shape = [2, *found.examples.inputs.shape[1:]]
    axes = {0: torch.export.Dim("batch")}
    if _any_length(found):
        time = _time_axis(found)
        shape[time] = max(2, shape[time])
        axes[time] = torch.export.Dim("time")
    some = torch.tensor(np.resize(found.examples.inputs, shape))
    states = {name: torch.tensor(value) for name, value in _states(found, 2).items()}
    of_states = [{state.ndim - 2: axes[0]} for state in states.values()]
    with _quiet():
        exported = torch.onnx.export(
            module.eval(),
            (some, list(states.values())) if states else (some,),
            dynamo=True,
            input_names=[INPUT, *states],
            output_names=[OUTPUT, *(f"{name}_after" for name in states)],
            dynamic_shapes=(axes, of_states) if states else (axes,),
            verbose=False,
        )
    assert exported is not None
    exported.save(path)


def _states(found: Trained, batch: int) -> dict[str, NDArray[Any]]:
    """What recurrent layers start from that carry their states on, by their names: zeros."""
    d = found.program.description
    if not d.carry_state:
        return {}
    return {
        str(a.name): a.zero_state(batch) for a in d.model.layers if isinstance(a, RecurrentLayer)
    }


def _any_length(found: Trained) -> bool:
    """Whether the examples are sequences, and the model takes longer ones, too."""
    inputs, model = found.examples.inputs, found.program.description.model
    if not (are_labels(inputs) or (inputs.ndim == 3 and recurrent_layers(model))):
        return False
    longer = list(inputs.shape)
    longer[_time_axis(found)] += 1
    try:
        model.output_shape(tuple(longer[1:]))
    except ShapeError:
        return False
    return True


def _time_axis(found: Trained) -> int:
    return 2 if found.examples.of_pairs else 1


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Let the exporter keep to itself what it finds deprecated or not installed."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)


def _difference(path: Path, found: Trained) -> float:
    import onnxruntime

    session = onnxruntime.InferenceSession(path.read_bytes(), providers=["CPUExecutionProvider"])
    states = _states(found, len(found.examples.inputs))
    [answers] = session.run([OUTPUT], {INPUT: found.examples.inputs, **states})
    return float(np.abs(answers - found.answers).max())
