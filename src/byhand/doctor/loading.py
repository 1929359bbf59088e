"""Runs somebody's file, tapped, as a module of its own."""

from __future__ import annotations

import contextlib
import io
import sys
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from byhand.doctor.instrument import ON, TAP, Instrumented, instrument
from byhand.errors import InputError


def read(path: Path) -> str:
    """The text of the file.

    Raises      InputError where there is none, or it is no Python text
    """
    if not path.is_file():
        raise InputError(f"{path}: no such file")
    try:
        return path.read_text(encoding="utf-8")
    except (UnicodeDecodeError, OSError) as error:
        raise InputError(f"{path} cannot be read as text: {error}") from None


def load(text: str, path: Path) -> Instrumented:
    """Execute the file's text with taps in its functions.

    Raises      InputError that says what keeps it from being imported
    """
    try:
        module = instrument(text, str(path))
    except SyntaxError as error:
        raise InputError(
            f"{path.name}, line {error.lineno}: {error.msg}; it has to be valid Python"
        ) from None
    holder = types.ModuleType(path.stem)
    namespace = holder.__dict__
    namespace.update({"__file__": str(path), TAP: module.tap, ON: module.on})
    module.namespace = namespace
    with _as_module(holder, path), contextlib.redirect_stdout(io.StringIO()):
        try:
            exec(compile(module.tree, str(path), "exec"), namespace)
        except InputError:
            raise
        except BaseException as error:
            if isinstance(error, KeyboardInterrupt):
                raise
            raise InputError(
                f"{path.name} cannot be imported: {_line(error, path)}{type(error).__name__}: "
                f"{error}"
            ) from None
    return module


def _line(error: BaseException, path: Path) -> str:
    found = None
    trace = error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == str(path):
            found = trace.tb_lineno
        trace = trace.tb_next
    return f"line {found}: " if found else ""


@contextlib.contextmanager
def _as_module(holder: types.ModuleType, path: Path) -> Iterator[None]:
    """Its folder on the path and itself among the modules, as an import would have it; dataclasses
    look themselves up there."""
    folder = str(path.resolve().parent)
    kept = sys.modules.get(holder.__name__)
    sys.path.insert(0, folder)
    sys.modules[holder.__name__] = holder
    try:
        yield
    finally:
        with contextlib.suppress(ValueError):
            sys.path.remove(folder)
        if kept is not None:
            sys.modules[holder.__name__] = kept
        # else it stays: pickling, copying and dataclasses refer to it by name.


def example(module: Instrumented, seed: int) -> dict[str, Any] | None:
    """What the file's own example(rng) returns; None where it has none.

    Raises      InputError where it fails or returns something else
    """
    import numpy as np

    function = module.namespace.get("example")
    if not callable(function):
        return None
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            found = function(np.random.default_rng(seed))
    except Exception as error:
        raise InputError(f"example(rng) fails: {type(error).__name__}: {error}") from None
    if not isinstance(found, dict) or not all(isinstance(key, str) for key in found):
        raise InputError(
            "example(rng) returns the forward's keyword arguments as a dict, "
            f"found {type(found).__name__}"
        )
    return found
