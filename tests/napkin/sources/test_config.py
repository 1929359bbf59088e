"""config.json: the families, their attention, and what is refused."""

from __future__ import annotations

import contextlib
import json
import math
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from byhand.errors import InputError
from byhand.napkin.sources import known
from byhand.napkin.sources.config import FAMILIES, from_config, read_config
from byhand.napkin.sources.refused import FAMILIES as REFUSED
from byhand.napkin.tensors import Attention, Model

LLAMA: dict[str, Any] = {
    "model_type": "llama",
    "hidden_size": 64,
    "num_hidden_layers": 2,
    "intermediate_size": 96,
    "vocab_size": 100,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
}
GEMMA3_VISION = {
    "hidden_size": 1152,
    "image_size": 896,
    "intermediate_size": 4304,
    "num_attention_heads": 16,
    "num_hidden_layers": 27,
    "patch_size": 14,
}


def model(**fields: Any) -> Model:
    return from_config(LLAMA | fields, "tiny", "config.json")


def refused(**fields: Any) -> str:
    with pytest.raises(InputError) as error:
        model(**fields)
    assert "\n" not in str(error.value)
    return str(error.value)


def test_a_llama_by_hand() -> None:
    # Embedding and head, two layers (q, k, v, o; gate, up, down; two norms), the last norm.
    layer = 64 * 64 + 2 * 32 * 64 + 64 * 64 + 3 * 64 * 96 + 2 * 64
    assert model().parameters == 2 * 100 * 64 + 2 * layer + 64


def test_a_tied_head_is_a_row_that_counts_nothing() -> None:
    tied = model(tie_word_embeddings=True)
    head = next(row for row in tied.tensors if row.role == "head")
    assert (head.parameters, head.elements) == (0, 6400)
    assert head.tied_to == "model.embed_tokens.weight"
    assert model().parameters - tied.parameters == 6400


def test_the_width_of_a_head_is_the_configs() -> None:
    wide = model(head_dim=32)
    assert wide.attention[0].head_dim == 32
    assert {row.shape for row in wide.of(("q",))} == {(128, 64)}
    assert {row.shape for row in wide.of(("o",))} == {(64, 128)}


def test_biases_are_where_the_family_has_them() -> None:
    plain = model()
    assert model(attention_bias=True).parameters - plain.parameters == 2 * (64 + 32 + 32 + 64)
    assert model(mlp_bias=True).parameters - plain.parameters == 2 * (96 + 96 + 64)
    assert model(model_type="qwen2").parameters - plain.parameters == 2 * (64 + 32 + 32)


def test_a_mixture_uses_a_share_of_its_experts() -> None:
    mixed = model(model_type="mixtral", num_local_experts=8, num_experts_per_tok=2)
    experts = sum(row.parameters for row in mixed.tensors if row.role.startswith("expert_"))
    assert experts == 2 * 8 * 3 * 64 * 96
    assert mixed.parameters - mixed.parameters_active == experts * 6 // 8
    assert (mixed.experts, mixed.experts_used) == (8, 2)


@pytest.mark.parametrize(
    ("kind", "fields", "windows"),
    [
        ("llama", {}, [None] * 4),
        ("mistral", {"sliding_window": 16}, [16] * 4),
        ("mistral", {"sliding_window": None}, [None] * 4),
        ("gemma2", {"sliding_window": 16}, [16, None, 16, None]),
        ("gemma3_text", {"sliding_window": 16}, [16, 16, 16, 16]),
        ("gemma3_text", {"sliding_window": 16, "sliding_window_pattern": 3}, [16, 16, None, 16]),
        (
            "gemma3_text",
            {
                "sliding_window": 16,
                "layer_types": ["full_attention", "sliding_attention"] * 2,
            },
            [None, 16, None, 16],
        ),
        ("qwen2", {"sliding_window": 16, "use_sliding_window": False}, [None] * 4),
        (
            "qwen2",
            {"sliding_window": 16, "use_sliding_window": True, "max_window_layers": 3},
            [None, None, None, 16],
        ),
    ],
)
def test_windows(kind: str, fields: dict[str, Any], windows: list[int | None]) -> None:
    attention = model(model_type=kind, num_hidden_layers=4, **fields).attention
    assert [layer.window for layer in attention] == windows
    assert [layer.kind for layer in attention] == ["sliding" if w else "full" for w in windows]


