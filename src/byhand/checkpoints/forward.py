"""A checkpoint as a model of transformers, and what it computes on a prompt."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from byhand.checkpoints.description import Checkpoint
from byhand.checkpoints.families import family_of
from byhand.checkpoints.numbers import TORCH_NAMES, Array, converted
from byhand.errors import InputError

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class Pass:
    """hidden: what leaves the embedding and each layer, [time, hidden]; logits[time, words]."""

    hidden: list[Array]
    logits: Array


def as_torch(checkpoint: Checkpoint, dtype: str = "F32") -> Any:
    """The model in transformers' own class, with its numbers in this type.

    Nothing is written to the disk, and one tensor at a time is converted.

    Raises      InputError where PyTorch or transformers is missing
    """
    try:
        import torch
        import transformers
    except ImportError:
        raise InputError(
            "to run a model PyTorch and transformers are needed: pip install byhand[language]"
        ) from None
    family = family_of(checkpoint.config, checkpoint.path)
    kind = getattr(torch, TORCH_NAMES[dtype])
    config = transformers.AutoConfig.for_model(**checkpoint.config)
    state = {name: _as_tensor(t.read(), t.dtype, dtype) for name, t in checkpoint.tensors.items()}
    progress: Any = transformers.utils.logging
    shown = progress.is_progress_bar_enabled()
    progress.disable_progress_bar()
    try:
        model = getattr(transformers, family.model_class).from_pretrained(
            None, config=config, state_dict=state, dtype=kind
        )
    finally:
        if shown:
            progress.enable_progress_bar()
    return model.eval()


def _as_tensor(values: Array, source: str, target: str) -> torch.Tensor:
    import torch

    numbers = torch.from_numpy(np.ascontiguousarray(converted(values, source, target)))
    return numbers.view(torch.bfloat16) if target == "BF16" else numbers


def run(checkpoint: Checkpoint, prompt: Sequence[int]) -> Pass:
    """The hidden states and logits in float32 for a prompt of these words."""
    model = as_torch(checkpoint)
    import torch

    with torch.no_grad():
        output = model(torch.tensor([list(prompt)]), output_hidden_states=True, use_cache=False)
    return Pass([h[0].numpy() for h in output.hidden_states], output.logits[0].numpy())
