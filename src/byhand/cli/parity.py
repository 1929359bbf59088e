"""byhand parity: the engines beside each other."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from byhand.cli.options import recipe_argument
from byhand.cli.progress import status
from byhand.cli.say import print_json, print_table
from byhand.errors import ByhandError

if TYPE_CHECKING:
    from byhand.engines.parity import Row

LEGEND = """\
error is ‖a − b‖ / ‖b‖, where b is NumPy's; the first 25 steps are begun by both with NumPy's
numbers. In float64 the largest element counts, and the worst of those steps; in float32 the root of
the sum of squares, and the median step. With ReLU or max pooling float32 is compared step by step
only: a rounding beside a kink sends two right runs apart."""


def parity(
    model: Annotated[str, recipe_argument("MODEL")],
    steps: Annotated[int, typer.Option(min=1, help="How many steps are trained.")] = 100,
    as_json: Annotated[bool, typer.Option("--json", help="Print a JSON list.")] = False,
) -> None:
    """Ask whether the engines agree on a recipe.

    Each trains its first steps in float64 and in float32; losses, gradients, parameters and
    predictions are set beside NumPy's. Exit code 1 where any differs by more than its bound.
    """
    from byhand.engines.parity import worst
    from byhand.training import find_recipe
    from byhand.training.session import compare_engines

    recipe = find_recipe(model)
    with status(as_json) as tell:
        rows = compare_engines(recipe, steps, tell)
    found = worst(rows)
    if as_json:
        print_json([_plain(row) for row in rows])
    else:
        print_table(
            ("engine", "dtype", "quantity", "worst of its kind", "error", "bound", ""),
            [_cells(row) for row in found],
            right=("error", "bound"),
        )
        print(LEGEND)
    wrong = [row for row in found if not row.agrees]
    if wrong:
        raise ByhandError(_disagreement(wrong, f"{steps} steps"))
    if not as_json:
        *others, last = dict.fromkeys(row.engine for row in rows)
        print(f"{', '.join(['numpy', *others])} and {last} agree")


def _disagreement(wrong: list[Row], in_a_row: str) -> str:
    """The first quantity that is wrong, which the others may follow from."""
    first, more = wrong[0], len(wrong) - 1
    array = f" ({first.array})" if first.array else ""
    text = (
        f"{first.engine} and numpy disagree in {first.dtype} on the {first.quantity}{array}: "
        f"error {first.error:.1e}, expected at most {first.bound:.0e}"
    )
    if more:
        text += f"; and on {more} more"
    if all(in_a_row in row.quantity for row in wrong):
        text += (
            "; each step by itself agrees, so training may be unstable and magnify roundings: "
            "try a lower optimizer.learning_rate"
        )
    return text


def _cells(row: Row) -> tuple[str, ...]:
    agrees = "agrees" if row.agrees else "disagrees"
    numbers = f"{row.error:.1e}", f"{row.bound:.0e}"
    return row.engine, row.dtype, row.quantity, row.array, *numbers, agrees


def _plain(row: Row) -> dict[str, Any]:
    return {
        "engine": row.engine,
        "dtype": row.dtype,
        "quantity": row.quantity,
        "array": row.array,
        "error": row.error,
        "bound": row.bound,
        "agrees": row.agrees,
    }
