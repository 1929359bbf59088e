"""Small GGUF files, written by the reference implementation."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from gguf import GGMLQuantizationType, GGUFWriter
from gguf.quants import quantize

LLAMA = {
    "block_count": 2,
    "context_length": 128,
    "embedding_length": 64,
    "feed_forward_length": 96,
    "attention.head_count": 4,
    "attention.head_count_kv": 2,
}


def write_gguf(
    path: Path,
    tensors: dict[str, tuple[tuple[int, ...], str]],
    fields: dict[str, int] | None = None,
    *,
    architecture: str = "llama",
    words: int = 0,
    strings: dict[str, str] | None = None,
) -> Path:
    """A GGUF file with tensors of these shapes and types, and a vocabulary of so many words."""
    writer = GGUFWriter(path, architecture)
    for name, value in (LLAMA if fields is None else fields).items():
        writer.add_uint32(f"{architecture}.{name}", value)
    for name, text in (strings or {}).items():
        writer.add_string(name, text)
    if words:
        writer.add_token_list([f"word{k}" for k in range(words)])
        writer.add_token_scores([float(k) for k in range(words)])
    for name, (shape, kind) in tensors.items():
        values: Any = np.zeros(shape, np.float32)
        type_ = GGMLQuantizationType[kind]
        if kind == "F32":
            writer.add_tensor(name, values)
        elif kind == "F16":
            writer.add_tensor(name, values.astype(np.float16))
        else:
            writer.add_tensor(name, quantize(values, type_), raw_dtype=type_)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def llama_tensors(kind: str = "Q8_0") -> dict[str, tuple[tuple[int, ...], str]]:
    """The tensors of a Llama with the sizes of `LLAMA`, 32 words and tied embeddings."""
    tensors: dict[str, tuple[tuple[int, ...], str]] = {
        "token_embd.weight": ((32, 64), kind),
        "output_norm.weight": ((64,), "F32"),
        "rope_freqs.weight": ((8,), "F32"),
    }
    for k in range(2):
        block = {
            "attn_norm": ((64,), "F32"),
            "attn_q": ((64, 64), kind),
            "attn_k": ((32, 64), kind),
            "attn_v": ((32, 64), kind),
            "attn_output": ((64, 64), kind),
            "ffn_norm": ((64,), "F32"),
            "ffn_gate": ((96, 64), kind),
            "ffn_up": ((96, 64), kind),
            "ffn_down": ((64, 96), kind),
        }
        tensors |= {f"blk.{k}.{name}.weight": value for name, value in block.items()}
    return tensors
