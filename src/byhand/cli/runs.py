"""byhand runs: what was trained here."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from byhand.cli.say import complain, duration, percent, print_json, print_table, text_loss
from byhand.errors import ByhandError

if TYPE_CHECKING:
    from byhand.training import Run


def runs(
    as_json: Annotated[bool, typer.Option("--json", help="Print a JSON list.")] = False,
) -> None:
    """List the runs in runs/, the oldest first."""
    from byhand.training import Run

    found = [outcome for run in Run.all() if (outcome := _outcome(run))]
    if as_json:
        print_json(found)
    elif not found:
        print("no runs here yet: byhand train nielsen-1 makes one")
    else:
        print_table(
            ("name", "status", "epochs", "test", "time"),
            [_row(outcome) for outcome in found],
            right=("epochs", "test", "time"),
        )


def _outcome(run: Run) -> dict[str, Any] | None:
    from byhand.cli.outcome import outcome

    try:
        return outcome(run)
    except ByhandError as error:
        complain("warning", f"{run.name} is left out: {error}")
        return None


def _row(found: dict[str, Any]) -> tuple[str, ...]:
    best = found["best"] or {}
    accuracy, loss = best.get("test_accuracy"), best.get("test_loss")
    test = percent(accuracy) if accuracy is not None else f"{loss:.4g}" if loss else ""
    test = text_loss(best, "test") or test
    epochs = f"{found['epochs']}/{found['epochs_planned']}"
    return found["run"], found["status"], epochs, test, duration(found["seconds"])