def test_latent_attention_keeps_a_rank_and_a_rope() -> None:
    deepseek = from_config(
        {
            "model_type": "deepseek_v3",
            "hidden_size": 64,
            "num_hidden_layers": 3,
            "intermediate_size": 96,
            "vocab_size": 100,
            "num_attention_heads": 4,
            "q_lora_rank": 24,
            "kv_lora_rank": 16,
            "qk_rope_head_dim": 8,
            "qk_nope_head_dim": 12,
            "v_head_dim": 10,
            "n_routed_experts": 6,
            "num_experts_per_tok": 2,
            "moe_intermediate_size": 32,
            "n_shared_experts": 1,
            "first_k_dense_replace": 1,
        },
        "tiny",
        "config.json",
    )
    assert (
        deepseek.attention
        == (Attention("latent", 4, 4, 20, value_dim=10, kv_lora_rank=16, rope_dim=8),) * 3
    )
    attention = 24 * 64 + 24 + 80 * 24 + 24 * 64 + 16 + 88 * 16 + 64 * 40
    dense, mixed = 3 * 64 * 96, 6 * 64 + 7 * 3 * 64 * 32
    assert deepseek.parameters == 2 * 6400 + 64 + 3 * (attention + 128) + dense + 2 * mixed


def test_gemma_3_with_its_vision_tower() -> None:
    text = {
        "hidden_size": 2560,
        "intermediate_size": 10240,
        "num_hidden_layers": 34,
        "sliding_window": 1024,
    }
    whole = from_config(
        {"model_type": "gemma3", "text_config": text, "vision_config": GEMMA3_VISION},
        "gemma-3-4b-it",
        "config.json",
    )
    # https://huggingface.co/google/gemma-3-4b-it: 4,300,079,472 parameters.
    assert whole.parameters == 4_300_079_472
    assert len(whole.of(("q",))) == 34
    assert whole.assumed == (
        "the vision tower is counted; it runs once for a picture, not for each token",
    )


def test_a_config_is_named_after_its_folder(tmp_path: Path) -> None:
    folder = tmp_path / "my-llama"
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps(LLAMA), "utf-8")
    read = read_config(folder / "config.json")
    assert (read.name, read.family) == ("my-llama", "llama")
    assert read.source == str(folder / "config.json")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"{", "is no JSON; give the config.json of a model"),
        (b"\xff\xfe", "is no JSON; give the config.json of a model"),
        (b"[" * 100_000, "is no JSON; give the config.json of a model"),
        (b"[]", ": expected the object of a config.json, found another JSON value"),
        (
            b"{}",
            ": model_type is missing, so its architecture isn't known; give the config.json of a "
            "model",
        ),
    ],
)
def test_what_is_no_config(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "config.json"
    path.write_bytes(content)
    with pytest.raises(InputError) as error:
        read_config(path)
    assert str(error.value).removeprefix(str(path)).lstrip() == message


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        (
            {"hidden_size": 0},
            "config.json: hidden_size is a whole number from 1 to 2,147,483,647; found 0",
        ),
        (
            {"hidden_size": -64},
            "config.json: hidden_size is a whole number from 1 to 2,147,483,647; found -64",
        ),
        (
            {"num_hidden_layers": 10**9},
            "config.json: num_hidden_layers is a whole number from 1 to 10,000; found 1000000000",
        ),
        (
            {"vocab_size": "many"},
            "config.json: vocab_size is a whole number from 1 to 2,147,483,647; found 'many'",
        ),
        (
            {"intermediate_size": 10**99},
            "config.json: intermediate_size is a whole number from 1 to 2,147,483,647; found "
            "something else",
        ),
        (
            {"intermediate_size": None},
            "config.json: intermediate_size is missing, and the model's sizes follow from it; use "
            "the whole config.json of the model",
        ),
        (
            {"num_attention_heads": 5},
            "config.json: hidden_size 64 is no multiple of num_attention_heads 5; give head_dim, "
            "or correct one of them",
        ),
        (
            {"num_key_value_heads": 3},
            "config.json: num_attention_heads 4 is no multiple of num_key_value_heads 3, so the "
            "heads cannot share keys; correct one of them",
        ),
        (
            {"tie_word_embeddings": "yes"},
            "config.json: tie_word_embeddings is true or false; found 'yes'",
        ),
        (
            {"model_type": "mixtral", "num_local_experts": 2, "num_experts_per_tok": 3},
            "config.json: num_experts_per_tok is 3 and num_local_experts is 2; a token uses no "
            "more experts than there are",
        ),
        (
            {"model_type": "gemma2", "sliding_window": 8, "layer_types": ["full_attention"]},
            "config.json: layer_types has 1 entries for 2 layers; there is one for each layer",
        ),
        (
            {"model_type": "lama"},
            "config.json: byhand doesn't know the architecture 'lama'; did you mean llama?",
        ),
    ],
)
def test_impossible_sizes_are_one_line(fields: dict[str, Any], message: str) -> None:
    assert refused(**fields) == message


