"""Figures of memory that others published or logged, and ours beside them."""

from __future__ import annotations

from typing import Any

import pytest

from byhand.napkin import load
from byhand.napkin.inference import Setting, infer
from byhand.napkin.lora import targets_of
from byhand.napkin.sources.config import from_config
from byhand.napkin.tensors import Model
from byhand.napkin.training import Plan, train

MiB, GiB = 2**20, 2**30

# What llama.cpp prints as "KV self size", for a context, with 16 bits.
LLAMA_CPP_CACHES = [
    ("Llama-1-7B", 512, 256.00),
    ("Llama-2-13B", 2048, 1600.00),
    ("Llama-2-70B", 4096, 1280.00),
    ("Llama-3-8B", 8192, 1024.00),
    ("Mistral-7B-v0.3", 32768, 4096.00),
]


@pytest.mark.parametrize(("name", "context", "mib"), LLAMA_CPP_CACHES)
def test_caches_of_llama_cpp(name: str, context: int, mib: float) -> None:
    found = infer(load(name), Setting(context=context, engine="llama.cpp"))
    assert found["kv_bytes"].value == mib * MiB


# "Insights into DeepSeek-V3", arXiv 2505.09343, table 1; GPT-2 XL has 300 KiB by its config.
CACHES_PER_TOKEN = [
    ("DeepSeek-V3", 70_272),
    ("Qwen2.5-72B", 327_680),
    ("Llama-3.1-405B", 516_096),
    ("GPT-2-XL", 300 * 1024),
]


@pytest.mark.parametrize(("name", "size"), CACHES_PER_TOKEN)
def test_caches_per_token(name: str, size: int) -> None:
    assert infer(load(name))["kv_bytes_per_token"].value == size


# https://huggingface.co/blog/llama31, "KV Cache" in GiB, where 1k is 1,024 and 16k is 16,000.
HUGGING_FACE_CACHES = [
    ("Llama-3.1-8B", 1024, 0.125),
    ("Llama-3.1-8B", 16_000, 1.95),
    ("Llama-3.1-8B", 128_000, 15.62),
    ("Llama-3.1-70B", 1024, 0.313),
    ("Llama-3.1-70B", 16_000, 4.88),
    ("Llama-3.1-70B", 128_000, 39.06),
]


@pytest.mark.parametrize(("name", "context", "gib"), HUGGING_FACE_CACHES)
def test_caches_of_llama_3_1(name: str, context: int, gib: float) -> None:
    found = infer(load(name), Setting(context=context))
    assert float(found["kv_bytes"].value) / GiB == pytest.approx(gib, abs=0.0051)


def opt_13b() -> Model:
    """As GPT-2's block: 40 layers of 5,120 with 40 heads."""
    config = {
        "model_type": "gpt2",
        "n_layer": 40,
        "n_embd": 5120,
        "n_head": 40,
        "vocab_size": 50272,
        "n_positions": 2048,
    }
    return from_config(config, "OPT-13B", "arXiv 2205.01068")


def test_cache_of_the_vllm_paper() -> None:
    # Kwon et al., arXiv 2309.06180, sections 1 and 3: 800 KB a token, up to 1.6 GB a request,
    # and 26 GB of parameters.
    found = infer(opt_13b(), Setting(context=2048))
    assert found["kv_bytes_per_token"].value == 800 * 1024
    assert float(found["kv_bytes"].value) / 1e9 == pytest.approx(1.6, rel=0.05)
    assert float(found["weight_bytes"].value) / 1e9 == pytest.approx(26, rel=0.02)


def test_cache_of_latent_attention_at_a_million_tokens() -> None:
    # https://provide.ai/the-exact-kv-cache-usage-of-deepseek-v4/: 68.625 GiB of V3.x at 1m.
    per_token = infer(load("DeepSeek-V3"))["kv_bytes_per_token"].value
    assert float(per_token) * 2**20 / GiB == pytest.approx(68.625, abs=0.01)


# llama.cpp's "CUDA0 compute buffer size" with n_ubatch 512, in MiB. The first two are with
# flash_attn = 0 and a longer context, so they write the scores; the others are logits.
def trilm() -> Model:
    config = {
        "model_type": "llama",
        "num_hidden_layers": 30,
        "hidden_size": 3072,
        "intermediate_size": 9216,
        "num_attention_heads": 24,
        "vocab_size": 50688,
        "max_position_embeddings": 2048,
    }
    return from_config(config, "TriLM-3.9B", "https://github.com/mozilla-ai/llamafile/pull/552")


def test_compute_buffers_of_llama_cpp() -> None:
    written = infer(load("Llama-3-8B"), Setting(context=8192, engine="llama.cpp"))
    assert written["activation_bytes"].high == 560.00 * MiB  # logged by ollama, flash_attn = 0
    assert written["activation_bytes"].value == 258.50 * MiB  # logged with flash attention
    small = infer(trilm(), Setting(context=512, engine="llama.cpp"))
    assert small["activation_bytes"].value == 105.00 * MiB
    assert small["kv_bytes"].value == 180.00 * MiB


def test_memory_profile_of_vllm() -> None:
    # https://github.com/vllm-project/vllm/pull/10511: Llama-3-8B takes 14.96 GiB of weights, 1.79
    # GiB outside of PyTorch and 1.26 GiB of activations; 53.29 GiB are left for the cache.
    found = infer(load("Llama-3-8B"), Setting(context=8192, engine="vllm", gpu="80GB"))
    assert float(found["weight_bytes"].value) / GiB == pytest.approx(14.96, abs=0.01)
    assert float(found["activation_bytes"].value) / GiB == pytest.approx(1.26, rel=0.1)
    taken = 14.96 + 1.79 + 1.26 + 1.00  # and the cache of 8,192 tokens; 1.79 is our ceiling
    assert float(found["peak_bytes"].high) / GiB == pytest.approx(taken, rel=0.01)


