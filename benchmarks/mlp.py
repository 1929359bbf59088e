"""Multi-layer perceptrons on MNIST: our engines and PyTorch, in turn.

    python benchmarks/mlp.py

Every engine trains the same model from the same parameters on the same float32 images in the same
order of batches, all of it in memory beforehand, and must arrive at NumPy's losses before its time
counts. Evaluation is not part of the time, nor is what torch.compile compiles. PyTorch is written
for speed: batches by index_select, no gradient kept between steps, the loss never waited for.

A step's useful work is that of three matrix products in each layer, x W forward and xᵀ dz, dz Wᵀ
backward, without the last one in the first layer, where nobody needs it:

    FLOPs = Σ_layers 2 · batch · in · out · 3   (first layer: · 2)

and 2 · in · out for each layer where one digit is only predicted. The share is
FLOPs / time / rate, where the rate is that of `_sgemm.py` with the same number of threads, measured
right after each run, since a machine's clock comes and goes; the median over the rounds. The peak
memory of a process includes the loading of MNIST, about 300 MiB with Python and NumPy.

Prints a table for each workload and writes its rows to results.json. A missed target is a finding,
not a failure: the exit code says only whether the benchmark ran.
"""

from __future__ import annotations

import importlib.util
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from typing import Any

import numpy as np
from _measure import Contender, Worker, busy, is_worker, race, serve
from _report import Contest, Target, machine, rows, table, verdicts, write_rows
from _sgemm import Rate, measure_rate
from numpy.typing import DTypeLike

from byhand import SGD, QuadraticCost, SoftmaxCrossEntropy, data, engines
from byhand.errors import ByhandError
from byhand.initializers import He, StandardNormal
from byhand.layers import Sequential
from byhand.models import mlp
from byhand.randomness import batch_order

ENGINES = ("numpy", "native", "pytorch", "torch.compile")
ROUNDS = 7
SECONDS = 0.4
# Roundings grow from step to step where a ReLU or a maximum changes sides: few steps tell them from
# other work.
PROOF_STEPS, PROOF_DIGITS = 20, 50
DIGITS = 1000
TOLERANCE = 1e-3
"""Of the mean loss, in float32. Rounding makes 1e-6 of it, or 1e-4 once it has turned over a ReLU
whose input is nearly 0; in float64, in which the tests compare, neither is left. The learning rates
are smaller than Nielsen's 3, at which saturated units make a thousand times more of it."""


@dataclass(frozen=True)
class Workload:
    """One model and what is done with it: a training step, or the prediction of one digit."""

    sizes: tuple[int, ...]
    batch: int
    target: Target
    rate: float = 1.0
    classifies: bool = False
    trains: bool = True

    @property
    def name(self) -> str:
        sizes = ",".join(map(str, self.sizes))
        return f"train [{sizes}] batch {self.batch}" if self.trains else f"predict [{sizes}]"

    @property
    def flops(self) -> int:
        """Useful floating-point operations of one step or one prediction."""
        products = [2 * self.batch * n_in * n_out for n_in, n_out in pairwise(self.sizes)]
        return 3 * sum(products) - products[0] if self.trains else sum(products)

    @property
    def engines(self) -> Sequence[str]:
        """Who takes part."""
        return ENGINES

    @property
    def unit(self) -> str:
        return "step" if self.trains else "digit"

    def model(self, dtype: DTypeLike) -> Sequential:
        """Nielsen's sigmoid network, or ReLU with scores for a softmax; always the same numbers."""
        if self.classifies:
            model = mlp(self.sizes, activation="relu", weights=He())
        else:
            model = mlp(
                self.sizes, output="sigmoid", weights=StandardNormal(), biases=StandardNormal()
            )
        return model.initialize(0, dtype)


WORKLOADS = (
    Workload((784, 30, 10), 10, Target(12, 18, 0.45)),
    Workload((784, 100, 10), 10, Target(6, 7.5, 0.65)),
    Workload((784, 512, 512, 10), 128, Target(1.15, 1.3, 0.85, True), rate=0.02, classifies=True),
    Workload((784, 30, 10), 1, Target(30, 50), rate=0.3),
    Workload((784, 100, 10), 1, Target(5, 10), trains=False),
)


