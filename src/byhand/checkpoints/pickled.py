"""The pickle inside a .pth file, read as a list of instructions, of which none is carried out.

A pickle is a program: it may name any function of Python and have it called. Here a name stays a
name and a call stays a note of what would have been called, so that nothing can happen; what is
then not a table of tensors is refused.

Source      `pickletools` of Python, for the instructions; `torch/serialization.py`, for what
            PyTorch writes with them.
"""

from __future__ import annotations

import io
import pickletools
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from byhand.errors import InputError

MOST_INSTRUCTIONS = 5_000_000
LITERALS = frozenset(
    (
        *("BININT", "BININT1", "BININT2", "LONG1", "LONG4", "BINFLOAT"),
        *("BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8"),
        *("BINSTRING", "SHORT_BINSTRING", "BINBYTES", "SHORT_BINBYTES", "BINBYTES8"),
    )
)
CONSTANTS = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False}
TUPLES = {"EMPTY_TUPLE": 0, "TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}
IGNORED = frozenset(("PROTO", "FRAME"))


@dataclass(frozen=True)
class Name:
    """A function or class that the pickle names: "module.name"."""

    text: str


@dataclass(frozen=True)
class Call:
    """What the pickle wants called, with which arguments."""

    name: str
    arguments: tuple[Any, ...]


@dataclass(frozen=True)
class Outside:
    """A reference to something beside the pickle: a storage."""

    key: Any


class _Mark:
    """Where a list of items begins on the stack."""


def read_pickle(content: bytes, path: Path) -> Any:
    """What the pickle describes, with `Name`, `Call` and `Outside` where it refers to more.

    Raises      InputError where it ends early or holds an instruction that no checkpoint needs
    """
    machine = _Machine(path)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # texts with odd escapes, in forms that are refused
            for number, (instruction, argument, _) in enumerate(
                pickletools.genops(io.BytesIO(content))
            ):
                if number > MOST_INSTRUCTIONS:
                    raise machine.refuse("its pickle has too many instructions")
                if instruction.name == "STOP":
                    return machine.stack.pop()
                machine.step(instruction.name, argument)
    except (ValueError, IndexError, KeyError, TypeError, OverflowError) as error:
        raise machine.refuse(f"its pickle is no table of tensors ({_short(error)})") from None
    raise machine.refuse("its pickle has no end")


class _Machine:
    """The stack and the memo of the pickle's instructions."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.stack: list[Any] = []
        self.memo: dict[int, Any] = {}
        self.act: dict[str, Callable[[Any], None]] = {
            "MARK": lambda _: self.stack.append(_Mark()),
            "EMPTY_DICT": lambda _: self.stack.append({}),
            "EMPTY_LIST": lambda _: self.stack.append([]),
            "TUPLE": lambda _: self.stack.append(tuple(self.marked())),
            "GLOBAL": lambda name: self.stack.append(Name(name.replace(" ", "."))),
            "STACK_GLOBAL": self.stack_global,
            "BINPERSID": lambda _: self.stack.append(Outside(self.stack.pop())),
            "REDUCE": self.reduce,
            "BUILD": lambda _: self.build(),
            "SETITEM": lambda _: self.put([self.stack.pop(-2), self.stack.pop()]),
            "SETITEMS": lambda _: self.put(self.marked()),
            "APPEND": lambda _: self.extend([self.stack.pop()]),
            "APPENDS": lambda _: self.extend(self.marked()),
            "MEMOIZE": lambda _: self.memo.update({len(self.memo): self.stack[-1]}),
        }

    def step(self, name: str, argument: Any) -> None:
        if name in LITERALS:
            self.stack.append(argument)
        elif name in CONSTANTS:
            self.stack.append(CONSTANTS[name])
        elif name in TUPLES:
            cut = len(self.stack) - TUPLES[name]
            if cut < 0:
                raise IndexError("an empty stack")
            self.stack[cut:] = [tuple(self.stack[cut:])]
        elif name in ("BINPUT", "LONG_BINPUT"):
            self.memo[argument] = self.stack[-1]
        elif name in ("BINGET", "LONG_BINGET"):
            self.stack.append(self.memo[argument])
        elif name in self.act:
            self.act[name](argument)
        elif name not in IGNORED:
            raise self.refuse(f"its pickle uses the instruction {name}")

    def marked(self) -> list[Any]:
        """Everything since the last mark, taken off the stack."""
        at = len(self.stack) - 1
        while not isinstance(self.stack[at], _Mark):
            at -= 1
            if at < 0:
                raise IndexError("no mark")
        items = self.stack[at + 1 :]
        del self.stack[at:]
        return items

    def stack_global(self, _: Any) -> None:
        name, module = self.stack.pop(), self.stack.pop()
        self.stack.append(Name(f"{module}.{name}"))

    def reduce(self, _: Any) -> None:
        arguments, name = self.stack.pop(), self.stack.pop()
        if not isinstance(name, Name) or not isinstance(arguments, tuple):
            raise TypeError("a call of something without a name")
        ordered = name.text == "collections.OrderedDict" and not arguments
        self.stack.append({} if ordered else Call(name.text, arguments))

    def build(self) -> None:
        self.stack.pop()  # attributes of what lies below, such as a state_dict's versions
        if not isinstance(self.stack[-1], dict):
            raise TypeError("attributes of something other than a table")

    def put(self, items: list[Any]) -> None:
        table = self.stack[-1]
        if not isinstance(table, dict) or len(items) % 2:
            raise TypeError("items for something other than a table")
        table.update(zip(items[::2], items[1::2], strict=True))

    def extend(self, items: list[Any]) -> None:
        if not isinstance(self.stack[-1], list):
            raise TypeError("items for something other than a list")
        self.stack[-1].extend(items)

    def refuse(self, reason: str) -> InputError:
        return InputError(
            f"{self.path}: {reason}; expected a state_dict as torch.save writes it; fetch it again "
            "or save it again from PyTorch"
        )


def _short(error: Exception) -> str:
    return " ".join(str(error).split())[:80]
