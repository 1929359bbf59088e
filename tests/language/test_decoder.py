"""Every family against transformers: many tokens at once, in pieces, and one by one."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from byhand import checkpoints
from byhand.errors import InputError
from byhand.language import decoder as decoding
from byhand.language.building import build
from byhand.language.decoder import Cache, Decoder

from ..checkpoints import models

IDS = [*models.PROMPT, *range(100, 118)]
CPU = torch.device("cpu")


def decoder(path: Path, dtype: str = "f32") -> Decoder:
    return build(checkpoints.open(path), 64, dtype, CPU)


def expected(path: Path) -> torch.Tensor:
    return torch.from_numpy(models.logits(models.loaded(path), tuple(IDS)))


@pytest.fixture(scope="module", params=models.CONFIGS)
def family(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return models.folder(tmp_path_factory.mktemp("family"), request.param)


def test_the_logits_are_those_of_transformers(
    family: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    theirs = expected(family)
    ours = decoder(family)
    whole = ours.logits(IDS, Cache(ours, 64), every=True)
    torch.testing.assert_close(whole, theirs, rtol=1e-4, atol=1e-4)

    monkeypatch.setattr(decoding, "PIECE", 11)
    pieces = ours.logits(IDS, Cache(ours, 64), every=True)
    torch.testing.assert_close(pieces, theirs, rtol=1e-4, atol=1e-4)

    cache = Cache(ours, 64)
    ours.logits(IDS[:5], cache)
    steps = torch.stack([ours.logits([k], cache) for k in IDS[5:]])
    torch.testing.assert_close(steps, theirs[5:], rtol=1e-4, atol=1e-4)
    assert cache.ids == IDS


@pytest.mark.parametrize("scaling", [{"rope_type": "linear", "factor": 4.0}, {
    "rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 128}])  # fmt: skip
def test_stretched_positions(tmp_path: Path, scaling: dict[str, object]) -> None:
    path = models.folder(tmp_path, "llama")
    config = models.transformers.AutoConfig.from_pretrained(path)
    config.rope_parameters = scaling | {"rope_theta": 10_000.0}
    config.save_pretrained(path)
    ours = decoder(path)
    found = ours.logits(IDS, Cache(ours, 64), every=True)
    torch.testing.assert_close(found, expected(path), rtol=1e-4, atol=1e-4)


def test_a_window_in_every_layer(tmp_path: Path) -> None:
    path = models.folder(tmp_path, "mistral")
    config = models.transformers.AutoConfig.from_pretrained(path)
    config.sliding_window = 7
    config.save_pretrained(path)
    ours = decoder(path)
    cache = Cache(ours, 64)
    assert {layer.size for layer in cache.layers} == {7}
    ours.logits(IDS[:20], cache)
    steps = torch.stack([ours.logits([k], cache) for k in IDS[20:]])
    torch.testing.assert_close(steps, expected(path)[20:], rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", ["llama", "gemma3"])
def test_tokens_that_are_forgotten_are_as_if_never_seen(tmp_path: Path, name: str) -> None:
    ours = decoder(models.folder(tmp_path, name))
    cache = Cache(ours, 64)
    ours.logits(IDS[:20], cache)
    cache.keep(12)
    # Gemma's windows of 8 have forgotten what the twelve tokens left behind.
    assert len(cache.ids) == (12 if name == "llama" else 0)
    again = ours.logits([7, 8, 9], cache)
    fresh = ours.logits([*IDS[:12], 7, 8, 9] if name == "llama" else [7, 8, 9], Cache(ours, 64))
    torch.testing.assert_close(again, fresh, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", ["llama", "llama-tied", "qwen2", "gemma3"])
def test_eight_bits_do_little_beside_rounding_to_bfloat16(tmp_path: Path, name: str) -> None:
    path = models.folder(tmp_path, name)
    theirs = expected(path)
    errors = {}
    for dtype in ("bf16", "int8"):
        ours = decoder(path, dtype)
        many, cache = ours.logits(IDS, Cache(ours, 64), every=True), Cache(ours, 64)
        steps = torch.stack([ours.logits([k], cache) for k in IDS])
        errors[dtype] = [float((found - theirs).norm()) for found in (many, steps)]
    assert max(errors["int8"]) < 3 * max(errors["bf16"])
    assert min(errors["int8"]) > 0


@pytest.mark.parametrize("activation", ["relu", None, []])
def test_an_activation_that_is_not_known(tmp_path: Path, activation: object) -> None:
    path = models.folder(tmp_path, "llama") / "config.json"
    config = json.loads(path.read_text("utf-8")) | {"hidden_act": activation}
    path.write_text(json.dumps(config), "utf-8")
    with pytest.raises(InputError) as refused:
        decoder(tmp_path)
    assert str(refused.value) == (
        f"the activation {activation!r} is not one that byhand computes; there is silu, gelu, "
        "gelu_pytorch_tanh"
    )
