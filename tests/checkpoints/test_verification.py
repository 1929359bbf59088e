"""Two models beside each other: what usually goes wrong in a conversion is found and named."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from byhand import checkpoints
from byhand.checkpoints.rotary import to_pairs
from byhand.errors import InputError

from . import models

State = dict[str, torch.Tensor]
Q = "model.layers.1.self_attn.q_proj.weight"
O = "model.layers.1.self_attn.o_proj.weight"  # noqa: E741


def changed(
    tmp_path: Path, change: Callable[[State], None], name: str = "llama"
) -> tuple[Path, Path]:
    """A model, and a copy whose tensors were changed."""
    source = models.folder(tmp_path / "a", name)
    shutil.copytree(source, tmp_path / "b")
    state = load_file(source / "model.safetensors")
    change(state)
    state = {name: tensor.contiguous() for name, tensor in state.items()}
    save_file(state, tmp_path / "b/model.safetensors", metadata={"format": "pt"})
    return source, tmp_path / "b"


def settings(folder: Path, **values: object) -> None:
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | values))


def permute(state: State) -> None:
    state[Q] = torch.from_numpy(to_pairs(state[Q].numpy(), 4))


def shuffle(state: State) -> None:
    state[O] = state[O].flip(0)


def transpose(state: State) -> None:
    state[O] = state[O].T


def add_one(state: State) -> None:
    state["model.norm.weight"] += 1


def halve(state: State) -> None:
    for name in state:
        state[name] = state[name].bfloat16()


def disturb(state: State) -> None:
    state["model.layers.0.mlp.up_proj.weight"] += torch.randn(96, 64)


@pytest.mark.parametrize(
    ("change", "first", "reason"),
    [
        (
            permute,
            "layer 1",
            f"{Q}: permutation: rows of Q and K are in the order of rotary halves ",
        ),
        (shuffle, "layer 1", f"{O}: permutation: the same rows in another order"),
        (transpose, "layer 1", f"{O}: transpose: rows and columns are exchanged"),
        (add_one, "layer 1", "model.norm.weight: norm: 1 was added to one of them"),
        (disturb, "layer 0", "model.layers.0.mlp.up_proj.weight: other numbers"),
    ],
)
def test_what_went_wrong_is_named(
    tmp_path: Path, change: Callable[[State], None], first: str, reason: str
) -> None:
    a, b = changed(tmp_path, change)
    found = checkpoints.verify(a, b)
    assert not found.agree
    assert found.first == first
    assert found.reason is not None
    assert found.reason.startswith(reason)
    assert found.layers is not None
    assert len(found.layers) == 3
    assert found.kl is not None
    assert found.kl > 0.01


def test_rounding_is_no_difference(tmp_path: Path) -> None:
    a, b = changed(tmp_path, halve)
    found = checkpoints.verify(a, b)
    assert found.agree
    assert found.first is None
    assert {t.verdict for t in found.tensors} == {"rounded"}
    assert found.reason is not None
    assert found.reason.endswith("dtype: BF16 holds what F32 gives, rounded to bfloat16")


def test_a_missing_bias_is_named(tmp_path: Path) -> None:
    def drop(state: State) -> None:
        for name in [name for name in state if name.endswith(".bias")]:
            del state[name]

    a, b = changed(tmp_path, drop, "llama-biased")
    settings(b, attention_bias=False)
    found = checkpoints.verify(a, b)
    assert not found.agree
    assert found.first == "layer 0"
    missing = next(t for t in found.tensors if t.verdict == "different")
    assert missing.reason == f"missing bias: only {a} has it"


def test_an_untied_head_is_named(tmp_path: Path) -> None:
    def drop(state: State) -> None:
        del state["lm_head.weight"]

    a, b = changed(tmp_path, drop)
    settings(b, tie_word_embeddings=True)
    found = checkpoints.verify(a, b)
    assert not found.agree
    assert found.first == "lm_head.weight"
    assert found.reason == (
        f"lm_head.weight: untied head: only {a} has a head of its own, the other uses the embedding"
    )
    assert found.layers == (0.0, 0.0, 0.0)


def test_a_setting_alone_makes_the_difference(tmp_path: Path) -> None:
    a, b = changed(tmp_path, lambda state: None)
    settings(b, rope_parameters={"rope_type": "default", "rope_theta": 3.0})
    found = checkpoints.verify(a, b)
    assert found.settings == (("rope_theta", 10_000.0, 3.0),)
    assert found.tensors == ()
    assert not found.agree
    assert found.first == "layer 0"
    assert found.reason == "rope_theta is 10000.0 and 3.0"


def test_conversions_are_identical_and_need_no_run(tmp_path: Path) -> None:
    a = models.folder(tmp_path / "a", "qwen3")
    checkpoints.convert(a, tmp_path / "b.gguf")
    found = checkpoints.verify(a, tmp_path / "b.gguf")
    assert found.identical
    assert found.agree
    assert found.tokens_agree
    assert found.layers is None
    run = checkpoints.verify(a, tmp_path / "b.gguf", prompt="the quick brown fox")
    assert run.layers == (0.0, 0.0, 0.0)
    assert (run.kl, run.top1) == (0.0, 1.0)


def test_tokenizers_are_compared(tmp_path: Path) -> None:
    a, b = changed(tmp_path, lambda state: None)
    tokenizer = json.loads((b / "tokenizer.json").read_text())
    tokenizer["model"]["merges"] = []
    (b / "tokenizer.json").write_text(json.dumps(tokenizer))
    found = checkpoints.verify(a, b)
    assert found.identical
    assert found.tokens_agree is False
    assert not found.agree


def test_a_damaged_tokenizer_is_named(tmp_path: Path) -> None:
    source = models.folder(tmp_path / "a", "llama")
    shutil.copytree(source, tmp_path / "b")
    (tmp_path / "b/tokenizer.json").write_text('{"model": 3', "utf-8")
    with pytest.raises(InputError) as error:
        checkpoints.verify(source, tmp_path / "b")
    assert str(error.value).startswith(f"{tmp_path / 'b'}: tokenizer.json cannot be read (")
    assert str(error.value).endswith("); fetch it again")


def test_families_are_not_mixed(tmp_path: Path) -> None:
    a, b = models.folder(tmp_path / "a", "llama"), models.folder(tmp_path / "b", "qwen3")
    with pytest.raises(InputError) as error:
        checkpoints.verify(a, b)
    assert str(error.value) == (
        f"{a} is a LlamaForCausalLM and {b} a Qwen3ForCausalLM: they cannot be compared"
    )


def test_without_transformers_the_tensors_decide(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    a, b = changed(tmp_path, disturb)
    monkeypatch.setitem(sys.modules, "transformers", None)
    found = checkpoints.verify(a, b)
    assert found.notes == (
        "not run: to run a model PyTorch and transformers are needed: pip install byhand[language]",
    )
    assert not found.agree
    assert found.first == "layer 0"
