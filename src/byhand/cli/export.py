"""byhand export: a trained network leaves byhand."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from byhand.cli.options import RunName
from byhand.cli.say import print_facts, print_json
from byhand.errors import InputError, nearest

ENDINGS = {"torch": ".py", "onnx": ".onnx", "huggingface": ""}
"""Of what is written; a folder has none."""


def _known_form(name: str) -> str:
    if name not in ENDINGS:
        advice = nearest(name, ENDINGS, f"there is {', '.join(ENDINGS)}")
        raise InputError(f"cannot export to {name!r}; {advice}")
    return name


def export(
    run: RunName,
    to: Annotated[
        str,
        typer.Option(
            "--to",
            help="torch (a script), onnx or huggingface (a folder).",
            callback=_known_form,
            show_default=False,
        ),
    ],
    output: Annotated[
        Path | None, typer.Option(metavar="PATH", help="Otherwise in the run's folder.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Write a trained network as a file or folder that runs without byhand.

    To torch: a plain PyTorch script with its weights beside it. To onnx: one file for ONNX Runtime
    and its like. To huggingface: a gpt with rotary, rms and swiglu as a folder in Llama's format.
    The network has the parameters of its best epoch.
    """
    from byhand import export as room
    from byhand.training import Run

    found = Run.open(run)
    path = output or found.folder / "export" / f"model{ENDINGS[to]}"
    if ENDINGS[to] and path.suffix != ENDINGS[to]:
        raise InputError(f"--to {to} writes a {ENDINGS[to]} file, --output is {path}")
    if to == "torch":
        names = ("script", "weights", "examples")
        said = dict(zip(names, map(str, room.export_torch(found, path)), strict=True))
        more = {"next": f"python {said['script']}"}
    elif to == "huggingface":
        made = room.export_huggingface(found, path)
        said = {"folder": str(path)}
        more = {"parameters": f"{made.parameters:,}", "next": f"byhand generate {path} --prompt …"}
    else:
        difference = room.export_onnx(found, path)
        said = {"model": str(path)}
        more = {"checked": f"ONNX Runtime's answers are ours to {difference:.1e}"}
    if as_json:
        print_json(said)
    else:
        print_facts((said | more).items())