# https://huggingface.co/blog/llama31, "Model Size" in GB.
WEIGHTS = [
    ("Llama-3.1-8B", None, 16),
    ("Llama-3.1-8B", "f8", 8),
    ("Llama-3.1-70B", None, 140),
    ("Llama-3.1-70B", "f8", 70),
    ("Llama-3.1-405B", None, 810),
    ("Llama-3.1-405B", "f8", 405),
]


@pytest.mark.parametrize(("name", "dtype", "gigabytes"), WEIGHTS)
def test_weights_of_llama_3_1(name: str, dtype: str | None, gigabytes: float) -> None:
    found = infer(load(name), Setting(dtype=dtype))
    assert float(found["weight_bytes"].value) / 1e9 == pytest.approx(gigabytes, rel=0.01)


def test_bits_of_qlora() -> None:
    # Dettmers et al., arXiv 2305.14314: double quantisation makes 0.127 bits of 0.5.
    found = infer(load("Llama-1-65B"), Setting(quantization="nf4"))
    bits = next(step for step in found.steps if step.symbol == "q")
    assert float(bits.value) == pytest.approx(4.127, abs=0.0005)


# Rajbhandari et al., arXiv 1910.02054, table 1: GB on each device for stages 1, 2 and 3.
ZERO = [
    ("7.5B", 1, (120, 120, 120)),
    ("7.5B", 4, (52.5, 41.3, 30)),
    ("7.5B", 16, (35.6, 21.6, 7.5)),
    ("7.5B", 64, (31.4, 16.6, 1.88)),
    ("7.5B", 256, (30.4, 15.4, 0.47)),
    ("7.5B", 1024, (30.1, 15.1, 0.12)),
    ("128B", 1, (2048, 2048, 2048)),
    ("128B", 4, (896, 704, 512)),
    ("128B", 16, (608, 368, 128)),
    ("128B", 64, (536, 284, 32)),
    ("128B", 256, (518, 263, 8)),
    ("128B", 1024, (513, 257, 2)),
    ("1T", 1, (16_000, 16_000, 16_000)),
    ("1T", 4, (7000, 5500, 4000)),
    ("1T", 16, (4750, 2875, 1000)),
    ("1T", 64, (4187, 2218, 250)),
    ("1T", 256, (4046, 2054, 62.5)),
    ("1T", 1024, (4011, 2013, 15.6)),
]


@pytest.mark.parametrize(("name", "devices", "gigabytes"), ZERO)
def test_zero(name: str, devices: int, gigabytes: tuple[float, ...]) -> None:
    model = load(name)
    for stage, expected in enumerate(gigabytes, 1):
        found = train(model, Plan(zero=stage, devices=devices))
        state = float(found["state_bytes"].value) / 1e9
        assert state == pytest.approx(expected, abs=0.006, rel=0.003)


def test_training_state_of_gpt_2() -> None:
    # The same paper, section 3.1: 1.5 thousand million parameters take at least 24 GB.
    assert train(load("1.5B"))["state_bytes"].value == 24 * 10**9


# Trainable parameters that peft and Unsloth print; the first is of our own list of figures.
LORA = [
    ("Llama-3.2-1B", 8, "q", 524_288),
    ("Llama-2-7B", 8, "q_proj,v_proj", 4_194_304),
    ("Mistral-7B", 8, "q,v", 3_407_872),
    ("Llama-3-8B", 8, "q,v", 3_407_872),
    ("Llama-3.1-8B", 16, "attn", 13_631_488),
    ("Llama-3-8B", 16, "all", 41_943_040),
    ("Llama-2-7B", 16, "all-linear", 39_976_960),
    ("Llama-3-70B", 16, "all", 207_093_760),
    ("GPT-2", 8, "c_attn", 294_912),
]


@pytest.mark.parametrize(("name", "rank", "targets", "count"), LORA)
def test_trainable_parameters(name: str, rank: int, targets: str, count: int) -> None:
    found = train(load(name), Plan(lora_rank=rank, targets=targets))
    assert found["lora_parameters"].value == count


def test_targets_are_found_by_any_of_their_names() -> None:
    model: Any = load("Llama-3-8B")
    assert targets_of(model, "q_proj, v") == {"q", "v"}
    assert targets_of(model, "mlp") == {"gate", "up", "down"}


# Korthikanti et al., arXiv 2205.05198, section 4: bytes per layer by s·b·h, and what selective
# recomputation saves of them.
ACTIVATIONS = [(96, 12_288, 80, 0.70), (128, 20_480, 64, 0.65)]


@pytest.mark.parametrize(("heads", "width", "scores", "saved"), ACTIVATIONS)
def test_activations(heads: int, width: int, scores: int, saved: float) -> None:
    config = {
        "model_type": "gpt2",
        "n_layer": 2,
        "n_embd": width,
        "n_head": heads,
        "vocab_size": 51_200,
        "n_positions": 2048,
    }
    model = from_config(config, "block", "arXiv 2205.05198")

    def kept(recompute: str) -> int:
        found = train(model, Plan(context=2048, batch=4, recompute=recompute))
        return int(found["activation_bytes"].value)

    sbhl = 2048 * 4 * width * 2
    assert kept("none") == sbhl * (34 + scores)
    assert kept("selective") == sbhl * 34
    assert kept("full") == sbhl * 2
    assert 1 - kept("selective") / kept("none") == pytest.approx(saved, abs=0.005)
