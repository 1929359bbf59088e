"""The rows of a decoder of Llama's kind: RMS norms, no learned positions, q, k and v apart.

Llama, Mistral, Mixtral, Gemma, Qwen, Phi-3 and SmolLM2 differ in the fields of `Decoder` only.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction

from byhand.napkin.tensors import Tensor


@dataclass(frozen=True)
class Experts:
    """The mixture of experts that stands in place of the MLP.

    width           of each expert's hidden layer
    shared_width    of the experts that every token passes, taken together; 0 without any
    shared_gate     the shared expert is weighted by a gate of its own
    dense           the layers that keep an ordinary MLP
    router_bias     one number per expert is added to its score
    """

    count: int
    used: int
    width: int
    shared_width: int = 0
    shared_gate: bool = False
    dense: frozenset[int] = frozenset()
    router_bias: bool = False


@dataclass(frozen=True)
class Decoder:
    """The sizes of a decoder.

    head_dim        the config's: hidden / heads holds for many models and not for Gemma or Qwen3
    qk_norm         a norm over each head of q and of k
    norms           the names of a layer's norms over `hidden`
    fused           q, k and v are one matrix, and so are gate and up (Phi-3)
    """

    layers: int
    hidden: int
    intermediate: int
    vocabulary: int
    heads: int
    kv_heads: int
    head_dim: int
    tied: bool = False
    qkv_bias: bool = False
    o_bias: bool = False
    mlp_bias: bool = False
    qk_norm: bool = False
    norms: tuple[str, ...] = ("input_layernorm", "post_attention_layernorm")
    fused: bool = False
    experts: Experts | None = None


FOUR_NORMS = (
    "input_layernorm",
    "post_attention_layernorm",
    "pre_feedforward_layernorm",
    "post_feedforward_layernorm",
)


def rows(d: Decoder) -> tuple[Tensor, ...]:
    """All tensors of the decoder, under the names of Hugging Face."""
    return (*embedding(d.vocabulary, d.hidden), *_blocks(d), *head(d.vocabulary, d.hidden, d.tied))


def embedding(vocabulary: int, hidden: int) -> Iterator[Tensor]:
    yield Tensor("model.embed_tokens.weight", (vocabulary, hidden), "embedding")


def head(vocabulary: int, hidden: int, tied: bool) -> Iterator[Tensor]:
    """The last norm and the output head, which may be the embedding once more."""
    yield Tensor("model.norm.weight", (hidden,), "norm")
    tied_to = "model.embed_tokens.weight" if tied else None
    yield Tensor("lm_head.weight", (vocabulary, hidden), "head", tied_to=tied_to)


def matrix(
    name: str, shape: tuple[int, int], role: str, layer: int, *, bias: bool = False
) -> Iterator[Tensor]:
    """A projection (out, in) with its bias, where it has one."""
    yield Tensor(f"{name}.weight", shape, role, layer)
    if bias:
        yield Tensor(f"{name}.bias", shape[:1], "bias", layer)


def mlp(
    name: str, hidden: int, width: int, layer: int, *, bias: bool = False, fused: bool = False
) -> Iterator[Tensor]:
    """A gated MLP: three matrices, of which two may be stored as one."""
    if fused:
        yield from matrix(f"{name}.gate_up_proj", (2 * width, hidden), "up", layer, bias=bias)
    else:
        yield from matrix(f"{name}.gate_proj", (width, hidden), "gate", layer, bias=bias)
        yield from matrix(f"{name}.up_proj", (width, hidden), "up", layer, bias=bias)
    yield from matrix(f"{name}.down_proj", (hidden, width), "down", layer, bias=bias)


def mixture(name: str, hidden: int, experts: Experts, layer: int) -> Iterator[Tensor]:
    """A mixture of experts: the router, the experts stacked, the shared expert."""
    yield Tensor(f"{name}.gate.weight", (experts.count, hidden), "router", layer)
    if experts.router_bias:
        yield Tensor(f"{name}.gate.e_score_correction_bias", (experts.count,), "bias", layer)
    up, down = (experts.count, experts.width, hidden), (experts.count, hidden, experts.width)
    for role, shape in (("gate", up), ("up", up), ("down", down)):
        yield Tensor(
            f"{name}.experts.{role}_proj.weight",
            shape,
            f"expert_{role}",
            layer,
            active=Fraction(experts.used, experts.count),
        )
    if experts.shared_width:
        yield from mlp(f"{name}.shared_expert", hidden, experts.shared_width, layer)
    if experts.shared_gate:
        yield Tensor(f"{name}.shared_expert_gate.weight", (1, hidden), "router", layer)


def _blocks(d: Decoder) -> Iterator[Tensor]:
    for layer in range(d.layers):
        block = f"model.layers.{layer}"
        yield from _attention(d, f"{block}.self_attn", layer)
        if d.experts and layer not in d.experts.dense:
            yield from mixture(f"{block}.mlp", d.hidden, d.experts, layer)
        else:
            yield from mlp(
                f"{block}.mlp", d.hidden, d.intermediate, layer, bias=d.mlp_bias, fused=d.fused
            )
        for norm in d.norms:
            yield Tensor(f"{block}.{norm}.weight", (d.hidden,), "norm", layer)


def _attention(d: Decoder, name: str, layer: int) -> Iterator[Tensor]:
    q, kv = d.heads * d.head_dim, d.kv_heads * d.head_dim
    if d.fused:
        yield from matrix(f"{name}.qkv_proj", (q + 2 * kv, d.hidden), "qkv", layer, bias=d.qkv_bias)
    else:
        yield from matrix(f"{name}.q_proj", (q, d.hidden), "q", layer, bias=d.qkv_bias)
        yield from matrix(f"{name}.k_proj", (kv, d.hidden), "k", layer, bias=d.qkv_bias)
        yield from matrix(f"{name}.v_proj", (kv, d.hidden), "v", layer, bias=d.qkv_bias)
    yield from matrix(f"{name}.o_proj", (d.hidden, q), "o", layer, bias=d.o_bias)
    if d.qk_norm:
        yield Tensor(f"{name}.q_norm.weight", (d.head_dim,), "norm", layer)
        yield Tensor(f"{name}.k_norm.weight", (d.head_dim,), "norm", layer)
