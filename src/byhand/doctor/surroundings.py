"""What somebody's program finds around it while it is checked, and what it may not touch."""

from __future__ import annotations

import builtins
import contextlib
import functools
import io
import logging
import os
import random
import sys
import threading
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType
from typing import Any

import numpy as np

from byhand.errors import InputError


class Writes(InputError):
    """A function that is checked writes a file."""


@contextlib.contextmanager
def alone(path: Path) -> Iterator[None]:
    """A program's own surroundings, as if Python had been started with its file: nothing on the
    command line, nobody at the keyboard, no window, and what it prints goes nowhere. Afterwards
    everything is as it was."""
    with (
        open(os.devnull, "w", encoding="utf-8") as out,  # noqa: PTH123  (not Path's on Windows)
        open(os.devnull, encoding="utf-8") as nobody,  # noqa: PTH123
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(out),
        contextlib.chdir(Path.cwd()),
        warnings.catch_warnings(),
        _kept_randomness(),
        _kept_lists(),
        _guarded(),
    ):
        warnings.simplefilter("ignore")
        stdin, argv, backend = sys.stdin, sys.argv, os.environ.get("MPLBACKEND")
        sys.stdin, sys.argv = nobody, [str(path)]
        os.environ.setdefault("MPLBACKEND", "Agg")
        try:
            yield
        finally:
            sys.stdin, sys.argv = stdin, argv
            if backend is None:
                os.environ.pop("MPLBACKEND", None)


@contextlib.contextmanager
def _kept_randomness() -> Iterator[None]:
    state, numbers = random.getstate(), np.random.get_state()
    try:
        yield
    finally:
        random.setstate(state)
        np.random.set_state(numbers)


@contextlib.contextmanager
def _kept_lists() -> Iterator[None]:
    """Folders on the path and handlers of the log; a file's sibling modules are forgotten: in
    another folder their names are those of other files."""
    folders, handlers = list(sys.path), list(logging.root.handlers)
    modules = dict(sys.modules)
    try:
        yield
    finally:
        new = [folder for folder in sys.path if folder not in folders]
        sys.path[:], logging.root.handlers[:] = folders, handlers
        for name, module in list(sys.modules.items()):
            if name not in modules and _lies_in(name, module, new):
                del sys.modules[name]
            elif name in modules:
                sys.modules[name] = modules[name]


def _lies_in(name: str, module: Any, folders: list[str]) -> bool:
    """Whether a module is a file right there, and not one of a library further down."""
    file = Path(getattr(module, "__file__", None) or [*getattr(module, "__path__", []), "/"][0])
    here = Path(*name.split("."))
    return any(
        file in (folder / here.with_suffix(".py"), folder / here / "__init__.py", folder / here)
        for folder in (Path(text).absolute() for text in folders)
    )


_here = threading.local()


@contextlib.contextmanager
def exact_torch() -> Iterator[None]:
    """Let PyTorch, where it is loaded, make tensors in double precision, where differences have ten
    digits, and not share out among threads what is too small for that."""
    torch = sys.modules.get("torch")
    if torch is None:
        yield
        return
    threads, kind = torch.get_num_threads(), torch.get_default_dtype()
    torch.set_num_threads(1)
    torch.set_default_dtype(torch.float64)
    try:
        yield
    finally:
        torch.set_num_threads(threads)
        torch.set_default_dtype(kind)


class read_only:
    """Keep what runs in the block, code of this file, from writing to files.

    Raises      Writes where it tried to, also where it went on
    """

    def __init__(self, path: str) -> None:
        self.path = path

    def __enter__(self) -> None:
        _here.path, _here.wrote = self.path, ""

    def __exit__(self, *_: object) -> None:
        _here.path = None
        if _here.wrote:
            raise Writes(_here.wrote) from None


@contextlib.contextmanager
def _guarded() -> Iterator[None]:
    """Let the ways to a file ask whether a read_only block runs in their thread."""

    def guarded(function: Callable[..., Any], writes: Callable[..., bool]) -> Callable[..., Any]:
        @functools.wraps(function)
        def asked(*arguments: Any, **named: Any) -> Any:
            if getattr(_here, "path", None) is not None and writes(*arguments, **named):
                _refuse(arguments[0] if arguments else named.get("file", "a file"))
            return function(*arguments, **named)

        return asked

    def by_mode(file: Any, mode: str = "r", *_: Any, **__: Any) -> bool:
        return bool(set("wax+") & set(mode)) and file != os.devnull

    def by_flags(path: Any, flags: int, *_: Any, **__: Any) -> bool:
        return bool(flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT))

    kept = builtins.open, os.open, os.mkdir
    builtins.open = io.open = guarded(open, by_mode)
    os.open = guarded(os.open, by_flags)
    os.mkdir = guarded(os.mkdir, lambda *_, **__: True)
    try:
        yield
    finally:
        builtins.open, os.open, os.mkdir = kept
        io.open = builtins.open


def _refuse(target: Any) -> None:
    frame: FrameType | None = sys._getframe()
    called, line = "", 0
    while frame is not None:
        if frame.f_code.co_filename == _here.path:
            called, line = frame.f_code.co_qualname, line or frame.f_lineno
        frame = frame.f_back
    _here.wrote = (
        f"{called}() writes {target} at line {line}, and a check runs it hundreds of times; write "
        "files elsewhere"
    )
    raise PermissionError(_here.wrote)
