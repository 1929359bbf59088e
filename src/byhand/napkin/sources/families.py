"""Decoders of Llama's kind by their `model_type`: what each family's config.json means."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from byhand.errors import InputError
from byhand.napkin.sources.decoder import FOUR_NORMS, Decoder, Experts, rows
from byhand.napkin.sources.facts import Facts
from byhand.napkin.tensors import Attention, Model


def llama(facts: Facts, name: str) -> Model:
    """Llama 1 to 3.3, and what is built like it: SmolLM2, TinyLlama, Yi."""
    bias = facts.flag("attention_bias", False)
    d = _decoder(facts, qkv_bias=bias, o_bias=bias, mlp_bias=facts.flag("mlp_bias", False))
    return _model(facts, name, d)


def mistral(facts: Facts, name: str) -> Model:
    """Mistral; version 0.1 attends to a window in every layer."""
    return _model(facts, name, _decoder(facts), windows=_everywhere(facts))


def mixtral(facts: Facts, name: str) -> Model:
    """Mixtral: Mistral with experts in every layer."""
    d = _decoder(facts)
    count, used = facts.experts("num_local_experts", "num_experts_per_tok")
    experts = Experts(count, used, d.intermediate)
    return _model(facts, name, replace(d, experts=experts), windows=_everywhere(facts))


def gemma(facts: Facts, name: str) -> Model:
    """Gemma 1: heads that are wider than hidden / heads, one embedding for input and output."""
    return _model(facts, name, _decoder(facts, tied=True))


def gemma2(facts: Facts, name: str) -> Model:
    """Gemma 2: four norms, and a window in every other layer, the first among them."""
    d = _decoder(facts, tied=True, norms=FOUR_NORMS)
    return _model(facts, name, d, windows=_alternating(facts, every=2))


def gemma3(facts: Facts, name: str) -> Model:
    """Gemma 3 (text): as Gemma 2, with norms over q and k; five windows, then one full layer."""
    d = _decoder(facts, tied=True, norms=FOUR_NORMS, qk_norm=True)
    every = facts.integer("sliding_window_pattern", "_sliding_window_pattern", default=6)
    return _model(facts, name, d, windows=_alternating(facts, every))


def qwen2(facts: Facts, name: str) -> Model:
    """Qwen 2 and 2.5: biases on q, k and v, and nowhere else."""
    return _model(facts, name, _decoder(facts, qkv_bias=True), windows=_upper(facts))


def qwen2_moe(facts: Facts, name: str) -> Model:
    """Qwen 1.5 and 2 with experts: a gated shared expert beside those that are chosen."""
    d = _decoder(facts, qkv_bias=True)
    shared = facts.integer("shared_expert_intermediate_size")
    experts = replace(_qwen_experts(facts, d.layers), shared_width=shared, shared_gate=True)
    return _model(facts, name, replace(d, experts=experts), windows=_upper(facts))


def qwen3(facts: Facts, name: str) -> Model:
    """Qwen 3: norms over q and k, no biases, a head width of its own."""
    return _model(facts, name, _qwen3(facts), windows=_upper(facts))


def qwen3_moe(facts: Facts, name: str) -> Model:
    """Qwen 3 with experts."""
    d = _qwen3(facts)
    experts = _qwen_experts(facts, d.layers)
    return _model(facts, name, replace(d, experts=experts), windows=_upper(facts))


def phi3(facts: Facts, name: str) -> Model:
    """Phi-3: q, k and v in one matrix, gate and up in another."""
    return _model(facts, name, _decoder(facts, fused=True), windows=_everywhere(facts))


FAMILIES = {
    "llama": llama,
    "mistral": mistral,
    "mixtral": mixtral,
    "gemma": gemma,
    "gemma2": gemma2,
    "gemma3_text": gemma3,
    "qwen2": qwen2,
    "qwen2_moe": qwen2_moe,
    "qwen3": qwen3,
    "qwen3_moe": qwen3_moe,
    "phi3": phi3,
}


def _decoder(facts: Facts, *, tied: bool = False, **differences: Any) -> Decoder:
    """The fields that all families share. `tied`: the family's default."""
    hidden = facts.integer("hidden_size")
    heads = facts.integer("num_attention_heads")
    head_dim = facts.optional("head_dim")
    if head_dim is None and hidden % heads:
        raise InputError(
            f"{facts.origin}: hidden_size {hidden} is no multiple of num_attention_heads {heads}; "
            "give head_dim, or correct one of them"
        )
    kv_heads = facts.integer("num_key_value_heads", default=heads)
    if heads % kv_heads:
        raise InputError(
            f"{facts.origin}: num_attention_heads {heads} is no multiple of num_key_value_heads "
            f"{kv_heads}, so the heads cannot share keys; correct one of them"
        )
    return Decoder(
        layers=facts.layers,
        hidden=hidden,
        intermediate=facts.integer("intermediate_size"),
        vocabulary=facts.integer("vocab_size"),
        heads=heads,
        kv_heads=kv_heads,
        head_dim=head_dim or hidden // heads,
        tied=facts.flag("tie_word_embeddings", tied),
        **differences,
    )


