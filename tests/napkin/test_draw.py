"""The figures: what they show is what the derivations say."""

from __future__ import annotations

from dataclasses import replace

import pytest

from byhand.errors import InputError
from byhand.napkin import draw, load
from byhand.napkin.inference import Setting, infer
from byhand.napkin.training import Plan
from byhand.views import style


def test_memory_is_stacked_to_the_peak() -> None:
    model, setting = load("Llama-3-8B"), Setting(gpu="RTX-4090", engine="llama.cpp")
    figure = draw.inference(model, setting, style)
    by_context, by_batch, inputs, roof = figure.axes
    assert by_context.get_xlabel() == "context in tokens"
    assert by_batch.get_xlabel() == "sequences at once"
    top = max(path.vertices[:, 1].max() for each in by_context.collections for path in
              each.get_paths())  # fmt: skip
    most = infer(model, replace(setting, context=8192))["peak_bytes"].value
    assert top == pytest.approx(float(most) / 2**30)
    assert "RTX-4090" in [text.get_text() for text in by_context.texts]
    assert inputs.get_yticklabels()[-1].get_text() == "parameters  N"
    points = {text.get_text(): text.xy for text in roof.texts}
    decode = infer(model, setting)
    read = float(decode["weight_bytes"].value + decode["kv_bytes"].value)
    assert points["decode"][0] == pytest.approx(2 * 8_030_261_248 / read)
    assert points["prefill"][1] == pytest.approx(165.2)


def test_without_a_device_there_is_no_roof() -> None:
    figure = draw.inference(load("GPT-2"), Setting(), style)
    assert len(figure.axes) == 3


def test_training() -> None:
    plan = Plan(gpu="A100", zero=3, devices=8, tokens=10**9, mfu=0.4)
    figure = draw.training(load("GPT-2"), plan, style)
    legend = [text.get_text() for text in figure.subfigs[0].legends[0].get_texts()]
    assert legend == [
        "weights on each device",
        "gradients on each device",
        "optimizer state on each device",
        "activations and logits, the largest phase",
    ]


def test_frontier() -> None:
    figure = draw.frontier(load("Llama-3.3-70B"), Setting(), style)
    (axes,) = figure.axes
    names = [label.get_text() for label in axes.get_yticklabels()]
    assert "H100-SXM" in names
    assert "T4" not in names
    texts = {(round(t.get_position()[0]), round(t.get_position()[1])): t.get_text()
             for t in axes.texts}  # fmt: skip
    row = names.index("H100-SXM")
    assert texts[0, row] == ""  # 141 GB in bf16
    assert texts[6, row] == "131,072"


def test_a_frontier_that_is_empty() -> None:
    with pytest.raises(InputError, match="DeepSeek-V3: it fits into none of the known devices"):
        draw.frontier(load("DeepSeek-V3"), Setting(), style)