class Task:
    """What a worker is asked to do; one engine says how."""

    digits: Sequence[Any]

    def __init__(self, workload: Workload, inputs: np.ndarray, labels: np.ndarray) -> None:
        self.workload = workload
        self.steps_per_epoch = len(inputs) // workload.batch
        self.order = batch_order(0, 0, len(inputs))[: self.steps_per_epoch * workload.batch]

    def reset(self) -> None:
        """Go back to the first parameters."""
        raise NotImplementedError

    def train(self, steps: int) -> Sequence[float]:
        """The losses of the first steps of an epoch."""
        raise NotImplementedError

    def predict(self, digit: Any) -> Any:
        raise NotImplementedError

    def prove(self) -> list[float]:
        """Numbers to be compared: the mean loss of some steps, or the outputs for some digits."""
        self.reset()
        if self.workload.trains:
            return [statistics.fmean(self.train(PROOF_STEPS))]
        return [float(p) for digit in self.digits[:PROOF_DIGITS] for p in self.predict(digit)[0]]

    def calibrate(self, seconds: float) -> int:
        """How many steps or predictions take so long, by the fastest of several measurements."""
        count, times = 1, [self.measure(1)]
        while times[-1] * count < seconds / 10:
            count *= 2
            times.append(self.measure(count))
        return max(1, round(seconds / min(times)))

    def measure(self, count: int) -> float:
        """Seconds per step, or the median latency of a prediction."""
        if not self.workload.trains:
            return self._latency(count)
        self.reset()
        began = time.perf_counter()
        for first in range(0, count, self.steps_per_epoch):
            self.train(min(self.steps_per_epoch, count - first))
        return (time.perf_counter() - began) / count

    def _latency(self, count: int) -> float:
        times = np.empty(count)
        for k in range(count):
            digit = self.digits[k % len(self.digits)]
            began = time.perf_counter()
            self.predict(digit)
            times[k] = time.perf_counter() - began
        return float(np.median(times))


class OurTask(Task):
    """The NumPy or the native engine."""

    def __init__(self, engine: str, threads: int, workload: Workload, inputs: Any, labels: Any):
        super().__init__(workload, inputs, labels)
        loss = SoftmaxCrossEntropy() if workload.classifies else QuadraticCost()
        model = workload.model(inputs.dtype)
        self.program = engines.compile(
            model, loss, SGD(workload.rate), engine=engine, threads=threads
        )
        self.inputs, self.labels = inputs, labels
        self.digits = [inputs[k : k + 1] for k in range(min(DIGITS, len(inputs)))]
        self.rates = [workload.rate] * self.steps_per_epoch
        self.first = model.parameters
        self.predict = self.program.predict

    def reset(self) -> None:
        self.program.set_parameters(self.first)

    def train(self, steps: int) -> Sequence[float]:
        rates = self.rates[:steps]
        batch = self.workload.batch
        return self.program.train(self.inputs, self.labels, self.order, batch, 0, rates)


class TorchTask(Task):
    """PyTorch, eager or compiled."""

    def __init__(self, compiled: bool, threads: int, workload: Workload, inputs: Any, labels: Any):
        if importlib.util.find_spec("torch") is None:
            raise ByhandError("PyTorch is not installed: pip install 'byhand[torch]'")
        import torch

        super().__init__(workload, inputs, labels)
        torch.set_num_threads(threads)
        self.first = workload.model(inputs.dtype).parameters
        self.inputs = torch.from_numpy(inputs)
        self.module = self._module().to(self.inputs.dtype)
        self.targets = torch.from_numpy(labels)
        if not workload.classifies:
            one_hot = torch.nn.functional.one_hot(self.targets, workload.sizes[-1])
            self.targets = one_hot.to(self.inputs.dtype)
        self.batches = torch.from_numpy(self.order)
        self.digits = [self.inputs[k : k + 1] for k in range(min(DIGITS, len(inputs)))]
        self.optimizer = torch.optim.SGD(self.module.parameters(), lr=workload.rate)
        self.loss = torch.compile(self._loss) if compiled else self._loss
        self.predict = torch.compile(self.module) if compiled else self.module

    def _module(self) -> Any:
        from torch import nn

        activation = nn.ReLU if self.workload.classifies else nn.Sigmoid
        layers: list[Any] = []
        for n_in, n_out in pairwise(self.workload.sizes):
            layers += [nn.Linear(n_in, n_out), activation()]
        # PyTorch's loss takes the scores, too.
        return nn.Sequential(*layers[:-1] if self.workload.classifies else layers)

    def _loss(self, x: Any, t: Any) -> Any:
        from torch.nn import functional

        if self.workload.classifies:
            return functional.cross_entropy(self.module(x), t)
        return functional.mse_loss(self.module(x), t, reduction="sum") / (2 * len(x))

    def reset(self) -> None:
        import torch

        with torch.no_grad():
            # byhand keeps W[in, out] of a dense layer, PyTorch W[out, in].
            for own, first in zip(self.module.parameters(), self.first.values(), strict=True):
                own.copy_(torch.from_numpy(first.T if first.ndim == 2 else first))

    def train(self, steps: int) -> Sequence[float]:
        import torch

        batch, losses = self.workload.batch, []
        for chosen in self.batches[: steps * batch].split(batch):
            x = self.inputs.index_select(0, chosen)
            t = self.targets.index_select(0, chosen)
            self.optimizer.zero_grad(set_to_none=True)
            loss = self.loss(x, t)
            loss.backward()
            self.optimizer.step()
            losses.append(loss.detach())
        return torch.stack(losses).tolist()

    def prove(self) -> list[float]:
        return self._without_gradients(super().prove)

    def _latency(self, count: int) -> float:
        return self._without_gradients(partial(super()._latency, count))

    def _without_gradients(self, work: Any) -> Any:
        import torch

        with torch.inference_mode(not self.workload.trains):
            return work()


