"""Figures of operations, time and speed that others published, and ours beside them."""

from __future__ import annotations

import pytest

from byhand.napkin import load
from byhand.napkin.compute import training_flops_per_token, utilisation
from byhand.napkin.inference import Setting, infer
from byhand.napkin.quantity import Quantity, given
from byhand.napkin.sources.config import from_config
from byhand.napkin.symbols import Symbols
from byhand.napkin.tensors import Model
from byhand.napkin.training import Plan, train

A100 = 312e12

# Brown et al., arXiv 2005.14165, table D.1: operations for 300 thousand million tokens.
GPT_3 = [
    ("GPT-3-125M", 2.25e20),
    ("GPT-3-350M", 6.41e20),
    ("GPT-3-760M", 1.37e21),
    ("GPT-3-1.3B", 2.38e21),
    ("GPT-3-2.7B", 4.77e21),
    ("GPT-3-6.7B", 1.20e22),
    ("GPT-3-13B", 2.31e22),
    ("GPT-3-175B", 3.14e23),
]


@pytest.mark.parametrize(("name", "flops"), GPT_3)
def test_operations_of_gpt_3(name: str, flops: float) -> None:
    found = train(load(name), Plan(tokens=300 * 10**9))
    assert float(found["training_flops"].value) == pytest.approx(flops, rel=0.01)


def test_operations_of_llama_3_1() -> None:
    # Grattafiori et al., arXiv 2407.21783: 3.8·10²⁵ for 405B and 15.6T tokens.
    found = train(load("Llama-3.1-405B"), Plan(tokens=15_600 * 10**9))
    assert float(found["training_flops"].value) == pytest.approx(3.8e25, rel=0.01)


# Touvron et al., arXiv 2307.09288, table 2: A100 hours for 2T tokens. The MFU follows from them.
LLAMA_2 = [("Llama-2-7B", 184_320, 0.391), ("Llama-2-70B", 1_720_320, 0.428)]


@pytest.mark.parametrize(("name", "hours", "mfu"), LLAMA_2)
def test_hours_of_llama_2(name: str, hours: int, mfu: float) -> None:
    plan = Plan(tokens=2 * 10**12, gpu="A100", device_hours=hours)
    found = train(load(name), plan)
    assert float(found["mfu"].value) == pytest.approx(mfu, abs=0.0006)
    back = train(load(name), Plan(tokens=2 * 10**12, gpu="A100", mfu=float(found["mfu"].value)))
    assert float(back["device_hours"].value) == pytest.approx(hours)


def test_days_of_llama_1() -> None:
    # Touvron et al., arXiv 2302.13971: 1.4T tokens, 1,022,362 hours of 2,048 A100 in about 21 days.
    plan = Plan(tokens=1_400 * 10**9, gpu="A100", devices=2048, device_hours=1_022_362)
    days = float(train(load("Llama-1-65B"), plan)["training_seconds"].value) / 86_400
    assert days == pytest.approx(21, rel=0.02)


# Narayanan et al., arXiv 2104.04473, section 5.1: devices, tokens, TFLOP/s of each, days. They
# count 8·N·D, as they compute the forward pass twice; 6 of these 8 are the model's.
MEGATRON = [("GPT-3-175B", 1024, 300, 140, 34), ("1T", 3072, 450, 163, 84)]


@pytest.mark.parametrize(("name", "devices", "tokens", "rate", "days"), MEGATRON)
def test_days_of_megatron(name: str, devices: int, tokens: int, rate: int, days: int) -> None:
    mfu = 6 / 8 * rate * 1e12 / A100
    plan = Plan(tokens=tokens * 10**9, gpu="A100", devices=devices, mfu=mfu)
    found = float(train(load(name), plan)["training_seconds"].value) / 86_400
    assert found == pytest.approx(days, rel=0.015)


