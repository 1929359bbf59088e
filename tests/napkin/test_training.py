"""Memory, operations and time of training, where the terms follow from each other."""

from __future__ import annotations

import pytest

from byhand.errors import InputError
from byhand.napkin import load
from byhand.napkin.money import cost
from byhand.napkin.training import Plan, train

N = 124_439_808  # GPT-2


@pytest.mark.parametrize(
    ("optimizer", "dtype", "each"),
    [
        ("adamw", "bf16", 16),
        ("adam", "f16", 16),
        ("adamw", "f32", 16),
        ("momentum", "bf16", 12),
        ("sgd", "f32", 8),
        ("sgd", "bf16", 8),
    ],
)
def test_state_of_a_parameter(optimizer: str, dtype: str, each: int) -> None:
    found = train(load("GPT-2"), Plan(optimizer=optimizer, dtype=dtype))
    assert found["state_bytes"].value == each * N
    assert found["state_bytes"].kind == "exact"


def test_eight_bits_of_state_have_their_scales() -> None:
    found = train(load("GPT-2"), Plan(optimizer="adamw8bit"))
    assert found["optimizer_bytes"].value == (4 + 2 + 8 / 2048) * N


def test_the_peak_is_what_stays_and_the_largest_phase() -> None:
    found = train(load("GPT-2"), Plan(context=1024, batch=2))
    logits = 4 * 2 * 1024 * 50_257
    kept = 12 * 2 * 1024 * (34 * 768 + 5 * 12 * 1024)
    assert found["activation_bytes"].value == kept
    assert found["peak_bytes"].value == 16 * N + kept + 2 * logits
    # Where a batch is small, the float32 copy of the gradients may be the largest phase.
    small = train(load("GPT-2"), Plan(context=8))["peak_bytes"]
    assert small.high == 20 * N
    assert small.low < 16.1 * N


def test_recomputation_keeps_less_and_computes_a_layer_again() -> None:
    plans = {x: Plan(context=1024, recompute=x) for x in ("none", "selective", "full")}
    found = {x: train(load("GPT-2"), plan) for x, plan in plans.items()}
    kept = {x: found[x]["activation_bytes"].value for x in plans}
    assert kept["full"] == 12 * 1024 * 2 * 768
    assert kept["selective"] == 12 * 1024 * 34 * 768
    again = 1024 * (34 * 768 + 5 * 12 * 1024)
    logits = 4 * 1024 * 50_257
    assert found["full"]["peak_bytes"].value == 16 * N + kept["full"] + 2 * logits + again


def test_activations_of_a_gated_block_with_grouped_heads() -> None:
    found = train(load("Llama-3-8B"), Plan(context=512, recompute="selective"))
    h, kv, f = 4096, 1024, 14_336
    numbers = 2 * h + (h + h + 2 * kv + h) + (h + 4 * f)
    assert found["activation_bytes"].value == 32 * 512 * 2 * numbers


def test_frozen_matrices_keep_no_inputs() -> None:
    every = train(load("Llama-3-8B"), Plan(lora_rank=8, targets="all", context=512))
    some = train(load("Llama-3-8B"), Plan(lora_rank=8, targets="q,v", context=512))
    h, f, r = 4096, 14_336, 8
    # The inputs of o, of gate and up, and of down; and five adapters of rank 8 fewer.
    fewer = 32 * 512 * 2 * (h + h + f + 5 * r)
    difference = every["activation_bytes"].value - some["activation_bytes"].value
    assert float(difference) == pytest.approx(fewer)


def test_adapters_are_trained_beside_frozen_weights() -> None:
    plan = Plan(lora_rank=8, quantization="nf4", context=512, tokens=10**6)
    found = train(load("Llama-2-7B"), plan)
    n = 4_194_304
    assert found["gradient_bytes"].value == 4 * n
    assert found["optimizer_bytes"].value == 8 * n
    frozen = found["weight_bytes"].value - 4 * n
    assert float(frozen) == pytest.approx(3.866e9, rel=0.001)
    assert found["training_flops"].value == (4 * 6_738_415_616 + 6 * n) * 10**6


def test_adapters_are_those_of_q_and_v_or_of_the_matrix_that_holds_them() -> None:
    both = train(load("Llama-3-8B"), Plan(lora_rank=8, targets="q,v"))["lora_parameters"]
    assert train(load("Llama-3-8B"), Plan(lora_rank=8))["lora_parameters"].value == both.value
    assert train(load("GPT-2"), Plan(lora_rank=8))["lora_parameters"].value == 294_912


def test_full_fine_tuning_is_training() -> None:
    assert train(load("GPT-2")).as_json() == train(load("GPT-2"), Plan(zero=0)).as_json()


