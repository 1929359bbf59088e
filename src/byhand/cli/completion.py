"""What the shell offers when Tab is pressed."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated

import typer


def recipe_names(incomplete: str) -> list[str]:
    from byhand.training.recipe import recipe_folder

    return _matching((path.stem for path in recipe_folder().glob("*.toml")), incomplete)


def run_names(incomplete: str) -> list[str]:
    from byhand.training.run import ROOT

    return _matching((path.parent.name for path in ROOT.glob("*/config.toml")), incomplete)


RunName = Annotated[
    str,
    typer.Argument(
        metavar="RUN",
        help="A name that `byhand runs` lists, or a run folder.",
        autocompletion=run_names,
        show_default=False,
    ),
]


def _matching(names: Iterable[str], start: str) -> list[str]:
    return sorted(name for name in names if name.startswith(start))
