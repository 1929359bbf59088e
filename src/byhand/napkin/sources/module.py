"""A PyTorch module as a list of tensors. This imports, and so executes, the file that it is in.

It is made on PyTorch's meta device, where tensors have shapes and no numbers: a model of 70B costs
no memory.
"""

from __future__ import annotations

import importlib
import importlib.util
import re
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, redirect_stdout
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, TypeVar

from byhand.errors import InputError
from byhand.napkin.sources import names
from byhand.napkin.tensors import Model, Tensor

if TYPE_CHECKING:
    from torch import nn

DTYPES = {
    "torch.float64": "F64",
    "torch.float32": "F32",
    "torch.bfloat16": "BF16",
    "torch.float16": "F16",
}
NOT_THEIRS = re.compile(r"importlib|site-packages|[/\\]byhand[/\\]napkin[/\\]")
T = TypeVar("T")


def read_module(text: str) -> Model:
    """The rows of the module that FILE.py::NAME or package.module:NAME means.

    Raises      InputError where there is none, or its code fails
    """
    return from_module(make(text, device="meta")[0], text)


def from_module(module: nn.Module, source: str) -> Model:
    """A PyTorch module as rows, under its own names."""
    first: dict[int, str] = {}
    rows = []
    for name, parameter in module.named_parameters(remove_duplicate=False):
        tied_to = first.get(id(parameter))
        first.setdefault(id(parameter), name)
        rows.append(
            Tensor(
                name,
                tuple(parameter.shape),
                names.role(name),
                names.layer(name),
                DTYPES.get(str(parameter.dtype)),
                tied_to=tied_to,
            )
        )
    if not rows:
        raise InputError(f"{source}: the module has no parameters, so there is nothing to count")
    return Model(type(module).__name__, "module", tuple(rows), source, causal=False)


def make(text: str, device: str) -> tuple[nn.Module, tuple[Any, ...]]:
    """The module that the text means, made on this device, and example inputs where its code
    gives them: NAME is a module, its class, or a function that returns a module, or a tuple of a
    module and its inputs.

    Raises      InputError where there is none, its code fails, or PyTorch isn't installed
    """
    try:
        import torch
    except ImportError:
        raise InputError(
            f"{text} is a PyTorch module and PyTorch isn't installed; pip install 'byhand[torch]'"
        ) from None
    where, _, name = text.rpartition("::" if "::" in text else ":")
    module = _file(Path(where)) if "::" in text else _package(where, text)
    found = _named(module, name, text)
    if not isinstance(found, torch.nn.Module) and callable(found):
        found = _call(found, text, torch.device(device))
    made, *inputs = found if isinstance(found, tuple) else (found,)
    if not isinstance(made, torch.nn.Module):
        raise InputError(
            f"{text}: expected a torch.nn.Module, its class, or a function that returns one; "
            f"found {type(made).__name__}"
        )
    return made, tuple(inputs)


def _call(function: Callable[[], T], text: str, device: AbstractContextManager[Any]) -> T:
    advice = "correct it, or give a function without arguments that returns the module"
    with device:
        return run(function, text, advice)


def run(function: Callable[[], T], text: str, advice: str = "correct it") -> T:
    """Run somebody's code: what it prints goes to stderr, what it raises becomes one line with the
    line that it is from.

    Raises      InputError
    """
    try:
        with redirect_stdout(sys.stderr):
            return function()
    except InputError:
        raise
    except (Exception, SystemExit) as error:
        frames = traceback.extract_tb(error.__traceback__)
        theirs = [frame for frame in frames if not NOT_THEIRS.search(frame.filename)]
        where = f" in {Path(theirs[-1].filename).name}, line {theirs[-1].lineno}" if theirs else ""
        said = str(error).strip().partition("\n")[0]
        raise InputError(f"{text}: {type(error).__name__}{where}: {said}; {advice}") from None


def _named(module: ModuleType, name: str, text: str) -> Any:
    found: Any = module
    for part in name.split("."):
        if not hasattr(found, part):
            there = [n for n, value in vars(module).items() if callable(value) and n[0] != "_"]
            raise InputError(
                f"{text}: there is no {name}; there is {', '.join(there) or 'nothing'}"
            )
        found = getattr(found, part)
    return found


def _package(name: str, text: str) -> ModuleType:
    with _first_on_path(str(Path.cwd())):
        return run(lambda: importlib.import_module(name), text)


def _file(path: Path) -> ModuleType:
    if not path.is_file():
        raise InputError(f"{path}: no such file; a module in a file is written FILE.py::NAME")
    spec = importlib.util.spec_from_file_location(path.stem, path.resolve())
    if spec is None or spec.loader is None:
        raise InputError(f"{path} is no Python file; a module in a file is written FILE.py::NAME")
    module, loader = importlib.util.module_from_spec(spec), spec.loader
    with _first_on_path(str(path.resolve().parent)):
        run(lambda: loader.exec_module(module), str(path))
    return module


@contextmanager
def _first_on_path(folder: str) -> Iterator[None]:
    """Imports look into this folder first."""
    sys.path.insert(0, folder)
    try:
        yield
    finally:
        sys.path.remove(folder)
