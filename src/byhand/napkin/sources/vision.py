"""Gemma 3 with its eyes: a SigLIP vision tower in front of the decoder."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from byhand.errors import InputError
from byhand.napkin.sources.decoder import matrix
from byhand.napkin.sources.encoders import norm
from byhand.napkin.sources.facts import Facts
from byhand.napkin.sources.families import gemma3
from byhand.napkin.tensors import Model, Tensor

GEMMA3_TEXT = {
    "model_type": "gemma3_text",
    "vocab_size": 262_208,
    "num_attention_heads": 8,
    "num_key_value_heads": 4,
    "head_dim": 256,
    "sliding_window": 4096,
    "max_position_embeddings": 131_072,
}
"""What Gemma 3's config.json leaves out, as transformers fills it in."""


def gemma3_with_vision(facts: Facts, name: str) -> Model:
    """A config.json of type gemma3: its decoder, its vision tower and the projection between."""
    text = Facts({**GEMMA3_TEXT, **_part(facts, "text_config")}, facts.origin)
    vision = Facts(_part(facts, "vision_config"), facts.origin)
    model = gemma3(text, name)
    seen = vision.integer("hidden_size")
    between = (
        Tensor(
            "multi_modal_projector.mm_input_projection_weight", (seen, model.hidden or 0), "other"
        ),
        Tensor("multi_modal_projector.mm_soft_emb_norm.weight", (seen,), "norm"),
    )
    # In a row's formulas q, k and v are the decoder's: here every matrix is "other".
    tower = tuple(
        replace(
            row, role=row.role if row.role in ("norm", "bias", "position") else "other", layer=None
        )
        for row in siglip(vision)
    )
    return replace(
        model,
        family="gemma3",
        tensors=(*model.tensors, *between, *tower),
        assumed=("the vision tower is counted; it runs once for a picture, not for each token",),
    )


def siglip(facts: Facts) -> Iterator[Tensor]:
    """SigLIP's vision Transformer without its pooling head."""
    hidden, width = facts.integer("hidden_size"), facts.integer("intermediate_size")
    image, patch = facts.integer("image_size"), facts.integer("patch_size")
    channels = facts.integer("num_channels", default=3)
    at = "vision_tower.vision_model"
    yield Tensor(
        f"{at}.embeddings.patch_embedding.weight", (hidden, channels, patch, patch), "other"
    )
    yield Tensor(f"{at}.embeddings.patch_embedding.bias", (hidden,), "bias")
    yield Tensor(
        f"{at}.embeddings.position_embedding.weight", ((image // patch) ** 2, hidden), "position"
    )
    for layer in range(facts.layers):
        block = f"{at}.encoder.layers.{layer}"
        yield from norm(f"{block}.layer_norm1", hidden, layer)
        for role, part in (("q", "q_proj"), ("k", "k_proj"), ("v", "v_proj"), ("o", "out_proj")):
            yield from matrix(f"{block}.self_attn.{part}", (hidden, hidden), role, layer, bias=True)
        yield from norm(f"{block}.layer_norm2", hidden, layer)
        yield from matrix(f"{block}.mlp.fc1", (width, hidden), "up", layer, bias=True)
        yield from matrix(f"{block}.mlp.fc2", (hidden, width), "down", layer, bias=True)
    yield from norm(f"{at}.post_layernorm", hidden)


def _part(facts: Facts, name: str) -> Mapping[str, Any]:
    part = facts.fields.get(name)
    if not isinstance(part, dict):
        raise InputError(
            f"{facts.origin}: {name} is missing; use the whole config.json of the model"
        )
    return part
