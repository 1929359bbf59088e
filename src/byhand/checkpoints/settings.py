"""config.json in one spelling, checked: counts are counts, and every tensor's shape follows."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from byhand.checkpoints.description import Config
from byhand.checkpoints.families import Family, family_of
from byhand.errors import InputError

MOST_LAYERS, LARGEST = 1024, 2**24
SIZES = (
    "vocab_size",
    "hidden_size",
    "intermediate_size",
    "num_attention_heads",
    "num_key_value_heads",
    "head_dim",
)
LOCAL_THETA, GEMMA_PATTERN, GEMMA_SCALAR = 10_000.0, 6, 256
LLAMA3 = ("factor", "low_freq_factor", "high_freq_factor", "original_max_position_embeddings")
DRAWN = ("temperature", "top_k", "top_p", "min_p", "repetition_penalty")
SCALINGS = ("default", "linear", "llama3", "yarn")


@contextmanager
def sound(what: str, origin: object) -> Iterator[None]:
    """Refuse in one line what stumbles over somebody else's settings: a text where a number is
    expected, a list where there is a table."""
    try:
        yield
    except (TypeError, ValueError, LookupError, AttributeError, ArithmeticError) as error:
        raise InputError(
            f"{origin}: its {what} is damaged ({type(error).__name__}); fetch the model again"
        ) from None


def normalised(config: Config, origin: object) -> Config:
    """The configuration with every value that the model depends on, in the keys that transformers
    4 and 5 both read: rope_theta and rope_scaling.

    Raises      InputError for another family, and where a number is missing or impossible
    """
    family = family_of(config, origin)
    found = {key: value for key, value in config.items() if key != "rope_parameters"}
    found.setdefault("num_key_value_heads", found.get("num_attention_heads"))
    _check_count(found, "num_hidden_layers", MOST_LAYERS, origin)
    _check_count(found, "num_attention_heads", LARGEST, origin)
    if found.get("head_dim") is None and type(found.get("hidden_size")) is int:
        gemma = family.norm_offset
        found["head_dim"] = 256 if gemma else found["hidden_size"] // found["num_attention_heads"]
    for name in SIZES:
        _check_count(found, name, LARGEST, origin)
    if found["num_attention_heads"] % found["num_key_value_heads"]:
        raise InputError(
            f"{origin}: {found['num_attention_heads']} heads cannot share "
            f"{found['num_key_value_heads']} keys and values evenly"
        )
    if found["head_dim"] % 2:
        raise InputError(f"{origin}: a head of {found['head_dim']} cannot be turned in pairs")
    found.setdefault("rms_norm_eps", 1e-6)
    found.setdefault("max_position_embeddings", 2048)
    _check_count(found, "max_position_embeddings", 2**40, origin)
    if found.get("sliding_window") is not None:
        _check_count(found, "sliding_window", 2**40, origin)
    found.setdefault("tie_word_embeddings", bool(family.norm_offset))
    _rope(found, config.get("rope_parameters"), family, origin)
    if family.norm_offset:
        _gemma(found, origin)
    found["architectures"] = [family.model_class]
    return found


def _check_count(config: Config, name: str, most: int, origin: object) -> None:
    value = config.get(name)
    if type(value) is not int or not 1 <= value <= most:
        raise InputError(
            f"{origin}: {name} is {value!r:.40}, expected a count from 1 to {most:,}; "
            "fetch the model again"
        )


def _rope(found: Config, parameters: Any, family: Family, origin: object) -> None:
    gemma = bool(family.norm_offset)
    whole = dict(parameters or {})
    if gemma and "sliding_attention" in whole:
        local = dict(whole["sliding_attention"] or {})
        found.setdefault("rope_local_base_freq", local.get("rope_theta", LOCAL_THETA))
        whole = dict(whole.get("full_attention") or {})
    theta = whole.pop("rope_theta", None)
    found.setdefault("rope_theta", theta or (1_000_000.0 if gemma else 10_000.0))
    scaling = found.pop("rope_scaling", None) or whole
    kind = scaling.get("rope_type", scaling.get("type", "default"))
    if kind not in SCALINGS:
        raise InputError(
            f"{origin}: positions are scaled by {kind!r:.40}; "
            f"supported are {', '.join(SCALINGS[1:])}"
        )
    found["rope_scaling"] = None
    if kind != "default":
        rest = {key: value for key, value in scaling.items() if key != "type"}
        found["rope_scaling"] = rest | {"rope_type": kind}
        for name in LLAMA3 if kind == "llama3" else ("factor",):
            if not isinstance(value := rest.get(name), int | float) or not 0 < value < 1e9:
                raise InputError(
                    f"{origin}: {name} of the scaled positions is {value!r:.40}, expected a "
                    "positive number"
                )
    for name in ("rope_theta", "rms_norm_eps"):
        _check_positive(found, name, origin)


def _check_positive(config: Config, name: str, origin: object) -> None:
    value = config[name]
    if not isinstance(value, int | float) or not 0 < value < 1e12:
        raise InputError(f"{origin}: {name} is {value!r:.40}, expected a positive number")


def _gemma(found: Config, origin: object) -> None:
    """Gemma 3's layers attend to a window, and every sixth to everything."""
    found.setdefault("query_pre_attn_scalar", GEMMA_SCALAR)
    found.setdefault("rope_local_base_freq", LOCAL_THETA)
    for name in ("query_pre_attn_scalar", "rope_local_base_freq"):
        _check_positive(found, name, origin)
    found.setdefault("sliding_window", 4096)
    found.setdefault("hidden_activation", "gelu_pytorch_tanh")
    found.pop("sliding_window_pattern", None)
    found.pop("_sliding_window_pattern", None)
    expected = gemma_layers(found["num_hidden_layers"])
    if found.setdefault("layer_types", expected) != expected:
        raise InputError(
            f"{origin}: its layers are not five with a window and one without in turn, as those "
            "of Gemma 3 are"
        )


