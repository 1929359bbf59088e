"""byhand sample: a trained network writes."""

from __future__ import annotations

import sys
from itertools import islice
from typing import TYPE_CHECKING, Annotated, Any

import typer

from byhand.cli.options import Engine, RunName
from byhand.cli.say import percent, print_json, print_table

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from byhand.data import Vocabulary

SHOWN = 15
"""The likeliest tokens, of those that may come next."""
BAR = 40
"""Characters of a bar that stands for 100 %."""


def sample(
    run: RunName,
    prompt: Annotated[
        str | None,
        typer.Option(help="The text to go on from; by default a line begins.", show_default=False),
    ] = None,
    length: Annotated[int, typer.Option(min=1, help="Characters, or tokens, to write.")] = 500,
    temperature: Annotated[
        float, typer.Option(help="Below 1 the likely become likelier; 0 takes the likeliest.")
    ] = 1.0,
    top_k: Annotated[
        int | None, typer.Option(metavar="K", help="Draw from the K likeliest only.")
    ] = None,
    top_p: Annotated[
        float | None,
        typer.Option(metavar="P", help="Draw from the likeliest that sum to P only."),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="One seed is one text.")] = 0,
    only_next: Annotated[
        bool, typer.Option("--next", help="Say what may come after the prompt, and how likely.")
    ] = False,
    engine: Engine = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Let a network that was trained on a text write one.

    The network has the parameters of its best epoch. The text appears as it is written.
    """
    from byhand.sampling import Sampling
    from byhand.training import Run
    from byhand.training.sampling import after, continued, encoded, spelled
    from byhand.training.session import context_of, language_model

    how = Sampling(temperature, top_k, top_p)
    opened = Run.open(run)
    program, vocabulary = language_model(opened, engine)
    context = context_of(opened)
    ids = encoded(prompt, vocabulary)
    if only_next:
        _say_next(how.left(after(program, ids, context)[0]), vocabulary, as_json)
        return
    given = vocabulary.decode(ids)
    written = spelled(islice(continued(program, ids, how, seed, context), length), vocabulary)
    if as_json:
        print_json({"run": run, "seed": seed, "prompt": given, "text": "".join(written)})
        return
    try:
        print(given if prompt else "", end="", flush=True)
        for piece in written:
            print(piece, end="", flush=True)
    finally:
        # What comes next, be it the word that it was interrupted, has a line of its own.
        sys.stdout.write("\n")


def _say_next(p: NDArray[Any], vocabulary: Vocabulary, as_json: bool) -> None:
    """The tokens that may come next, the likeliest first."""
    ranked = [int(token) for token in (-p).argsort(kind="stable") if p[token] > 0]
    names = {token: vocabulary.decode([token]) for token in ranked}
    if as_json:
        print_json([{vocabulary.unit: names[t], "probability": float(p[t])} for t in ranked])
        return
    rows = [(repr(names[t]), percent(p[t]), "█" * round(BAR * p[t])) for t in ranked[:SHOWN]]
    if others := ranked[SHOWN:]:
        rows.append((f"{len(others)} others", percent(sum(p[t] for t in others)), ""))
    print_table([vocabulary.unit, "probability", ""], rows, right=["probability"])
