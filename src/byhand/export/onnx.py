"""A run as an ONNX file, which many programs can run, without Python or in the browser."""

from __future__ import annotations

import contextlib
import copy
import importlib
import logging
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from byhand.errors import ByhandError, InputError
from byhand.export.trained import Trained, trained
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

    The input x has the shape of a batch of examples, of any size; the output y is what the network
    answers: probabilities, or values.
    Raises      InputError where a package is missing, or the run has not finished an epoch;
                ByhandError where the file does not answer what the network does
    """
    for package in NEEDED:
        try:
            importlib.import_module(package)
        except ImportError:
            raise InputError(
                f"--to onnx needs {package}: pip install 'byhand[onnx]'; --to torch needs nothing"
            ) from None
    found = trained(run, "torch")
    with atomic(path) as temporary:
        _write(_answering(found), found, temporary)
        difference = _difference(temporary, found)
        if not difference <= TOLERANCE[str(found.answers.dtype)]:
            raise ByhandError(
                f"ONNX Runtime answers other than the network does, by up to {difference:.1e}: "
                f"{path} was not written; export --to torch, and report it"
            )
    return difference


def _answering(found: Trained) -> nn.Module:
    """The network with what its loss reads in the output."""
    from torch import Tensor, nn

    from byhand.engines.torch import TorchProgram
    from byhand.engines.torch.losses import PROBABILITIES

    program = found.program
    assert isinstance(program, TorchProgram)
    network, kind = copy.deepcopy(program.network).cpu(), type(program.description.loss)

    class Answering(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.network = network

        def forward(self, x: Tensor) -> Tensor:
            y: Tensor = self.network(x, {})
            return PROBABILITIES[kind](y) if kind in PROBABILITIES else y

    return Answering()


def _write(module: nn.Module, found: Trained, path: Path) -> None:
    import torch

    # Two examples: of a batch of one it would be thought that it is always one.
    some = torch.tensor(np.resize(found.examples.inputs, (2, *found.examples.inputs.shape[1:])))
    with _quiet():
        exported = torch.onnx.export(
            module.eval(),
            (some,),
            dynamo=True,
            input_names=[INPUT],
            output_names=[OUTPUT],
            dynamic_shapes=({0: torch.export.Dim("batch")},),
            verbose=False,
        )
    assert exported is not None
    exported.save(path)


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
    [answers] = session.run([OUTPUT], {INPUT: found.examples.inputs})
    return float(np.abs(answers - found.answers).max())
