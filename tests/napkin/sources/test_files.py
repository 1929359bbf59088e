"""Models from GGUF and safetensors files: rows, roles, attention, models in several files."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.numpy import save_file

from byhand.errors import InputError
from byhand.napkin.sources import load, names

from ...checkpoints.gguf_files import LLAMA, llama_tensors, write_gguf

CONFIG = {
    "model_type": "llama",
    "hidden_size": 64,
    "num_hidden_layers": 2,
    "intermediate_size": 96,
    "vocab_size": 32,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "tie_word_embeddings": True,
}
LAYER = 64 * 64 + 2 * 32 * 64 + 64 * 64 + 3 * 64 * 96 + 2 * 64
PARAMETERS = 32 * 64 + 2 * LAYER + 64


def llama_arrays() -> dict[str, Any]:
    """The arrays of that config, in float16, under the names of Hugging Face."""
    shapes = {"model.embed_tokens.weight": (32, 64), "model.norm.weight": (64,)}
    for k in range(2):
        block = f"model.layers.{k}"
        shapes |= {
            f"{block}.self_attn.q_proj.weight": (64, 64),
            f"{block}.self_attn.k_proj.weight": (32, 64),
            f"{block}.self_attn.v_proj.weight": (32, 64),
            f"{block}.self_attn.o_proj.weight": (64, 64),
            f"{block}.mlp.gate_proj.weight": (96, 64),
            f"{block}.mlp.up_proj.weight": (96, 64),
            f"{block}.mlp.down_proj.weight": (64, 96),
            f"{block}.input_layernorm.weight": (64,),
            f"{block}.post_attention_layernorm.weight": (64,),
        }
    return {name: np.zeros(shape, np.float16) for name, shape in shapes.items()}


def refused(path: Path) -> str:
    with pytest.raises(InputError) as error:
        load(str(path))
    assert "\n" not in str(error.value)
    return str(error.value)


def test_a_gguf_is_the_model_of_its_config(tmp_path: Path) -> None:
    path = write_gguf(
        tmp_path / "tiny.gguf", llama_tensors(), strings={"general.name": "Tiny Llama"}
    )
    (tmp_path / "config.json").write_text(json.dumps(CONFIG), "utf-8")
    ours, expected = load(str(path)), load(str(tmp_path / "config.json"))
    # The table of rotary frequencies in the file is no parameter.
    assert ours.parameters == expected.parameters == PARAMETERS
    assert (ours.name, ours.family) == ("Tiny Llama", "llama")
    assert ours.attention == expected.attention
    for field in ("layers", "hidden", "intermediate", "vocabulary", "gated", "causal"):
        assert getattr(ours, field) == getattr(expected, field), field
    assert ours.context == 128

    def roles(model: Any) -> list[tuple[str, int | None, tuple[int, ...]]]:
        return sorted((row.role, row.layer or 0, row.shape) for row in model.tensors)

    assert roles(ours) == roles(expected)
    assert {row.dtype for row in ours.of(("q", "down"))} == {"Q8_0"}
    (tmp_path / "config.json").unlink()
    assert load(str(tmp_path)) == ours


def test_a_gguf_mixture_uses_a_share(tmp_path: Path) -> None:
    tensors = llama_tensors()
    for k in range(2):
        for part in ("gate", "up", "down"):
            shape, kind = tensors.pop(f"blk.{k}.ffn_{part}.weight")
            tensors[f"blk.{k}.ffn_{part}_exps.weight"] = ((4, *shape), kind)
        tensors[f"blk.{k}.ffn_gate_inp.weight"] = ((4, 64), "F32")
    fields = LLAMA | {"expert_count": 4, "expert_used_count": 1}
    model = load(str(write_gguf(tmp_path / "moe.gguf", tensors, fields)))
    experts = 2 * 4 * 3 * 64 * 96
    assert model.parameters - model.parameters_active == experts * 3 // 4
    assert len(model.of(("router",))) == 2


def test_windows_of_a_gguf(tmp_path: Path) -> None:
    fields = LLAMA | {"attention.sliding_window": 16, "attention.key_length": 24}
    path = write_gguf(tmp_path / "g.gguf", llama_tensors(), fields, architecture="gemma2")
    attention = load(str(path)).attention
    assert [layer.window for layer in attention] == [16, None]
    assert {layer.head_dim for layer in attention} == {24}


def test_a_gguf_of_another_architecture_counts_and_says_so(tmp_path: Path) -> None:
    path = write_gguf(tmp_path / "new.gguf", llama_tensors(), architecture="brandnew")
    model = load(str(path))
    assert model.parameters == PARAMETERS
    assert model.attention == ()
    assert model.assumed == (
        "byhand doesn't know how 'brandnew' attends, so it has no KV cache here",
    )


def test_state_space_ggufs_are_refused(tmp_path: Path) -> None:
    mamba = write_gguf(tmp_path / "m.gguf", llama_tensors(), architecture="mamba")
    assert refused(mamba) == (
        f"{mamba}: Mamba is a state-space, recurrent or hybrid architecture, whose memory isn't a "
        "key-value cache; byhand sizes Transformers only"
    )
    tensors = llama_tensors() | {"blk.0.ssm_in.weight": ((64, 64), "F32")}
    hybrid = write_gguf(tmp_path / "h.gguf", tensors, architecture="newhybrid")
    assert refused(hybrid).startswith(f"{hybrid}: newhybrid is a state-space, recurrent or hybrid")


def test_a_gguf_without_an_architecture(tmp_path: Path) -> None:
    path = tmp_path / "none.gguf"
    path.write_bytes(b"GGUF\x03" + bytes(3 + 16))
    assert refused(path) == (
        f"{path}: general.architecture is missing; give a GGUF file of a model"
    )


@given(flips=st.lists(st.tuples(st.integers(0, 1499), st.integers(0, 255)), max_size=4))
@settings(
    max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_a_damaged_gguf_never_crashes_it(tmp_path: Path, flips: list[tuple[int, int]]) -> None:
    path = tmp_path / "tiny.gguf"
    if not path.exists():
        write_gguf(path, llama_tensors())
    whole = bytearray(path.read_bytes())
    for place, value in flips:
        whole[place] = value
    flipped = tmp_path / "flipped.gguf"
    flipped.write_bytes(whole)
    with contextlib.suppress(InputError):
        assert load(str(flipped)).parameters_active >= 0


def test_gguf_in_parts(tmp_path: Path) -> None:
    tensors = list(llama_tensors().items())
    parts = [
        write_gguf(tmp_path / f"tiny-{k:05}-of-00002.gguf", dict(tensors[k - 1 :: 2]))
        for k in (1, 2)
    ]
    assert load(str(parts[1])).parameters == PARAMETERS
    parts[0].unlink()
    assert refused(parts[1]) == (
        "tiny-00002-of-00002.gguf is one of 2 files and tiny-00001-of-00002.gguf is missing; "
        "fetch it as well"
    )


def test_safetensors_beside_its_config(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    save_file(llama_arrays(), path)
    (tmp_path / "config.json").write_text(json.dumps(CONFIG), "utf-8")
    ours, expected = load(str(path)), load(str(tmp_path / "config.json"))
    assert ours.parameters == expected.parameters == PARAMETERS
    assert ours.attention == expected.attention
    assert ours.source == str(path)
    stored = {row.name: (row.role, row.shape, row.layer) for row in ours.tensors}
    assert stored == {row.name: (row.role, row.shape, row.layer) for row in expected.tensors}
    assert {row.dtype for row in ours.tensors if not row.tied_to} == {"F16"}
    assert load(str(tmp_path)) == ours


def test_safetensors_alone_says_what_it_does_not_know(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    save_file(llama_arrays(), path)
    model = load(str(path))
    assert model.parameters == PARAMETERS
    assert (model.layers, model.hidden, model.vocabulary) == (2, 64, 32)
    assert (model.gated, model.causal, model.attention) == (True, True, ())
    assert model.assumed == (
        "there is no config.json beside the file, so how it attends isn't known: no KV cache, and "
        "every expert counts as used",
    )


def test_buffers_are_no_parameters(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    arrays = llama_arrays()
    arrays["h.0.attn.bias"] = np.zeros((1, 1, 8, 8), np.float32)  # GPT-2's mask
    arrays["model.layers.0.self_attn.rotary_emb.inv_freq"] = np.zeros(8, np.float32)
    save_file(arrays, path)
    assert load(str(path)).parameters == PARAMETERS


def test_a_layer_behind_the_last_is_left_out(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    arrays = llama_arrays()
    arrays["model.layers.2.self_attn.q_proj.weight"] = np.zeros((64, 64), np.float16)
    save_file(arrays, path)
    (tmp_path / "config.json").write_text(json.dumps(CONFIG), "utf-8")
    assert load(str(path)).parameters == PARAMETERS


def test_packed_weights_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "gptq.safetensors"
    save_file({"model.layers.0.self_attn.q_proj.qweight": np.zeros((8, 8), np.int32)}, path)
    assert refused(path) == (
        f"{path}: model.layers.0.self_attn.q_proj.qweight is packed, so its shape doesn't count "
        "its parameters; give the config.json of the model and a --quantization"
    )


def test_safetensors_in_parts(tmp_path: Path) -> None:
    arrays = list(llama_arrays().items())
    for k in (1, 2):
        save_file(dict(arrays[k - 1 :: 2]), tmp_path / f"model-{k:05}-of-00002.safetensors")
    assert load(str(tmp_path / "model-00001-of-00002.safetensors")).parameters == PARAMETERS


@pytest.mark.parametrize(
    ("name", "role"),
    [
        ("h.3.attn.c_attn.weight", "qkv"),
        ("h.3.attn.c_proj.weight", "o"),
        ("h.3.mlp.c_fc.weight", "up"),
        ("h.3.ln_1.weight", "norm"),
        ("h.3.attn.c_attn.bias", "bias"),
        ("wte.weight", "embedding"),
        ("wpe.weight", "position"),
        ("lm_head.weight", "head"),
        ("encoder.layer.0.attention.self.query.weight", "q"),
        ("encoder.layer.0.attention.output.dense.weight", "o"),
        ("encoder.layer.0.output.dense.weight", "down"),
        ("encoder.layer.0.output.LayerNorm.weight", "norm"),
        ("model.layers.0.block_sparse_moe.gate.weight", "router"),
        ("model.layers.0.block_sparse_moe.experts.5.w2.weight", "expert_down"),
        ("model.layers.0.mlp.experts.17.up_proj.weight", "expert_up"),
        ("model.layers.0.mlp.shared_experts.up_proj.weight", "up"),
        ("model.layers.0.self_attn.kv_a_proj_with_mqa.weight", "kv_down"),
        ("model.layers.0.self_attn.q_norm.weight", "norm"),
        ("anything.else", "other"),
    ],
)
def test_roles_by_name(name: str, role: str) -> None:
    assert names.role(name) == role
    assert names.layer(name) == (3 if ".3." in name else 0 if ".0." in name else None)
