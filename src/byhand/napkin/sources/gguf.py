"""A GGUF file as a list of tensors: its header says all of it."""

from __future__ import annotations

import re
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

from byhand.checkpoints.gguf import GGUFHeader, GGUFTensor, read_gguf_header
from byhand.checkpoints.shards import shards
from byhand.errors import InputError
from byhand.napkin.sources.facts import MOST_LAYERS, Facts
from byhand.napkin.sources.refused import refuse, refuse_state_space
from byhand.napkin.tensors import Attention, Model, Tensor

ROLES = {
    "token_embd": "embedding",
    "position_embd": "position",
    "token_types": "token_type",
    "output": "head",
    "attn_q": "q",
    "attn_k": "k",
    "attn_v": "v",
    "attn_qkv": "qkv",
    "attn_output": "o",
    "attn_q_a": "q_down",
    "attn_q_b": "q_up",
    "attn_kv_a_mqa": "kv_down",
    "attn_kv_b": "kv_up",
    "attn_k_b": "kv_up",
    "attn_v_b": "kv_up",
    "ffn_gate": "gate",
    "ffn_up": "up",
    "ffn_down": "down",
    "ffn_gate_shexp": "gate",
    "ffn_up_shexp": "up",
    "ffn_down_shexp": "down",
    "ffn_gate_inp": "router",
    "ffn_gate_inp_shexp": "router",
    "ffn_gate_exps": "expert_gate",
    "ffn_up_exps": "expert_up",
    "ffn_down_exps": "expert_down",
}
"""By the name without block and ending; norms and biases are told by their endings."""

WINDOW_EVERY = {"gemma2": 2, "gemma3": 6}
"""In these, each so many-th layer attends to everything and the others to a window."""

ATTENTION_KNOWN = frozenset(
    (
        "llama",
        "gemma",
        "gemma2",
        "gemma3",
        "qwen2",
        "qwen2moe",
        "qwen3",
        "qwen3moe",
        "phi3",
        "gpt2",
        "gptneox",
    )
)
ENCODERS = frozenset({"bert", "nomic-bert", "jina-bert-v2", "t5encoder", "clip"})
BLOCK = re.compile(r"blk\.(\d+)\.(.+)")


def read_gguf(path: Path) -> Model:
    """The model in the file, or in the files that it is a part of.

    Raises      InputError where a file isn't whole, and for state-space architectures
    """
    headers = [read_gguf_header(part) for part in shards(path)]
    header = headers[0]
    _refuse_others(header, headers, str(path))
    facts = Facts(header.metadata, str(path))
    experts, used = (
        _count(header, facts, "expert_count"),
        _count(header, facts, "expert_used_count"),
    )
    active = Fraction(used, experts) if experts and used and used <= experts else Fraction(1)
    stored = [tensor for part in headers for tensor in part.tensors if not _constant(tensor.name)]
    rows = [_row(tensor, active) for tensor in stored]
    embedding = next((row for row in rows if row.role == "embedding"), None)
    causal = header.architecture not in ENCODERS
    if embedding and causal and not any(row.role == "head" for row in rows):
        rows.append(replace(embedding, name="output.weight", role="head", tied_to=embedding.name))
    layers = _count(header, facts, "block_count", most=MOST_LAYERS)
    hidden = _count(header, facts, "embedding_length")
    attention = _attention(header, facts, layers, hidden)
    unknown = f"byhand doesn't know how {header.architecture!r} attends, so it has no KV cache here"
    return Model(
        str(header.metadata.get("general.name") or path.stem),
        header.architecture,
        tuple(rows),
        str(path),
        layers=layers,
        hidden=hidden,
        intermediate=_width(header, facts, experts),
        vocabulary=embedding.shape[0] if embedding else None,
        context=_count(header, facts, "context_length"),
        attention=attention,
        gated=any(row.role in ("gate", "expert_gate") for row in rows)
        or header.architecture == "phi3",
        causal=causal,
        experts=experts,
        experts_used=used,
        assumed=() if attention or not causal else (unknown,),
    )


