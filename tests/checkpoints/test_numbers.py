"""16 and 32 bits, and blocks of few bits, against PyTorch and the reference implementation."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from gguf import GGMLQuantizationType
from gguf.quants import dequantize
from hypothesis import given
from hypothesis import strategies as st

from byhand.checkpoints import blocks, rotary
from byhand.checkpoints.numbers import dtype_named, from_float32, loses_nothing, to_float32
from byhand.errors import InputError


def as_pytorch(values: np.ndarray) -> np.ndarray:
    return torch.from_numpy(values).bfloat16().view(torch.uint16).numpy()


@given(st.lists(st.integers(0, 2**32 - 1), min_size=1, max_size=50))
def test_bfloat16_is_rounded_as_by_pytorch(patterns: list[int]) -> None:
    values = np.array(patterns, np.uint32).view(np.float32)
    ours, theirs = from_float32(values, "BF16"), as_pytorch(values)
    numbers = ~np.isnan(values)
    assert np.array_equal(ours[numbers], theirs[numbers])
    assert np.isnan(to_float32(ours, "BF16")[~numbers]).all()


def test_halfway_goes_to_the_even_one_and_too_large_to_infinity() -> None:
    values = np.array([0x3F808000, 0x3F818000, 0x7F7FFFFF, 0xFF800000], np.uint32).view(np.float32)
    assert from_float32(values, "BF16").tolist() == [0x3F80, 0x3F82, 0x7F80, 0xFF80]
    assert from_float32(np.array([1e9], np.float32), "F16")[0] == np.inf


def test_every_bfloat16_comes_back() -> None:
    patterns = np.arange(2**16, dtype=np.uint16)
    numbers = patterns[~np.isnan(to_float32(patterns, "BF16"))]
    assert np.array_equal(from_float32(to_float32(numbers, "BF16"), "BF16"), numbers)
    assert loses_nothing(to_float32(numbers, "BF16"), "BF16")
    assert not loses_nothing(np.array([1 + 2**-9], np.float32), "BF16")


@pytest.mark.parametrize("kind", blocks.LAYOUTS)
def test_blocks_are_the_numbers_of_the_reference(kind: str) -> None:
    layout, rng = blocks.LAYOUTS[kind], np.random.default_rng(0)
    raw = rng.integers(0, 256, (300, layout.itemsize), dtype=np.uint8)
    view = raw.reshape(-1).view(layout)
    for scale in {"d", "m"} & set(layout.names or ()):
        view[scale] = rng.normal(size=300).astype(np.float16)
    expected = dequantize(raw, GGMLQuantizationType[kind])
    assert np.array_equal(blocks.numbers(raw.reshape(-1), kind), expected.reshape(-1))


def test_pairs_and_halves_are_inverse() -> None:
    rows = np.arange(24).reshape(12, 2)
    halves = rotary.to_halves(rows, 2)
    assert halves[:, 0].tolist() == [0, 4, 8, 2, 6, 10, 12, 16, 20, 14, 18, 22]
    assert np.array_equal(rotary.to_pairs(halves, 2), rows)
    assert np.array_equal(rotary.to_halves(rotary.to_pairs(rows, 2), 2), rows)


def test_llama_3s_frequencies_are_those_of_transformers() -> None:
    from transformers import LlamaConfig
    from transformers.modeling_rope_utils import ROPE_INIT_FUNCTIONS

    scaling = {
        "rope_type": "llama3",
        "factor": 32.0,
        "low_freq_factor": 1.0,
        "high_freq_factor": 4.0,
        "original_max_position_embeddings": 8192,
    }
    config = LlamaConfig(
        hidden_size=128, num_attention_heads=1, rope_parameters=scaling | {"rope_theta": 500_000.0}
    )
    theirs, _ = ROPE_INIT_FUNCTIONS["llama3"](config, "cpu")
    factors = rotary.llama3_factors(scaling, 500_000.0, 128)
    plain = 500_000.0 ** (-np.arange(0, 128, 2) / 128)
    assert np.allclose(plain / factors, theirs.numpy(), rtol=1e-5)
    assert rotary.llama3_scaling(factors, 500_000.0) == scaling
    assert rotary.llama3_scaling(factors * np.linspace(1, 2, 64, dtype=np.float32), 5e5) is None
    for strange in (0, np.inf, np.nan, -1):
        assert rotary.llama3_scaling(np.full(64, strange, np.float32), 5e5) is None


def test_types_have_several_spellings() -> None:
    assert [dtype_named(name) for name in ("F32", "fp16", "bfloat16")] == ["F32", "F16", "BF16"]
    with pytest.raises(InputError) as error:
        dtype_named("bf61")
    assert str(error.value) == "no dtype is called 'bf61'; did you mean bf16?"
