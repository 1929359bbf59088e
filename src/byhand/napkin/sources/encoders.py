"""Transformers with layer norms and biases throughout: GPT-2, GPT-3, Pythia, BERT, ViT."""

from __future__ import annotations

from collections.abc import Iterator

from byhand.errors import InputError
from byhand.napkin.sources.decoder import matrix
from byhand.napkin.sources.facts import Facts
from byhand.napkin.tensors import Attention, Model, Tensor


def gpt2(facts: Facts, name: str) -> Model:
    """GPT-2, and GPT-3 by the table of its paper: learned positions, q, k and v in one matrix."""
    layers, hidden = facts.layers, facts.integer("n_embd", "hidden_size")
    vocabulary, context = facts.integer("vocab_size"), facts.integer("n_positions", "n_ctx")
    width = facts.integer("n_inner", default=4 * hidden)
    heads = facts.integer("n_head")
    # GPT-3's 13B is 5140 wide and has 40 heads of 128.
    head_dim = facts.optional("head_dim") or _head_dim(facts, hidden, heads)
    q = heads * head_dim

    def block(layer: int) -> Iterator[Tensor]:
        at = f"h.{layer}"
        yield from norm(f"{at}.ln_1", hidden, layer)
        yield from matrix(f"{at}.attn.c_attn", (3 * q, hidden), "qkv", layer, bias=True)
        yield from matrix(f"{at}.attn.c_proj", (hidden, q), "o", layer, bias=True)
        yield from norm(f"{at}.ln_2", hidden, layer)
        yield from matrix(f"{at}.mlp.c_fc", (width, hidden), "up", layer, bias=True)
        yield from matrix(f"{at}.mlp.c_proj", (hidden, width), "down", layer, bias=True)

    tied = "wte.weight" if facts.flag("tie_word_embeddings", True) else None
    return Model(
        name,
        "gpt2",
        (
            Tensor("wte.weight", (vocabulary, hidden), "embedding"),
            Tensor("wpe.weight", (context, hidden), "position"),
            *(row for layer in range(layers) for row in block(layer)),
            *norm("ln_f", hidden),
            Tensor("lm_head.weight", (vocabulary, hidden), "head", tied_to=tied),
        ),
        facts.origin,
        layers=layers,
        hidden=hidden,
        intermediate=width,
        vocabulary=vocabulary,
        context=context,
        attention=(Attention("full", heads, heads, head_dim),) * layers,
        dropout=True,
    )


def gpt_neox(facts: Facts, name: str) -> Model:
    """GPT-NeoX and Pythia: rotary positions, q, k and v in one matrix, a head of its own."""
    layers, hidden = facts.layers, facts.integer("hidden_size")
    vocabulary, width = facts.integer("vocab_size"), facts.integer("intermediate_size")
    heads = facts.integer("num_attention_heads")

    def block(layer: int) -> Iterator[Tensor]:
        at = f"gpt_neox.layers.{layer}"
        yield from norm(f"{at}.input_layernorm", hidden, layer)
        yield from norm(f"{at}.post_attention_layernorm", hidden, layer)
        qkv = f"{at}.attention.query_key_value"
        yield from matrix(qkv, (3 * hidden, hidden), "qkv", layer, bias=True)
        yield from matrix(f"{at}.attention.dense", (hidden, hidden), "o", layer, bias=True)
        yield from matrix(f"{at}.mlp.dense_h_to_4h", (width, hidden), "up", layer, bias=True)
        yield from matrix(f"{at}.mlp.dense_4h_to_h", (hidden, width), "down", layer, bias=True)

    embedding = "gpt_neox.embed_in.weight"
    tied = embedding if facts.flag("tie_word_embeddings", False) else None
    return Model(
        name,
        "gpt_neox",
        (
            Tensor(embedding, (vocabulary, hidden), "embedding"),
            *(row for layer in range(layers) for row in block(layer)),
            *norm("gpt_neox.final_layer_norm", hidden),
            Tensor("embed_out.weight", (vocabulary, hidden), "head", tied_to=tied),
        ),
        facts.origin,
        layers=layers,
        hidden=hidden,
        intermediate=width,
        vocabulary=vocabulary,
        context=facts.optional("max_position_embeddings"),
        attention=(Attention("full", heads, heads, _head_dim(facts, hidden, heads)),) * layers,
    )


