"""The rows of DeepSeek-V2 and V3: latent attention, experts that share and experts that choose."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from byhand.napkin.sources.decoder import Experts, embedding, head, matrix, mixture, mlp
from byhand.napkin.sources.facts import Facts
from byhand.napkin.tensors import Attention, Model, Tensor


@dataclass(frozen=True)
class Latent:
    """The widths of multi-head latent attention.

    kv_rank     what is kept of a token, instead of its keys and values
    rope        the part of a head that carries the position; of k it is one for all heads
    nope        the part of a head that carries none
    value       the width of a head of v
    q_rank      the rank of q's projection; None where q is projected at once (V2-Lite)

    Source      DeepSeek-V2, arXiv 2405.04434, section 2.1 and equations 37-47.
    """

    hidden: int
    heads: int
    kv_rank: int
    rope: int
    nope: int
    value: int
    q_rank: int | None


def deepseek(facts: Facts, name: str) -> Model:
    """A model of type deepseek_v2 or deepseek_v3; the multi-token module isn't counted."""
    layers, hidden = facts.layers, facts.integer("hidden_size")
    vocabulary = facts.integer("vocab_size")
    latent = Latent(
        hidden,
        facts.integer("num_attention_heads"),
        facts.integer("kv_lora_rank"),
        facts.integer("qk_rope_head_dim"),
        facts.integer("qk_nope_head_dim"),
        facts.integer("v_head_dim"),
        facts.optional("q_lora_rank"),
    )
    width = facts.integer("moe_intermediate_size")
    count, used = facts.experts("n_routed_experts", "num_experts_per_tok")
    experts = Experts(
        count=count,
        used=used,
        width=width,
        shared_width=width * (facts.optional("n_shared_experts") or 0),
        dense=frozenset(range(facts.optional("first_k_dense_replace") or 0)),
        router_bias=facts.fields.get("topk_method") == "noaux_tc",
    )
    intermediate = facts.integer("intermediate_size")
    attention = Attention(
        "latent",
        latent.heads,
        latent.heads,
        latent.nope + latent.rope,
        value_dim=latent.value,
        kv_lora_rank=latent.kv_rank,
        rope_dim=latent.rope,
    )
    more = facts.optional("num_nextn_predict_layers")
    left_out = ("the modules that predict further tokens (MTP) are left out",) if more else ()
    return Model(
        name,
        str(facts.fields["model_type"]),
        (
            *embedding(vocabulary, hidden),
            *_blocks(layers, latent, experts, intermediate),
            *head(vocabulary, hidden, facts.flag("tie_word_embeddings", False)),
        ),
        facts.origin,
        layers=layers,
        hidden=hidden,
        intermediate=intermediate,
        vocabulary=vocabulary,
        context=facts.optional("max_position_embeddings"),
        attention=(attention,) * layers,
        gated=True,
        experts=experts.count,
        experts_used=experts.used,
        assumed=left_out,
    )


def _blocks(layers: int, latent: Latent, experts: Experts, intermediate: int) -> Iterator[Tensor]:
    for layer in range(layers):
        block = f"model.layers.{layer}"
        yield from _attention(latent, f"{block}.self_attn", layer)
        if layer in experts.dense:
            yield from mlp(f"{block}.mlp", latent.hidden, intermediate, layer)
        else:
            yield from mixture(f"{block}.mlp", latent.hidden, experts, layer)
        for norm in ("input_layernorm", "post_attention_layernorm"):
            yield Tensor(f"{block}.{norm}.weight", (latent.hidden,), "norm", layer)


def _attention(a: Latent, name: str, layer: int) -> Iterator[Tensor]:
    q = a.heads * (a.nope + a.rope)
    if a.q_rank is None:
        yield from matrix(f"{name}.q_proj", (q, a.hidden), "q", layer)
    else:
        yield from matrix(f"{name}.q_a_proj", (a.q_rank, a.hidden), "q_down", layer)
        yield Tensor(f"{name}.q_a_layernorm.weight", (a.q_rank,), "norm", layer)
        yield from matrix(f"{name}.q_b_proj", (q, a.q_rank), "q_up", layer)
    yield from matrix(
        f"{name}.kv_a_proj_with_mqa", (a.kv_rank + a.rope, a.hidden), "kv_down", layer
    )
    yield Tensor(f"{name}.kv_a_layernorm.weight", (a.kv_rank,), "norm", layer)
    kv = a.heads * (a.nope + a.value)
    yield from matrix(f"{name}.kv_b_proj", (kv, a.kv_rank), "kv_up", layer)
    yield from matrix(f"{name}.o_proj", (a.hidden, a.heads * a.value), "o", layer)
