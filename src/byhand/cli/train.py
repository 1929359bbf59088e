"""byhand train: a recipe becomes a run."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from byhand.cli.options import Address, Amp, Compile, Device, Engine, RecipeName, Threads
from byhand.errors import InputError


def train(
    recipe: RecipeName,
    engine: Engine = None,
    threads: Threads = None,
    device: Device = None,
    compile: Compile = None,
    amp: Amp = None,
    epochs: Annotated[int | None, typer.Option(help="Instead of the recipe's.")] = None,
    seed: Annotated[int | None, typer.Option(help="Instead of the recipe's.")] = None,
    changes: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="KEY=VALUE",
            help="Change any key, as optimizer.learning_rate=0.5; may be repeated.",
        ),
    ] = None,
    text: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="A text in UTF-8 to learn from, instead of the data."),
    ] = None,
    pairs: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Sentences with their translations to learn from, two columns with a tab.",
        ),
    ] = None,
    workers: Annotated[
        int, typer.Option(min=1, help="Processes that share every batch; more than one need Ray.")
    ] = 1,
    address: Address = None,
    name: Annotated[
        str | None, typer.Option(help="Of the run; otherwise the recipe's, with a number.")
    ] = None,
    tensorboard: Annotated[
        bool, typer.Option("--tensorboard", help="Also write TensorBoard events.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Train a recipe into a new folder under runs/.

    Ctrl-C saves everything; `byhand resume` goes on from there.
    """
    from byhand.cli.fit import fit, show_end
    from byhand.training import find_recipe

    if address is not None and workers == 1:
        raise InputError("--address is where the workers are: give --workers, two or more")
    flags = {"engine": engine, "threads": threads, "epochs": epochs, "seed": seed}
    flags |= {"device": device, "compile": compile, "amp": amp}
    given = [
        f"training.{key}={str(value).lower()}" for key, value in flags.items() if value is not None
    ]
    if text is not None:
        given.append(f"data.text={json.dumps(str(text))}")
    if pairs is not None:
        given.append(f"data.pairs={json.dumps(str(pairs))}")
    found = find_recipe(recipe, [*(changes or ()), *given])
    run = fit(
        found, name, workers=workers, address=address, tensorboard=tensorboard, as_json=as_json
    )
    show_end(run, as_json)
