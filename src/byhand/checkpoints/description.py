"""What all formats are read into and written from: names, layouts and settings as Hugging Face has
them, and tensors that stay in their files until they are asked for."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from math import prod
from pathlib import Path
from typing import Any, Protocol

from byhand.checkpoints.numbers import DTYPES, Array
from byhand.checkpoints.vocabulary import Vocabulary
from byhand.errors import InputError

Config = dict[str, Any]


@dataclass(frozen=True)
class Tensor:
    """One tensor as PyTorch would have it: a matrix is [out, in].

    stored      the type in its file, such as BF16 or Q4_K
    read        takes the numbers out of the file, as an array of `dtype`
    home        what reads the same home is the same tensor under two names
    """

    name: str
    shape: tuple[int, ...]
    stored: str
    read: Callable[[], Array] = field(repr=False, compare=False)
    home: object = None

    @property
    def dtype(self) -> str:
        """F32, F16 or BF16: the type that `read` gives. Blocks of few bits become float32."""
        return self.stored if self.stored in DTYPES else "F32"

    @property
    def size(self) -> int:
        """The count of its numbers."""
        return prod(self.shape)

    @property
    def exact(self) -> bool:
        """Whether it is stored number by number, and not in blocks of few bits."""
        return self.stored in DTYPES


class Tokenizer(Protocol):
    """The tokenizer that travels with a model."""

    @property
    def chat_template(self) -> str | None:
        """A Jinja template that turns a conversation into a prompt."""

    def files(self) -> Mapping[str, bytes]:
        """tokenizer.json and its like, by file name, as Hugging Face and Meta have them."""

    def vocabulary(self) -> Vocabulary:
        """As GGUF has it."""


@dataclass(frozen=True)
class Checkpoint:
    """A model in its files.

    config          as in Hugging Face's config.json, of a family in `families.FAMILIES`
    tensors         in the order of the model, by Hugging Face's names
    tokenizer       None where the files hold none
    generation      as in generation_config.json
    about           what the files say about themselves: name, licence
    """

    path: Path
    format: str
    config: Config
    tensors: Mapping[str, Tensor]
    tokenizer: Tokenizer | None
    generation: Mapping[str, Any] = field(default_factory=dict)
    about: Mapping[str, str] = field(default_factory=dict)

    def tensor(self, name: str) -> Tensor:
        """The tensor of this name.

        Raises      InputError where there is none
        """
        if name not in self.tensors:
            raise InputError(f"{self.path}: the tensor {name} is missing; fetch the model again")
        return self.tensors[name]

    @property
    def parameters(self) -> int:
        """The numbers that training would change; two names of one tensor count once."""
        homes = {tensor.home or name: tensor for name, tensor in self.tensors.items()}
        return sum(tensor.size for tensor in homes.values())
