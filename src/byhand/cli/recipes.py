"""byhand recipes: the experiments that come with byhand."""

from __future__ import annotations

from typing import Annotated

import typer

from byhand.cli.say import print_json, print_table


def recipes(
    as_json: Annotated[bool, typer.Option("--json", help="Print a JSON list.")] = False,
) -> None:
    """List the recipes that come with byhand."""
    from byhand.cli.outcome import in_words
    from byhand.training import all_recipes

    found = all_recipes()
    if as_json:
        print_json([{"name": recipe.name, **recipe.model_dump()} for recipe in found])
        return
    rows = []
    for recipe in found:
        figures = [in_words(p.metric, p.figure) for p in recipe.published if p.figure is not None]
        rows.append((recipe.name, ", ".join(figures), recipe.title))
    print_table(("name", "published", "what it is"), rows)