ODD = st.sampled_from(
    [0, -1, 1, 3, 10**12, None, True, "a", [], [1], {}, {"a": 1}, 1.5, math.nan, [None], [{}]]
)
FIELDS = sorted(
    {key for row in known.rows() for key in row["config"]}
    | {"use_sliding_window", "layer_types", "mlp_only_layers", "decoder_sparse_step", "id2label"}
    | {"attention_bias", "text_config", "vision_config", "hidden_act"}
)


@given(
    kind=st.sampled_from(sorted(FAMILIES)),
    row=st.sampled_from([row["config"] for row in known.rows()]),
    fields=st.dictionaries(st.sampled_from(FIELDS), ODD, max_size=3),
)
@settings(max_examples=300, deadline=None)
def test_odd_values_never_crash_it(kind: str, row: dict[str, Any], fields: dict[str, Any]) -> None:
    few = {"num_hidden_layers": 2, "n_layer": 2}
    with contextlib.suppress(InputError):
        assert from_config(row | few | {"model_type": kind} | fields, "x", "x").parameters > 0
    with contextlib.suppress(InputError):
        assert from_config(row | few | fields, "x", "x").parameters > 0


def test_an_unknown_architecture_lists_the_known() -> None:
    message = refused(model_type="whisper")
    assert message.startswith("config.json: byhand doesn't know the architecture 'whisper'; ")
    assert all(kind in message for kind in FAMILIES)


@pytest.mark.parametrize(
    ("kind", "family"),
    [
        ("mamba", "Mamba"),
        ("mamba2", "Mamba"),
        ("falcon_mamba", "Falcon Mamba"),
        ("rwkv", "RWKV"),
        ("rwkv7", "RWKV"),
        ("jamba", "Jamba"),
        ("recurrent_gemma", "RecurrentGemma"),
        ("falcon_h1", "Falcon-H1"),
        ("zamba2", "Zamba"),
        ("qwen3_next", "Qwen3-Next"),
        ("granitemoehybrid", "Granite 4 hybrid"),
        ("bamba", "Bamba"),
        ("nemotron_h", "Nemotron-H"),
        ("lfm2", "LFM2"),
    ],
)
def test_state_space_and_hybrids_are_refused_by_name(kind: str, family: str) -> None:
    assert refused(model_type=kind) == (
        f"config.json: {family} is a state-space, recurrent or hybrid architecture, whose memory "
        "isn't a key-value cache; byhand sizes Transformers only"
    )


def test_no_known_family_is_refused() -> None:
    for kind in FAMILIES:
        spelled = kind.replace("_", "")
        assert not any(spelled.startswith(beginning) for beginning in REFUSED)
