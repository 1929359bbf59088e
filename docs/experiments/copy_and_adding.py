"""Which gap can be learned? RNN, GRU and LSTM of equal size on two tasks that only a memory solves.

Copying: one of eight symbols is shown, and asked for after a gap. Adding: of so many numbers two
are marked, and their sum is asked for. The gap doubles for as long as any seed solves it: its loss
falls below a twentieth of chance within the budget of steps. Prints in how many steps, on the mean
over the seeds that did, and how many did; and the longest gap, as the mean over seeds. Then the
same for copying over a gap after training on all gaps up to it; and how far the gradient reaches in
networks that have learned to add, or have tried.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from _shared import output_folder, publish
from _through_time import ENGINE, typical, way_back
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from byhand import GRU, LSTM, RNN, Adam, Dense, Sequential, SoftmaxCrossEntropy, engines
from byhand.clipping import ClipByGlobalNorm
from byhand.data import Split, adding_task, copy_task
from byhand.initializers import NormalFanIn
from byhand.layers import LastStep, OneHot
from byhand.layers.recurrent import RecurrentLayer
from byhand.losses import Loss, QuadraticCost
from byhand.views.style import BLUE, GREEN, GREY, ORANGE, PINK, RED, SKY

UNITS = 37
LAYERS: dict[str, Callable[[int], RecurrentLayer]] = {
    "RNN, N(0, 1/n)": lambda n_in: RNN(n_in, 64, recurrent_weights=NormalFanIn()),
    "RNN, orthogonal": lambda n_in: RNN(n_in, 64),
    "GRU": lambda n_in: GRU(n_in, UNITS),
    "GRU, update bias 3": lambda n_in: GRU(n_in, UNITS),
    "LSTM, forget bias 0": lambda n_in: LSTM(n_in, 32, forget_bias=0),
    "LSTM, forget bias 1": lambda n_in: LSTM(n_in, 32),
    "LSTM, forget bias 3": lambda n_in: LSTM(n_in, 32, forget_bias=3),
}
COLOURS = dict(zip(LAYERS, (SKY, BLUE, GREEN, PINK, GREY, ORANGE, RED), strict=True))
SYMBOLS, BATCH, RATE, EVERY, TESTS, SOLVED = 8, 32, 0.003, 50, 400, 0.05
UNSEEN = 10**6
"""The seed of the examples to be tested with."""


@dataclass(frozen=True)
class Task:
    examples: Callable[[int, int, int], Split]
    network: Callable[[RecurrentLayer], Sequential]
    loss: Loss
    features: int
    chance: float


TASKS = {
    "copying": Task(
        lambda examples, gap, seed: copy_task(examples, gap, seed=seed, symbols=SYMBOLS, length=1),
        lambda layer: Sequential(OneHot(SYMBOLS + 2), layer, Dense(layer.sizes["hidden"], SYMBOLS)),
        SoftmaxCrossEntropy(),
        SYMBOLS + 2,
        math.log(SYMBOLS),
    ),
    "adding": Task(
        lambda examples, steps, seed: adding_task(examples, steps, seed=seed),
        lambda layer: Sequential(layer, LastStep(), Dense(layer.sizes["hidden"], 1)),
        QuadraticCost(),
        2,
        1 / 12,  # half of the mean square
    ),
}


@dataclass(frozen=True)
class Trial:
    """After how many steps it was solved, None for not at all; the loss, where chance is 1."""

    steps: int | None
    loss: float


Ladder = dict[int, list[Trial]]
"""By gap, those of all seeds."""


@dataclass(frozen=True)
class Findings:
    """trials: task -> layer -> by gap; mixed: layer -> trials to copy over `mixed_gap` steps,
    having trained on all gaps up to it; left: layer -> of the gradient after 0, 1, … steps back, in
    a network that has tried to add so many numbers."""

    trials: dict[str, dict[str, Ladder]]
    mixed: dict[str, list[Trial]]
    mixed_gap: int
    left: dict[str, np.ndarray]


def attempt(
    task: Task, name: str, gap: int, seed: int, budget: int, mixed: bool = False
) -> tuple[Trial, Sequential]:
    """Train until it is solved, on examples that are never seen twice; `mixed`, with another gap in
    each step, from 1 to the one that it is tested with."""
    model = task.network(LAYERS[name](task.features)).initialize(seed, np.float32)
    if name == "GRU, update bias 3":
        model.parameters["gru1.b"][UNITS : 2 * UNITS] += 3
    program = engines.compile(
        model, task.loss, Adam(RATE), clipping=ClipByGlobalNorm(1.0), engine=ENGINE, threads=1
    )
    test = task.examples(TESTS, gap, UNSEEN)
    gaps = np.random.default_rng(seed).integers(1, gap, budget, endpoint=True)
    solved, loss = None, 1.0
    for step in range(budget):
        now = int(gaps[step]) if mixed else gap
        some = task.examples(BATCH, now, budget * seed + step)
        program.train(some.inputs, some.targets, np.arange(BATCH), BATCH, step, [RATE])
        if (step + 1) % EVERY == 0:
            loss = program.evaluate(test.inputs, test.targets).loss / task.chance
            if loss < SOLVED:
                solved = step + 1
                break
    model.set_parameters(program.parameters())
    return Trial(solved, loss), model


def attempts(
    task: str, name: str, gap: int, seeds: int, budget: int, mixed: bool = False
) -> list[Trial]:
    """With each seed; it says so."""
    trials = [attempt(TASKS[task], name, gap, seed, budget, mixed)[0] for seed in range(seeds)]
    steps = ", ".join(str(trial.steps or "not") for trial in trials)
    about = f"{task}, {'gaps up to' if mixed else 'gap'} {gap}, {name}"
    print(f"{about}: solved after {steps}", file=sys.stderr, flush=True)
    return trials


def ladder(task: str, name: str, gaps: tuple[int, ...], seeds: int, budget: int) -> Ladder:
    """Longer and longer gaps, until one that no seed solves."""
    found: Ladder = {}
    for gap in gaps:
        found[gap] = attempts(task, name, gap, seeds, budget)
        if all(trial.steps is None for trial in found[gap]):
            break
    return found


def reach_of(name: str, reach: int, budget: int) -> np.ndarray:
    """What is left of the gradient in a network that has tried to add, in float64."""
    task = TASKS["adding"]
    _, learned = attempt(task, name, reach, 0, budget)
    model = task.network(LAYERS[name](task.features)).initialize(0)
    model.set_parameters({key: w.astype(np.float64) for key, w in learned.parameters.items()})
    test = task.examples(TESTS, reach, UNSEEN)
    inputs, targets = test.inputs.astype(np.float64), test.targets.astype(np.float64)
    return typical(way_back(model, task.loss, inputs, targets))


def longest(trials: Ladder, seed: int) -> int:
    """The longest gap that a seed has solved, 0 for none."""
    return max((gap for gap, seen in trials.items() if seen[seed].steps is not None), default=0)


def in_words(trials: list[Trial]) -> str:
    """The mean over the seeds that have solved it, and how many have."""
    steps = [trial.steps for trial in trials if trial.steps is not None]
    return f"{np.mean(steps):.0f} ({len(steps)})" if steps else "-"


def report(found: Findings) -> list[str]:
    lines = []
    for task, layers in found.trials.items():
        gaps = sorted({gap for trials in layers.values() for gap in trials})
        lines.append(f"{task + ', gap':20}" + "".join(f"{g:>10}" for g in gaps) + "   longest")
        for name, trials in layers.items():
            row = "".join(f"{in_words(trials[g]) if g in trials else '':>10}" for g in gaps)
            reached = [longest(trials, seed) for seed in range(len(trials[gaps[0]]))]
            lines.append(f"{name:20}{row}{np.mean(reached):10.0f}")
        lines.append("")
    reach = len(next(iter(found.left.values())))
    heads = (
        (f"copying over {found.mixed_gap}, after", f"left of the gradient {reach - 1} steps"),
        (f"all gaps from 1 to {found.mixed_gap}", f"back, having added {reach}"),
    )
    lines += [f"{'':20}{first:25}{second}" for first, second in heads]
    for name, left in found.left.items():
        lines.append(f"{name:20}{in_words(found.mixed[name]):25}{left[-1]:.0e}")
    return lines


def losses(axes: Axes, layers: dict[str, Ladder]) -> None:
    for name, trials in layers.items():
        mean = [np.mean([min(trial.loss, 1) for trial in seen]) for seen in trials.values()]
        axes.plot(list(trials), mean, "o-", color=COLOURS[name], label=name, markersize=4)
    axes.set(xscale="log", xlabel="gap, steps", ylim=(0, 1.05))
    gaps = sorted({gap for trials in layers.values() for gap in trials})
    axes.set_xticks(gaps, [str(gap) for gap in gaps])
    axes.minorticks_off()


def draw(found: Findings) -> Figure:
    figure = Figure(figsize=(8.4, 3.8), layout="constrained")
    panels = figure.subplots(1, 3)
    for axes, (task, layers) in zip(panels, found.trials.items(), strict=False):
        losses(axes, layers)
        axes.set_title(f"{task.capitalize()}: loss, chance is 1")
    for name, left in found.left.items():
        panels[2].plot(np.arange(len(left)), left, color=COLOURS[name])
    panels[2].set(yscale="log", xlabel="steps back, $T - t$")
    panels[2].minorticks_off()
    panels[2].set_title(f"Gradient left, after adding {len(left)}")
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=4)
    return figure


def main(
    folder: Path,
    gaps: tuple[int, ...] = (5, 10, 20, 40, 80, 160),
    seeds: int = 5,
    budget: int = 1000,
    mixed_gap: int = 40,
    reach: int = 80,
) -> Findings:
    trials = {
        task: {name: ladder(task, name, gaps, seeds, budget) for name in LAYERS} for task in TASKS
    }
    mixed = {
        name: attempts("copying", name, mixed_gap, seeds, budget, mixed=True) for name in LAYERS
    }
    left = {name: reach_of(name, reach, budget) for name in LAYERS}
    found = Findings(trials, mixed, mixed_gap, left)
    publish("copy_and_adding", lambda: draw(found), report(found), folder)
    return found


if __name__ == "__main__":
    main(output_folder())
