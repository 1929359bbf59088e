"""byhand train: a recipe becomes a run."""

from __future__ import annotations

from typing import Annotated

import typer

from byhand.cli.options import Engine, RecipeName, Threads


def train(
    recipe: RecipeName,
    engine: Engine = None,
    threads: Threads = None,
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

    flags = {"engine": engine, "threads": threads, "epochs": epochs, "seed": seed}
    given = [f"training.{key}={value}" for key, value in flags.items() if value is not None]
    found = find_recipe(recipe, [*(changes or ()), *given])
    run = fit(found, name, tensorboard=tensorboard, as_json=as_json)
    show_end(run, as_json)
