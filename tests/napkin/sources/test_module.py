"""PyTorch modules as models: made on the meta device, from a file or a package."""

from __future__ import annotations

from pathlib import Path

import pytest

from byhand.errors import InputError
from byhand.napkin.sources import load

MODULES = """\
import torch
from torch import nn


class Tied(nn.Module):
    def __init__(self):
        super().__init__()
        self.embed_tokens = nn.Embedding(50, 8)
        self.norm = nn.LayerNorm(8)
        self.lm_head = nn.Linear(8, 50, bias=False)
        self.lm_head.weight = self.embed_tokens.weight


def huge():
    return nn.Linear(1_000_000, 1_000_000)


def pair():
    return nn.Linear(3, 4), torch.randn(2, 3)


half = nn.Linear(3, 4).half()
number = 3


def fails():
    return 1 / 0


def leaves():
    raise SystemExit(3)


class Needs(nn.Module):
    def __init__(self, width):
        super().__init__()


def empty():
    return nn.ReLU()


class Holder:
    inner = half
"""


@pytest.fixture(autouse=True)
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "mine.py"
    path.write_text(MODULES, "utf-8")
    return path


def refused(text: str) -> str:
    with pytest.raises(InputError) as error:
        load(text)
    assert "\n" not in str(error.value)
    return str(error.value)


def test_rows_of_a_module() -> None:
    model = load("mine.py::Tied")
    assert model.parameters == 50 * 8 + 2 * 8
    assert (model.name, model.family, model.source) == ("Tied", "module", "mine.py::Tied")
    assert {(row.name, row.role, row.dtype, row.tied_to) for row in model.tensors} == {
        ("embed_tokens.weight", "embedding", "F32", None),
        ("norm.weight", "norm", "F32", None),
        ("norm.bias", "bias", "F32", None),
        ("lm_head.weight", "head", "F32", "embed_tokens.weight"),
    }


def test_a_module_of_a_trillion_parameters_costs_no_memory() -> None:
    assert load("mine.py::huge").parameters == 10**12 + 10**6


@pytest.mark.parametrize("text", ["mine.py::pair", "mine.py::half", "mine.py::Holder.inner"])
def test_instances_tuples_and_dotted_names(text: str) -> None:
    assert load(text).parameters == 16


def test_a_module_in_a_package(tmp_path: Path) -> None:
    (tmp_path / "pack").mkdir()
    (tmp_path / "pack/__init__.py").write_text("", "utf-8")
    (tmp_path / "pack/models.py").write_text(MODULES, "utf-8")
    assert load("pack.models:half").parameters == 16


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "none.py::Net",
            "none.py: no such file; a module in a file is written FILE.py::NAME",
        ),
        (
            "mine.py::number",
            "mine.py::number: expected a torch.nn.Module, its class, or a function that returns "
            "one; found int",
        ),
        (
            "mine.py::fails",
            "mine.py::fails: ZeroDivisionError in mine.py, line 27: division by zero; correct it, "
            "or give a function without arguments that returns the module",
        ),
        (
            "mine.py::leaves",
            "mine.py::leaves: SystemExit in mine.py, line 31: 3; correct it, or give a function "
            "without arguments that returns the module",
        ),
        (
            "mine.py::Needs",
            "mine.py::Needs: TypeError: Needs.__init__() missing 1 required positional argument: "
            "'width'; correct it, or give a function without arguments that returns the module",
        ),
        (
            "mine.py::empty",
            "mine.py::empty: the module has no parameters, so there is nothing to count",
        ),
        (
            "mine.py::Tid",
            "mine.py::Tid: there is no Tid; there is Tied, huge, pair, half, fails, leaves, Needs, "
            "empty, Holder",
        ),
    ],
)
def test_what_fails_is_one_line(text: str, message: str) -> None:
    assert refused(text) == message


def test_a_file_that_cannot_be_imported(file: Path) -> None:
    file.write_text("x = (\n", "utf-8")
    assert refused("mine.py::x") == (
        "mine.py: SyntaxError: '(' was never closed (mine.py, line 1); correct it"
    )
    file.write_text("import nowhere_to_be_found\n", "utf-8")
    assert refused("mine.py::x") == (
        "mine.py: ModuleNotFoundError in mine.py, line 1: No module named 'nowhere_to_be_found'; "
        "correct it"
    )


def test_an_unknown_package() -> None:
    assert refused("nopack.models:Net") == (
        "nopack.models:Net: ModuleNotFoundError: No module named 'nopack'; correct it"
    )
