"""The derivation as text, Markdown, LaTeX and JSON: what a person follows with a pencil."""

from __future__ import annotations

import json
import re

import pytest

from byhand.napkin import load
from byhand.napkin.derivation import Derivation, line
from byhand.napkin.inference import Setting, infer, params
from byhand.napkin.quantity import define, given, largest
from byhand.napkin.training import Plan, train


@pytest.fixture(scope="module")
def cache() -> Derivation:
    return infer(load("Llama-2-70B"))


def test_each_line_has_symbol_formula_numbers_result_and_kind(cache: Derivation) -> None:
    assert line(cache["kv_bytes"]) == (
        "KV = κ·B·T = 327,680 B/token × 1 × 4,096 tokens"
        " = 1,342,177,280 B = 1.342 GB = 1.250 GiB  [exact]"
    )
    assert line(cache["kv_bytes_per_token"]) == (
        "κ = 2·L·n_kv·d_h·b_kv = 2 × 80 × 8 × 128 × 2 B/token = 327,680 B/token  [exact]"
    )


def test_every_number_of_a_formula_was_given_or_derived_before(cache: Derivation) -> None:
    seen: set[str] = set()
    for text in cache.lines():
        symbol, _, right = text.partition(" = ")
        formula = right.split(" = ")[0]
        if not formula[0].isdigit():
            used = set(re.findall(r"[^\W\d][\w]*", formula)) - {"max", "min"}
            assert used <= seen, text
        seen.add(symbol)


def test_brackets_only_where_they_are_needed() -> None:
    a, b, c = given("a", 10), given("b", 3), given("c", 2)
    for formula, text in (
        ((a + b) * c, "(a + b)·c"),
        (a + b * c, "a + b·c"),
        (a - (b - c), "a − (b − c)"),
        (a / (b * c), "a/(b·c)"),
        (a * b / c, "a·b/c"),
        (a * b**2, "a·b²"),
        (largest(a, b + c), "max(a; b + c)"),
    ):
        assert line(define("x", "x", formula, "1", "")).split(" = ")[1] == text


def test_text_fits_the_page_and_ends_with_what_limits() -> None:
    text = infer(load("Llama-3-8B"), Setting(engine="llama.cpp", gpu="RTX-4090")).text()
    head, *lines = text.splitlines()
    assert head == "Llama-3-8B: inference with weights as they are"
    equations = [x for x in lines if x.startswith("  ") and "http" not in x and "  [" not in x]
    assert max(map(len, equations)) <= 100
    assert "what limits: decoding waits for memory bandwidth; memory: weights, 93 %" in text
    assert "one per cent more of an input changes peak_bytes by: N +0.93 %" in text


def test_intervals_are_written_out() -> None:
    text = infer(load("Llama-3-8B"), Setting(engine="llama.cpp", context=8192)).text()
    assert "from 271.1 MB (258.5 MiB) to 587.2 MB (560.0 MiB)" in " ".join(text.split())


def test_markdown(cache: Derivation) -> None:
    text = cache.markdown()
    assert text.startswith("## Llama-2-70B: inference")
    assert "| L | 80  [exact] | layers |" in text
    assert "    KV = κ·B·T = 327,680 B/token × 1 × 4,096 tokens" in text


def test_latex(cache: Derivation) -> None:
    text = cache.latex()
    assert text.startswith("\\begin{align*}")
    assert text.endswith("\\end{align*}")
    assert r"\mathrm{KV} &= \kappa \cdot B \cdot T && \text{key-value cache} \\" in text
    assert r"2 \cdot L \cdot n_{\mathrm{kv}} \cdot d_{\mathrm{h}} \cdot b_{\mathrm{kv}}" in text
    assert text.count("{") == text.count("}")
    assert not re.search(r"(?<!\\)[%#$]", text)


STABLE = {
    "parameters",
    "parameters_active",
    "weight_bytes",
    "gradient_bytes",
    "optimizer_bytes",
    "activation_bytes",
    "peak_bytes",
    "flops_per_token",
    "training_flops",
    "training_seconds",
    "device_hours",
    "mfu",
    "cost",
    "lora_parameters",
    "devices_needed",
}


def test_json_is_flat_and_its_names_are_stable() -> None:
    plan = Plan(tokens=10**9, gpu="A100", price=2, lora_rank=8, context=512)
    found = train(load("Llama-2-7B"), plan).as_json()
    assert set(found) >= STABLE
    for name in STABLE:
        assert {"value", "unit", "kind"} <= set(found[name]), name
        assert isinstance(found[name]["value"], int | float)
    assert found["peak_bytes"]["low"] <= found["peak_bytes"]["value"] <= found["peak_bytes"]["high"]
    assert found["derivation"] == train(load("Llama-2-7B"), plan).lines()
    assert isinstance(found["binding"], str)
    json.dumps(found)


def test_json_of_inference() -> None:
    found = infer(load("Llama-2-7B"), Setting(gpu="A100")).as_json()
    more = {
        "bits_per_weight",
        "kv_bytes_per_token",
        "kv_bytes",
        "decode_seconds_per_token",
        "tokens_per_second",
        "prefill_seconds",
    }
    assert more <= set(found)


def test_a_count_without_a_shape_says_what_is_assumed() -> None:
    found = params(load("7B"))
    assert found["parameters"].kind == "assumed"
    assert found["parameters"].low < 7 * 10**9 < found["parameters"].high
    assert found["bits_per_weight"].value == 16
    assert any("7B is a count without a shape" in note for note in found.notes)
    per_token = found["kv_bytes_per_token"]
    assert per_token.low < per_token.value
