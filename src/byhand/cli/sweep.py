"""byhand sweep: a recipe with many settings, on Ray."""

from __future__ import annotations

import shlex
import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from byhand.cli.errors import INTERRUPTED
from byhand.cli.options import Address, recipe_argument
from byhand.cli.say import complain, duration, percent, print_facts, print_json, print_table
from byhand.errors import ByhandError, InputError

if TYPE_CHECKING:
    from byhand.training.sweep import Sweep, Trial

SPACES = "log(LOW,HIGH), uniform(LOW,HIGH), int(LOW,HIGH), choice(A,B,…) or one value"


def sweep(
    recipe: Annotated[str | None, recipe_argument("RECIPE")] = None,
    changes: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=SPACE", help=f"{SPACES}; may be repeated."),
    ] = None,
    trials: Annotated[int, typer.Option(min=1, help="How many.")] = 20,
    processors: Annotated[
        int, typer.Option("--cpus-per-trial", min=1, help="Each trial has these to itself.")
    ] = 1,
    seed: Annotated[int, typer.Option(min=0, help="Of the values that are drawn.")] = 0,
    stop_early: Annotated[
        bool, typer.Option(help="End trials early that are behind (successive halving).")
    ] = True,
    address: Address = None,
    resume: Annotated[
        str | None, typer.Option(metavar="SWEEP", help="Go on with this sweep instead.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Train a recipe with many settings, drawn at random, and compare.

    Each trial is a run folder under runs/RECIPE-sweep/. Ctrl-C ends the sweep, and
    `byhand sweep --resume` goes on with it; what is over is not trained again.
    """
    from byhand.training.cluster import require
    from byhand.training.sweep import Sweep
    from byhand.views import sweep as view

    require(address)
    if (recipe is None) == (resume is None):
        raise InputError("expected a RECIPE or --resume SWEEP, one of the two")
    if resume is not None and changes:
        raise InputError("--resume goes on with what was drawn: leave --set out")
    if resume is not None:
        found = Sweep.open(resume)
    else:
        found = Sweep.create(
            str(recipe),
            changes or (),
            trials=trials,
            seed=seed,
            processors=processors,
            stop_early=stop_early,
        )
    _fit(found, address)
    best_first = found.trials()
    if best_first[0].best is None:
        raise ByhandError(f"no trial of {found.name} finished an epoch: {best_first[0].failure}")
    figures = [str(path) for path in view.show(found)]
    if as_json:
        print_json(_plain(found, best_first, figures))
        return
    _print(found, best_first, figures)


def _fit(found: Sweep, address: str | None) -> None:
    count = len(found.plan.trials)
    over = len(found.ended())
    already = f", {over} of them over already" if over else ""
    _say(f"sweep folder {found.folder}, {count} trials{already}")
    try:
        found.fit(address, lambda trial: _say(f"{len(found.ended())}/{count}  {_line(trial)}"))
    except KeyboardInterrupt:
        text = f"every finished epoch is saved; go on with: byhand sweep --resume {found.name}"
        complain("stopped", text)
        raise typer.Exit(INTERRUPTED) from None


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _line(trial: Trial) -> str:
    """What came of a trial, in a line."""
    values = ", ".join(
        f"{name} {_short(value)}"
        for name, value in zip(_names(trial), trial.values.values(), strict=True)
    )
    if trial.best is None:
        return f"{trial.name}  {values}: {trial.ended}, {trial.failure}"
    return (
        f"{trial.name}  {values}: validation {_score(trial, 'validation')}, {trial.ended} "
        f"after {len(trial.epochs)} of {trial.planned} epochs"
    )


def _names(trial: Trial) -> list[str]:
    """What the settings are called: learning_rate, where no other table's is swept too."""
    last = [key.rpartition(".")[2] for key in trial.values]
    return [
        name if last.count(name) == 1 else key for key, name in zip(trial.values, last, strict=True)
    ]


def _score(trial: Trial, split: str) -> str:
    """Accuracy of the best epoch, or the loss where there are no classes."""
    if trial.best is None:
        return ""
    accuracy = trial.best[f"{split}_accuracy"]
    return f"{trial.best[f'{split}_loss']:.4g}" if accuracy is None else percent(accuracy)


def _short(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _print(found: Sweep, trials: list[Trial], figures: list[str]) -> None:
    print_table(
        ("trial", *_names(trials[0]), "validation", "test", "epochs", "", "time"),
        [
            (
                trial.name,
                *(_short(value) for value in trial.values.values()),
                _score(trial, "validation"),
                _score(trial, "test"),
                f"{len(trial.epochs)}/{trial.planned}",
                trial.ended or "",
                duration(trial.epochs[-1]["seconds"]) if trial.epochs else "",
            )
            for trial in trials
        ],
        right=("validation", "test", "epochs", "time"),
    )
    print(f"the best epoch of each trial by the {found.monitor} split, the best trial first")
    best = trials[0].name
    again = " ".join(
        f"--set {shlex.quote(f'{key}={text}')}" for key, text in found.plan.trials[best].items()
    )
    print_facts(
        [
            *(("figure", path) for path in figures),
            ("best", f"byhand show {found.folder / best}"),
            ("again", f"byhand train {found.plan.recipe} {again}"),
        ]
    )


def _plain(found: Sweep, trials: list[Trial], figures: list[str]) -> dict[str, Any]:
    return {
        "sweep": found.name,
        "folder": str(found.folder),
        "recipe": found.plan.recipe,
        "seed": found.plan.seed,
        "monitor": found.monitor,
        "trials": [
            {
                "trial": trial.name,
                "folder": str(found.folder / trial.name),
                "settings": trial.values,
                "ended": trial.ended,
                "epochs": len(trial.epochs),
                "epochs_planned": trial.planned,
                "best": trial.best,
                "failure": trial.failure,
            }
            for trial in trials
        ],
        "figures": figures,
    }
