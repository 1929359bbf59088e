"""A run of ours as a MODEL: from a text that it was trained on to a service that completes one."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from byhand.serving import local
from byhand.serving.ingress import make_app
from byhand.serving.language import LanguageReplica
from byhand.serving.settings import Service

from ..language.conftest import one_thread, own_cache
from ..serving.calls import Parrot, ask

__all__ = ["one_thread", "own_cache"]
RECIPE = """
title = "Cats and dogs"
loss = "softmax_cross_entropy"
data = { text = "cats.txt", steps = 16 }
model = { kind = "gpt", width = 16, depth = 2, heads = 4, MODEL }
optimizer = { name = "adamw", learning_rate = 0.01 }
training = { epochs = 1, steps_per_epoch = 60, batch_size = 8 }
"""
LLAMA = 'positions = "rotary", norm = "rms", feed_forward = "swiglu"'
HOW = ("--prompt", "the c", "--max-tokens", "8", "--temperature", "0", "--dtype", "f32")


class Direct(Parrot):
    """A replica without Ray between."""

    def __init__(self, source: str) -> None:
        super().__init__()
        self.replica = LanguageReplica(source, 2, None, 1)

    def answer(self, wish: dict[str, Any]) -> Any:
        return self.replica.answer(wish)


@pytest.fixture
def cats(byhand: Any, folder: Path) -> Iterator[str]:
    """The name of a run that is a Llama."""
    (folder / "cats.txt").write_text("the cat sat on the mat.\nthe dog, too!\n" * 30, "utf-8")
    (folder / "cats.toml").write_text(RECIPE.replace("MODEL", LLAMA), "utf-8")
    assert byhand("train", "cats.toml").exit_code == 0
    yield "cats"
    torch.set_num_threads(1)


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> list[Service]:
    """What would be served."""
    found: list[Service] = []
    monkeypatch.setattr(local, "run", lambda service, address, say: found.append(service))
    return found


def test_a_run_goes_on_with_a_text_as_its_export_does(
    byhand: Any, cats: str, own_cache: Path
) -> None:
    result = byhand("generate", cats, *HOW)
    assert (result.exit_code, result.stderr) == (0, "")
    (cached,) = (own_cache / "models").iterdir()
    written = (cached / "model.safetensors").stat().st_mtime_ns
    assert byhand("export", cats, "--to", "huggingface", "--output", "llama").exit_code == 0
    exported = byhand("generate", "llama", *HOW)
    assert exported.stdout == result.stdout
    assert byhand("generate", "runs/cats", *HOW).stdout == result.stdout
    # It is written once.
    assert (cached / "model.safetensors").stat().st_mtime_ns == written
    assert len(list((own_cache / "models").iterdir())) == 1
    ours = json.loads(byhand("sample", cats, "--prompt", "the c", "--next", "--json").stdout)
    assert result.stdout.startswith(ours[0]["character"])


def test_a_run_does_not_chat(byhand: Any, cats: str) -> None:
    result = byhand("chat", cats)
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr == (
        "error: cats has no chat template, so it goes on with a text and does not answer: use "
        "byhand generate, or an instruct model\n"
    )


def test_a_run_is_served_for_completions(byhand: Any, cats: str, served: list[Service]) -> None:
    expected = byhand("generate", cats, *HOW[:6], "--dtype", "bf16").stdout
    byhand("train", "points.toml", "--epochs", "1")
    result = byhand("serve", cats, "small=runs/cats", "points", "--cpus-per-replica", "0.1")
    assert (result.exit_code, result.stderr) == (0, "")
    models = {model.name: model for model in served[0].models}
    assert {name: model.kind for name, model in models.items()} == {
        "cats": "language",
        "small": "language",
        "points": "classifier",
    }
    assert models["cats"].source == models["small"].source
    handle = Direct(models["cats"].source)
    app = make_app({"cats": handle})
    try:
        body = {"model": "cats", "prompt": "the c", "max_tokens": 8, "temperature": 0}
        said = ask(app, "/v1/completions", body)
        assert (said.status, said.json["choices"][0]["text"] + "\n") == (200, expected)
        messages = [{"role": "user", "content": "the c"}]
        refused = ask(app, "/v1/chat/completions", {"model": "cats", "messages": messages})
    finally:
        handle.replica.engine.close()
    assert refused.status == 400
    assert refused.json["error"]["message"] == (
        "this model has no chat template, so it goes on with a text and does not answer: ask "
        "/v1/completions"
    )


def test_a_run_that_is_no_llama(byhand: Any, folder: Path, cats: str) -> None:
    (folder / "other.toml").write_text(RECIPE.replace("MODEL", 'norm = "layer"'), "utf-8")
    byhand("train", "other.toml", "--epochs", "1")
    byhand("train", "points.toml", "--epochs", "1")
    result = byhand("generate", "other", *HOW)
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith("error: other opens as no published model does (--to ")
    assert result.stderr.endswith("); byhand sample other takes it as it is\n")
    result = byhand("generate", "points", *HOW)
    assert result.exit_code == 2
    assert result.stderr.endswith("); byhand predict points takes it as it is\n")
