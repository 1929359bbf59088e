"""LoRA adapters in PEFT's format, written here as its documentation has it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from byhand import language
from byhand.errors import InputError
from byhand.language.adapters import Adapter

from ..checkpoints import models

QUERY, DOWN = "model.layers.0.self_attn.q_proj", "model.layers.1.mlp.down_proj"
SHAPES = {QUERY: (64, 64), DOWN: (64, 96)}


def adapter(folder: Path, base: Path, shapes: Any = SHAPES, seed: int = 0, **settings: Any) -> Path:
    folder.mkdir()
    config = {
        "peft_type": "LORA",
        "base_model_name_or_path": str(base),
        "r": 4,
        "lora_alpha": 8,
    }
    (folder / "adapter_config.json").write_text(json.dumps(config | settings), "utf-8")
    random = torch.Generator().manual_seed(seed)
    tensors = {}
    for name, (rows, columns) in shapes.items():
        before = f"base_model.model.{name}"
        tensors[f"{before}.lora_A.weight"] = torch.randn(4, columns, generator=random)
        tensors[f"{before}.lora_B.weight"] = torch.randn(rows, 4, generator=random)
    save_file(tensors, folder / "adapter_model.safetensors")
    return folder


def merged(base: Path, folders: list[Path], scale: float) -> torch.Tensor:
    """What transformers computes with the products added to its weights."""
    from safetensors.torch import load_file

    model = models.loaded(base)
    with torch.no_grad():
        for folder in folders:
            tensors = load_file(folder / "adapter_model.safetensors")
            for name in SHAPES:
                down, up = (tensors[f"base_model.model.{name}.lora_{x}.weight"] for x in "AB")
                model.get_submodule(name).weight += scale * up @ down
    return torch.from_numpy(models.logits(model))


@pytest.mark.parametrize(("settings", "scale"), [({}, 2.0), ({"use_rslora": True}, 4.0)])
def test_an_adapter_is_added_to_its_base(
    tiny: Path, tmp_path: Path, settings: dict[str, Any], scale: float
) -> None:
    folder = adapter(tmp_path / "lora", tiny, **settings)
    found = language.load(folder, "cpu", "f32").logits(models.PROMPT)
    torch.testing.assert_close(found, merged(tiny, [folder], scale), rtol=1e-3, atol=1e-3)


def test_adapters_upon_each_other(tiny: Path, tmp_path: Path) -> None:
    first = adapter(tmp_path / "first", tiny)
    second = adapter(tmp_path / "second", first, seed=1)
    found = language.load(second, "cpu", "f32").logits(models.PROMPT)
    expected = merged(tiny, [first, second], 2.0)
    torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"peft_type": "IA3"}, "{}: peft_type is 'IA3'; supported is LORA"),
        (
            {"use_dora": True},
            "{}: use_dora is set, which byhand does not add; merge the adapter with PEFT and open "
            "the result",
        ),
        ({"r": 0}, "{}/adapter_config.json: r is 0 and lora_alpha 8"),
        ({"lora_alpha": "x"}, "{}/adapter_config.json: r is 4 and lora_alpha 'x'"),
    ],
)
def test_an_adapter_that_is_not_understood(
    tiny: Path, tmp_path: Path, settings: dict[str, Any], message: str
) -> None:
    folder = adapter(tmp_path / "lora", tiny, **settings)
    with pytest.raises(InputError) as refused:
        Adapter(folder)
    assert str(refused.value) == message.format(folder)


@pytest.mark.parametrize(
    ("shapes", "message"),
    [
        (
            {"model.layers.9.mlp.up_proj": (96, 64)},
            "{} changes model.layers.9.mlp.up_proj.weight, which the model does not have: it was "
            "made for another model",
        ),
        (
            {QUERY: (32, 64)},
            f"{{}}: it changes {QUERY}.weight by (32, 64), and the model has (64, 64): it was made "
            "for another model",
        ),
    ],
)
def test_an_adapter_of_another_model(tiny: Path, tmp_path: Path, shapes: Any, message: str) -> None:
    folder = adapter(tmp_path / "lora", tiny, shapes)
    with pytest.raises(InputError) as refused:
        language.load(folder, "cpu")
    assert str(refused.value) == message.format(folder)


def test_files_that_are_not_whole(tiny: Path, tmp_path: Path) -> None:
    folder = adapter(tmp_path / "lora", tiny)
    weights = folder / "adapter_model.safetensors"
    weights.write_bytes(weights.read_bytes()[:100])
    with pytest.raises(InputError, match=r"adapter_model\.safetensors is damaged \(.*\); fetch it"):
        Adapter(folder)
    one = torch.zeros(4, 64)
    save_file({f"base_model.model.{QUERY}.lora_A.weight": one}, weights)
    with pytest.raises(InputError, match=r": an A without its B; save the adapter with PEFT again"):
        Adapter(folder)
    save_file({f"base_model.model.{QUERY}.bias": one}, weights)
    with pytest.raises(InputError, match=r"is no matrix of LoRA; merge it with PEFT"):
        Adapter(folder)
    weights.unlink()
    with pytest.raises(InputError) as refused:
        Adapter(folder)
    assert str(refused.value) == (
        f"{folder} has no adapter_model.safetensors; save the adapter with PEFT again"
    )