def gemma_layers(layers: int) -> list[str]:
    """What each layer of Gemma 3 attends to."""
    kinds = ("full_attention", "sliding_attention")
    return [kinds[bool((k + 1) % GEMMA_PATTERN)] for k in range(layers)]


def generation(found: Config, origin: object) -> Config:
    """generation_config.json as it is, without what is null.

    Raises      InputError where a number that decides how words are drawn is none
    """
    found = {key: value for key, value in found.items() if value is not None}
    for name in DRAWN:
        kinds: tuple[type, ...] = (int,) if name == "top_k" else (int, float)
        value = found.get(name, 1)
        if type(value) not in kinds or not 0 <= value < 2**31:
            raise InputError(
                f"{origin}: {name} is {value!r:.40}, expected a number from 0 on; correct it, or "
                "fetch the model again"
            )
    return found


def shapes(config: Config) -> dict[str, tuple[int, ...]]:
    """The shape of each part by its name without block and ending; a bias has as many numbers as
    its matrix has rows."""
    hidden, inner = config["hidden_size"], config["intermediate_size"]
    q = config["num_attention_heads"] * config["head_dim"]
    kv = config["num_key_value_heads"] * config["head_dim"]
    return {
        "model.embed_tokens": (config["vocab_size"], hidden),
        "lm_head": (config["vocab_size"], hidden),
        "model.norm": (hidden,),
        "input_layernorm": (hidden,),
        "post_attention_layernorm": (hidden,),
        "pre_feedforward_layernorm": (hidden,),
        "post_feedforward_layernorm": (hidden,),
        "self_attn.q_proj": (q, hidden),
        "self_attn.k_proj": (kv, hidden),
        "self_attn.v_proj": (kv, hidden),
        "self_attn.o_proj": (hidden, q),
        "self_attn.q_norm": (config["head_dim"],),
        "self_attn.k_norm": (config["head_dim"],),
        "mlp.gate_proj": (inner, hidden),
        "mlp.up_proj": (inner, hidden),
        "mlp.down_proj": (hidden, inner),
    }


def shape_of(name: str, table: dict[str, tuple[int, ...]]) -> tuple[int, ...]:
    """The shape that Hugging Face's tensor of this name has to have; table: `shapes`."""
    part, _, ending = name.rpartition(".")
    if part.startswith("model.layers."):
        part = part.split(".", 3)[3]
    return table[part] if ending == "weight" else table[part][:1]


def shortest(value: float) -> float:
    """The decimal that was meant when it was stored as a float32: 1e-05, not 9.99999975e-06."""
    return float(str(np.float32(value)))
