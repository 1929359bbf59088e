"""What a tensor is for, told by its name as Hugging Face and PyTorch write it."""

from __future__ import annotations

import re

LAYER = re.compile(r"(?:^|\.)(?:layers?|h|blocks|block)\.(\d+)\.")
BUFFER = re.compile(
    r"\.rotary_emb\.inv_freq$|\.attn\.(masked_)?bias$|\.position_ids$|\.weight_scale(_inv)?$"
)
"""What files hold beside parameters: frequencies, GPT-2's masks, scales of 8-bit weights."""

PACKED = re.compile(r"\.(qweight|qzeros|weight_packed|weight\.absmax|weight\.quant_state.*)$")
"""Weights in a packing of their own, whose shapes say nothing of the matrix."""

ROLES = tuple(
    (re.compile(pattern), role)
    for pattern, role in (
        (r"\.bias$|\.e_score_correction_bias$", "bias"),
        (r"(norm\w*|ln_\w+|LayerNorm)\.weight$", "norm"),
        (r"(?<!shared_)experts\.(\d+\.)?(gate_proj|w1|gate_up_proj)", "expert_gate"),
        (r"(?<!shared_)experts\.(\d+\.)?(up_proj|w3)", "expert_up"),
        (r"(?<!shared_)experts\.(\d+\.)?(down_proj|w2)", "expert_down"),
        (r"(mlp|block_sparse_moe)\.gate\.weight$|shared_expert_gate", "router"),
        (r"embed_tokens|embed_in|\bwte\b|word_embeddings|tok_embeddings", "embedding"),
        (r"\bwpe\b|position_embeddings", "position"),
        (r"token_type_embeddings", "token_type"),
        (r"lm_head|embed_out|^classifier\.|^output\.weight$", "head"),
        (r"q_a_proj", "q_down"),
        (r"q_b_proj", "q_up"),
        (r"kv_a_proj", "kv_down"),
        (r"kv_b_proj", "kv_up"),
        (r"qkv_proj|query_key_value|c_attn|in_proj_weight", "qkv"),
        (r"q_proj|\.query\.|\bwq\b", "q"),
        (r"k_proj|\.key\.|\bwk\b", "k"),
        (r"v_proj|\.value\.|\bwv\b", "v"),
        (r"o_proj|out_proj|attn\.c_proj|attention\.(output\.)?dense|\bwo\b", "o"),
        (r"gate_up_proj|up_proj|mlp\.c_fc|intermediate\.dense|h_to_4h|\bw3\b", "up"),
        (r"gate_proj|\bw1\b", "gate"),
        (r"down_proj|mlp\.c_proj|output\.dense|4h_to_h|\bw2\b", "down"),
        (r"patch_embeddings|\bconv", "convolution"),
    )
)
"""The first pattern that is found decides."""


def role(name: str) -> str:
    """The role of the tensor of this name; "other" where the name doesn't tell."""
    return next((role for pattern, role in ROLES if pattern.search(name)), "other")


def layer(name: str) -> int | None:
    """The number of the block that the name is from, counted from 0, or None."""
    match = LAYER.search(name)
    return int(match[1]) if match else None