def test_devices_that_are_needed_depend_on_the_stage() -> None:
    model = load("Llama-3-8B")
    plan = {"gpu": "80GiB", "context": 2048, "recompute": "full"}
    whole = train(model, Plan(**plan))
    assert "devices_needed" not in whole
    assert "no number of 80GiB is enough" in " ".join(whole.notes)
    shared = train(model, Plan(zero=3, **plan))["devices_needed"]
    assert shared.value == 2
    for stage in (1, 2, 3):
        needed = int(train(model, Plan(zero=stage, **plan))["devices_needed"].value)
        there = train(model, Plan(zero=stage, devices=needed, **plan))["peak_bytes"].value
        assert there <= 80 * 2**30
        fewer = train(model, Plan(zero=stage, devices=needed - 1, **plan))["peak_bytes"].value
        assert fewer > 80 * 2**30


def test_time_and_money() -> None:
    plan = Plan(tokens=10**12, gpu="H100", devices=256, mfu=0.4, price=2.5)
    found = train(load("Llama-3-8B"), plan)
    seconds = 6 * 8_030_261_248 * 1e12 / (256 * 989.4e12 * 0.4)
    assert float(found["training_seconds"].value) == pytest.approx(seconds)
    assert float(found["device_hours"].value) == pytest.approx(256 * seconds / 3600)
    assert float(found["cost"].value) == pytest.approx(2.5 * 256 * seconds / 3600)
    assert cost(load("Llama-3-8B"), plan)["cost"].value == found["cost"].value
    assert found.binding.startswith("time: 40.0 % of the bf16 rate of H100-SXM; memory: ")


def test_an_assumed_mfu_widens_the_time_and_nothing_else() -> None:
    found = train(load("GPT-2"), Plan(tokens=10**9, gpu="A100"))
    time = found["training_seconds"]
    assert time.high / time.low == pytest.approx(5 / 3)
    assert time.kind == "assumed"
    assert found["training_flops"].kind == "modelled"


def test_more_than_was_ever_measured_is_noted() -> None:
    found = train(load("GPT-2"), Plan(tokens=10**9, gpu="A100", mfu=0.95))
    assert found.notes[-1] == (
        "mfu: 95.0 % is more than any matrix product was measured to reach on A100-SXM-80GB, 86.9 %"
    )


def test_cost_of_a_million_tokens() -> None:
    found = cost(load("Llama-3-8B"), Plan(gpu="H100", price=3, batch=32))
    rate = float(found["tokens_per_second"].value)
    assert float(found["cost"].value) == pytest.approx(3 * 1e6 / rate / 3600)
    assert found.title == "Llama-3-8B: cost of a million generated tokens"


@pytest.mark.parametrize(
    ("plan", "message"),
    [
        (Plan(lora_rank=5000), "--lora-rank: q of Llama-3-8B is 4096 by 4096, so its rank is from"),
        (
            Plan(lora_rank=2000),
            "--lora-rank: v of Llama-3-8B is 1024 by 4096, so its rank is from 1 to 1024, found "
            "2,000",
        ),
        (Plan(lora_rank=0), "--lora-rank: q of Llama-3-8B is 4096 by 4096, so its rank is from"),
        (
            Plan(lora_rank=8, targets="query"),
            "--targets: Llama-3-8B has no matrices 'query'; it has down, gate, k, o, q, up, v",
        ),
        (Plan(quantization="nf4"), "--quantization: quantised weights are not trained; give"),
        (Plan(optimizer="adamv"), "unknown optimizer 'adamv'; did you mean adam?"),
        (Plan(recompute="some"), "unknown recomputation 'some'; there is none, selective, full"),
        (Plan(zero=4), "--zero: expected a stage from 0 to 3, found 4"),
        (Plan(dtype="f8"), "--dtype: training keeps weights in f32, f16 or bf16, found f8"),
        (Plan(engine="vllm"), "--engine: vllm does not train; there is theory, transformers"),
        (Plan(mfu=40), "--mfu: expected a share above 0 and up to 1, found 40"),
        (Plan(mfu=float("nan")), "--mfu: expected a share above 0 and up to 1, found nan"),
        (Plan(mfu=0.4), "--mfu: it takes --tokens and a device with a known rate; give"),
        (Plan(price=-1, tokens=10, gpu="A100"), "--price: expected a number above 0, found -1"),
        (
            Plan(mfu=0.4, device_hours=3, tokens=10, gpu="A100"),
            "--device-hours: with hours MFU is the answer; leave out --mfu",
        ),
        (Plan(context=10**6), "--context: Llama-3-8B has 8,192 positions, found 1,000,000; ask"),
    ],
)
def test_what_cannot_be(plan: Plan, message: str) -> None:
    with pytest.raises(InputError) as error:
        train(load("Llama-3-8B"), plan)
    assert str(error.value).startswith(message)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("plan", "message"),
    [
        (Plan(gpu="A100"), "cost: expected a device and its price; give --gpu, and --price in"),
        (Plan(gpu="24GiB", price=1), "cost: how fast Llama-3-8B generates on 24GiB is unknown"),
        (Plan(gpu="A100", price=0), "--price: expected a number above 0, found 0"),
    ],
)
def test_costs_that_cannot_be(plan: Plan, message: str) -> None:
    with pytest.raises(InputError) as error:
        cost(load("Llama-3-8B"), plan)
    assert str(error.value).startswith(message)
