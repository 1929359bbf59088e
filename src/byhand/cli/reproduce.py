"""byhand reproduce: published figures beside ours."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from byhand.cli.errors import INTERRUPTED
from byhand.cli.options import Engine
from byhand.cli.outcome import in_words
from byhand.cli.say import complain, print_json, print_table

if TYPE_CHECKING:
    from byhand.training.reproduce import Comparison

VERDICTS = {True: "inside", False: "outside", None: ""}


def reproduce(
    set_name: Annotated[
        str, typer.Argument(metavar="SET", help="A set of recipes, as nielsen.", show_default=False)
    ],
    seeds: Annotated[int | None, typer.Option(help="How many; 5, or 2 with --quick.")] = None,
    quick: Annotated[
        bool, typer.Option("--quick", help="Fewer epochs and seeds; figures are not judged.")
    ] = False,
    engine: Engine = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print a JSON list.")] = False,
) -> None:
    """Set published figures beside ours.

    Trains every recipe of a set over several seeds, one process per core, on the native engine
    where it can run. Stopped and started again, it goes on where it was.
    """
    from byhand.training import reproduce as room

    count = seeds if seeds is not None else room.QUICK_SEEDS if quick else room.SEEDS
    try:
        compared = room.reproduce(
            set_name,
            seeds=count,
            quick=quick,
            engine=engine,
            notify=lambda line: print(line, file=sys.stderr, flush=True),
        )
    except KeyboardInterrupt:
        complain("stopped", "everything is saved; the same command goes on from here")
        raise typer.Exit(INTERRUPTED) from None
    if as_json:
        print_json([_plain(comparison) for comparison in compared])
        return
    print_table(
        ("recipe", "published", "ours", "band", "", "time"),
        [_row(comparison) for comparison in compared],
        right=("published", "time"),
    )
    over = f"over {count} seeds" if count > 1 else "of one seed"
    print(f"ours is the mean ± standard deviation {over} on the {compared[0].engine} engine;")
    print("time is the mean training time of a run")
    if any(comparison.shortened for comparison in compared):
        print(f"--quick: runs of {room.QUICK_EPOCHS} epochs at most; longer ones are not judged")


def _row(c: Comparison) -> tuple[str, ...]:
    metric, published = c.published.metric, c.published
    ours = (c.mean, c.deviation) if len(c.values) > 1 else (c.mean,)
    return (
        f"{c.recipe.name}, voted" if metric == "voted_test_accuracy" else c.recipe.name,
        "a curve" if published.figure is None else in_words(metric, published.figure),
        in_words(metric, *ours, word="±"),
        "" if published.band is None else in_words(metric, *published.band, word="to"),
        VERDICTS[c.inside],
        f"{c.seconds:.0f} s",
    )


def _plain(c: Comparison) -> dict[str, Any]:
    return {
        "recipe": c.recipe.name,
        **c.published.model_dump(),
        "engine": c.engine,
        "values": c.values,
        "mean": c.mean,
        "deviation": c.deviation,
        "inside": c.inside,
        "shortened": c.shortened,
        "seconds": c.seconds,
    }
