"""Recurrent networks over characters: our engines, PyTorch, and a plain loop, in turn.

    python benchmarks/rnn.py

As in mlp.py, which has the method: the same model from the same parameters on the same batches, in
float32, and no time counts whose losses are not NumPy's. The text is random, and every window
starts from a state of zeros.

    a plain loop    min-char-rnn's: one step after the other with one character each, in NumPy
    PyTorch         torch.nn.LSTM or RNN, batch first, over one-hot rows, then torch.nn.Linear. Its
                    second bias, which would only be added to the first, is not trained

A recurrent layer with `gates` sums of the inputs takes gates · hidden · (in + hidden) multiply-adds
for each character. Where the input is one-hot, the product with it is the choice of a row, so that
the first layer's are gates · hidden · hidden. A step's useful work is

    FLOPs = 2 · batch · steps · 3 · (Σ_layers gates · hidden · (in + hidden) + hidden · vocabulary)

and a sampled character's is a third of that, for one character.

Prints a table for each workload and writes its rows to results.json; then what training takes of
memory against the number of steps. A missed target is a finding, not a failure.
"""

from __future__ import annotations

import importlib.util
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from _measure import Worker, is_worker
from _report import Target
from mlp import OurTask, Task, TorchTask, Workload, run
from numpy.typing import DTypeLike

from byhand import SGD, SoftmaxCrossEntropy, engines
from byhand.errors import ByhandError
from byhand.layers import Sequential
from byhand.layers.recurrent import RecurrentLayer
from byhand.models import char_rnn

VOCABULARY = 65
BATCHES = 8
PLAIN = "plain loop"
PROOF_STEPS, PROOF_CHARACTERS = 20, 50
MEMORY_STEPS = (64, 128, 256, 512)


@dataclass(frozen=True)
class Text(Workload):
    """A network by the hidden units of its recurrent layers, which are its `sizes`, over windows of
    so many steps; or the next character after each of a stream of them."""

    steps: int = 1
    cell: str = "lstm"
    rate: float = 0.1

    @property
    def name(self) -> str:
        network = f"{self.cell} {len(self.sizes)}x{self.sizes[0]}"
        if not self.trains:
            return f"sample {network}"
        return f"train {network} batch {self.batch} x {self.steps} steps"

    @property
    def engines(self) -> Sequence[str]:
        plain = (PLAIN,) if self.target.numpy_matches else ()
        return ("numpy", "native", "pytorch", *plain)

    @property
    def unit(self) -> str:
        return "step" if self.trains else "token"

    @property
    def flops(self) -> int:
        """Useful floating-point operations of one step or one token."""
        first, *others = (
            layer for layer in self.model(np.float32).layers if isinstance(layer, RecurrentLayer)
        )
        sums = first.Wh.size + sum(layer.Wx.size + layer.Wh.size for layer in others)
        sums += self.sizes[-1] * VOCABULARY
        return 2 * self.batch * self.steps * sums * (3 if self.trains else 1)

    def model(self, dtype: DTypeLike) -> Sequential:
        """Over one-hot rows; always the same numbers."""
        return char_rnn(VOCABULARY, hidden=self.sizes, cell=self.cell).initialize(0, dtype)


WORKLOADS: Sequence[Text] = (
    Text((128,), 1, Target(4), steps=25),
    Text((256, 256), 32, Target(1.15), steps=64),
    Text((256, 256), 1, Target(4), trains=False),
    Text((128,), 1, Target(4, numpy_matches=PLAIN), steps=25, cell="rnn"),
)


class TextTask(Task):
    """What all engines do with a text; `self.state` is where a sampled one is."""

    state: Any

    def prove(self) -> list[float]:
        self.reset()
        if self.workload.trains:
            return [statistics.fmean(self.train(PROOF_STEPS))]
        return [float(p) for k in range(PROOF_CHARACTERS) for p in self.predict(self.digits[k])[0]]


class OurTextTask(OurTask, TextTask):
    """The NumPy or the native engine."""

    def __init__(self, engine: str, threads: int, workload: Text, ids: Any, dtype: DTypeLike):
        Task.__init__(self, workload, ids[:, :-1], ids[:, 1:])
        model = workload.model(dtype)
        self.program = engines.compile(
            model, SoftmaxCrossEntropy(), SGD(workload.rate), engine=engine, threads=threads
        )
        self.inputs, self.labels = ids[:, :-1], ids[:, 1:]
        self.digits = ids[:, :1, None]
        self.rates = [workload.rate] * self.steps_per_epoch
        self.first = model.parameters
        self.state = {}
        self.predict = self._next

    def reset(self) -> None:
        super().reset()
        self.state = {}

    def _next(self, character: Any) -> Any:
        y, self.state = self.program.predict_from(character, self.state)
        return y[0]


