"""The families of language models that byhand converts, and what each format calls their parts."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from byhand.errors import InputError

# By role: Hugging Face, GGUF, Meta.
OUTSIDE = (
    ("model.embed_tokens", "token_embd", "tok_embeddings"),
    ("model.norm", "output_norm", "norm"),
    ("lm_head", "output", "output"),
)
COMMON = (
    ("input_layernorm", "attn_norm", "attention_norm"),
    ("self_attn.q_proj", "attn_q", "attention.wq"),
    ("self_attn.k_proj", "attn_k", "attention.wk"),
    ("self_attn.v_proj", "attn_v", "attention.wv"),
    ("self_attn.o_proj", "attn_output", "attention.wo"),
    ("mlp.gate_proj", "ffn_gate", "feed_forward.w1"),
    ("mlp.up_proj", "ffn_up", "feed_forward.w3"),
    ("mlp.down_proj", "ffn_down", "feed_forward.w2"),
)
LLAMA = (*COMMON, ("post_attention_layernorm", "ffn_norm", "ffn_norm"))
NORMED_HEADS = (
    ("self_attn.q_norm", "attn_q_norm", ""),
    ("self_attn.k_norm", "attn_k_norm", ""),
)
GEMMA = (
    *COMMON,
    *NORMED_HEADS,
    ("post_attention_layernorm", "post_attention_norm", ""),
    ("pre_feedforward_layernorm", "ffn_norm", ""),
    ("post_feedforward_layernorm", "post_ffw_norm", ""),
)


@dataclass(frozen=True)
class Family:
    """How a family is built, as far as its files differ.

    model_type      in config.json
    architecture    in GGUF
    model_class     of transformers
    inside          the parts of a block: Hugging Face's, GGUF's and Meta's name
    pairs           whether GGUF has the rows of Q and K in neighbouring pairs
    biased          which parts have a bias, always
    norm_offset     what GGUF adds to the weights of a norm: Gemma's are stored as w in (1 + w) x
    meta            whether Meta's format knows it
    """

    model_type: str
    architecture: str
    model_class: str
    inside: tuple[tuple[str, str, str], ...] = LLAMA
    pairs: bool = False
    biased: tuple[str, ...] = ()
    norm_offset: float = 0.0
    meta: bool = False


FAMILIES = {
    family.model_type: family
    for family in (
        Family("llama", "llama", "LlamaForCausalLM", pairs=True, meta=True),
        Family("mistral", "llama", "MistralForCausalLM", pairs=True, meta=True),
        Family(
            "qwen2",
            "qwen2",
            "Qwen2ForCausalLM",
            biased=("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"),
        ),
        Family("qwen3", "qwen3", "Qwen3ForCausalLM", inside=(*LLAMA, *NORMED_HEADS)),
        Family("gemma3_text", "gemma3", "Gemma3ForCausalLM", inside=GEMMA, norm_offset=1.0),
    )
}
"""By the model_type of config.json."""

ARCHITECTURES = ("llama", "qwen2", "qwen3", "gemma3")
SUPPORTED = "Llama, Mistral, SmolLM2, TinyLlama, Qwen2, Qwen3 and Gemma 3 (text)"
BLOCK = re.compile(r"(model\.layers|blk|layers)\.(\d+)\.(.+)\.(weight|bias)")


def family_of(config: dict[str, Any], origin: object) -> Family:
    """The family of this config.json.

    Raises      InputError that names what is supported, for another one
    """
    model_type = config.get("model_type")
    if isinstance(model_type, str) and model_type in FAMILIES:
        return FAMILIES[model_type]
    if model_type == "gemma3":
        raise InputError(
            f"{origin} is Gemma 3 with a vision tower, which byhand does not convert; use a text "
            "model of the family (model_type gemma3_text)"
        )
    raise unknown("model_type", model_type, origin)


def unknown(what: str, found: object, origin: object) -> InputError:
    return InputError(
        f"{origin}: the {what} {found!r:.60} is not one that byhand converts; supported are "
        f"{SUPPORTED}"
    )


def names(family: Family, layers: int, biased: frozenset[str]) -> list[tuple[str, str, str]]:
    """All tensors of a model with so many blocks, as (Hugging Face, GGUF, Meta), in its order.

    biased      the parts of a block that have a bias here
    """

    def triple(before: tuple[str, str, str], part: tuple[str, str, str], ending: str) -> Any:
        return tuple(f"{b}{p}.{ending}" for b, p in zip(before, part, strict=True))

    outside = [triple(("", "", ""), part, "weight") for part in OUTSIDE]
    blocks = []
    for k in range(layers):
        before = (f"model.layers.{k}.", f"blk.{k}.", f"layers.{k}.")
        for part in family.inside:
            blocks.append(triple(before, part, "weight"))
            if part[0] in biased:
                blocks.append(triple(before, part, "bias"))
    return [outside[0], *blocks, *outside[1:]]


def is_norm(name: str) -> bool:
    """Whether Hugging Face's name is that of a norm."""
    return name.removesuffix(".weight").endswith("norm")


def rotated_heads(name: str, config: dict[str, Any]) -> int | None:
    """How many heads the rows of this tensor are, for W_q, W_k and their biases; else None."""
    if ".q_proj." in name:
        return int(config["num_attention_heads"])
    if ".k_proj." in name:
        return int(config["num_key_value_heads"])
    return None
