"""Convolutional networks on MNIST: our engines and PyTorch, in turn.

    python benchmarks/cnn.py

As in mlp.py, which has the method: the same model from the same parameters on the same batches, in
float32, and no time counts whose losses are not NumPy's. (The learning rate is small: with a larger
one, rounding soon decides which of two nearly equal pixels is the larger, and runs part.)

The network is that of Nielsen's chapter 6, two convolutions of 5 x 5 each with max pooling of
2 x 2, a dense layer of 100 and one of 10, with ReLU. Its first convolution has one input channel
and needs no dx. With K = in · 5 · 5 terms in each output of a convolution, a step's useful work is

    FLOPs = Σ_convolutions 2 · batch · out · rows · columns · K · 3   (first: · 2)
          + Σ_dense        2 · batch · in · out · 3

Prints a table for each workload and writes its rows to results.json. A missed target is a finding,
not a failure: the exit code says only whether the benchmark ran.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from _report import Target
from mlp import OurTask, Task, TorchTask, Workload, run
from numpy.typing import DTypeLike

from byhand import data
from byhand.initializers import He
from byhand.layers import Sequential
from byhand.models import cnn

IMAGE, KERNEL, POOL, HIDDEN, CLASSES = 28, 5, 2, 100, 10


@dataclass(frozen=True)
class Convolutional(Workload):
    """A network by the channels of its convolutions, which are its `sizes`."""

    rate: float = 0.005
    classifies: bool = True

    @property
    def name(self) -> str:
        channels = ",".join(map(str, self.sizes))
        return f"train convolutions [{channels}] batch {self.batch}"

    @property
    def flops(self) -> int:
        """Useful floating-point operations of one step."""
        pixels, sums = IMAGE, 0
        for k, (n_in, n_out) in enumerate(pairwise([1, *self.sizes])):
            pixels -= KERNEL - 1
            sums += (3 if k else 2) * n_out * pixels**2 * n_in * KERNEL**2
            pixels //= POOL
        dense = (self.sizes[-1] * pixels**2, HIDDEN, CLASSES)
        sums += 3 * sum(n_in * n_out for n_in, n_out in pairwise(dense))
        return 2 * self.batch * sums

    def model(self, dtype: DTypeLike) -> Sequential:
        """ReLU with scores for a softmax; always the same numbers."""
        model = cnn(self.sizes, [HIDDEN], CLASSES, kernel=KERNEL, pool=POOL, weights=He())
        return model.initialize(0, dtype)


WORKLOADS: Sequence[Convolutional] = (
    Convolutional((20, 40), 10, Target(1.8)),
    Convolutional((20, 40), 32, Target(1.5)),
    Convolutional((32, 64), 128, Target(1.2)),
)


class TorchImageTask(TorchTask):
    """PyTorch, eager or compiled, on images."""

    def _module(self) -> Any:
        from torch import nn

        layers: list[Any] = []
        for n_in, n_out in pairwise([1, *self.workload.sizes]):
            layers += [nn.Conv2d(n_in, n_out, KERNEL), nn.MaxPool2d(POOL), nn.ReLU()]
        features = self.first["hidden1.W"].shape[0]
        layers += [nn.Flatten(), nn.Linear(features, HIDDEN), nn.ReLU()]
        return nn.Sequential(*layers, nn.Linear(HIDDEN, CLASSES))


def task(engine: str, threads: int, workload: Workload, inputs: Any, labels: Any) -> Task:
    """One of mlp.ENGINES on inputs[examples, 1, height, width] and their labels."""
    if engine in ("pytorch", "torch.compile"):
        return TorchImageTask(engine == "torch.compile", threads, workload, inputs, labels)
    return OurTask(engine, threads, workload, inputs, labels)


def task_on_mnist(argument: dict[str, Any]) -> Task:
    """A worker's task: `workload` is its place in WORKLOADS."""
    train = data.load("mnist").train
    workload = WORKLOADS[argument["workload"]]
    return task(argument["engine"], argument["threads"], workload, train.inputs, train.targets)


if __name__ == "__main__":
    run(__file__, WORKLOADS, task_on_mnist)
