"""byhand show: a run in words and figures."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from byhand.cli.options import Engine, RunName
from byhand.cli.say import print_facts, print_json


def show(
    run: RunName,
    names: Annotated[
        list[str] | None,
        typer.Option("--view", metavar="NAME", help="Draw this figure only; may be repeated."),
    ] = None,
    example: Annotated[
        int | None, typer.Option(metavar="N", help="Look at this example of the test set.")
    ] = None,
    image: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Look at this picture instead.")
    ] = None,
    layer: Annotated[
        str | None, typer.Option(metavar="NAME", help="Look at this layer, such as hidden1.")
    ] = None,
    unit: Annotated[
        int | None, typer.Option(metavar="K", help="Look at this unit of the layer.")
    ] = None,
    engine: Engine = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Say how a run went, and draw its figures into its folder."""
    from byhand import views
    from byhand.cli.outcome import facts, outcome, published
    from byhand.training import Run

    found = Run.open(run)
    said = outcome(found) | {"published": published(found)}
    if not as_json:
        print_facts(facts(said))
    focus = views.Focus(example, image, layer, unit)
    notes: list[str] = []
    paths = views.show(found, names, engine=engine, focus=focus, tell=notes.append)
    if as_json:
        print_json({**said, "figures": [str(path) for path in paths], "notes": notes})
    else:
        print_facts([("figure", str(path)) for path in paths] + [("note", n) for n in notes])
