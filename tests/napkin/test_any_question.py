"""Whatever is asked of whatever model: an ordered answer, or one line that says why not."""

from __future__ import annotations

import json
from functools import cache
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from byhand.errors import InputError
from byhand.napkin import Derivation, Model, load
from byhand.napkin.engines import ENGINES
from byhand.napkin.hardware import devices
from byhand.napkin.inference import Setting, infer, params
from byhand.napkin.money import cost
from byhand.napkin.optimizer import OPTIMIZERS
from byhand.napkin.solving import UNKNOWNS, solve
from byhand.napkin.training import Plan, train
from byhand.napkin.weights import QUANTIZATIONS

MODELS = [
    "7B",
    "GPT-2",
    "Llama-3-8B",
    "Gemma-3-1B",
    "Mixtral-8x7B",
    "DeepSeek-V3",
    "BERT-base",
    "ViT-B/16",
    "Phi-3-mini",
]
NUMBERS = st.sampled_from([1, 2, 3, 8, 50, 64, 131_072, 10**7, 0, -1, 10**30])
SHARES = st.sampled_from([None, float("nan"), -1.0, 0.0, 1e-9, 0.4, 1.0, float("inf")])
GPUS = st.sampled_from([None, "24GB", "1B", "1PiB", "", "0GiB", *devices()])


@cache
def model(name: str) -> Model:
    return load(name)


def settings_of() -> st.SearchStrategy[Setting]:
    return st.builds(
        Setting,
        dtype=st.sampled_from([None, "f32", "bf16", "f8", "int4"]),
        quantization=st.sampled_from([None, "q3", *QUANTIZATIONS]),
        context=st.none() | NUMBERS,
        batch=NUMBERS,
        engine=st.sampled_from([*ENGINES, "onnx"]),
        gpu=GPUS,
        devices=NUMBERS,
    )


def plans() -> st.SearchStrategy[Plan]:
    return st.builds(
        Plan,
        dtype=st.sampled_from(["f32", "bf16", "f8"]),
        context=st.none() | NUMBERS,
        batch=NUMBERS,
        optimizer=st.sampled_from([*OPTIMIZERS, "lion"]),
        recompute=st.sampled_from(["none", "selective", "full", "all"]),
        zero=st.integers(-1, 4),
        devices=NUMBERS,
        tokens=st.sampled_from([None, 1, 10**12]),
        gpu=GPUS,
        mfu=SHARES,
        price=SHARES,
        lora_rank=st.none() | NUMBERS,
        targets=st.sampled_from(["q,v", "all", "mlp", "", "x"]),
    )


def is_sound(derivation: Derivation) -> None:
    json.dumps(derivation.as_json(), allow_nan=False)
    for text in (derivation.text(), derivation.markdown(), derivation.latex()):
        assert "  [" in text or "align*" in text
    for result in derivation.results:
        assert 0 <= result.low <= result.value <= result.high, result


def ask(question: Any, *arguments: Any) -> None:
    refused = ""
    try:
        is_sound(question(*arguments))
    except InputError as error:
        refused = str(error)
    assert "\n" not in refused
    assert not refused or len(refused) > 20


@settings(deadline=None, max_examples=80, derandomize=True)
@given(st.sampled_from(MODELS), settings_of())
def test_inference(name: str, setting: Setting) -> None:
    ask(infer, model(name), setting)
    ask(params, model(name), setting)


@settings(deadline=None, max_examples=80, derandomize=True)
@given(st.sampled_from(MODELS), plans())
def test_training_and_cost(name: str, plan: Plan) -> None:
    ask(train, model(name), plan)
    ask(cost, model(name), plan)


@settings(deadline=None, max_examples=25, derandomize=True)
@given(st.sampled_from(MODELS), st.sampled_from([*UNKNOWNS, "speed"]), settings_of())
def test_solving(name: str, unknown: str, setting: Setting) -> None:
    ask(solve, model(name), unknown, setting)
