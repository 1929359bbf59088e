"""A model with its adapters added into its weights: W' = W + s · B A, one tensor at a time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import torch

from byhand.checkpoints import Checkpoint, Tensor
from byhand.checkpoints.conversion import write
from byhand.checkpoints.numbers import Array, from_float32, to_float32
from byhand.errors import InputError
from byhand.language.adapters import Adapter, changes
from byhand.language.sources import ADAPTER, find


def merge(
    base: str | Path, adapter: str | Path, destination: str | Path, dtype: str | None = None
) -> Checkpoint:
    """Write the base with the adapter in its weights, and give it as it was written.

    base        as `byhand.language.load` takes it, whatever the adapter calls its base
    adapter     the folder of a LoRA adapter, as PEFT saves it
    destination a folder, or a .gguf file; there is nothing yet
    dtype       f32, f16 or bf16; otherwise as the base has it

    Raises      InputError where the two do not belong together
    """
    folder = Path(adapter)
    if not (folder / ADAPTER).is_file():
        raise InputError(f"{folder} is no adapter: it has no {ADAPTER}")
    source = find(base)
    checkpoint, folders = source.checkpoint, (*source.adapters, folder)
    change = changes(folders, set(checkpoint.tensors))
    changed = set().union(*(Adapter(each).names for each in folders))
    tensors = {
        name: replace(tensor, read=partial(_merged, tensor, change), home=None)
        if name in changed
        else tensor
        for name, tensor in checkpoint.tensors.items()
    }
    return write(replace(checkpoint, tensors=tensors), destination, dtype=dtype)


def _merged(tensor: Tensor, change: Callable[[str, torch.Tensor], torch.Tensor]) -> Array:
    weight = torch.from_numpy(to_float32(tensor.read(), tensor.dtype).copy())
    return from_float32(change(tensor.name, weight).numpy(), tensor.dtype)
