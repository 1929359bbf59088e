"""CSV and NPZ files become data sets, or one line says why not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from byhand.data import Dataset, table
from byhand.errors import InputError, ShapeError


def whole(data: Dataset) -> tuple[np.ndarray, np.ndarray]:
    """All examples, sorted by their first input."""
    splits = (data.train, data.validation, data.test)
    inputs = np.concatenate([split.inputs for split in splits])
    targets = np.concatenate([split.targets for split in splits])
    order = inputs.reshape(len(inputs), -1)[:, 0].argsort()
    return inputs[order], targets[order]


def write_csv(path: Path, labels: list[str], column: str = "label") -> Path:
    rows = [f"{i},{label},{i / 2}" for i, label in enumerate(labels)]
    path.write_text("\n".join([f"length,{column},width", *rows]) + "\n")
    return path


def test_text_labels_become_classes(tmp_path: Path) -> None:
    data = table(write_csv(tmp_path / "iris.csv", ["b", "a"] * 10))
    assert (data.name, data.classes, data.input_shape) == ("iris", ("a", "b"), (2,))
    assert [len(data.train), len(data.validation), len(data.test)] == [16, 2, 2]
    inputs, targets = whole(data)
    assert (inputs.dtype, targets.dtype) == (np.float32, np.int64)
    np.testing.assert_array_equal(inputs[3], [3, 1.5])
    assert targets.tolist() == [1, 0] * 10


def test_whole_numbers_are_labels_in_numeric_order(tmp_path: Path) -> None:
    data = table(write_csv(tmp_path / "t.csv", ["10", "9"] * 10))
    assert data.classes == ("9", "10")
    assert whole(data)[1].tolist() == [1, 0] * 10


def test_decimals_are_values_to_predict(tmp_path: Path) -> None:
    path = write_csv(tmp_path / "t.csv", [f"{i}.0" for i in range(20)], column="price")
    data = table(path, target="price")
    assert data.classes == ()
    assert whole(data)[1].dtype == np.float32
    assert whole(data)[1].tolist() == [[float(i)] for i in range(20)]


def test_the_seed_and_the_shares_decide_the_split(tmp_path: Path) -> None:
    path = write_csv(tmp_path / "t.csv", ["a", "b"] * 10)
    first = table(path, seed=1).train.inputs
    np.testing.assert_array_equal(table(path, seed=1).train.inputs, first)
    assert not np.array_equal(table(path, seed=2).train.inputs, first)
    assert len(table(path, shares=(0.5, 0.25, 0.25)).validation) == 5


def test_excel_writes_a_mark_and_quotes(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    rows = "".join(f'"{i}","a, b"\r\n"{i}","c"\r\n' for i in range(10))
    path.write_bytes(b"\xef\xbb\xbf" + b'"length","label"\r\n' + rows.encode())
    assert table(path).classes == ("a, b", "c")


GOOD = "".join(f"{i},a\n{i},b\n" for i in range(10))
CSV_MISTAKES = {
    "no such column": (
        "length,lable\n" + GOOD,
        'has no column "label": expected one of length, lable; the nearest is "lable"',
    ),
    "text input": (
        "length,label\n1,a\nlong,b\n",
        ": row 2, column \"length\": expected a number, found 'long' "
        "(row 1 is the first below the header row)",
    ),
    "empty cell": (
        "length,label\n,a\n1,b\n",
        ": row 1, column \"length\": expected a number, found '' "
        "(row 1 is the first below the header row)",
    ),
    "nan": (
        "length,label\n1,a\n2,b\nNaN,a\n",
        ": row 3, column \"length\": expected a number, found 'NaN' "
        "(row 1 is the first below the header row)",
    ),
    "infinite target": (
        "length,label\n1,1.5\n2,inf\n",
        ": row 2, column \"label\": expected a number, found 'inf' "
        "(row 1 is the first below the header row)",
    ),
    "no target": ("length,label\n1,a\n2,\n", ": row 2, column \"label\" is '': expected a target"),
    "short row": ("length,label\n1,a\n2\n", ": row 2 has 1 cells, the header row has 2"),
    "one class": (
        "length,label\n" + "1,a\n" * 20,
        ": every target is 'a': expected two or more classes",
    ),
    "too many classes": (
        "length,label\n" + "".join(f"1,{i}\n" for i in range(30)),
        ": 30 different labels in 30 examples: expected classes; to predict numbers, write them "
        "with a decimal point (3.0)",
    ),
    "no inputs": ("label\na\nb\n", ' has only the column "label": expected inputs beside it'),
    "no rows": ("length,label\n", " has no rows below its header row"),
    "empty": ("", " is empty: expected a header row and data rows"),
}


@pytest.mark.parametrize("mistake", CSV_MISTAKES)
def test_csv_mistakes_are_said_in_one_line(tmp_path: Path, mistake: str) -> None:
    content, message = CSV_MISTAKES[mistake]
    path = tmp_path / "t.csv"
    path.write_text(content)
    with pytest.raises(InputError) as caught:
        table(path)
    assert str(caught.value).removeprefix(str(path)).lstrip() == message.lstrip()


def test_files_that_are_no_table_are_said_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        table(tmp_path / "no.csv")
    assert str(caught.value) == f"{tmp_path}/no.csv does not exist: expected a .csv or .npz file"
    (tmp_path / "t.xlsx").write_text("")
    with pytest.raises(InputError) as caught:
        table(tmp_path / "t.xlsx")
    assert str(caught.value) == f"{tmp_path}/t.xlsx ends in .xlsx: expected .csv or .npz"
    (tmp_path / "latin.csv").write_bytes(b"gr\xf6\xdfe,label\n1,a\n")
    with pytest.raises(InputError, match=r"latin\.csv is not a CSV file in UTF-8 \("):
        table(tmp_path / "latin.csv")


def save(path: Path, **arrays: Any) -> Path:
    np.savez(path, **arrays)
    return path


INPUTS = np.arange(40, dtype=np.float64).reshape(20, 2)
LABELS = np.arange(20) % 3


@pytest.mark.parametrize("names", [("inputs", "targets"), ("x", "y")])
def test_npz_labels(tmp_path: Path, names: tuple[str, str]) -> None:
    data = table(save(tmp_path / "t.npz", **dict(zip(names, (INPUTS, LABELS), strict=True))))
    assert data.classes == ("0", "1", "2")
    inputs, targets = whole(data)
    assert (inputs.dtype, targets.dtype) == (np.float32, np.int64)
    np.testing.assert_array_equal(inputs, INPUTS)
    np.testing.assert_array_equal(targets, LABELS)


def test_npz_images_text_and_values(tmp_path: Path) -> None:
    pictures = INPUTS.reshape(20, 1, 1, 2)
    text = np.where(LABELS == 0, "cat", "dog")
    data = table(save(tmp_path / "t.npz", x=pictures, y=text))
    assert (data.input_shape, data.classes) == ((1, 1, 2), ("cat", "dog"))
    for values in (INPUTS[:, 0], INPUTS[:, :1]):
        data = table(save(tmp_path / "t.npz", x=INPUTS, y=values))
        assert data.classes == ()
        np.testing.assert_array_equal(whole(data)[1], INPUTS[:, :1])


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        (
            {"x": INPUTS, "y": LABELS[:, np.newaxis]},
            "targets have shape (20, 1), class labels need one axis (20,): "
            "pass targets[:, 0] or targets.argmax(axis=1), whichever is meant",
        ),
        (
            {"x": INPUTS, "y": LABELS[:19]},
            "20 inputs against 19 targets: expected one target per example",
        ),
        (
            {"x": np.where(INPUTS == 7, np.nan, INPUTS), "y": LABELS},
            "x row 3, column 1: expected a number, found nan (1 such in all, counted from 0)",
        ),
        (
            {"x": INPUTS, "y": np.where(INPUTS > 36, np.inf, 0)},
            "y row 18, column 1: expected a number, found inf (3 such in all, counted from 0)",
        ),
        (
            {"x": INPUTS[:, 0], "y": LABELS},
            "inputs are float64 (20,): expected numbers of shape (examples, features) or "
            "(examples, channels, height, width)",
        ),
        (
            {"x": INPUTS, "y": LABELS.astype(complex)},
            "targets are complex128: expected labels or numbers",
        ),
        (
            {"x": INPUTS, "y": np.zeros(20, dtype=int)},
            "every target is '0': expected two or more classes",
        ),
    ],
)
def test_npz_mistakes_are_said_in_one_line(
    tmp_path: Path, arrays: dict[str, Any], message: str
) -> None:
    path = save(tmp_path / "t.npz", **arrays)
    with pytest.raises(InputError) as caught:
        table(path)
    assert str(caught.value) == f"{path}: {message}"


def test_label_columns_are_a_shape_error(tmp_path: Path) -> None:
    with pytest.raises(ShapeError):
        table(save(tmp_path / "t.npz", x=INPUTS, y=LABELS[:, np.newaxis]))


def test_npz_names_and_pickles_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        table(save(tmp_path / "t.npz", images=INPUTS))
    assert str(caught.value) == (
        f"{tmp_path}/t.npz has arrays images: expected inputs and targets, or x and y"
    )
    path = save(tmp_path / "t.npz", x=INPUTS, y=np.array([{}] * 20))
    with pytest.raises(InputError, match=r"is not an .npz file of plain arrays"):
        table(path)
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(InputError, match=r"is not an .npz file of plain arrays"):
        table(path)
    np.save(tmp_path / "one.npy", INPUTS)
    (tmp_path / "one.npy").rename(path)
    with pytest.raises(InputError, match=r"is not an .npz file of plain arrays"):
        table(path)
