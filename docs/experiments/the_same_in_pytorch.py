"""How nearly the same is the same? One network in NumPy, and in PyTorch as it is often written.

A network 784-30-30-10 with the quadratic cost, momentum and weight decay learns 1,000 digits in
float64, by our derivatives in NumPy. Beside it the torch engine, in float64 and in float32, and
plain PyTorch in which one convention differs each time. Prints and draws how far the parameters are
from NumPy's, ‖w − w_NumPy‖ / ‖w_NumPy‖, and the accuracy on 2,000 test digits.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import torch
from _shared import digits, learn, output_folder, publish
from matplotlib.figure import Figure
from torch import nn

from byhand import L2, Momentum, QuadraticCost, engines
from byhand.engines import Program
from byhand.layers import Sequential
from byhand.models import mlp
from byhand.randomness import batch_order
from byhand.views.style import BLACK, BLUE, GREEN, ORANGE, PINK, RED, SKY

EXAMPLES, TEST, STEPS, EVERY, BATCH = 1000, 2000, 600, 20, 10
RATE, MOMENTUM, STRENGTH = 0.5, 0.9, 0.1
SIZES = [784, 30, 30, 10]
NAMES = ("hidden1", "hidden2", "output")
COLOURS = (BLACK, BLUE, ORANGE, GREEN, RED, PINK, SKY)

Parameters = dict[str, np.ndarray]


@dataclass(frozen=True)
class Findings:
    """steps[look]; distance: variant -> relative distance from NumPy's parameters[look];
    accuracy: variant, or "NumPy" -> on the test digits at the end."""

    steps: np.ndarray
    distance: dict[str, np.ndarray]
    accuracy: dict[str, float]


def model() -> Sequential:
    return mlp(SIZES, output="sigmoid").initialize(0, np.float64)


def compiled(engine: str, dtype: type = np.float64) -> Program:
    start = model() if dtype == np.float64 else mlp(SIZES, output="sigmoid").initialize(0, dtype)
    options: dict[str, Any] = {"regularizer": L2(STRENGTH), "examples": EXAMPLES, "seed": 0}
    return engines.compile(
        start, QuadraticCost(), Momentum(RATE, MOMENTUM), engine=engine, threads=1, **options
    )


def plain(
    cost: Callable[[torch.Tensor, torch.Tensor], torch.Tensor] | None = None,
    transposed: bool = False,
    decay_of_biases: bool = False,
    **options: Any,
) -> Iterator[Parameters]:
    """The network as people write it in PyTorch, with the weights of NumPy's start, at each look.

    cost                of the outputs and targets; by default the right one
    transposed          forget to transpose the weights where both shapes are the same
    decay_of_biases     let weight_decay act on all parameters
    options             other arguments of torch.optim.SGD than the right ones
    """
    layers = [nn.Linear(a, b, dtype=torch.float64) for a, b in pairwise(SIZES)]
    start = model().parameters
    with torch.no_grad():
        for name, layer in zip(NAMES, layers, strict=True):
            W = start[f"{name}.W"]
            as_it_is = transposed and W.shape[0] == W.shape[1]
            layer.weight.copy_(torch.tensor(W if as_it_is else W.T))
            layer.bias.copy_(torch.tensor(start[f"{name}.b"]))
    network = nn.Sequential(*(part for layer in layers for part in (layer, nn.Sigmoid())))
    decay = STRENGTH / EXAMPLES
    groups = [
        {"params": [layer.weight for layer in layers], "weight_decay": decay},
        {"params": [layer.bias for layer in layers], "weight_decay": decay * decay_of_biases},
    ]
    optimizer = torch.optim.SGD(groups, **{"lr": RATE, "momentum": MOMENTUM, **options})
    cost = cost or (lambda a, t: 0.5 * (a - t).square().sum() / len(a))

    train, _ = digits(EXAMPLES)
    inputs = torch.tensor(train.inputs.reshape(EXAMPLES, -1), dtype=torch.float64)
    targets = nn.functional.one_hot(torch.tensor(train.targets), 10).double()
    epochs = -(-STEPS * BATCH // EXAMPLES)
    order = np.concatenate([batch_order(0, epoch, EXAMPLES) for epoch in range(epochs)])
    for step in range(STEPS + 1):
        if step % EVERY == 0:
            yield {
                f"{name}.{symbol}": value.detach().numpy().copy()
                for name, layer in zip(NAMES, layers, strict=True)
                for symbol, value in (("W", layer.weight.T), ("b", layer.bias))
            }
        batch = order[step * BATCH : (step + 1) * BATCH]
        optimizer.zero_grad()
        cost(network(inputs[batch]), targets[batch]).backward()
        optimizer.step()


def looks(program: Program) -> Iterator[Parameters]:
    train, _ = digits(EXAMPLES)
    for _ in learn(program, train, BATCH, 0, STEPS, EVERY):
        yield program.parameters()


def variants() -> dict[str, Iterator[Parameters]]:
    return {
        "torch engine, float64": looks(compiled("torch")),
        "torch engine, float32": looks(compiled("torch", np.float32)),
        "biases decay, too": plain(decay_of_biases=True),
        "Nesterov's momentum": plain(nesterov=True),
        "momentum as a mean": plain(dampening=MOMENTUM),
        "nn.MSELoss": plain(cost=nn.MSELoss()),
        "one W not transposed": plain(transposed=True),
    }


def measure() -> Findings:
    _, test = digits(EXAMPLES, TEST)
    judge = compiled("numpy")

    def accuracy(parameters: Parameters) -> float:
        judge.set_parameters(parameters)
        return judge.evaluate(test.inputs, test.targets).accuracy

    expected = list(looks(compiled("numpy")))
    distance, reached = {}, {"NumPy": accuracy(expected[-1])}
    for name, found in variants().items():
        seen = list(found)
        distance[name] = np.array([apart(a, b) for a, b in zip(seen, expected, strict=True)])
        reached[name] = accuracy(seen[-1])
    return Findings(np.arange(len(expected)) * EVERY, distance, reached)


def apart(found: Parameters, expected: Parameters) -> float:
    """‖w − w_NumPy‖ / ‖w_NumPy‖ over all parameters."""
    off = sum(np.square(found[name] - w).sum() for name, w in expected.items())
    return float(np.sqrt(off / sum(np.square(w).sum() for w in expected.values())))


def report(found: Findings) -> list[str]:
    last = found.steps[-1]
    lines = [
        f"{'':24}{'parameters apart after':^30}",
        f"{'':24}{EVERY:>8} steps{last:>10} steps   accuracy",
        f"{'NumPy, by hand':24}{'':>14}{'':>16}{100 * found.accuracy['NumPy']:>9.2f} %",
    ]
    for name, distance in found.distance.items():
        numbers = f"{distance[1]:>14.1e}{distance[-1]:>16.1e}"
        lines.append(f"{name:24}{numbers}{100 * found.accuracy[name]:>9.2f} %")
    return lines


def draw(found: Findings) -> Figure:
    figure = Figure(figsize=(8.0, 4.2), layout="constrained")
    axes = figure.subplots()
    for (name, distance), colour in zip(found.distance.items(), COLOURS, strict=True):
        # Equal to the last bit before the first step, which a logarithm cannot show.
        axes.plot(found.steps, np.where(distance > 0, distance, np.nan), color=colour, label=name)
    axes.set(xlabel="step", ylabel="‖w − w by hand‖ / ‖w by hand‖", yscale="log")
    axes.set_title("How far the parameters are from those by hand")
    figure.legend(loc="outside right center")
    return figure


def main(folder: Path) -> Findings:
    found = measure()
    publish("the_same_in_pytorch", lambda: draw(found), report(found), folder)
    return found


if __name__ == "__main__":
    main(output_folder())
