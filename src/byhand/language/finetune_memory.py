"""What training adapters takes, before anything is loaded.

    M = W + 16·N_lora + S + Z + X

W   the frozen weights: N · b
    an adapter's number has, in float32, itself, its gradient and two moments of Adam
S   what the backward pass needs of every token, L · tokens · s:
    s = n_norm·h·(b + 4) + (h + 2·A + 2·K)·b + (h + 4·f)·b + Σ adapters (d_in·c + r·4)
    norms, which compute in float32 as well; attention; the gated MLP; the adapters' inputs, of
    which there is a copy in float32 (c = 4) where the weights are in 16 bits
Z   logits of one batch: 3 · tokens · V · 4, with their softmax and their gradient
X   PyTorch, transformers and PEFT

S and Z are those of `byhand napkin finetune` without the scores of attention, which are never kept
here, and with the copies in float32.

Source      Korthikanti et al., arXiv:2205.05198, section 4; Hu et al., arXiv:2106.09685
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from byhand.checkpoints import Checkpoint
from byhand.errors import InputError
from byhand.language.memory import BYTES, GB

LIBRARIES = 800_000_000
"""PyTorch, transformers, PEFT and tokenizers in a process of their own."""
STATE = 16
"""Bytes for one number that is trained."""


@dataclass(frozen=True)
class TrainingMemory:
    """Bytes, term by term."""

    weights: int
    adapters: int
    activations: int
    logits: int
    libraries: int = LIBRARIES

    @property
    def total(self) -> int:
        """The sum."""
        return self.weights + self.adapters + self.activations + self.logits + self.libraries

    def __str__(self) -> str:
        terms = {
            "weights": self.weights,
            "adapters": self.adapters,
            "activations": self.activations,
            "logits": self.logits,
            "libraries": self.libraries,
        }
        return " + ".join(f"{name} {size / GB:.2f}" for name, size in terms.items())


def adapted(checkpoint: Checkpoint, targets: Collection[str]) -> list[tuple[int, int]]:
    """The matrices that get adapters, each as (out, in).

    targets     as in q_proj
    """
    return [
        (tensor.shape[0], tensor.shape[1])
        for name, tensor in checkpoint.tensors.items()
        if name.endswith(".weight") and name.split(".")[-2] in targets
    ]


def lora_parameters(matrices: Collection[tuple[int, int]], rank: int) -> int:
    """N_lora = Σ r·(d_in + d_out)"""
    return sum(rank * (out + into) for out, into in matrices)


def training_memory(
    checkpoint: Checkpoint, targets: Collection[str], rank: int, tokens: int, dtype: str
) -> TrainingMemory:
    """The memory that training takes.

    tokens      of a batch
    dtype       f32 or bf16, of the frozen weights
    """
    config, width = checkpoint.config, BYTES[dtype]
    matrices = adapted(checkpoint, targets)
    copied = 4 if width < 4 else 0
    between = sum(into * copied + rank * 4 for _, into in matrices)
    return TrainingMemory(
        weights=checkpoint.parameters * width,
        adapters=STATE * lora_parameters(matrices, rank),
        activations=tokens * (config["num_hidden_layers"] * _layer(checkpoint, width) + between),
        logits=3 * tokens * config["vocab_size"] * 4,
    )


def _layer(checkpoint: Checkpoint, width: int) -> int:
    """What a layer keeps of a token, without its adapters."""
    config = checkpoint.config
    h, f, d = config["hidden_size"], config["intermediate_size"], config["head_dim"]
    a, k = config["num_attention_heads"] * d, config["num_key_value_heads"] * d
    first = (t for name, t in checkpoint.tensors.items() if name.startswith("model.layers.0."))
    norms = sum(tensor.shape == (h,) for tensor in first)
    return int(norms * h * (width + 4) + (h + 2 * a + 2 * k) * width + (h + 4 * f) * width)


def check(need: TrainingMemory, free: int, batch: int, context: int) -> None:
    """Refuse what does not fit, before anything is loaded.

    Raises      InputError with the sum and with what to change
    """
    if need.total > free:
        raise InputError(
            f"training needs {need.total / GB:.1f} GB ({need}) and {free / GB:.1f} GB are free; "
            f"take a smaller --batch-size than {batch} or --context than {context:,}"
        )
