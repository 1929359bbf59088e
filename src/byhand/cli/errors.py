"""Every way a command can end, each as one line and an exit code.

2       the command or its input cannot be used as it is
1       something failed
130     Ctrl-C
"""

from __future__ import annotations

import os
import sys
import traceback
from typing import Any

import typer
from typer.core import TyperGroup

from byhand.cli.say import complain
from byhand.errors import ByhandError

INTERRUPTED = 130
# typer offers one of its usage errors by name; this is what all of them are.
UsageError: type[Exception] = typer.BadParameter.__bases__[0]


class Interrupted(Exception):
    """Ctrl-C, carried past typer, which has an ending of its own for KeyboardInterrupt."""


class Verbs(TyperGroup):
    """The verbs of the command line."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        # People append --debug to the command that failed; here it goes anywhere.
        if "--debug" in args:
            args = ["--debug", *(word for word in args if word != "--debug")]
        ctx.ensure_object(dict)["debug"] = "--debug" in args
        return super().parse_args(ctx, args)

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            raise Interrupted from None
        except typer.Exit:
            raise
        except Exception:
            if ctx.obj["debug"]:
                traceback.print_exc()
            raise

    def main(self, *args: Any, **kwargs: Any) -> Any:
        kwargs["standalone_mode"] = False
        try:
            code = super().main(*args, **kwargs) or 0
            sys.stdout.flush()
        except BrokenPipeError:
            # Whoever read our output has gone; nobody is left to be told.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            code = 1
        except Exception as error:
            code = report(error)
        sys.exit(code)


def report(error: Exception) -> int:
    """Say what happened in one line; the exit code."""
    if isinstance(error, Interrupted):
        complain("interrupted")
        return INTERRUPTED
    if isinstance(error, ByhandError):
        complain("error", str(error))
        return error.exit_code
    if isinstance(error, UsageError):
        complain("error", _usage(error))
        return 2
    if isinstance(error, OSError):
        place = f"{error.filename}: " if error.filename else ""
        complain("error", f"{place}{error.strerror or error}")
    elif isinstance(error, MemoryError):
        reason = f" ({error})" if str(error) else ""
        complain("error", f"not enough memory{reason}: choose a smaller model or batch")
    else:
        text = f"{type(error).__name__}: {error}; run again with --debug for the traceback"
        complain("unexpected", text)
    return 1


def _usage(error: Any) -> str:
    """typer's own message with where to read more."""
    message = " ".join(error.format_message().split()).rstrip(".")
    command = error.ctx.command_path if error.ctx else "byhand"
    return f"{message[:1].lower()}{message[1:]}; see {command} --help"
