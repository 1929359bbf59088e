"""A small Transformer over characters: our engines and PyTorch, in turn.

    python benchmarks/attention.py

As in mlp.py, which has the method: the same model from the same parameters on the same batches, in
float32, and no time counts whose losses are not NumPy's. It is nanoGPT's for a small machine: 4
layers, 4 heads, width 128, context 64, batch 12, a vocabulary of 65, Adam. The text is random.

    PyTorch     queries, keys and values in one product, F.scaled_dot_product_attention, and for
                sampling a cache of keys and values that is there beforehand

Each number in a matrix takes one multiply-add for a token, and attention 2 · width for each token
that is looked at, on average half the context. A step's useful work is

    FLOPs = 2 · batch · context · 3 · (numbers in matrices + layers · context · width)

and a sampled token's is a third of that, for one token.

Prints a table for each workload and writes its rows to results.json; then what predicting takes of
memory against the length. A missed target is a finding, not a failure.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from _measure import Worker, is_worker
from _report import Target
from mlp import Task, TorchTask, Workload, run
from numpy.typing import DTypeLike
from rnn import TextTask

from byhand import Adam, SoftmaxCrossEntropy, engines
from byhand.errors import ByhandError
from byhand.layers import Sequential
from byhand.models.gpt import gpt

VOCABULARY = 65
BATCHES = 8
LENGTHS = (512, 2048, 8192)


@dataclass(frozen=True)
class Characters(Workload):
    """A model of this width, which is all of its `sizes`, over windows of `context` characters; or
    the next character after each of a stream of them, anew when the window is full."""

    depth: int = 4
    heads: int = 4
    context: int = 64
    rate: float = 1e-3

    @property
    def name(self) -> str:
        model = f"gpt {self.depth}x{self.sizes[0]}"
        if not self.trains:
            return f"sample {model}"
        return f"train {model} batch {self.batch} x {self.context} steps"

    @property
    def engines(self) -> Sequence[str]:
        return ("numpy", "native", "pytorch", *(("torch.compile",) if self.trains else ()))

    @property
    def unit(self) -> str:
        return "step" if self.trains else "token"

    @property
    def flops(self) -> int:
        """Useful floating-point operations of one step or one token."""
        width = self.sizes[0]
        each = 12 * self.depth * width * width + width * VOCABULARY
        each += self.depth * self.context * width
        return 2 * each * (3 * self.batch * self.context if self.trains else 1)

    def model(self, dtype: DTypeLike) -> Sequential:
        """Always the same numbers."""
        options = {"depth": self.depth, "heads": self.heads, "context": self.context}
        return gpt(VOCABULARY, width=self.sizes[0], **options).initialize(0, dtype)


WORKLOADS: Sequence[Characters] = (
    Characters((128,), 12, Target(1.2, 1.5, never_slower_than_compiled=True)),
    Characters((128,), 1, Target(5), trains=False),
)


class OurGptTask(TextTask):
    """The NumPy or the native engine."""

    def __init__(self, engine: str, threads: int, workload: Characters, ids: Any, dtype: DTypeLike):
        super().__init__(workload, ids[:, :-1], ids[:, 1:])
        model = workload.model(dtype)
        self.program = engines.compile(
            model, SoftmaxCrossEntropy(), Adam(workload.rate), engine=engine, threads=threads
        )
        self.inputs, self.labels = ids[:, :-1], ids[:, 1:]
        self.digits = ids[:, :1, None]
        self.rates = [workload.rate] * self.steps_per_epoch
        self.first, self.moments = model.parameters, self.program.optimizer_state()
        self.reset()

    def reset(self) -> None:
        self.program.set_parameters(self.first)
        self.program.set_optimizer_state(self.moments)
        self.state, self.place = {}, 0

    def train(self, steps: int) -> Sequence[float]:
        batch, rates = self.workload.batch, self.rates[:steps]
        return self.program.train(self.inputs, self.labels, self.order, batch, 0, rates)

    def predict(self, character: Any) -> Any:
        if self.place == self.workload.context:
            self.state, self.place = {}, 0
        y, self.state = self.program.predict_from(character, self.state)
        self.place += 1
        return y[0]


class TorchGptTask(TorchTask, TextTask):
    """PyTorch, eager or compiled."""

    def __init__(self, compiled: bool, threads: int, workload: Characters, ids: Any, dtype: Any):
        if importlib.util.find_spec("torch") is None:
            raise ByhandError("PyTorch is not installed: pip install 'byhand[torch]'")
        import torch

        Task.__init__(self, workload, ids[:, :-1], ids[:, 1:])
        torch.set_num_threads(threads)
        self.first = workload.model(dtype).parameters
        self.module = _module(workload).to(torch.from_numpy(self.first["output.W"]).dtype)
        self.inputs, self.targets = (torch.from_numpy(x) for x in (ids[:, :-1], ids[:, 1:]))
        self.batches = torch.from_numpy(self.order)
        self.digits = torch.from_numpy(ids[:, :1, None])
        self.loss = torch.compile(self._loss) if compiled else self._loss
        self.reset()
        self.predict = self._next

    def _loss(self, x: Any, t: Any) -> Any:
        from torch.nn import functional

        return functional.cross_entropy(self.module(x).flatten(0, 1), t.flatten())

    def _next(self, character: Any) -> Any:
        if self.place == self.workload.context:
            self.place = 0
        scores = self.module(character, self.place)
        self.place += 1
        return scores[0].softmax(-1)

    def reset(self) -> None:
        import torch

        self.place = 0
        own = dict(self.module.named_parameters())
        with torch.no_grad():
            for name, values in _carried_over(self.first).items():
                own.pop(name).copy_(torch.from_numpy(values))
        assert not own
        self.optimizer = torch.optim.Adam(self.module.parameters(), lr=self.workload.rate)


def _carried_over(parameters: Any) -> dict[str, Any]:
    """Our parameters as those of the module, whose matrices are W[out, in]."""
    found: dict[str, Any] = {}
    projections: dict[str, list[Any]] = {}
    for name, value in parameters.items():
        *where, layer, symbol = name.split(".")
        path = ".".join((*where, layer))
        if symbol in ("Wq", "Wk", "Wv"):
            projections.setdefault(f"{path}.qkv.weight", []).append(value.T)
        elif symbol == "Wo":
            found[f"{path}.out.weight"] = value.T
        elif symbol in ("E", "P"):
            found[f"{path}.weight"] = value
        else:
            kind = {"W": "weight", "gamma": "weight", "b": "bias", "beta": "bias"}[symbol]
            found[f"{path}.{kind}"] = value.T
    return found | {name: np.concatenate(parts) for name, parts in projections.items()}


def _module(workload: Characters) -> Any:
    """The model as one would write it in PyTorch, its modules under the names of our layers."""
    import torch
    from torch import nn
    from torch.nn import functional

    width, heads, context = workload.sizes[0], workload.heads, workload.context

    class Attention(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.qkv = nn.Linear(width, 3 * width, bias=False)
            self.out = nn.Linear(width, width, bias=False)
            shape = 2, 1, heads, context, width // heads
            self.register_buffer("cache", torch.zeros(shape), persistent=False)

        def forward(self, x: Any, place: int | None) -> Any:
            batch, time, _ = x.shape
            q, k, v = self.qkv(x).view(batch, time, 3, heads, -1).permute(2, 0, 3, 1, 4)
            if place is not None:
                self.cache[0, :, :, place], self.cache[1, :, :, place] = k[:, :, 0], v[:, :, 0]
                k, v = self.cache[:, :, :, : place + 1]
            o = functional.scaled_dot_product_attention(q, k, v, is_causal=place is None)
            return self.out(o.transpose(1, 2).reshape(batch, time, width))

    class Gpt(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.embedding1 = nn.Embedding(VOCABULARY, width)
            self.learnedpositions1 = nn.Embedding(context, width)
            for k in range(1, workload.depth + 1):
                attention = {"layernorm1": nn.LayerNorm(width), "selfattention1": Attention()}
                forward = {
                    "layernorm1": nn.LayerNorm(width),
                    "dense1": nn.Linear(width, 4 * width),
                    "dense2": nn.Linear(4 * width, width),
                }
                self.add_module(f"attention{k}", nn.ModuleDict(attention))
                self.add_module(f"feed_forward{k}", nn.ModuleDict(forward))
            self.layernorm1 = nn.LayerNorm(width)
            self.output = nn.Linear(width, VOCABULARY)

        def forward(self, ids: Any, place: int | None = None) -> Any:
            first = place or 0
            positions = self.learnedpositions1.weight[first : first + ids.shape[1]]
            x = self.embedding1(ids) + positions
            for k in range(1, workload.depth + 1):
                a, f = getattr(self, f"attention{k}"), getattr(self, f"feed_forward{k}")
                x = x + a["selfattention1"](a["layernorm1"](x), place)
                x = x + f["dense2"](functional.gelu(f["dense1"](f["layernorm1"](x))))
            return self.output(self.layernorm1(x))

    return Gpt()


def task(engine: str, threads: int, workload: Characters, ids: Any, dtype: DTypeLike) -> Task:
    """One of a workload's engines on the windows ids[examples, context + 1] of a text."""
    if engine in ("pytorch", "torch.compile"):
        return TorchGptTask(engine == "torch.compile", threads, workload, ids, dtype)
    return OurGptTask(engine, threads, workload, ids, dtype)


