"""The other way round: solving, choosing a device, comparing."""

from __future__ import annotations

from dataclasses import replace

import pytest

from byhand.errors import InputError
from byhand.napkin import load
from byhand.napkin.comparing import compare
from byhand.napkin.hardware import device_of, devices
from byhand.napkin.inference import Setting, infer
from byhand.napkin.shopping import which_gpu
from byhand.napkin.solving import solve

GiB = 2**30


@pytest.mark.parametrize("engine", ["theory", "llama.cpp", "vllm", "transformers"])
@pytest.mark.parametrize("unknown", ["context", "batch"])
def test_one_more_would_not_fit(unknown: str, engine: str) -> None:
    model, setting = load("Llama-3.1-8B"), Setting(gpu="24GiB", engine=engine)
    found = solve(model, unknown, setting)[unknown]
    assert found.low <= found.value <= found.high
    room = 24 * GiB * (0.9 if engine == "vllm" else 1)
    best = int(found.value)
    fits = infer(model, replace(setting, **{unknown: best}))["peak_bytes"].value
    # A page of the cache holds 16 tokens, so some more may still be in the last one.
    over = infer(model, replace(setting, **{unknown: best + 1}))["peak_bytes"].value
    assert fits <= room < over


def test_a_context_ends_where_the_model_does() -> None:
    found = solve(load("Llama-2-7B"), "context", Setting(gpu="80GiB"))
    assert found["context"].value == 4096
    assert found.notes[-1] == "as long as Llama-2-7B can read"


def test_parameters_that_fit_beside_the_cache() -> None:
    setting = Setting(gpu="24GiB", context=4096)
    found = solve(load("Llama-2-7B"), "params", setting)["parameters"]
    cache, working = 2_147_483_648, 210_432
    assert float(found.value) == pytest.approx((24 * GiB - cache - working) / 2)


def test_the_finest_quantisation_that_fits() -> None:
    model = load("Llama-2-7B")
    found = solve(model, "quantization", Setting(gpu="10GiB", context=2048))
    assert found.words == (("quantization", "q8_0"),)
    assert found.as_json()["quantization"]["value"] == "q8_0"
    assert "quantization: q8_0" in found.text()
    roomy = solve(model, "quantization", Setting(gpu="24GiB"))
    assert roomy.words == (("quantization", "none: the weights fit as they are"),)


@pytest.mark.parametrize(
    ("name", "unknown", "setting", "message"),
    [
        ("GPT-2", "contexts", Setting(gpu="8GiB"), "unknown --for 'contexts'; did you mean cont"),
        ("GPT-2", "context", Setting(), "--gpu: expected what it has to fit into, a device or a"),
        ("BERT-base", "context", Setting(gpu="8GiB"), "BERT-base: it keeps no cache, so no cont"),
        (
            "Llama-2-70B",
            "context",
            Setting(gpu="RTX-4090"),
            "Llama-2-70B does not fit into RTX-4090: it takes 128.48 GiB of 22.35 GiB; quantise",
        ),
        ("Llama-2-70B", "batch", Setting(gpu="24GiB"), "Llama-2-70B does not fit into 24GiB"),
        ("Llama-2-70B", "quantization", Setting(gpu="8GiB"), "Llama-2-70B does not fit into 8GiB"),
        ("Llama-2-7B", "params", Setting(gpu="1GiB"), "Llama-2-7B does not fit into 1GiB: it ta"),
    ],
)
def test_what_has_no_solution(name: str, unknown: str, setting: Setting, message: str) -> None:
    with pytest.raises(InputError) as error:
        solve(load(name), unknown, setting)
    assert str(error.value).startswith(message)
    assert "\n" not in str(error.value)


def test_which_devices_and_how_many() -> None:
    found = which_gpu(load("Llama-2-70B"), Setting())
    numbers = {each.device: each.number for each in found}
    assert numbers["H200"] == numbers["MI300X"] == 1
    assert numbers["A100-SXM-80GB"] == numbers["H100-SXM"] == 2
    assert numbers["RTX-4090"] == 6
    assert [each.number for each in found] == sorted(numbers.values())
    plain = found[0].as_json()
    assert {"device", "devices_needed", "peak_bytes", "tokens_per_second"} <= set(plain)


