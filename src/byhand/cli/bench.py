"""byhand bench: how fast is it here?"""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from byhand.cli.options import RecipeName, Threads
from byhand.cli.progress import status
from byhand.cli.say import print_facts, print_json, print_table

if TYPE_CHECKING:
    from byhand.training.devices import Fit, Timings

app = typer.Typer(rich_markup_mode=None, help="Measure speed on this machine.")


@app.callback(invoke_without_command=True)
def start(context: typer.Context) -> None:
    if context.invoked_subcommand is None:
        print(context.get_help())


@app.command()
def devices(
    recipe: RecipeName,
    output: Annotated[
        Path | None, typer.Option(metavar="FILE.png", help="Of the figure.", show_default=False)
    ] = None,
    threads: Threads = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Ask why a GPU is slower: time a recipe's training step on each device.

    For several batch sizes and widths; what a step costs however small it is, is told from its
    arithmetic, and drawn is where which device is the fastest.
    """
    from byhand.storage import atomic
    from byhand.training import find_recipe
    from byhand.training.devices import fit, time_devices
    from byhand.views.devices import draw

    found = find_recipe(recipe)
    with status(as_json) as tell:
        timings = time_devices(found, threads, tell)
    fits = {name: fit(timings.sizes, seconds) for name, seconds in timings.seconds.items()}
    path = output or Path(f"{found.name}-devices.png")
    with atomic(path) as temporary:
        draw((timings, fits)).savefig(temporary, format="png")
    if as_json:
        print_json(_plain(timings, fits) | {"figure": str(path)})
        return
    print_table(
        ("batch", "width", "multiply-adds", *timings.seconds),
        _measured(timings),
        right=("batch", "width", "multiply-adds", *timings.seconds),
    )
    print("\nµs of a training step; of which, by a fit to these times:\n")
    print_table(
        ("device", "overhead", "multiply-adds", "parameters", "off by"),
        [_terms(name, one) for name, one in fits.items()],
        right=("overhead", "multiply-adds", "parameters", "off by"),
    )
    print("\n" + "\n".join(verdicts(timings, fits)))
    print_facts([("figure", str(path))])


def verdicts(timings: Timings, fits: dict[str, Fit]) -> list[str]:
    """From which batch size on a GPU is faster than the best of the CPU, for each width."""
    from byhand.training.devices import frontier, gpus

    lines = [
        f"width × {factor}: {gpu} {_from(batch)}"
        for gpu in gpus(fits)
        for factor, batch in frontier(timings, fits, gpu).items()
    ]
    return lines or ["PyTorch finds no GPU here: these are the costs of this CPU, by themselves"]


def _from(batch: float) -> str:
    if math.isinf(batch):
        return "is brought no nearer to the CPU by larger batches"
    if batch <= 1:
        return "wins with any batch"
    return f"wins from a batch of {math.ceil(batch):,} on"


def _measured(timings: Timings) -> list[tuple[str, ...]]:
    return [
        (
            str(size.batch),
            f"× {size.factor}",
            f"{size.work:,}",
            *(f"{1e6 * seconds[k]:,.0f}" for seconds in timings.seconds.values()),
        )
        for k, size in enumerate(timings.sizes)
    ]


def _terms(name: str, one: Fit) -> tuple[str, ...]:
    return (
        name,
        f"{1e6 * one.overhead:,.0f} µs",
        f"{1e12 * one.per_multiply_add:,.1f} µs a million",
        f"{1e12 * one.per_parameter:,.1f} µs a million",
        f"{100 * one.error:.0f} %",
    )


def _plain(timings: Timings, fits: dict[str, Fit]) -> dict[str, Any]:
    from dataclasses import asdict

    return {
        "recipe": timings.title,
        "sizes": [asdict(size) for size in timings.sizes],
        "seconds": {name: seconds.tolist() for name, seconds in timings.seconds.items()},
        "fits": {name: asdict(one) for name, one in fits.items()},
        "verdicts": verdicts(timings, fits),
    }