def _qwen3(facts: Facts) -> Decoder:
    bias = facts.flag("attention_bias", False)
    return _decoder(facts, qk_norm=True, qkv_bias=bias, o_bias=bias)


def _qwen_experts(facts: Facts, layers: int) -> Experts:
    step = facts.integer("decoder_sparse_step", default=1)
    dense = {layer for layer in range(layers) if (layer + 1) % step}
    listed = facts.list_of("mlp_only_layers")
    count, used = facts.experts("num_experts", "num_experts_per_tok")
    return Experts(
        count=count,
        used=used,
        width=facts.integer("moe_intermediate_size"),
        dense=frozenset(layer for layer in range(layers) if layer in dense or layer in listed),
    )


def _everywhere(facts: Facts) -> tuple[int | None, ...]:
    """The same window in every layer, or none."""
    return (facts.optional("sliding_window"),) * facts.layers


def _upper(facts: Facts) -> tuple[int | None, ...]:
    """A window in the upper layers where Qwen's config asks for it."""
    if not facts.flag("use_sliding_window", False):
        return (None,) * facts.layers
    window, first = facts.integer("sliding_window"), facts.optional("max_window_layers") or 0
    return tuple(window if layer >= first else None for layer in range(facts.layers))


def _alternating(facts: Facts, every: int) -> tuple[int | None, ...]:
    """A window in each layer but every so many-th; `layer_types` says it where it is there."""
    window = facts.integer("sliding_window")
    types = facts.list_of("layer_types")
    if types and len(types) != facts.layers:
        raise InputError(
            f"{facts.origin}: layer_types has {len(types)} entries for {facts.layers} layers; "
            "there is one for each layer"
        )
    if types:
        return tuple(window if kind == "sliding_attention" else None for kind in types)
    return tuple(None if (layer + 1) % every == 0 else window for layer in range(facts.layers))


def _model(
    facts: Facts, name: str, d: Decoder, windows: tuple[int | None, ...] | None = None
) -> Model:
    attention = tuple(
        Attention("sliding" if window else "full", d.heads, d.kv_heads, d.head_dim, window=window)
        for window in windows or (None,) * d.layers
    )
    return Model(
        name,
        str(facts.fields["model_type"]),
        rows(d),
        facts.origin,
        layers=d.layers,
        hidden=d.hidden,
        intermediate=d.experts.width if d.experts else d.intermediate,
        vocabulary=d.vocabulary,
        context=facts.optional("max_position_embeddings"),
        attention=attention,
        gated=True,
        experts=d.experts.count if d.experts else None,
        experts_used=d.experts.used if d.experts else None,
    )