def task(engine: str, threads: int, workload: Workload, inputs: Any, labels: Any) -> Task:
    """One of ENGINES on inputs[examples, in] and their labels, in the dtype of the inputs."""
    if engine in ("pytorch", "torch.compile"):
        return TorchTask(engine == "torch.compile", threads, workload, inputs, labels)
    return OurTask(engine, threads, workload, inputs, labels)


def task_on_mnist(argument: dict[str, Any]) -> Task:
    """A worker's task: `workload` is its place in WORKLOADS."""
    train = data.load("mnist").train
    inputs = train.inputs.reshape(len(train), -1)
    workload = WORKLOADS[argument["workload"]]
    return task(argument["engine"], argument["threads"], workload, inputs, train.targets)


def contest(script: str, place: int, workload: Workload, rates: Sequence[Rate]) -> Contest:
    """Measure all engines on one workload, which has this place in the script's list."""
    print(f"measuring {workload.name} …", flush=True)
    contenders: list[Contender] = []
    yardsticks = {rate.threads: rate.yardstick() for rate in rates}
    try:
        for engine in workload.engines:
            for count, yardstick in yardsticks.items():
                argument = {"workload": place, "engine": engine, "threads": count}
                worker = Worker(script, argument, count)
                contenders.append(Contender(engine, count, worker, yardstick))
        race(contenders, ROUNDS, SECONDS, TOLERANCE)
    finally:
        for worker in (*yardsticks.values(), *(contender.worker for contender in contenders)):
            worker.close()
    proof = "mean loss" if workload.trains else "mean output"
    return Contest(workload.name, workload.unit, proof, workload.flops, workload.target, contenders)


def main(script: str, workloads: Sequence[Workload]) -> None:
    """Measure all workloads of a script, which serves as each engine's worker."""
    found = machine()
    print(", ".join(f"{name} {value}" for name, value in found.items()))
    print(f"{ROUNDS} rounds of {SECONDS} s for each engine: about a minute for each workload")
    if warning := busy():
        print(warning)
    threads = [count for count in (1, 2) if count <= found["cores"]]
    rates = [measure_rate(count) for count in threads]
    print(*rates, sep="\n")
    kept = []
    for place, workload in enumerate(workloads):
        finished = contest(script, place, workload, rates)
        new = rows(finished)
        print(*table(finished, new), *verdicts(finished), "", sep="\n")
        kept += [{**row, "machine": found} for row in new]
    write_rows(kept)


def run(
    script: str, workloads: Sequence[Workload], worker_task: Callable[[dict[str, Any]], Task]
) -> None:
    """What a script does when it is called: the benchmark, or the part of a worker in it."""
    if is_worker():
        serve(worker_task)
        return
    try:
        main(script, workloads)
    except KeyboardInterrupt:
        sys.exit("stopped; results.json is as it was")


if __name__ == "__main__":
    run(__file__, WORKLOADS, task_on_mnist)
