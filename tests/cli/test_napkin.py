"""byhand napkin: its verbs, and what they say where they cannot."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest


def test_each_verb_answers(byhand: Any) -> None:
    for arguments, said in (
        (("params", "Llama-2-7B"), "6,738,415,616 parameters"),
        (("infer", "Llama-2-7B", "--context", "4k"), "KV = κ·B·T"),
        (("train", "GPT-2"), "optimizer state"),
        (("finetune", "Llama-2-7B", "--lora-rank", "8"), "N_lora"),
        (("cost", "GPT-2", "--gpu", "A100", "--price", "2"), "money for a million tokens"),
        (("solve", "GPT-2", "--gpu", "8GiB", "--for", "batch"), "B_max"),
        (("which-gpu", "Llama-2-70B"), "A100-SXM-80GB"),
        (("compare", "Llama-2-7B", "Llama-3-8B"), "B / A"),
    ):
        result = byhand("napkin", *arguments)
        assert result.exit_code == 0, result.output
        assert said in result.stdout, arguments


def test_json_is_one_object(byhand: Any) -> None:
    for arguments, name in (
        (("params", "7B"), "parameters"),
        (("infer", "GPT-2", "--gpu", "L4"), "peak_bytes"),
        (("train", "GPT-2", "--tokens", "10B", "--gpu", "A100", "--mfu", "0.4"), "device_hours"),
        (("solve", "GPT-2", "--gpu", "1GiB", "--for", "quantization"), "quantization"),
        (("which-gpu", "GPT-2"), "devices"),
        (("compare", "GPT-2", "GPT-2-XL"), "parameters"),
    ):
        result = byhand("napkin", *arguments, "--json")
        assert result.exit_code == 0, result.output
        assert name in json.loads(result.stdout), arguments


def test_markdown_and_latex(byhand: Any) -> None:
    assert byhand("napkin", "infer", "GPT-2", "--markdown").stdout.startswith("## GPT-2: ")
    assert r"\begin{align*}" in byhand("napkin", "params", "GPT-2", "--latex").stdout
    both = byhand("napkin", "params", "GPT-2", "--latex", "--json")
    assert both.exit_code == 2
    assert "expected one of them, found several" in both.stderr


def test_a_config_of_ones_own(byhand: Any, folder: Path) -> None:
    config = {
        "model_type": "llama",
        "num_hidden_layers": 2,
        "hidden_size": 64,
        "intermediate_size": 128,
        "num_attention_heads": 4,
        "vocab_size": 100,
        "max_position_embeddings": 32,
    }
    (folder / "config.json").write_text(json.dumps(config), "utf-8")
    result = byhand("napkin", "params", "config.json", "--json")
    assert (
        json.loads(result.stdout)["parameters"]["value"]
        == 2 * 100 * 64 + 2 * (4 * 64 * 64 + 3 * 64 * 128 + 2 * 64) + 64
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("params", "Lama-2-7B"), "unknown model 'Lama-2-7B'; did you mean"),
        (("infer", "GPT-2", "--context", "2000"), "--context: GPT-2 has 1,024 positions, found"),
        (("infer", "GPT-2", "--context", "lots"), "--context: expected a number such as 4096"),
        (("infer", "GPT-2", "--batch", "0"), "--batch: expected a number from 1 to 10,000,000"),
        (("infer", "GPT-2", "--gpu", "H1000"), "unknown device 'H1000'; did you mean H"),
        (("train", "GPT-2", "--tokens", "-3"), "--tokens: expected a number such as"),
        (("finetune", "GPT-2", "--lora-rank", "999"), "--lora-rank: qkv of GPT-2 is 2304 by 768"),
        (("cost", "GPT-2"), "cost: expected a device and its price; give --gpu, and --price"),
        (("solve", "GPT-2", "--gpu", "8GiB", "--for", "speed"), "unknown --for 'speed'; there"),
        (("infer", "GPT-2", "--plot", "figure.doc"), "--plot: expected a file in png, svg, pdf"),
        (("measure", "GPT-2"), "GPT-2 is neither a PyTorch module"),
    ],
)
def test_what_cannot_be_is_one_line(byhand: Any, arguments: Any, message: str) -> None:
    result = byhand("napkin", *arguments)
    assert result.exit_code == 2, result.output
    assert result.stderr.startswith(f"error: {message}")
    assert result.stderr.count("\n") == 1


@pytest.mark.slow
def test_figures(byhand: Any, folder: Path) -> None:
    for arguments in (
        ("infer", "GPT-2", "--gpu", "L4"),
        ("train", "GPT-2", "--gpu", "L4"),
        ("cost", "GPT-2", "--gpu", "L4", "--price", "1"),
        ("solve", "GPT-2", "--gpu", "1GiB", "--for", "batch"),
        ("which-gpu", "GPT-2"),
    ):
        result = byhand("napkin", *arguments, "--plot", f"figures/{arguments[0]}.png")
        assert result.exit_code == 0, result.output
        assert (folder / f"figures/{arguments[0]}.png").read_bytes().startswith(b"\x89PNG")