def _refuse_others(header: GGUFHeader, parts: list[GGUFHeader], origin: str) -> None:
    if not header.architecture:
        raise InputError(f"{origin}: general.architecture is missing; give a GGUF file of a model")
    refuse_state_space(header.architecture, origin)
    if any(".ssm_" in t.name or "time_mix" in t.name for part in parts for t in part.tensors):
        refuse(header.architecture, origin)


def _constant(name: str) -> bool:
    """Tables that follow from the configuration: no parameters."""
    return name.startswith(("rope_freqs.", "rope_factors_"))


def _row(tensor: GGUFTensor, active: Fraction) -> Tensor:
    match = BLOCK.fullmatch(tensor.name)
    layer, rest = (int(match[1]), match[2]) if match else (None, tensor.name)
    stem, _, ending = rest.rpartition(".")
    role = ROLES.get(stem, "other")
    if "norm" in stem:
        role = "norm"
    if ending == "bias":
        role = "bias"
    share = active if role.startswith("expert_") else Fraction(1)
    return Tensor(tensor.name, tensor.shape, role, layer, tensor.type.name, active=share)


def _count(header: GGUFHeader, facts: Facts, name: str, **limits: Any) -> int | None:
    """A number of the architecture, or None; 0 stands for none."""
    full = f"{header.architecture}.{name}"
    return facts.integer(full, **limits) if header.metadata.get(full) else None


def _width(header: GGUFHeader, facts: Facts, experts: int | None) -> int | None:
    if experts and (width := _count(header, facts, "expert_feed_forward_length")):
        return width
    if isinstance(header.field("feed_forward_length"), list):
        return None  # one for each layer
    return _count(header, facts, "feed_forward_length")


def _attention(
    header: GGUFHeader, facts: Facts, layers: int | None, hidden: int | None
) -> tuple[Attention, ...]:
    if not layers or not hidden:
        return ()
    if header.architecture == "deepseek2":
        return _latent(header, facts) * layers
    if header.architecture not in ATTENTION_KNOWN:
        return ()
    heads = _each_layer(header, facts, "attention.head_count", layers, None)
    kv_heads = _each_layer(header, facts, "attention.head_count_kv", layers, heads)
    width = _count(header, facts, "attention.key_length")
    window = _count(header, facts, "attention.sliding_window")
    every = WINDOW_EVERY.get(header.architecture, layers + 1)
    slides = [window if window and (layer + 1) % every else None for layer in range(layers)]
    return tuple(
        Attention("sliding" if slide else "full", h, kv, width or hidden // h, window=slide)
        for h, kv, slide in zip(heads, kv_heads, slides, strict=True)
    )


def _latent(header: GGUFHeader, facts: Facts) -> tuple[Attention]:
    name = header.architecture
    heads = facts.integer(f"{name}.attention.head_count")
    return (
        Attention(
            "latent",
            heads,
            heads,
            facts.integer(f"{name}.attention.key_length_mla", f"{name}.attention.key_length"),
            value_dim=facts.integer(
                f"{name}.attention.value_length_mla", f"{name}.attention.value_length"
            ),
            kv_lora_rank=facts.integer(f"{name}.attention.kv_lora_rank"),
            rope_dim=facts.integer(f"{name}.rope.dimension_count"),
        ),
    )


def _each_layer(
    header: GGUFHeader, facts: Facts, name: str, layers: int, default: list[int] | None
) -> list[int]:
    """A number for each layer: the field holds one for all, or a list."""
    value = header.field(name)
    if not isinstance(value, list):
        if value is None and default is not None:
            return default
        return [facts.integer(f"{header.architecture}.{name}")] * layers
    if len(value) != layers or not all(type(n) is int and n > 0 for n in value):
        raise InputError(f"{facts.origin}: {name} has no positive number for each of its layers")
    return value
