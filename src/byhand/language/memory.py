"""What running a model takes, from its headers, beside what is free.

    M = W + KV + A + X

    W   the weights, as they are held: N · b, or as `int8` holds them
    KV  2 · n_kv · d_h · b · Σ_layers min(T, window): keys and values of a full context
    A   the working set: the larger of one tensor on its way in, in float32 twice, and a pass over
        a piece of the prompt with the logits of one token
    X   PyTorch and the other libraries

W and KV are those of `byhand napkin infer` for the same dtype.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from byhand.checkpoints import Checkpoint, Tensor
from byhand.checkpoints.ggml_types import NAMED, BlockType
from byhand.errors import ByhandError, InputError
from byhand.language.windows import windows

BYTES = {"f32": 4, "f16": 2, "bf16": 2, "int8": 2}
"""Of a number that is computed with."""
LIBRARIES = 400_000_000
"""PyTorch, tokenizers and NumPy in a process of their own, before any model."""
PIECE = 512
"""Tokens of a prompt that are read at once."""
GB = 1e9


@dataclass(frozen=True)
class Needed:
    """Bytes, term by term."""

    weights: int
    cache: int
    working: int
    libraries: int = LIBRARIES

    @property
    def total(self) -> int:
        """The sum."""
        return self.weights + self.cache + self.working + self.libraries

    def __str__(self) -> str:
        terms = {
            "weights": self.weights,
            "cache": self.cache,
            "working set": self.working,
            "libraries": self.libraries,
        }
        return " + ".join(f"{name} {size / GB:.1f}" for name, size in terms.items())


def needed(checkpoint: Checkpoint, context: int, dtype: str) -> Needed:
    """The memory that this model takes with a context of so many tokens.

    dtype       f32, f16, bf16, or int8 for weights of eight bits
    """
    config, width = checkpoint.config, BYTES[dtype]
    distinct = _distinct(checkpoint)
    largest = max(tensor.size for tensor in distinct.values())
    hidden, inner = config["hidden_size"], config["intermediate_size"]
    tokens = min(context, PIECE)
    one_pass = tokens * (2 * hidden + 3 * inner) * width + 4 * config["vocab_size"]
    return Needed(
        weights=sum(_held(name, tensor, dtype, distinct) for name, tensor in distinct.items()),
        cache=cache_bytes(config, context, width),
        working=max(2 * 4 * largest, one_pass),
    )


def cache_bytes(config: Mapping[str, Any], context: int, width: int) -> int:
    """KV, for numbers of `width` bytes."""
    kept = sum(min(context, window or context) for window in windows(dict(config)))
    return int(2 * config["num_key_value_heads"] * config["head_dim"] * width * kept)


def _distinct(checkpoint: Checkpoint) -> dict[str, Tensor]:
    """Each tensor once, also where two names have it."""
    homes = {tensor.home or name: name for name, tensor in checkpoint.tensors.items()}
    return {name: checkpoint.tensors[name] for name in homes.values()}


def _held(name: str, tensor: Tensor, dtype: str, distinct: Mapping[str, Tensor]) -> int:
    """An embedding is a matrix like the others where it is the head, too."""
    looked_up = name == "model.embed_tokens.weight" and "lm_head.weight" in distinct
    exact = looked_up or name.endswith("down_proj.weight") or len(tensor.shape) < 2
    if dtype != "int8" or exact:
        return tensor.size * BYTES[dtype]
    return tensor.size + BYTES[dtype] * tensor.shape[0]


def check(
    checkpoint: Checkpoint, context: int, dtype: str, free: int, name: str | None = None
) -> Needed:
    """Refuse what does not fit, before anything is loaded.

    free        bytes, as `memory_here` says
    name        what the error calls the model; its path without one

    Raises      InputError with the sum and with what would fit
    """
    need = needed(checkpoint, context, dtype)
    if need.total <= free:
        return need
    advice = _advice(checkpoint, context, dtype, free)
    raise InputError(
        f"{name or checkpoint.path} as {dtype} with a context of {context:,} needs "
        f"{need.total / GB:.1f} GB ({need}) and {free / GB:.1f} GB are free; {advice}"
    )


def _advice(checkpoint: Checkpoint, context: int, dtype: str, free: int) -> str:
    half = context // 2
    while half >= PIECE:
        if needed(checkpoint, half, dtype).total <= free:
            return f"a context of {half:,} fits"
        half //= 2
    if dtype != "int8" and needed(checkpoint, context, "int8").total <= free:
        return "int8 (8 bits a weight) fits"
    if (kind := fitting(checkpoint, context, free)) is not None:
        return f"a GGUF of {kind.name} ({kind.bits:.3g} bits a weight) fits, in llama.cpp"
    return "none of the quantisations fits: take a smaller model, or a machine with more memory"


def fitting(checkpoint: Checkpoint, context: int, free: int) -> BlockType | None:
    """The GGUF type of the most bits with which weights and cache fit; None where none does."""
    rest = free - cache_bytes(checkpoint.config, context, 2)
    quantised = (kind for kind in NAMED.values() if kind.block > 1)
    fits = [kind for kind in quantised if checkpoint.parameters * kind.bits / 8 <= rest]
    return max(fits, key=lambda kind: kind.bits, default=None)


def free_on(device: Any) -> int:
    """Bytes that are free on a torch.device."""
    if device.type == "cuda":
        import torch

        return int(torch.cuda.mem_get_info(device)[0])
    return memory_here()[1]


def memory_here() -> tuple[int, int]:
    """Bytes of memory in all and free for a new program, within the limit of a container.

    Raises      ByhandError where the system does not say
    """
    total, free = _of_the_machine()
    for limit, used in (
        ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory.current"),
        (
            "/sys/fs/cgroup/memory/memory.limit_in_bytes",
            "/sys/fs/cgroup/memory/memory.usage_in_bytes",
        ),
    ):
        most, taken = _number(limit), _number(used)
        if most is not None and taken is not None and most < total:
            total, free = most, min(free, most - taken)
    return total, free


def _of_the_machine() -> tuple[int, int]:
    meminfo = Path("/proc/meminfo")
    if meminfo.exists():
        lines = (line.split() for line in meminfo.read_text(encoding="ascii").splitlines())
        sizes = {words[0]: int(words[1]) << 10 for words in lines}
        return sizes["MemTotal:"], sizes["MemAvailable:"]
    try:
        total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (ValueError, OSError, AttributeError) as error:
        raise ByhandError(f"the system does not say how much memory there is: {error}") from None
    return total, total


def _number(path: str) -> int | None:
    try:
        return int(Path(path).read_text(encoding="ascii"))
    except (OSError, ValueError):  # no such limit, or "max"
        return None
