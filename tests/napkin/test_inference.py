"""Memory and speed of running a model, where the terms follow from each other."""

from __future__ import annotations

from fractions import Fraction

import pytest

from byhand.errors import InputError
from byhand.napkin import load
from byhand.napkin.engines import ENGINES
from byhand.napkin.inference import Setting, infer, params

GiB = 2**30


def test_terms_of_theory() -> None:
    found = infer(load("Llama-2-7B"), Setting(context=4096, batch=2))
    w, kv, a = (found[x].value for x in ("weight_bytes", "kv_bytes", "activation_bytes"))
    assert w == 2 * 6_738_415_616
    assert kv == 2 * 32 * 32 * 128 * 2 * 4096 * 2
    assert a == 2 * ((2 * 4096 + 3 * 11_008) * 2 + 4 * 32_000)
    assert found["peak_bytes"].value == w + kv + a
    assert found["peak_bytes"].kind == "modelled"


def test_default_context() -> None:
    assert infer(load("Llama-3.1-8B"))["kv_bytes"].value == 131_072 * 4096
    assert infer(load("GPT-2"))["kv_bytes"].value == 36_864 * 1024


@pytest.mark.parametrize("engine", ENGINES)
def test_every_engine_gives_an_ordered_peak(engine: str) -> None:
    for name in ("Llama-3-8B", "Gemma-3-1B", "DeepSeek-V2-Lite", "Mixtral-8x7B", "GPT-2"):
        peak = infer(load(name), Setting(engine=engine, context=1024))["peak_bytes"]
        assert 0 < peak.low <= peak.value <= peak.high, name
        theory = infer(load(name), Setting(context=1024))["peak_bytes"]
        assert peak.high >= theory.value, name


def test_sliding_layers_are_the_engines_policy() -> None:
    model, setting = load("Gemma-3-1B"), {"context": 32_768}
    local, everywhere = 22 * 2 * 256 * 2, 4 * 2 * 256 * 2
    capped, full = local * 512 + everywhere * 32_768, (local + everywhere) * 32_768
    kept = {x: infer(model, Setting(engine=x, **setting))["kv_bytes"] for x in ENGINES}
    assert kept["theory"].value == kept["llama.cpp"].value == capped
    assert (kept["vllm"].low, kept["vllm"].value) == (capped, full)
    assert (kept["transformers"].value, kept["transformers"].high) == (capped, full)


def test_short_sequences_are_kept_whole() -> None:
    model = load("Gemma-3-1B")
    for engine in ("theory", "transformers"):
        found = infer(model, Setting(engine=engine, context=256))["kv_bytes"]
        assert found.value == found.high == 26 * 2 * 256 * 2 * 256


def test_pages_are_filled_up() -> None:
    found = infer(load("Llama-3-8B"), Setting(engine="vllm", context=1001))
    assert found["kv_bytes"].value == 131_072 * 1008


def test_devices_share_weights_and_cache() -> None:
    one = infer(load("Llama-2-70B"), Setting(batch=8))
    four = infer(load("Llama-2-70B"), Setting(batch=8, devices=4))
    shared = one["weight_bytes"].value + one["kv_bytes"].value
    own = one["activation_bytes"].value
    assert four["peak_bytes"].value == shared / 4 + own


def test_decoding_waits_for_the_slower_resource() -> None:
    model = load("Llama-2-7B")
    alone = infer(model, Setting(gpu="A100", context=512))
    w, kv = (float(alone[x].value) for x in ("weight_bytes", "kv_bytes"))
    step = float(alone["decode_seconds_per_token"].value)
    assert step == pytest.approx((w + kv) / 2.039e12)
    assert alone.binding.startswith("decoding waits for memory bandwidth")
    many = infer(model, Setting(gpu="A100", context=512, batch=400))
    compute = 2 * 6_738_415_616 * 400 / 312e12
    assert float(many["decode_seconds_per_token"].value) == pytest.approx(
        compute + 400 * kv / 2.039e12
    )
    assert many.binding.startswith("decoding waits for compute")
    rate = float(many["tokens_per_second"].value)
    assert rate == pytest.approx(400 / float(many["decode_seconds_per_token"].value))


def test_prefill_is_bounded_by_the_rate() -> None:
    found = infer(load("Llama-2-7B"), Setting(gpu="A100", context=4096))
    flops = 2 * 6_738_415_616 * 4096 + 2 * 32 * 4096 * 4096**2
    assert float(found["prefill_seconds"].value) == pytest.approx(flops / 312e12)


def test_experts_that_nobody_asks_are_not_read() -> None:
    model = load("Mixtral-8x7B")
    one = infer(model, Setting(gpu="H100", context=128))
    kv = float(one["kv_bytes"].value)
    read = float(one["decode_seconds_per_token"].value) * 3.35e12 - kv
    assert read == pytest.approx(2 * 12_879_925_248, rel=1e-6)
    many = infer(model, Setting(gpu="H100", context=128, batch=64))
    read = float(many["decode_seconds_per_token"].value) * 3.35e12 - 64 * kv
    assert read == pytest.approx(2 * 46_702_792_704, rel=1e-6)


