"""Your own numbers: a CSV file or a NumPy .npz file."""

from __future__ import annotations

import csv
import difflib
import math
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from byhand.data.splits import SHARES, Dataset, Split, divide
from byhand.errors import InputError, ShapeError

Array = NDArray[Any]


def table(
    path: str | Path,
    target: str = "label",
    *,
    shares: Sequence[float] = SHARES,
    seed: int = 0,
) -> Dataset:
    """Load a .csv or .npz file and divide it into train, validation and test.

    CSV         A header row, commas, UTF-8. The column `target` holds what to predict; all others
                hold numbers and become the inputs, in order.
    NPZ         Arrays inputs and targets, or x and y; `target` is not used. No pickled objects.
    Target      Text or whole numbers (3) are class labels and `classes` names them in order;
                numbers with a decimal point (3.0), or float arrays, are values to predict, and
                `classes` is (). Nothing is scaled.
    Shapes      inputs[examples, features] (NPZ: [examples, ...]) float32; targets[examples] int64
                for labels, targets[examples, out] float32 for values.
    Raises      InputError for a missing file or column, a cell that is not a finite number (named
                by row and column), a single class; ShapeError for label arrays of shape (n, 1).
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(f"{path} does not exist: expected a .csv or .npz file")
    if path.suffix.lower() == ".csv":
        inputs, targets = _read_csv(path, target)
    elif path.suffix.lower() == ".npz":
        inputs, targets = _read_npz(path)
    else:
        raise InputError(f"{path} ends in {path.suffix or 'nothing'}: expected .csv or .npz")
    names: tuple[str, ...] = ()
    if targets.dtype.kind != "f":
        labels, indices = np.unique(targets, return_inverse=True)
        names = tuple(str(label) for label in labels)
        targets = indices.reshape(targets.shape)
    wanted = np.int64 if names else np.float32
    try:
        whole = Split(inputs.astype(np.float32), targets.astype(wanted))
    except ShapeError as error:
        raise ShapeError(f"{path}: {error}") from None
    if names:
        _check_classes(path, names, len(whole))
    train, validation, test = divide(whole, shares, seed)
    return Dataset(path.stem, train, validation, test, names)


def _check_classes(path: Path, classes: tuple[str, ...], examples: int) -> None:
    if len(classes) < 2:
        raise InputError(f"{path}: every target is {classes[0]!r}: expected two or more classes")
    if len(classes) > max(20, examples // 2):
        raise InputError(
            f"{path}: {len(classes)} different labels in {examples} examples: expected classes; "
            "to predict numbers, write them with a decimal point (3.0)"
        )


def _read_csv(path: Path, target: str) -> tuple[Array, Array]:
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            header, *rows = [row for row in csv.reader(file, strict=True) if row]
    except (UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{path} is not a CSV file in UTF-8 ({error})") from None
    except ValueError:
        raise InputError(f"{path} is empty: expected a header row and data rows") from None
    if not rows:
        raise InputError(f"{path} has no rows below its header row")
    if target not in header:
        near = difflib.get_close_matches(target, header, n=1, cutoff=0.0)[0]
        raise InputError(
            f'{path} has no column "{target}": expected one of {", ".join(header)}; '
            f'the nearest is "{near}"'
        )
    for number, row in enumerate(rows, start=1):
        if len(row) != len(header):
            raise InputError(
                f"{path}: row {number} has {len(row)} cells, the header row has {len(header)}"
            )
    at = header.index(target)
    names = header[:at] + header[at + 1 :]
    if not names:
        raise InputError(f'{path} has only the column "{target}": expected inputs beside it')
    inputs = []
    for number, row in enumerate(rows, start=1):
        cells = zip(names, row[:at] + row[at + 1 :], strict=True)
        inputs.append([_number(path, number, name, cell) for name, cell in cells])
    return np.array(inputs), _csv_targets(path, target, [row[at].strip() for row in rows])


def _csv_targets(path: Path, column: str, cells: list[str]) -> Array:
    for number, cell in enumerate(cells, start=1):
        if cell.lower() in ("", "nan"):
            raise InputError(
                f'{path}: row {number}, column "{column}" is {cell!r}: expected a target'
            )
    try:
        return np.array([int(cell) for cell in cells])
    except ValueError:
        pass
    try:
        [float(cell) for cell in cells]
    except ValueError:
        return np.array(cells)
    return np.array([[_number(path, i, column, cell)] for i, cell in enumerate(cells, start=1)])


def _number(path: Path, row: int, column: str, cell: str) -> float:
    try:
        value = float(cell)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise InputError(
            f'{path}: row {row}, column "{column}": expected a number, found {cell!r} '
            "(row 1 is the first below the header row)"
        )
    return value


def _read_npz(path: Path) -> tuple[Array, Array]:
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as content:
            arrays = {name: np.asarray(content[name]) for name in content.files}
    except (OSError, ValueError, EOFError, TypeError, zipfile.BadZipFile) as error:
        raise InputError(
            f"{path} is not an .npz file of plain arrays ({error}): write it with "
            "np.savez(path, inputs=..., targets=...)"
        ) from None
    for names in (("inputs", "targets"), ("x", "y")):
        if all(name in arrays for name in names):
            inputs, targets = (arrays[name] for name in names)
            break
    else:
        found = ", ".join(arrays) or "none"
        raise InputError(f"{path} has arrays {found}: expected inputs and targets, or x and y")
    if inputs.ndim < 2 or inputs.dtype.kind not in "fiub":
        raise InputError(
            f"{path}: inputs are {inputs.dtype} {inputs.shape}: expected numbers of shape "
            "(examples, features) or (examples, channels, height, width)"
        )
    if targets.dtype.kind not in "fiubU":
        raise InputError(f"{path}: targets are {targets.dtype}: expected labels or numbers")
    if targets.dtype.kind == "f" and targets.ndim == 1:
        targets = targets[:, np.newaxis]
    for name, array in zip(names, (inputs, targets), strict=True):
        _check_finite(path, name, array)
    return inputs, targets


def _check_finite(path: Path, name: str, array: Array) -> None:
    if array.dtype.kind != "f":
        return
    bad = np.argwhere(~np.isfinite(array))
    if len(bad):
        row, column = bad[0][0], ", ".join(str(index) for index in bad[0][1:])
        raise InputError(
            f"{path}: {name} row {row}, column {column}: expected a number, found "
            f"{array[tuple(bad[0])]} ({len(bad)} such in all, counted from 0)"
        )
