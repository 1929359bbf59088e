"""byhand check: is the derivative in this file right, and if not, which line is wrong?"""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from byhand.cli.say import complain, print_json
from byhand.errors import InputError

if TYPE_CHECKING:
    from byhand.doctor.report import Fix, Report

EXIT_CODES = {"right": 0, "wrong": 1, "shape": 1, "undecided": 2, "error": 2}


def check(
    target: Annotated[
        str,
        typer.Argument(
            metavar="FILE.py[::NAME]",
            help="NAME: a function or class of the file, where it has several pairs.",
            show_default=False,
        ),
    ],
    inputs: Annotated[
        Path | None,
        typer.Option(metavar="FILE.npz", help="The forward's arguments, in place of example(rng)."),
    ] = None,
    of: Annotated[
        list[str] | None,
        typer.Option(
            metavar="dW1=W1", help="Which gradient is of which variable; may be repeated."
        ),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of the points that are probed.")] = 0,
    verbose: Annotated[
        bool, typer.Option("--verbose", help="Other corrections too, and how it was found out.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
    fix: Annotated[
        bool, typer.Option("--fix", help="Correct the file, and keep what makes it better.")
    ] = False,
) -> None:
    """Ask which line of a hand-written derivative is wrong.

    The file holds a forward and a backward, and example(rng), which returns the
    forward's arguments. It is run to be checked. Exit code 0 where every
    gradient is right, 1 where something is wrong, 2 where it could not be
    checked.
    """
    path, name = _target(target)
    pairs = _pairs(of or [])
    arrays = None if inputs is None else read_inputs(inputs)

    from byhand.doctor import check_file

    def checked() -> Report:
        return check_file(path, name, inputs=arrays, of=pairs or None, seed=seed)

    report = checked()
    if fix and report.verdict in ("wrong", "shape"):
        if not as_json:
            _show(report, verbose)
            print()
        report = _fix(path, report, checked, as_json)
    if as_json:
        from byhand.doctor.present import as_json as plain

        print_json(plain(report))
    elif EXIT_CODES[report.verdict] < 2:
        _show(report, verbose)
    elif report.gradients:
        _show(replace(report, reason=""), verbose)
    _finish(report)


def _target(target: str) -> tuple[Path, str | None]:
    file, _, name = target.partition("::")
    path = Path(file)
    if path.is_dir():
        raise InputError(f"{file}: expected a Python file, found a folder; name one file in it")
    if path.suffix == ".ipynb":
        raise InputError(
            f"{file}: expected a Python file, found a notebook; call in it "
            "byhand.check(forward, backward, inputs)"
        )
    if path.suffix != ".py":
        raise InputError(f"{file}: expected a file that ends in .py; give FILE.py or FILE.py::NAME")
    if not path.is_file():
        raise InputError(f"{file}: expected a Python file, found none; look at its path")
    return path, name or None


def _pairs(written: list[str]) -> dict[str, str]:
    """--of dW1=W1 as {"dW1": "W1"}."""
    pairs: dict[str, str] = {}
    for text in written:
        gradient, _, variable = (part.strip() for part in text.partition("="))
        if not gradient or not variable:
            raise InputError(f"--of: expected GRADIENT=VARIABLE, as in dW1=W1, found {text!r}")
        if pairs.setdefault(gradient, variable) != variable:
            raise InputError(
                f"--of: expected one variable for {gradient}, found {pairs[gradient]} and "
                f"{variable}; leave one out"
            )
    return pairs


def read_inputs(path: Path) -> dict[str, Any]:
    """What numpy.savez wrote, by name; an array without axes as the number that it holds.

    Raises      InputError where the file is no such archive, or is damaged.
    """
    import numpy as np

    if not path.is_file():
        raise InputError(f"{path}: expected an .npz file, found none; look at its path")
    try:
        with path.open("rb") as file:
            archive = np.load(file, allow_pickle=False)
            arrays = {name: archive[name] for name in archive.files}
    # A damaged archive can fail in any layer: zip, zlib, NumPy's header; an .npy has no files.
    except Exception:
        raise InputError(
            f"{path}: expected arrays that numpy.savez wrote, found something else or damaged; "
            "write it again"
        ) from None
    if not arrays:
        raise InputError(f"{path}: expected the forward's arguments, found none; write it again")
    return {name: array if array.ndim else array.item() for name, array in arrays.items()}


def _fix(path: Path, report: Report, checked: Any, as_json: bool) -> Report:
    """Correct the file as far as that helps, and say what was done to it."""
    from byhand.doctor.fixing import repair
    from byhand.doctor.present import difference

    # Beside JSON on stdout there is nothing else.
    stream = sys.stderr if as_json else sys.stdout

    def show(fix: Fix) -> None:
        print(f"{path}, line {fix.line}:\n{difference(fix)}", file=stream)

    report, kept, refused = repair(path, report, checked, show)
    if not kept and not refused:
        print("nothing to correct with: no finding has a corrected line", file=stream)
    for fix in kept:
        print(f"line {fix.line} is corrected", file=stream)
    for fix in refused:
        print(f"line {fix.line} is as it was: the correction did not help", file=stream)
    print(file=stream)
    return report


def _show(report: Report, verbose: bool) -> None:
    from rich.console import Console

    from byhand.doctor.present import rich_text

    Console(highlight=False).print(rich_text(report, verbose), soft_wrap=True)


def _finish(report: Report) -> None:
    """End with the report's exit code; what keeps it from being decided goes to stderr, with the
    lines to add below it where it names some."""
    code = EXIT_CODES[report.verdict]
    if code == 2:
        first, _, lines = report.reason.partition("\n")
        complain("error", first)
        if lines:
            print(lines, file=sys.stderr)
    if code:
        raise typer.Exit(code)