def test_a_device_without_the_dtype_is_left_out() -> None:
    names = {each.device for each in which_gpu(load("GPT-2"), Setting(dtype="bf16"))}
    assert "T4" not in names
    assert "L4" in names
    assert "T4" in {each.device for each in which_gpu(load("GPT-2"), Setting())}


def test_nothing_known_is_enough() -> None:
    # The runtime and working set of one pass over 10⁷ sequences fill any device.
    with pytest.raises(InputError, match="GPT-2: no known device can run it like this; lower"):
        which_gpu(load("GPT-2"), Setting(batch=10**7, engine="transformers"))


def test_comparison() -> None:
    found = compare(load("Llama-2-7B"), load("Llama-3-8B"), Setting(gpu="A100"))
    rows = {mine.name: ratio for mine, _, ratio in found.rows()}
    assert rows["kv_bytes_per_token"] == 0.25
    assert rows["parameters"] == pytest.approx(8_030_261_248 / 6_738_415_616)
    assert found.as_json()["kv_bytes_per_token"]["second"]["value"] == 131_072


def test_the_table_of_devices_is_sound() -> None:
    for name, device in devices().items():
        assert device.memory.source.startswith("https://"), name
        assert 8 * 10**9 < device.memory.value < 10**12, name
        assert device.bandwidth is not None
        assert 10**11 < device.bandwidth.value < 10**13, name
        for dtype, rate in device.rates:
            assert rate.source.startswith("https://"), (name, dtype)
            assert 10**12 < rate.value < 10**16, (name, dtype)
        rates = {dtype: rate.value for dtype, rate in device.rates}
        assert rates.get("f32", 0) <= rates.get("f16", 10**16), name
        assert rates.get("f16", rates.get("bf16")) == rates.get("bf16", rates.get("f16")), name
        if device.measured:
            assert 0.5 < device.measured / rates["bf16"] < 1, name


@pytest.mark.parametrize(
    ("name", "dtype", "teraflops", "terabytes"),
    [
        ("A100-SXM-80GB", "bf16", 312, 2.0),
        ("H100-SXM", "bf16", 989, 3.35),
        ("H100-PCIe", "bf16", 756, 2.0),
        ("H200", "bf16", 989, 4.8),
        ("B200", "bf16", 2250, 8.0),
        ("L40S", "bf16", 362, 0.86),
        ("T4", "f16", 65, 0.32),
    ],
)
def test_rates_and_bandwidths(name: str, dtype: str, teraflops: float, terabytes: float) -> None:
    device = devices()[name]
    rate, bandwidth = device.rate(dtype), device.bandwidth
    assert rate is not None
    assert bandwidth is not None
    assert float(rate.value) / 1e12 == pytest.approx(teraflops, rel=0.001)
    assert float(bandwidth.value) / 1e12 == pytest.approx(terabytes, rel=0.04)


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("A100", "A100-SXM-80GB"),
        ("NVIDIA A100-SXM4-80GB", "A100-SXM-80GB"),
        ("a100 40GB", "A100-SXM-40GB"),
        ("H100 SXM5", "H100-SXM"),
        ("H100 PCIe 80GB", "H100-PCIe"),
        ("GeForce RTX4090", "RTX-4090"),
        ("4090", "RTX-4090"),
        ("Tesla T4", "T4"),
        ("TPUv4", "TPU-v4"),
        ("m1-max-64gb", "M1-Max-64GB"),
        ("24GB", "24GB"),
    ],
)
def test_devices_as_people_call_them(text: str, name: str) -> None:
    assert device_of(text).name == name


def test_every_device_is_found_by_its_name() -> None:
    assert [device_of(name.lower()).name for name in devices()] == list(devices())


def test_a_name_that_means_several_devices() -> None:
    with pytest.raises(InputError) as error:
        device_of("M1 Max")
    assert str(error.value) == (
        "device 'M1 Max' can mean M1-Max-32GB or M1-Max-64GB; name one of them"
    )
