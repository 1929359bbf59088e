"""Runs somebody's file, tapped, as a module of its own."""

from __future__ import annotations

import ast
import contextlib
import importlib.util
import inspect
import io
import linecache
import sys
import tokenize
import types
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np

from byhand.doctor import failures
from byhand.doctor.instrument import ON, TAP, Instrumented, instrument
from byhand.errors import InputError


def decode(content: bytes) -> tuple[str, str]:
    """A Python file's text, its line endings as they are, and its encoding.

    Raises      SyntaxError where it names an encoding that there is not, UnicodeDecodeError
    """
    encoding, _ = tokenize.detect_encoding(io.BytesIO(content).readline)
    return content.decode(encoding), encoding


def read(path: Path) -> str:
    """The text of the file.

    Raises      InputError where there is none, or it is no Python text
    """
    if not path.is_file():
        found = "it is a folder; name one file in it" if path.is_dir() else "no such file"
        raise InputError(f"{path}: {found}")
    try:
        content = path.read_bytes()
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}") from None
    try:
        text, _ = decode(content)
    except (SyntaxError, UnicodeDecodeError):
        raise InputError(
            f"{path.name}: expected text in UTF-8, found bytes that are none; save it as UTF-8, or "
            "name its encoding in its first line: # -*- coding: latin-1 -*-"
        ) from None
    if not text.strip():
        raise InputError(f"{path.name} is empty; write a forward and a backward into it")
    return io.StringIO(text, newline=None).read()


def read_cells(functions: Iterable[Callable[..., Any]]) -> str:
    """The definitions in the notebook's cells that these functions are from.

    Raises      InputError where there is no such text
    """
    cells = dict.fromkeys(inspect.getsourcefile(function) or "" for function in functions)
    found = []
    for cell in cells:
        lines = [line.rstrip("\n") for line in linecache.getlines(cell)]
        if not lines:
            raise InputError(
                "check needs the source of both functions: define them in a file or in a notebook"
            )
        for statement in ast.parse("\n".join(lines)).body:
            if not isinstance(statement, ast.FunctionDef | ast.ClassDef):
                first, last = statement.lineno - 1, statement.end_lineno or 0
                lines[first:last] = [""] * (last - first)
        found += lines
    return "\n".join(found)


def import_libraries(text: str) -> None:
    """Import the installed libraries that the file's text names; what fails, fails in the file."""
    with contextlib.suppress(SyntaxError, ValueError):
        for up, name in _imported(ast.parse(text)):
            spec = None if up or name in sys.modules else importlib.util.find_spec(name)
            if spec is not None and "site-packages" in str(spec.origin):
                with contextlib.suppress(Exception):
                    importlib.import_module(name)


def load(text: str, path: Path, around: Mapping[str, Any] = MappingProxyType({})) -> Instrumented:
    """Execute the file's text with taps in its functions; its module and its folder stay where
    an import finds them.

    around      names that are there already, such as those of a notebook

    Raises      InputError that says what keeps it from being imported
    """
    try:
        module = instrument(text, str(path))
    except (SyntaxError, ValueError) as error:  # a ValueError for a null byte
        line = f", line {error.lineno}" if isinstance(error, SyntaxError) and error.lineno else ""
        said = error.msg if isinstance(error, SyntaxError) else str(error)
        raise InputError(f"{path.name}{line}: {said}; it has to be valid Python 3") from None
    imported = set(_imported(module.tree))
    name, folder = _dotted(path.resolve(), max(imported, default=(0, ""))[0])
    holder = types.ModuleType(name)
    holder.__package__ = name.rpartition(".")[0]
    namespace = holder.__dict__
    namespace.update(around)
    namespace.update({"__name__": name, "__file__": str(path), TAP: module.tap, ON: module.on})
    module.namespace = namespace
    sys.path.insert(0, str(folder))
    try:
        if holder.__package__:
            importlib.import_module(holder.__package__)
        # Dataclasses, copying and pickling look a class up by its module's name.
        sys.modules[name] = holder
        exec(compile(module.tree, str(path), "exec"), namespace)
    except InputError:
        raise
    except (Exception, SystemExit) as error:
        said = failures.raised(error, path, f"{path.name} cannot be imported")
        if isinstance(error, ImportError | AttributeError) and (0, path.stem) in imported:
            said += f"; the file has the name of a module that it imports: call it {path.stem}_.py"
        raise InputError(said) from None
    return module


def _imported(tree: ast.Module) -> list[tuple[int, str]]:
    """The modules that a file imports: how many folders up each is, and the name it begins with."""
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found += [(0, alias.name.partition(".")[0]) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            found.append((node.level, (node.module or "").partition(".")[0]))
    return found


def _dotted(path: Path, up: int) -> tuple[str, Path]:
    """The module's full name, with the packages that the file lies in, and the folder that
    these are found in."""
    folder, packages = path.parent, [path.stem]
    while (folder / "__init__.py").is_file() or len(packages) <= up:
        packages.insert(0, folder.name)
        folder = folder.parent
    name = ".".join(packages)
    known = sys.modules.get(name)
    if known is not None and Path(getattr(known, "__file__", None) or "/").resolve() != path:
        name += "_"  # a library's, and others need it
    return name, folder


def example(module: Instrumented, seed: int) -> dict[str, Any] | None:
    """What the file's own example(rng) returns; None where it has none.

    Raises      InputError where it fails or returns something else
    """
    function = module.namespace.get("example")
    if not callable(function):
        return None
    try:
        found = function(np.random.default_rng(seed))
    except (Exception, SystemExit) as error:
        raise InputError(failures.raised(error, Path(module.path), "example(rng) fails")) from None
    if not isinstance(found, dict) or not all(isinstance(key, str) for key in found):
        raise InputError(
            "example(rng) returns the forward's keyword arguments as a dict, "
            f"found {type(found).__name__}"
        )
    return found