def task_on_text(argument: dict[str, Any]) -> Any:
    """A worker's task: `workload` is its place in WORKLOADS; or the memory of a `length`."""
    if "length" in argument:
        return Long(argument["length"])
    workload = WORKLOADS[argument["workload"]]
    shape = BATCHES * 12, workload.context + 1
    ids = np.random.default_rng(0).integers(VOCABULARY, size=shape)
    return task(argument["engine"], argument["threads"], workload, ids, np.float32)


class Long:
    """Predicting one text of so many characters with the native engine."""

    def __init__(self, length: int) -> None:
        model = gpt(VOCABULARY, positions="rotary").initialize(0, np.float32)
        self.program = engines.compile(
            model, SoftmaxCrossEntropy(), Adam(1e-3), engine="native", threads=1
        )
        self.ids = np.random.default_rng(0).integers(VOCABULARY, size=(1, length))
        self.program.predict(self.ids[:, :8])

    def predict(self) -> None:
        self.program.predict(self.ids)


def memory() -> list[str]:
    """What predicting longer and longer texts takes with the native engine."""
    lines = ["memory for one text, native:"]
    for length in LENGTHS:
        worker = Worker(__file__, {"length": length}, 1)
        try:
            before = worker.ask("peak_memory")
            worker.ask("predict")
            taken = worker.ask("peak_memory") - before
        finally:
            worker.close()
        each = taken / length * 1024
        lines.append(f"{length:6} characters {taken:7.1f} MiB, {each:.1f} KiB for each")
    return lines


if __name__ == "__main__":
    run(__file__, WORKLOADS, task_on_text)
    if not is_worker():
        print(*memory(), sep="\n")
