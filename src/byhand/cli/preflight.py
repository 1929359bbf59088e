"""byhand preflight: is this machine ready to serve?"""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from byhand.cli.say import print_json, print_table

SIGNS = {"ok": "ok", "note": "note", "wrong": "WRONG"}


def preflight(
    port: Annotated[int, typer.Option(min=1, max=65535, help="Where to listen.")] = 8000,
    address: Annotated[str, typer.Option(help="On which address.")] = "127.0.0.1",
    as_json: Annotated[bool, typer.Option("--json", help="Print a JSON list.")] = False,
) -> None:
    """Look for what would go wrong in serving: driver and GPUs, PyTorch, memory, port, libraries.

    One line each, with what to do. The exit code is 1 where something has to be mended.
    """
    from byhand.serving.preflight import preflight

    checks = preflight(port, address)
    if as_json:
        print_json([asdict(check) for check in checks])
    else:
        rows = [
            (SIGNS[c.verdict], c.name, c.found + (f"; {c.advice}" if c.advice else ""))
            for c in checks
        ]
        print_table(("", "what", "found"), rows)
    if any(check.verdict == "wrong" for check in checks):
        raise typer.Exit(1)
