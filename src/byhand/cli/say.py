"""How the command line talks: results on stdout, everything else on stderr.

On a terminal there is colour (none with NO_COLOR) and lines are fitted to its width; piped there
is neither.
"""

from __future__ import annotations

import json
import logging
import math
import sys
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console

STYLES = {"error": "bold red", "unexpected": "bold red", "warning": "yellow"}
ENDLESS = 10_000  # columns of a pipe


def complain(kind: str, text: str = "", console: Console | None = None) -> None:
    """One line on stderr: "error: …", "warning: …"; through the console that draws there now."""
    from rich.console import Console
    from rich.text import Text

    rest = f": {' '.join(text.split())}" if text else ""
    line = Text.assemble((kind, STYLES.get(kind, "")), rest)
    (console or Console(stderr=True)).print(line, soft_wrap=True, highlight=False)


def print_json(value: Any) -> None:
    """One JSON value on stdout; numbers that JSON does not have become null."""
    print(json.dumps(_finite(value), indent=2, ensure_ascii=False))


def heading(text: str) -> None:
    """A part of a longer text begins."""
    from rich.text import Text

    _print(Text(f"\n{text}", style="bold cyan"))


def print_table(
    header: Sequence[str], rows: Iterable[Sequence[str]], right: Sequence[str] = ()
) -> None:
    """Columns under a header; those named in `right` are aligned to the right."""
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold")
    for name in header:
        number = name in right
        table.add_column(
            name, justify="right" if number else "left", no_wrap=number, overflow="fold"
        )
    for row in rows:
        table.add_row(*(Text(cell) for cell in row))
    _print(table)


def print_facts(facts: Iterable[tuple[str, str]]) -> None:
    """Names and what there is to say about each, in two columns."""
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, padding=(0, 2, 0, 0), show_header=False)
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    for name, text in facts:
        table.add_row(name, Text(text))
    _print(table)


def _print(what: Any) -> None:
    """Print with rich, fitted to a terminal and without filling up lines with blanks."""
    from rich.console import Console

    console = Console(width=None if sys.stdout.isatty() else ENDLESS, highlight=False)
    with console.capture() as captured:
        console.print(what)
    print("\n".join(line.rstrip() for line in captured.get().splitlines()), flush=True)


def percent(*shares: float, word: str = "") -> str:
    """95.42 %, or two shares with a word between them: 94.92 to 95.92 %."""
    return f" {word} ".join(f"{100 * share:.2f}" for share in shares) + " %"


def text_loss(row: dict[str, Any], split: str) -> str | None:
    """A split's loss in an epoch's row of a text, for each token: 1.6213 nats (2.339 bits per
    character); None of other data."""
    bits = row.get(f"{split}_bits_per_character")
    if bits is None:
        return None
    return f"{row[f'{split}_loss']:.4f} nats ({bits:.3f} bits per character)"


def duration(seconds: float) -> str:
    """8.4 s, 42 s, 3 min 5 s, 1 h 12 min."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def show_log() -> None:
    """What the rooms log (a download and its sources) goes to stderr as it happens."""
    logger = logging.getLogger("byhand")
    logger.handlers = [_Log()]
    logger.setLevel(logging.INFO)


class _Log(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        if record.levelno >= logging.WARNING:
            complain("warning", record.getMessage())
        else:
            print(record.getMessage(), file=sys.stderr)


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
