"""What training adapters takes, before anything is loaded.

    M = W + 16·N_lora + S + Z + X

W   the frozen weights: N · b
    an adapter's number has, in float32, itself, its gradient and two moments of Adam
S   what the backward pass needs of every token, L · tokens · s:
    s = n_norm·h·4 + (2·A + 2·K)·b + 3·f·b + Σ adapters r·4 + i
    norms, which compute in float32; queries, keys, values and what comes out of attention; of the
    gated MLP the gate before and after its activation, and the other half; what adapters have
    between A and B, and their inputs
    i   in 16 bits each adapter has a copy of its input in float32: Σ d_in·4. In float32 those of
        q, k and v are one, and of gate and up: (2·h + f)·4, for those that are adapted; o's is what
        came out of attention
Z   logits of the tokens of a batch that the loss counts: counted · V · (8 + c), their softmax and
    gradient in float32, and a copy in 16 bits (c = 2) where the weights are
X   PyTorch, transformers and PEFT, their kernels for the sizes there are, and what the allocator
    keeps

S is that of `byhand napkin finetune` without the scores of attention, which are never kept here,
and without what the frozen matrices would need for gradients of their own.

Source      Korthikanti et al., arXiv:2205.05198, section 4; Hu et al., arXiv:2106.09685
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

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
    checkpoint: Checkpoint,
    targets: Collection[str],
    rank: int,
    tokens: int,
    counted: int,
    dtype: str,
) -> TrainingMemory:
    """The memory that training takes.

    tokens      of the largest batch
    counted     the most that the loss counts in one
    dtype       f32 or bf16, of the frozen weights
    """
    config, width = checkpoint.config, BYTES[dtype]
    matrices = adapted(checkpoint, targets)
    copied = width if width < 4 else 0
    layers = config["num_hidden_layers"]
    per_token = layers * _layer(checkpoint, width) + sum(4 * rank for _ in matrices)
    if copied:
        per_token += sum(4 * into for _, into in matrices)
    else:
        per_token += layers * 4 * _inputs(config, targets)
    return TrainingMemory(
        weights=checkpoint.parameters * width,
        adapters=STATE * lora_parameters(matrices, rank),
        activations=tokens * per_token,
        logits=counted * config["vocab_size"] * (8 + copied),
    )


def _layer(checkpoint: Checkpoint, width: int) -> int:
    """What a layer keeps of a token, without its adapters."""
    config = checkpoint.config
    f, d = config["intermediate_size"], config["head_dim"]
    a, k = config["num_attention_heads"] * d, config["num_key_value_heads"] * d
    h = config["hidden_size"]
    first = (t for name, t in checkpoint.tensors.items() if name.startswith("model.layers.0."))
    norms = h * sum(tensor.shape == (h,) for tensor in first)
    if "model.layers.0.self_attn.q_norm.weight" in checkpoint.tensors:
        norms += a + k
    return int(norms * 4 + (2 * a + 2 * k) * width + 3 * f * width)


def _inputs(config: Mapping[str, Any], targets: Collection[str]) -> int:
    """Numbers of a token and a layer that adapters in float32 keep, each once."""
    h, f = config["hidden_size"], config["intermediate_size"]
    groups = ({"q_proj", "k_proj", "v_proj"}, h), ({"gate_proj", "up_proj"}, h), ({"down_proj"}, f)
    return int(sum(size for group, size in groups if group & set(targets)))


def check(need: TrainingMemory, free: int, batch: int, context: int, dtype: str) -> None:
    """Refuse what does not fit, before anything is loaded.

    Raises      InputError with the sum and with what to change
    """
    if need.total <= free:
        return
    advice = f"take a smaller --batch-size than {batch} or --context than {context:,}"
    least = need.weights + need.adapters + need.libraries
    if least > free:
        fits = dtype == "f32" and least - need.weights // 2 <= free
        advice = "--dtype bf16 halves the weights" if fits else "take a smaller model"
    raise InputError(
        f"training needs {need.total / GB:.1f} GB ({need}) and {free / GB:.1f} GB are free; "
        f"{advice}"
    )