def gpt(layers: int, width: int, heads: int) -> Model:
    config = {
        "model_type": "gpt2",
        "n_layer": layers,
        "n_embd": width,
        "n_head": heads,
        "vocab_size": 51_200,
        "n_positions": 2048,
    }
    return from_config(config, f"{layers} × {width}", "as in the papers")


# Layers, width, heads, devices, tokens per second, MFU. The first four: Korthikanti et al., arXiv
# 2205.05198, table 5 (sequences of an iteration and its seconds); the fifth: Chowdhery et al.,
# arXiv 2204.02311, appendix B.
THROUGHPUT = [
    (48, 6_144, 64, 8, 4 * 2048 / 1.10, 0.415),
    (96, 12_288, 96, 64, 64 * 2048 / 13.75, 0.514),
    (105, 20_480, 128, 280, 280 * 2048 / 37.83, 0.560),
    (128, 25_600, 160, 512, 512 * 2048 / 71.49, 0.563),
    (105, 20_480, 128, 2240, 65_430, 0.302),
]


@pytest.mark.parametrize(("layers", "width", "heads", "devices", "rate", "mfu"), THROUGHPUT)
def test_mfu(layers: int, width: int, heads: int, devices: int, rate: float, mfu: float) -> None:
    s = Symbols(gpt(layers, width, heads), 2048, devices=devices)
    found = _mfu(training_flops_per_token(s), rate, devices, A100)
    assert found == pytest.approx(mfu, rel=0.006)


def test_mfu_of_palm() -> None:
    # The same appendix: 540B, 118 layers, 48 heads of 256, 238,300 tokens per second on 6,144 TPU
    # v4. PaLM shares its heads' k and v, and has no tensor list here: the formula's terms by hand.
    flops = 6 * 540.35e9 + 12 * 118 * 48 * 256 * 2048
    per_token = given("c", flops, "FLOP/token")
    assert _mfu(per_token, 238_300, 6144, 275e12) == pytest.approx(0.462, abs=0.0006)


def _mfu(per_token: Quantity, rate: float, devices: int, peak: float) -> float:
    tokens = given("r", rate, "token/s")
    n, f = given("n", devices, "device"), given("F", peak, "FLOP/s")
    return float(utilisation(per_token, tokens, n, f).value)


def test_attention_adds_to_the_operations_as_in_gopher() -> None:
    # Chowdhery et al., appendix B: Gopher's MFU is 31.9 % without attention and 32.5 % with it.
    s = Symbols(gpt(80, 16_384, 128), 2048)
    whole = float(training_flops_per_token(s).value)
    attention = float(12 * s.heads_width.value * s.T.value)
    matrices = 6 * 280e9
    assert (matrices + attention) / matrices == pytest.approx(32.5 / 31.9, abs=0.002)
    assert whole == pytest.approx(6 * float(s.N_a.value) + attention)


# Tokens per second of llama.cpp on Llama-7B, from its discussion 4167, and of the Q4_0 on an M1 Pro
# from its pull request 2011.
LLAMA_CPP = [
    ("M1-Max-32GB", "f16", 23.03),
    ("M1-Max-32GB", "q8_0", 40.20),
    ("M1-Max-32GB", "q4_0", 61.19),
    ("M1-Pro-32GB", "f16", 12.75),
    ("M2-Ultra-192GB", "f16", 41.02),
    ("M2-Ultra-192GB", "q8_0", 66.64),
]


@pytest.mark.parametrize(("device", "quantization", "rate"), LLAMA_CPP)
def test_speed_of_llama_cpp(device: str, quantization: str, rate: float) -> None:
    model = load("Llama-2-7B")
    setting = Setting(quantization=quantization, context=128, gpu=device, engine="llama.cpp")
    found = infer(model, setting)["tokens_per_second"]
    assert float(found.low) < rate < float(found.high)
    bound = infer(model, Setting(quantization=quantization, context=128, gpu=device))
    assert rate < float(bound["tokens_per_second"].value)