def test_a_device_of_unknown_rate_has_a_speed_and_no_prefill() -> None:
    found = infer(load("Llama-2-7B"), Setting(gpu="M1-Max-32GB", quantization="q4_k_m"))
    assert "prefill_seconds" not in found
    assert float(found["tokens_per_second"].value) > 50
    sized = infer(load("Llama-2-7B"), Setting(gpu="24GiB"))
    assert "tokens_per_second" not in sized
    assert sized["devices_needed"].value == 1


def test_whether_it_fits() -> None:
    model = load("Llama-2-7B")
    raw = infer(model, Setting(gpu="12GiB", engine="llama.cpp"))
    assert raw.notes == ("does not fit: it takes at least 14.62 GiB, and 12GiB offers 12.00 GiB",)
    assert raw["devices_needed"].value == 2
    small = infer(model, Setting(gpu="12GiB", engine="llama.cpp", quantization="q4_k_m"))
    assert small.notes[0].startswith("fits: it takes at most ")
    close = infer(model, Setting(gpu="16GB", engine="llama.cpp"))
    assert close.notes[0] == (
        "16GB can mean GB or GiB: 16 to 17.18 GB; write GiB or the bytes to be exact"
    )
    assert close.notes[1].startswith("may fit: it takes ")


def test_an_encoder_has_no_cache_and_one_pass() -> None:
    found = infer(load("BERT-base"), Setting(gpu="T4", dtype="f16", context=512))
    assert "kv_bytes" not in found
    assert "tokens_per_second" not in found
    assert found["activation_bytes"].value == 512 * (2 * 768 + 2 * 3072) * 2
    assert found.binding == "memory: weights, 97 % of the peak"


def test_a_vision_transformer_reads_patches() -> None:
    found = infer(load("ViT-B/16"), Setting(batch=8))
    assert found["activation_bytes"].value == 8 * 197 * (2 * 768 + 2 * 3072) * 2


def test_weights_by_the_rules_of_each_format() -> None:
    model = load("Llama-3.1-8B")
    linear = 32 * (2 * 4096 * 4096 + 2 * 1024 * 4096 + 3 * 14_336 * 4096)
    rest = 8_030_261_248 - linear
    for name, bits in (("nf4", Fraction(4) + Fraction(8, 64) + Fraction(32, 64 * 256)),
                       ("int8", Fraction(8)), ("awq", Fraction(133, 32))):  # fmt: skip
        found = params(model, Setting(quantization=name))["weight_bytes"].value
        assert found == linear * bits / 8 + 2 * rest, name
    assert params(model, Setting(dtype="float32"))["weight_bytes"].value == 4 * 8_030_261_248
    mixed = params(model, Setting(quantization="q4_k_m"))["bits_per_weight"].value
    assert float(mixed) == pytest.approx(4.8944, abs=0.00005)


@pytest.mark.parametrize(
    ("name", "setting", "message"),
    [
        (
            "Llama-2-7B",
            Setting(context=8192),
            "--context: Llama-2-7B has 4,096 positions, found 8,192; ask for at most 4,096",
        ),
        ("GPT-2", Setting(context=0), "--context: expected a number from 1 to "),
        ("GPT-2", Setting(batch=0), "--batch: expected a number from 1 to 10,000,000, found 0"),
        ("GPT-2", Setting(batch=-3), "--batch: expected a number from 1 to 10,000,000, found -3"),
        ("GPT-2", Setting(devices=10**9), "--devices: expected a number from 1 to 10,000,000"),
        ("GPT-2", Setting(engine="lama.cpp"), "unknown engine 'lama.cpp'; did you mean llama.cpp?"),
        ("GPT-2", Setting(dtype="bf17"), "unknown dtype 'bf17'; did you mean bf16?"),
        (
            "GPT-2",
            Setting(quantization="q8_00"),
            "unknown quantization 'q8_00'; did you mean q8_0?",
        ),
        (
            "GPT-2",
            Setting(gpu="RTX-4091"),
            "unknown device 'RTX-4091'; did you mean RTX-4090? Its memory will do as well, as in",
        ),
        (
            "GPT-2",
            Setting(gpu="T4", dtype="bf16"),
            "--dtype: no rate is known of T4 for bf16; it has f32, f16",
        ),
        ("GPT-2", Setting(gpu="0GiB"), "--gpu: expected at least 1, found '0GiB'"),
    ],
)
def test_what_cannot_be(name: str, setting: Setting, message: str) -> None:
    with pytest.raises(InputError) as error:
        infer(load(name), setting)
    assert str(error.value).startswith(message)
    assert "\n" not in str(error.value)