def bert(facts: Facts, name: str) -> Model:
    """BERT's encoder with its pooler, as published; without the heads of its pre-training."""
    layers, hidden = facts.layers, facts.integer("hidden_size")
    vocabulary, context = facts.integer("vocab_size"), facts.integer("max_position_embeddings")
    width, heads = facts.integer("intermediate_size"), facts.integer("num_attention_heads")
    types = facts.integer("type_vocab_size", default=2)

    def block(layer: int) -> Iterator[Tensor]:
        at = f"encoder.layer.{layer}"
        yield from _self_attention(f"{at}.attention.self", hidden, layer)
        yield from matrix(f"{at}.attention.output.dense", (hidden, hidden), "o", layer, bias=True)
        yield from norm(f"{at}.attention.output.LayerNorm", hidden, layer)
        yield from matrix(f"{at}.intermediate.dense", (width, hidden), "up", layer, bias=True)
        yield from matrix(f"{at}.output.dense", (hidden, width), "down", layer, bias=True)
        yield from norm(f"{at}.output.LayerNorm", hidden, layer)

    return Model(
        name,
        "bert",
        (
            Tensor("embeddings.word_embeddings.weight", (vocabulary, hidden), "embedding"),
            Tensor("embeddings.position_embeddings.weight", (context, hidden), "position"),
            Tensor("embeddings.token_type_embeddings.weight", (types, hidden), "token_type"),
            *norm("embeddings.LayerNorm", hidden),
            *(row for layer in range(layers) for row in block(layer)),
            Tensor("pooler.dense.weight", (hidden, hidden), "other"),
            Tensor("pooler.dense.bias", (hidden,), "bias"),
        ),
        facts.origin,
        layers=layers,
        hidden=hidden,
        intermediate=width,
        vocabulary=vocabulary,
        context=context,
        attention=(Attention("full", heads, heads, _head_dim(facts, hidden, heads)),) * layers,
        dropout=True,
        causal=False,
    )


def vit(facts: Facts, name: str) -> Model:
    """A vision Transformer with the class token and a head for its classes."""
    layers, hidden = facts.layers, facts.integer("hidden_size")
    width, heads = facts.integer("intermediate_size"), facts.integer("num_attention_heads")
    image, patch = facts.integer("image_size"), facts.integer("patch_size")
    channels, classes = facts.integer("num_channels", default=3), _classes(facts)
    if image % patch:
        raise InputError(
            f"{facts.origin}: image_size {image} is no multiple of patch_size {patch}; "
            "correct one of them"
        )
    context = (image // patch) ** 2 + 1

    def block(layer: int) -> Iterator[Tensor]:
        at = f"encoder.layer.{layer}"
        yield from norm(f"{at}.layernorm_before", hidden, layer)
        yield from _self_attention(f"{at}.attention.attention", hidden, layer)
        yield from matrix(f"{at}.attention.output.dense", (hidden, hidden), "o", layer, bias=True)
        yield from norm(f"{at}.layernorm_after", hidden, layer)
        yield from matrix(f"{at}.intermediate.dense", (width, hidden), "up", layer, bias=True)
        yield from matrix(f"{at}.output.dense", (hidden, width), "down", layer, bias=True)

    patches = "embeddings.patch_embeddings.projection"
    return Model(
        name,
        "vit",
        (
            Tensor("embeddings.cls_token", (1, hidden), "other"),
            Tensor("embeddings.position_embeddings", (context, hidden), "position"),
            Tensor(f"{patches}.weight", (hidden, channels, patch, patch), "convolution"),
            Tensor(f"{patches}.bias", (hidden,), "bias"),
            *(row for layer in range(layers) for row in block(layer)),
            *norm("layernorm", hidden),
            Tensor("classifier.weight", (classes, hidden), "head"),
            Tensor("classifier.bias", (classes,), "bias"),
        ),
        facts.origin,
        layers=layers,
        hidden=hidden,
        intermediate=width,
        context=context,
        attention=(Attention("full", heads, heads, _head_dim(facts, hidden, heads)),) * layers,
        causal=False,
    )


FAMILIES = {"gpt2": gpt2, "gpt_neox": gpt_neox, "bert": bert, "vit": vit}


def norm(name: str, hidden: int, layer: int | None = None) -> Iterator[Tensor]:
    """A layer norm: a scale and a shift."""
    yield Tensor(f"{name}.weight", (hidden,), "norm", layer)
    yield Tensor(f"{name}.bias", (hidden,), "bias", layer)


def _self_attention(name: str, hidden: int, layer: int) -> Iterator[Tensor]:
    for role, part in (("q", "query"), ("k", "key"), ("v", "value")):
        yield from matrix(f"{name}.{part}", (hidden, hidden), role, layer, bias=True)


def _head_dim(facts: Facts, hidden: int, heads: int) -> int:
    if hidden % heads:
        raise InputError(
            f"{facts.origin}: a width of {hidden} is no multiple of {heads} heads; "
            "correct one of them"
        )
    return hidden // heads


def _classes(facts: Facts) -> int:
    labels = facts.fields.get("id2label")
    if isinstance(labels, dict) and labels:
        return len(labels)
    return facts.integer("num_labels", default=1000)
