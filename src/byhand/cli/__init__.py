"""The command `byhand`: one file per verb, and no logic of its own.

The verbs import what they need when they run, so that `byhand --help` loads no heavy library.
"""

from __future__ import annotations

import io
import sys
from typing import Annotated

import typer

import byhand
from byhand.cli import (
    bench,
    chat,
    check,
    data,
    deploy,
    export,
    finetune,
    generate,
    napkin,
    parity,
    predict,
    preflight,
    recipes,
    reproduce,
    resume,
    runs,
    sample,
    serve,
    show,
    sweep,
    tour,
    train,
    translate,
    weights,
)
from byhand.cli.errors import Verbs
from byhand.cli.say import show_log

# Plain help: the boxed one takes longer to load than all the rest of `byhand --help`.
app = typer.Typer(name="byhand", cls=Verbs, pretty_exceptions_enable=False, rich_markup_mode=None)


def _version(wanted: bool) -> None:
    if wanted:
        print(f"byhand {byhand.__version__}")
        raise typer.Exit


@app.callback(invoke_without_command=True)
def start(
    context: typer.Context,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Say which byhand.")
    ] = False,
    debug: Annotated[
        bool, typer.Option("--debug", help="Show the traceback of an error; goes anywhere.")
    ] = False,
) -> None:
    """Neural networks written out by hand, proved right, and trained on real data.

    Start with `byhand tour`.
    """
    show_log()
    if context.invoked_subcommand is None:
        print(context.get_help())


app.command()(tour.tour)
app.command()(recipes.recipes)
app.command()(train.train)
app.command()(resume.resume)
app.command()(runs.runs)
app.command()(show.show)
app.command()(predict.predict)
app.command()(sample.sample)
app.command()(translate.translate)
app.command()(reproduce.reproduce)
app.command()(sweep.sweep)
app.command()(export.export)
app.command()(parity.parity)
app.command()(check.check)
app.command()(preflight.preflight)
app.command()(generate.generate)
app.command()(chat.chat)
app.command()(finetune.finetune)
app.command()(serve.serve)
app.add_typer(data.app, name="data")
app.add_typer(bench.app, name="bench")
app.add_typer(napkin.app, name="napkin")
app.add_typer(weights.app, name="weights")
app.add_typer(deploy.app, name="deploy")


def main() -> None:
    """The console script."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # A terminal that has no sign for ∂ or ▀ shows a ? and goes on.
            stream.reconfigure(errors="replace")
    app(prog_name="byhand")
