"""byhand predict: a trained network reads pictures."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from byhand.cli.options import Engine, RunName
from byhand.cli.say import percent, print_facts, print_json
from byhand.errors import InputError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from byhand.data import Dataset

TOP = 3


def predict(
    run: RunName,
    images: Annotated[
        list[Path],
        typer.Argument(
            metavar="IMAGE", help="Pictures of any size, dark on light or not.", show_default=False
        ),
    ],
    engine: Engine = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print a JSON list.")] = False,
) -> None:
    """Ask a trained network what pictures show.

    The network has the parameters of its best epoch. Each class is printed with the network's
    output for it; with the softmax these are probabilities that sum to 1.
    """
    from byhand.training import Run, load_data, trained_program
    from byhand.training.session import recipe_of
    from byhand.views import terminal

    found = Run.open(run)
    dataset = load_data(recipe_of(found, engine).data)
    program = trained_program(found, dataset, engine)
    said = []
    for path in images:
        pixels, notes = _prepare(path, dataset)
        answers = _ranked(program.predict(pixels[None])[0], dataset.classes)
        said.append({"image": str(path), "notes": notes, "answers": answers})
        if not as_json:
            print(f"{path}: {'; '.join(notes)}")
            print("\n".join(terminal.digit(pixels)))
            print_facts((answer["class"], percent(answer["output"])) for answer in answers[:TOP])
    if as_json:
        print_json(said)


def _prepare(path: Path, dataset: Dataset) -> tuple[NDArray[Any], list[str]]:
    """The picture as the network was trained on, and what was done to it."""
    from byhand.data import prepare

    shape = dataset.input_shape
    if len(shape) != 3 or not dataset.classes:
        raise InputError(
            f"predict takes pictures and names their class; this run was trained on "
            f"{dataset.name}, whose examples have shape {shape} and "
            f"{len(dataset.classes) or 'no'} classes"
        )
    return prepare(path, dataset)


def _ranked(outputs: NDArray[Any], classes: tuple[str, ...]) -> list[dict[str, Any]]:
    """Every class with the network's output for it, the largest first."""
    shares = outputs.tolist()
    if len(shares) == 1:  # the probability of the second of two classes
        shares = [1 - shares[0], shares[0]]
    ranked = sorted(zip(shares, classes, strict=True), reverse=True)
    return [{"class": name, "output": share} for share, name in ranked]