class TorchTextTask(TorchTask, TextTask):
    """PyTorch, eager."""

    def __init__(self, threads: int, workload: Text, ids: Any, dtype: DTypeLike):
        if importlib.util.find_spec("torch") is None:
            raise ByhandError("PyTorch is not installed: pip install 'byhand[torch]'")
        import torch
        from torch import nn

        Task.__init__(self, workload, ids[:, :-1], ids[:, 1:])
        torch.set_num_threads(threads)
        self.first = workload.model(dtype).parameters
        kind, hidden = {"lstm": nn.LSTM, "rnn": nn.RNN}[workload.cell], workload.sizes[0]
        self.recurrent = kind(VOCABULARY, hidden, len(workload.sizes), batch_first=True)
        self.output = nn.Linear(hidden, VOCABULARY)
        self.module = nn.ModuleList([self.recurrent, self.output])
        self.module.to(torch.from_numpy(self.first["output.W"]).dtype)
        self.inputs, self.targets = (torch.from_numpy(x) for x in (ids[:, :-1], ids[:, 1:]))
        self.batches = torch.from_numpy(self.order)
        self.digits = torch.from_numpy(ids[:, :1, None])
        self.loss = self._loss
        self.reset()
        trained = [p for p in self.module.parameters() if p.requires_grad]
        self.optimizer = torch.optim.SGD(trained, lr=workload.rate)
        self.predict = self._next

    def _scores(self, ids: Any, state: Any) -> Any:
        from torch.nn import functional

        x = functional.one_hot(ids, VOCABULARY).to(self.output.weight.dtype)
        h, state = self.recurrent(x, state)
        return self.output(h), state

    def _loss(self, x: Any, t: Any) -> Any:
        from torch.nn import functional

        scores, _ = self._scores(x, None)
        return functional.cross_entropy(scores.flatten(0, 1), t.flatten())

    def _next(self, character: Any) -> Any:
        scores, self.state = self._scores(character, self.state)
        return scores[0].softmax(-1)

    def reset(self) -> None:
        import torch

        self.state = None
        values = list(self.first.values())
        with torch.no_grad():
            for k in range(len(self.workload.sizes)):
                Wx, Wh, b = values[3 * k : 3 * k + 3]
                for name, value in (("weight_ih", Wx.T), ("weight_hh", Wh.T), ("bias_ih", b)):
                    getattr(self.recurrent, f"{name}_l{k}").copy_(torch.from_numpy(value))
                getattr(self.recurrent, f"bias_hh_l{k}").zero_().requires_grad_(False)
            self.output.weight.copy_(torch.from_numpy(values[-2].T))
            self.output.bias.copy_(torch.from_numpy(values[-1]))


class PlainTask(TextTask):
    """An RNN as min-char-rnn has it: vectors, and lists over the steps."""

    def __init__(self, workload: Text, ids: Any, dtype: DTypeLike):
        super().__init__(workload, ids[:, :-1], ids[:, 1:])
        self.ids, self.first = ids, workload.model(dtype).parameters
        self.dtype = dtype
        self.reset()

    def reset(self) -> None:
        Wx, Wh, b, V, c = (value.copy() for value in self.first.values())
        self.parameters = [Wx.T.copy(), Wh.T.copy(), b, V.T.copy(), c]

    def train(self, steps: int) -> Sequence[float]:
        return [self._step(self.ids[k]) for k in self.order[:steps]]

    def _step(self, ids: Any) -> float:
        Wx, Wh, b, V, c = self.parameters
        xs, hs, ps, loss = [], [np.zeros(len(b), self.dtype)], [], 0.0
        for one, after in pairwise(ids):
            x = np.zeros(VOCABULARY, self.dtype)
            x[one] = 1
            h = np.tanh(Wx @ x + Wh @ hs[-1] + b)
            z = V @ h + c
            e = np.exp(z - z.max())
            p = e / e.sum()
            loss -= np.log(p[after])
            xs.append(x)
            hs.append(h)
            ps.append(p)
        gradients = dWx, dWh, db, dV, dc = [np.zeros_like(w) for w in self.parameters]
        handed_back = np.zeros_like(b)
        for t in reversed(range(len(xs))):
            dz = ps[t].copy()
            dz[ids[t + 1]] -= 1
            dV += np.outer(dz, hs[t + 1])
            dc += dz
            dh = V.T @ dz + handed_back
            da = (1 - hs[t + 1] * hs[t + 1]) * dh
            dWx += np.outer(da, xs[t])
            dWh += np.outer(da, hs[t])
            db += da
            handed_back = Wh.T @ da
        for k, dw in enumerate(gradients):
            self.parameters[k] -= self.workload.rate / len(xs) * dw
        return float(loss) / len(xs)


def task(engine: str, threads: int, workload: Text, ids: Any, dtype: DTypeLike) -> Task:
    """One of a workload's engines on the windows ids[examples, steps + 1] of a text."""
    if engine == "pytorch":
        return TorchTextTask(threads, workload, ids, dtype)
    if engine == PLAIN:
        return PlainTask(workload, ids, dtype)
    return OurTextTask(engine, threads, workload, ids, dtype)


def task_on_text(argument: dict[str, Any]) -> Task:
    """A worker's task: `workload` is its place in WORKLOADS, `steps` may replace that one's."""
    workload = WORKLOADS[argument["workload"]]
    steps = argument.get("steps", workload.steps)
    examples = max(BATCHES * workload.batch, PROOF_STEPS * workload.batch, PROOF_CHARACTERS)
    ids = np.random.default_rng(0).integers(VOCABULARY, size=(examples, steps + 1))
    return task(argument["engine"], argument["threads"], workload, ids, np.float32)


def memory(place: int) -> list[str]:
    """What a training step of the native engine takes with longer and longer windows."""
    network, _, _ = WORKLOADS[place].name.rpartition(" x")
    lines = [f"memory for {network}, native:"]
    for steps in MEMORY_STEPS:
        argument = {"workload": place, "engine": "native", "threads": 1, "steps": steps}
        worker = Worker(__file__, argument, 1)
        try:
            before = worker.ask("peak_memory")
            worker.ask("measure", 1)
            after = worker.ask("peak_memory")
        finally:
            worker.close()
        taken = after - before
        lines.append(f"{steps:5} steps {taken:7.1f} MiB, {taken / steps:.3f} for each")
    return lines


if __name__ == "__main__":
    run(__file__, WORKLOADS, task_on_text)
    if not is_worker():
        print(*memory(1), sep="\n")
