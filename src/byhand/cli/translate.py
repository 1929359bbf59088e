"""byhand translate: a network that was trained on pairs of sentences translates."""

from __future__ import annotations

import sys
from shutil import get_terminal_size
from typing import TYPE_CHECKING, Annotated, Any

import typer

from byhand.cli.options import Engine, RunName
from byhand.cli.progress import status
from byhand.cli.say import complain, heading, percent, print_facts, print_json, print_table
from byhand.errors import InputError

if TYPE_CHECKING:
    from byhand.training.translation import Look, Translation, Translator

SHADES = " ░▒▓█"


def translate(
    run: RunName,
    sentences: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="SENTENCE",
            help="What to translate; without any, the lines of stdin.",
            show_default=False,
        ),
    ] = None,
    beam: Annotated[
        int, typer.Option(metavar="K", help="Beginnings that are gone on with; 1 is greedy.")
    ] = 4,
    attention: Annotated[
        bool, typer.Option("--attention", help="Show what each word has looked at, in percent.")
    ] = False,
    test: Annotated[
        bool, typer.Option("--test", help="Translate the test split, and score it.")
    ] = False,
    limit: Annotated[
        int | None,
        typer.Option(
            metavar="N", min=1, help="Of the test split N, from all of it.", show_default=False
        ),
    ] = None,
    engine: Engine = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Translate sentences with a network that was trained on pairs of them.

    The network has the parameters of its best epoch. A translation is printed as a line.
    """
    from byhand.training import Run
    from byhand.training.search import check_beam
    from byhand.training.translation import Translator

    check_beam(beam)
    if test and (sentences or attention):
        other = "sentences" if sentences else "--attention"
        raise InputError(f"--test translates the test split: give it or {other}, not both")
    if limit is not None and not test:
        raise InputError("--limit is of the test split: give --test with it")
    opened = Run.open(run)
    translator = Translator(opened, engine)
    if test:
        _test(translator, beam, limit, as_json)
        return
    given = sentences or [line.rstrip("\r\n") for line in sys.stdin]
    if not given:
        raise InputError("nothing to translate: give a sentence, or lines on stdin")
    said = []
    for found in translator.translate(given, beam):
        look = translator.look(found) if attention else None
        if found.unknown and not as_json:
            complain("warning", f"not in the vocabulary, read as <unk>: {', '.join(found.unknown)}")
        if as_json:
            said.append(_as_json(found, look))
            continue
        print(found.text, flush=True)
        if not found.ended:
            complain("warning", f"cut off after {len(found.wrote)} tokens, without an end")
        if look is not None:
            _show(look)
    if as_json:
        print_json(said)


def _show(look: Look) -> None:
    """The words that were written below each other, those that were read along; in a narrow
    terminal these are written downwards."""
    heading(look.layer + (f", the mean of its {look.heads} heads" if look.heads > 1 else ""))
    rows = list(zip(look.wrote, look.p.tolist(), strict=True))
    first = max(map(len, look.wrote))
    wide = first + sum(2 + max(len(word), len("█100")) for word in look.read)
    if not sys.stdout.isatty() or wide <= get_terminal_size().columns:
        print_table(["", *look.read], [(w, *map(_cell, shares)) for w, shares in rows])
        return
    high = max(map(len, look.read))
    for letters in zip(*(word.rjust(high) for word in look.read), strict=True):
        print((" " * first + "".join(letter.rjust(4) for letter in letters)).rstrip())
    for word, shares in rows:
        row = "".join(_percent(share).rjust(4) for share in shares)
        print((word.ljust(first) + row).rstrip())


def _cell(share: float) -> str:
    percent = _percent(share)
    return f"{SHADES[round(4 * share)]}{percent:>3}" if percent else ""


def _percent(share: float) -> str:
    """Less than half a percent is left blank."""
    whole = round(100 * share)
    return str(whole) if whole else ""


def _as_json(found: Translation, look: Look | None) -> dict[str, Any]:
    said: dict[str, Any] = {
        "source": found.source,
        "translation": found.text,
        "log_probability": found.log_p,
        "ended": found.ended,
        "unknown": list(found.unknown),
    }
    if look is not None:
        said["attention"] = {
            "layer": look.layer,
            "read": list(look.read),
            "wrote": list(look.wrote),
            "p": look.p.tolist(),
        }
    return said


def _test(translator: Translator, beam: int, limit: int | None, as_json: bool) -> None:
    with status(as_json) as tell:
        result = translator.test(beam, limit, tell)
    if as_json:
        print_json(result.as_dict())
        return
    print_facts(
        [
            ("sentences", f"{result.sentences:,} of the test split"),
            ("unknown words", f"{result.unknown:,} in their sources"),
            *((name, f"{s.score:.2f} ({s.signature})") for name, s in result.scores.items()),
            ("as it stands there", percent(result.same)),
            ("loss", f"{result.loss:.4f} nats per token"),
            ("speed", f"{result.tokens_per_second:,.0f} tokens per second with a beam of {beam}"),
        ]
    )
