"""byhand data: the data sets and files byhand knows by name."""

from __future__ import annotations

from typing import Annotated

import typer

from byhand.cli.say import print_facts, print_json, print_table
from byhand.errors import InputError, nearest

LISTED = "byhand data list lists what there is"
app = typer.Typer(rich_markup_mode=None, help="List or fetch the data byhand knows by name.")


@app.callback(invoke_without_command=True)
def start(context: typer.Context) -> None:
    if context.invoked_subcommand is None:
        print(context.get_help())


@app.command("list")
def list_(
    as_json: Annotated[bool, typer.Option("--json", help="Print a JSON list.")] = False,
) -> None:
    """List the data sets and files, and whether each is on this machine."""
    from byhand.data import catalogue
    from byhand.data.files import FILES, place_of

    entries = catalogue()
    if as_json:
        print_json(
            [
                {
                    "name": entry.name,
                    "title": entry.title,
                    "origin": entry.origin,
                    "terms": entry.terms,
                    "classes": entry.classes,
                    "bytes": entry.size,
                    "cached": entry.cached,
                    "path": str(entry.path),
                }
                for entry in entries
            ]
            + [
                {
                    "name": name,
                    "title": file.title,
                    "origin": file.origin,
                    "terms": file.terms,
                    "bytes": file.size,
                    "cached": place_of(name).is_file(),
                    "path": str(place_of(name)),
                }
                for name, file in FILES.items()
            ]
        )
        return
    rows = [
        (
            entry.name,
            "yes" if entry.cached else "no",
            f"{entry.size / 1e6:.0f} MB",
            f"{entry.title}; {entry.origin}; {entry.terms}",
        )
        for entry in entries
    ]
    rows += [
        (
            name,
            "yes" if place_of(name).is_file() else "no",
            f"{file.size / 1e6:.1f} MB",
            f"{file.title}; {file.origin}; {file.terms}",
        )
        for name, file in FILES.items()
    ]
    print_table(("name", "here", "size", "what it is"), rows, right=("size",))


@app.command()
def get(
    name: Annotated[
        str, typer.Argument(help="A name that `byhand data list` lists.", show_default=False)
    ],
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Fetch a data set or a file into the cache, or check the one that is there."""
    from byhand.data import catalogue, fetch_file, load
    from byhand.data.files import FILES

    known = [*(entry.name for entry in catalogue()), *FILES]
    if name not in known:
        raise InputError(f"no data is called {name!r}; {nearest(name, known, LISTED)}")
    if name in FILES:
        where = str(fetch_file(name))
        if as_json:
            print_json({"name": name, "path": where})
        else:
            print_facts([("checked", "as published"), ("cache", where)])
        return

    dataset = load(name)
    path = next(entry.path for entry in catalogue() if entry.name == name)
    counts = {
        "train": len(dataset.train),
        "validation": len(dataset.validation),
        "test": len(dataset.test),
    }
    if as_json:
        print_json({"name": name, "path": str(path), "examples": counts})
        return
    examples = ", ".join(f"{count} {split}" for split, count in counts.items())
    print_facts([("examples", examples), ("checked", "as published"), ("cache", str(path))])
