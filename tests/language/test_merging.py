"""A merged model is what PEFT merges, and computes what base and adapter compute together."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from peft import LoraConfig, PeftModel, get_peft_model

from byhand import checkpoints, language
from byhand.errors import InputError
from byhand.language.merging import merge

from ..checkpoints import models

# PEFT asks transformers for a name that transformers is about to give up.
pytestmark = pytest.mark.filterwarnings(
    "ignore:`is_gradient_checkpointing` is deprecated:FutureWarning"
)
TARGETS = ["q_proj", "o_proj", "up_proj", "down_proj"]


def adapter(folder: Path, base: Path, seed: int = 0) -> Path:
    """An adapter as PEFT itself saves it, with numbers at random."""
    made = get_peft_model(
        models.loaded(base), LoraConfig(r=4, lora_alpha=8, target_modules=TARGETS)
    )
    torch.manual_seed(seed)
    with torch.no_grad():
        for parameter in made.parameters():
            if parameter.requires_grad:
                parameter.copy_(0.2 * torch.randn(parameter.shape))
    made.save_pretrained(folder)
    return folder


def merged_by_peft(base: Path, folder: Path, dtype: str = "float32") -> dict[str, torch.Tensor]:
    model = PeftModel.from_pretrained(models.loaded(base, dtype), folder).merge_and_unload()
    return dict(model.named_parameters())


@pytest.mark.parametrize("name", ["llama", "llama-tied", "llama-biased", "qwen3", "gemma3"])
def test_merged_as_peft_merges(tmp_path: Path, name: str) -> None:
    base = models.folder(tmp_path / "base", name)
    folder = adapter(tmp_path / "lora", base)
    made = merge(base, folder, tmp_path / "merged")
    found = dict(models.loaded(tmp_path / "merged").named_parameters())
    expected = merged_by_peft(base, folder)
    assert found.keys() == expected.keys()
    for key, tensor in expected.items():
        torch.testing.assert_close(found[key], tensor, rtol=1e-6, atol=1e-6)
    assert made.path == tmp_path / "merged"
    assert (made.path / "tokenizer.json").read_bytes() == (base / "tokenizer.json").read_bytes()


def test_rounded_once_in_bf16(tmp_path: Path) -> None:
    base = models.folder(tmp_path / "base", "llama", torch.bfloat16)
    folder = adapter(tmp_path / "lora", base)
    merge(base, folder, tmp_path / "merged")
    found = dict(models.loaded(tmp_path / "merged", "bfloat16").named_parameters())
    for key, tensor in merged_by_peft(base, folder, "bfloat16").items():
        torch.testing.assert_close(found[key], tensor, rtol=2**-7, atol=1e-6)
        assert (found[key] == tensor).float().mean() > 0.999


def test_a_merged_model_computes_what_both_compute(tiny: Path, tmp_path: Path) -> None:
    first = adapter(tmp_path / "first", tiny)
    second = adapter(tmp_path / "second", tiny, seed=1)
    together = language.load(first, "cpu", "f32").logits(models.PROMPT)
    merge(tiny, first, tmp_path / "one")
    found = language.load(tmp_path / "one", "cpu", "f32").logits(models.PROMPT)
    torch.testing.assert_close(found, together, rtol=1e-4, atol=1e-4)
    # An adapter below the base that is named goes in as well.
    merge(first, second, tmp_path / "two")
    merge(tmp_path / "one", second, tmp_path / "again")
    two, again = (
        language.load(tmp_path / name, "cpu", "f32").logits(models.PROMPT)
        for name in ("two", "again")
    )
    torch.testing.assert_close(two, again, rtol=1e-4, atol=1e-4)
    assert (two - found).abs().max() > 0.1


def test_into_a_gguf_and_another_type(tiny: Path, tmp_path: Path) -> None:
    folder = adapter(tmp_path / "lora", tiny)
    merge(tiny, folder, tmp_path / "merged.gguf", "f32")
    whole = merge(tiny, folder, tmp_path / "merged")
    half = merge(tiny, folder, tmp_path / "half", "bf16")
    name = "model.layers.0.self_attn.q_proj.weight"
    there = checkpoints.open(tmp_path / "merged.gguf").tensor(name).read()
    np.testing.assert_array_equal(there, whole.tensor(name).read())
    assert half.tensor(name).stored == "BF16"


def test_what_does_not_belong_together(tiny: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError) as refused:
        merge(tiny, tiny, tmp_path / "merged")
    assert str(refused.value) == f"{tiny} is no adapter: it has no adapter_config.json"
    folder = adapter(tmp_path / "lora", tiny)
    other = models.folder(tmp_path / "other", "gemma3")
    with pytest.raises(InputError, match=r"and the model has .*: it was made for another model$"):
        merge(other, folder, tmp_path / "merged")
    assert not (tmp_path / "merged").exists()
    with pytest.raises(InputError, match=r"exists already; choose another name or remove it$"):
        merge(tiny, folder, tiny)
