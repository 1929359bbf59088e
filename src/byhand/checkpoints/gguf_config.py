"""The settings of a model as GGUF's fields, and as config.json.

Source      docs/gguf.md of ggml; `convert_hf_to_gguf.py` of llama.cpp for what each family writes.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from byhand.checkpoints import gguf_write, settings
from byhand.checkpoints.description import Checkpoint, Config
from byhand.checkpoints.families import ARCHITECTURES, Family, unknown
from byhand.checkpoints.gguf import GGUFHeader
from byhand.checkpoints.settings import LOCAL_THETA, normalised, shortest
from byhand.errors import InputError

COUNTS = {
    "block_count": "num_hidden_layers",
    "context_length": "max_position_embeddings",
    "embedding_length": "hidden_size",
    "feed_forward_length": "intermediate_size",
    "attention.head_count": "num_attention_heads",
    "attention.head_count_kv": "num_key_value_heads",
}
EPSILON, THETA = "attention.layer_norm_rms_epsilon", "rope.freq_base"
WINDOW, HEAD_WIDTH = "attention.sliding_window", "attention.key_length"
SAMPLING = {
    "top_k": "general.sampling.top_k",
    "top_p": "general.sampling.top_p",
    "min_p": "general.sampling.min_p",
    "temperature": "general.sampling.temp",
    "repetition_penalty": "general.sampling.penalty_repeat",
}
ABOUT = {"name": "general.name", "licence": "general.license"}
FILE_TYPES = {"F32": 0, "F16": 1, "BF16": 32}
QUANTIZATION_VERSION = 2
MODEL_TYPES = {"llama": "llama", "qwen2": "qwen2", "qwen3": "qwen3", "gemma3": "gemma3_text"}
ACTIVATIONS = ("hidden_act", "hidden_activation")
LARGE_GEMMA = 62  # layers of the 27B model, whose queries are scaled by hidden / heads


def read(header: GGUFHeader, vocabulary: int, tied: bool, origin: object) -> Config:
    """config.json by a header; rope_scaling of the llama3 kind is in a tensor and not here.

    vocabulary  the rows of the embedding
    tied        whether there is no head of its own

    Raises      InputError for another architecture, and where a field is missing or impossible
    """
    if header.architecture not in ARCHITECTURES:
        raise unknown("architecture", header.architecture, origin)
    if header.field("expert_count"):
        raise InputError(f"{origin} is a mixture of experts, which byhand does not convert")
    model_type = MODEL_TYPES[header.architecture]
    window = header.field(WINDOW)
    if model_type == "llama" and window:
        model_type = "mistral"
    config: Config = {"model_type": model_type, "vocab_size": vocabulary}
    for theirs, ours in COUNTS.items():
        config[ours] = header.field(theirs)
    if config["num_key_value_heads"] is None:
        config["num_key_value_heads"] = config["num_attention_heads"]
    config["head_dim"] = header.field(HEAD_WIDTH) or header.field("rope.dimension_count")
    for theirs, ours in ((EPSILON, "rms_norm_eps"), (THETA, "rope_theta")):
        if isinstance(value := header.field(theirs), float):
            config[ours] = shortest(value)
    config["rope_scaling"] = _scaling(header)
    config["tie_word_embeddings"] = tied
    config["hidden_act"] = "silu"
    if model_type == "gemma3_text":
        del config["hidden_act"]
        config |= _gemma(header, config)
    elif model_type == "mistral":
        config["sliding_window"] = window
    for role, key in (("bos", "bos"), ("eos", "eos"), ("padding", "pad")):
        number = header.metadata.get(f"tokenizer.ggml.{role}_token_id")
        if type(number) is int:
            config[f"{key}_token_id"] = number
    return normalised(config, origin)


def _gemma(header: GGUFHeader, config: Config) -> Config:
    layers, heads = config["num_hidden_layers"], config["num_attention_heads"]
    large = layers == LARGE_GEMMA
    local = header.field("rope.freq_base_swa")
    return {
        "hidden_activation": "gelu_pytorch_tanh",
        "query_pre_attn_scalar": config["hidden_size"] // heads if large else config["head_dim"],
        "sliding_window": header.field(WINDOW),
        "rope_local_base_freq": shortest(local) if local else LOCAL_THETA,
        "final_logit_softcapping": header.field("final_logit_softcapping"),
    }


def _scaling(header: GGUFHeader) -> dict[str, Any] | None:
    kind = header.field("rope.scaling.type")
    if kind in (None, "none"):
        return None
    scaling = {"rope_type": str(kind), "factor": shortest(header.field("rope.scaling.factor") or 1)}
    if original := header.field("rope.scaling.original_context_length"):
        scaling["original_max_position_embeddings"] = original
    return scaling


def generation(
    header: GGUFHeader, config: Config, ends: list[int], origin: object
) -> dict[str, Any]:
    """generation_config.json: which numbers begin and end an answer, and how to draw.

    Raises      InputError where a number is none
    """
    found: dict[str, Any] = {}
    for key in ("bos_token_id", "pad_token_id"):
        if key in config:
            found[key] = config[key]
    if ends:
        found["eos_token_id"] = ends if len(ends) > 1 else ends[0]
    drawn = {
        ours: shortest(value) if isinstance(value, float) else value
        for ours, theirs in SAMPLING.items()
        if isinstance(value := header.metadata.get(theirs), int | float)
    }
    return settings.generation(found | ({"do_sample": True} if drawn else {}) | drawn, origin)


def about(metadata: Mapping[str, Any]) -> dict[str, str]:
    """What the file says about itself."""
    return {ours: str(metadata[theirs]) for ours, theirs in ABOUT.items() if theirs in metadata}


def written(
    checkpoint: Checkpoint, family: Family, file_type: int, vocabulary: int
) -> list[gguf_write.Field]:
    """The fields that describe the model; file_type: the number for the type of its matrices.

    Raises      InputError for what the architecture's graph in llama.cpp does not have
    """
    config, name = checkpoint.config, family.architecture
    _check(config, family, checkpoint.path)
    fields = [
        gguf_write.text("general.architecture", name),
        gguf_write.text("general.type", "model"),
        *(gguf_write.text(ABOUT[key], value) for key, value in checkpoint.about.items()),
        gguf_write.count("general.file_type", file_type),
        gguf_write.count("general.quantization_version", QUANTIZATION_VERSION),
    ]
    for ours, theirs in SAMPLING.items():
        value = checkpoint.generation.get(ours)
        if value is not None and checkpoint.generation.get("do_sample"):
            make = gguf_write.count if ours == "top_k" else gguf_write.real
            fields.append(make(theirs, value))
    fields += [
        gguf_write.count(f"{name}.{theirs}", config[ours]) for theirs, ours in COUNTS.items()
    ]
    fields += [
        gguf_write.real(f"{name}.{EPSILON}", config["rms_norm_eps"]),
        gguf_write.real(f"{name}.{THETA}", config["rope_theta"]),
        gguf_write.count(f"{name}.vocab_size", vocabulary),
        gguf_write.count(f"{name}.{HEAD_WIDTH}", config["head_dim"]),
        gguf_write.count(f"{name}.attention.value_length", config["head_dim"]),
        gguf_write.count(f"{name}.rope.dimension_count", config["head_dim"]),
    ]
    if config.get("sliding_window") and family.model_type in ("mistral", "gemma3_text"):
        fields.append(gguf_write.count(f"{name}.{WINDOW}", config["sliding_window"]))
    scaling = config["rope_scaling"]
    if scaling and scaling["rope_type"] != "llama3":
        fields.append(gguf_write.text(f"{name}.rope.scaling.type", scaling["rope_type"]))
        fields.append(gguf_write.real(f"{name}.rope.scaling.factor", scaling["factor"]))
        if original := scaling.get("original_max_position_embeddings"):
            key = f"{name}.rope.scaling.original_context_length"
            fields.append(gguf_write.count(key, original))
    return fields


def _check(config: Config, family: Family, origin: object) -> None:
    """Refuse what would be silently computed otherwise."""
    gemma = bool(family.norm_offset)
    activation = next((config[key] for key in ACTIVATIONS[::-1] if config.get(key)), None)
    refused = {
        f"the activation {activation!r}": activation
        not in (None, "gelu_pytorch_tanh" if gemma else "silu"),
        "a sliding window": family.model_type == "qwen2" and config.get("use_sliding_window"),
        "soft-capped logits": config.get("final_logit_softcapping")
        or config.get("attn_logit_softcapping"),
        "attention in both directions": config.get("use_bidirectional_attention"),
        f"rope_local_base_freq {config.get('rope_local_base_freq')}": gemma
        and config["rope_local_base_freq"] != LOCAL_THETA,
        f"query_pre_attn_scalar {config.get('query_pre_attn_scalar')}": gemma
        and config["query_pre_attn_scalar"] != _gemma_scalar(config),
    }
    for what, wrong in refused.items():
        if wrong:
            raise InputError(
                f"{origin} has {what}, which GGUF's {family.architecture} does not know"
            )


def _gemma_scalar(config: Config) -> int:
    if config["num_hidden_layers"] == LARGE_GEMMA:
        return int(config["hidden_size"] // config["num_attention_heads"])
    return int(config["head_dim"])
