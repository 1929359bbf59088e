"""A Transformer with one of its parts taken away or exchanged, and what that costs.

Trains gpt-nano and recipes of the set gpt-parts, the same with twelve narrow layers in the place of
four, and a task without positions, in runs/taken-away; goes on with what is there, and reads what
is finished. Prints the best validation losses; draws them, and some of the way there.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import lgamma
from pathlib import Path

import numpy as np
from _shared import output_folder, publish, trained
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from byhand import engines
from byhand.data import Split
from byhand.layers import LayerNorm, Residual, Sequential
from byhand.training import Recipe, find_recipe, trainer_for
from byhand.training.session import load_data
from byhand.views.style import BLUE, GREY, ORANGE, RED, SKY

RUNS = "runs/taken-away"
NATIVE = ("training.engine=native", "training.threads=1")
TWELVE = (
    "model.depth=12",
    "model.width=32",
    "data.steps=32",
    "training.epochs=4",
    "training.steps_per_epoch=250",
)
SHORT = ("training.epochs=3",)


@dataclass(frozen=True)
class Trial:
    """A recipe, with some keys changed. Its runs are `name`-1 and so on, by seed."""

    name: str
    recipe: str | None = None
    changes: Sequence[str] = ()
    seeds: Sequence[int] = (1, 2)

    def recipes(self, changes: Sequence[str]) -> list[Recipe]:
        """One for each seed, with more keys changed."""
        seeds = [f"training.seed={seed}" for seed in self.seeds]
        every = (*NATIVE, *self.changes, *changes)
        return [find_recipe(self.recipe or self.name, (*every, seed)) for seed in seeds]


NANO = Trial("gpt-nano", seeds=(1, 2, 3))
DEEP = Trial("deep-pre", "gpt-nano", TWELVE)
COPY = Trial("copy", "copy-transformer", SHORT)
TRIALS = {
    "positions": {
        "learned": NANO,
        "sinusoidal": Trial("gpt-positions-sinusoidal"),
        "rotary": Trial("gpt-positions-rotary"),
        "none": Trial("gpt-positions-none"),
    },
    "heads": {
        "four": NANO,
        "eight": Trial("gpt-heads-8"),
        "two": Trial("gpt-heads-2"),
        "one": Trial("gpt-heads-1"),
    },
    "norm": {
        "pre": NANO,
        "pre, no warm-up": Trial("gpt-cold"),
        "post": Trial("gpt-post-norm"),
        "post, no warm-up": Trial("gpt-post-norm-cold"),
    },
    "norm, 12 layers": {
        "pre": DEEP,
        "pre, no warm-up": Trial("deep-pre-cold", "gpt-cold", TWELVE),
        "post": Trial("deep-post", "gpt-post-norm", TWELVE),
        "post, no warm-up": Trial("deep-post-cold", "gpt-post-norm-cold", TWELVE),
    },
    "copy, positions": {
        "sinusoidal": COPY,
        "none": Trial("copy-none", "copy-transformer", (*SHORT, "model.positions=none")),
    },
}
"""part -> what is in its place -> its runs."""
OF_NANO = ("positions", "heads", "norm")


@dataclass(frozen=True)
class Outcome:
    """best: the lowest validation loss with each seed. Of the first one, validation: after each
    epoch; steps, losses: the mean training loss of the steps up to each of these."""

    best: np.ndarray
    validation: np.ndarray
    steps: np.ndarray
    losses: np.ndarray


@dataclass(frozen=True)
class Findings:
    """part -> what is in its place. unordered: the loss of the tasks for somebody who knows the
    letters of a word without their order."""

    outcomes: dict[str, dict[str, Outcome]]
    unordered: float


def outcome(trial: Trial, runs: Path, changes: Sequence[str]) -> Outcome:
    each = [
        trained(recipe, runs / f"{trial.name}-{recipe.training.seed}")
        for recipe in trial.recipes(changes)
    ]
    validation = [np.array([row["validation_loss"] for row in run.rows("epoch")]) for run in each]
    rows = each[0].rows("step")
    steps, losses = (np.array([row[key] for row in rows]) for key in ("step", "loss"))
    return Outcome(np.array([loss.min() for loss in validation]), validation[0], steps, losses)


def without_norms(model: Sequential) -> Sequential:
    """Every block x + f(x), and nothing before the output."""
    return Sequential(
        *(
            Residual(*(f for f in layer.layers if not isinstance(f, LayerNorm)), name=layer.name)
            if isinstance(layer, Residual)
            else layer
            for layer in model.layers
            if not isinstance(layer, LayerNorm)
        )
    )


def bare(recipe: Recipe) -> Outcome:
    """Trained as the recipe says, without its norms, and kept nowhere; its losses by epoch."""
    trainer = trainer_for(recipe)
    how = trainer.program.description
    trainer.program = engines.compile(
        without_norms(how.model),
        how.loss,
        how.optimizer,
        clipping=how.clipping,
        engine=recipe.training.engine,
        threads=1,
    )
    trainer.fit()
    validation, steps, losses = (
        np.array([row[key] for row in trainer.history])
        for key in ("validation_loss", "step", "train_loss")
    )
    return Outcome(validation[[validation.argmin()]], validation, steps, losses)


def unordered(split: Split) -> float:
    """Nats per letter for somebody who knows how often each letter is in a word, and that any order
    of them is as likely: ln(n! / Π cᵢ!) for a word of n letters, whose end is then certain."""
    nats = 0.0
    for word in split.targets:
        counts = np.bincount(word[word >= 0][:-1])
        nats += lgamma(counts.sum() + 1) - sum(lgamma(count + 1) for count in counts)
    return nats / int((split.targets >= 0).sum())


def in_words(best: np.ndarray) -> str:
    if len(best) == 1:
        return f"{best[0]:.3f}"
    return f"{best.mean():.3f} ± {best.std(ddof=1):.3f} ({len(best)} seeds)"


def report(found: Findings) -> list[str]:
    lines = []
    for part, outcomes in found.outcomes.items():
        for k, (choice, each) in enumerate(outcomes.items()):
            lines.append(f"{'' if k else part:20}{choice:18}{in_words(each.best)}")
    return [*lines, f"{'letters in any order':38}{found.unordered:.3f}"]


def dots(axes: Axes, found: Findings) -> None:
    """A row for gpt-nano, and for each that differs; a dot for each seed."""
    rows = {"gpt-nano": found.outcomes["positions"]["learned"]}
    for part in OF_NANO:
        _, *others = found.outcomes[part].items()
        rows |= {f"{part}: {choice}": each for choice, each in others}
    for k, each in enumerate(rows.values()):
        axes.plot(each.best, [k] * len(each.best), "o", color=RED if k else BLUE, markersize=5)
    axes.axvline(rows["gpt-nano"].best.mean(), color=GREY, linewidth=1)
    axes.set_yticks(range(len(rows)), list(rows))
    axes.set_ylim(len(rows) - 0.5, -0.5)
    axes.set(title="Validation loss", xlabel="nats per character")


def norms(axes: Axes, outcomes: dict[str, Outcome]) -> None:
    """All but that without, whose losses are far above."""
    colours = {"pre": BLUE, "pre, no warm-up": SKY, "post": ORANGE, "post, no warm-up": RED}
    for choice, colour in colours.items():
        each = outcomes[choice]
        axes.plot(each.steps, each.losses, "o-", color=colour, label=choice, markersize=3)
    axes.set(title="Norm, 12 layers: training loss", xlabel="step", ylim=(2.2, 4.4))
    axes.legend()


def copies(axes: Axes, found: Findings) -> None:
    outcomes = found.outcomes["copy, positions"]
    for (choice, each), colour in zip(outcomes.items(), (BLUE, RED), strict=True):
        epochs = np.arange(1, len(each.validation) + 1)
        axes.plot(epochs, each.validation, "o-", color=colour, label=choice, markersize=4)
    axes.axhline(found.unordered, color=GREY, linewidth=1, label="letters in any order")
    axes.set(title="Copy, positions: validation loss", xlabel="epoch", ylim=(0, 1.9))
    axes.xaxis.get_major_locator().set_params(integer=True)
    axes.legend()


def draw(found: Findings) -> Figure:
    figure = Figure(figsize=(9, 3.2), layout="constrained")
    left, middle, right = figure.subplots(1, 3)
    dots(left, found)
    norms(middle, found.outcomes["norm, 12 layers"])
    copies(right, found)
    return figure


def main(folder: Path, runs: str = RUNS, changes: Sequence[str] = ()) -> Findings:
    outcomes = {
        part: {choice: outcome(trial, Path(runs), changes) for choice, trial in trials.items()}
        for part, trials in TRIALS.items()
    }
    deep, *_ = DEEP.recipes(changes)
    outcomes["norm, 12 layers"]["none"] = bare(deep)
    copied, *_ = COPY.recipes(changes)
    found = Findings(outcomes, unordered(load_data(copied.data).validation))
    publish("taken_away", lambda: draw(found), report(found), folder)
    return found


if __name__ == "__main__":
    main(output_folder())
