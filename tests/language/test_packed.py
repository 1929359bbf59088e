"""Weights of eight bits that are kept: the same numbers, and only while they are of this model."""

from __future__ import annotations

import errno
import logging
from pathlib import Path

import pytest
import torch

from byhand import checkpoints
from byhand.language import load, packed
from byhand.language.kernels import has_int8
from byhand.language.model import Model

pytestmark = pytest.mark.skipif(not has_int8(), reason="no kernel for eight bits here")


@pytest.fixture
def gguf(tiny: Path, tmp_path: Path) -> Path:
    checkpoints.convert(tiny, tmp_path / "tiny.gguf")
    return tmp_path / "tiny.gguf"


def logits(model: Model) -> torch.Tensor:
    return model.logits([3, 40, 7, 250, 9])


def kept(cache: Path) -> Path:
    (found,) = (cache / "models").glob("*.int8.safetensors")
    return found


def test_what_is_kept_is_what_was_rounded(
    gguf: Path, own_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = logits(load(gguf, "cpu", "int8"))
    written = kept(own_cache).stat().st_mtime_ns
    monkeypatch.setattr("byhand.language.kernels.Int8.rounded", None)  # nothing is left to round
    assert torch.equal(logits(load(gguf, "cpu", "int8")), first)
    assert kept(own_cache).stat().st_mtime_ns == written


def test_other_dtypes_and_folders_keep_nothing(gguf: Path, tiny: Path, own_cache: Path) -> None:
    load(gguf, "cpu", "bf16")
    load(tiny, "cpu", "int8")
    assert not list(own_cache.glob("models/*.int8.safetensors"))


@pytest.mark.parametrize("harm", ["damaged", "of another"])
def test_what_does_not_fit_is_made_again(
    gguf: Path, own_cache: Path, harm: str, caplog: pytest.LogCaptureFixture
) -> None:
    first = logits(load(gguf, "cpu", "int8"))
    path = kept(own_cache)
    arrays, _ = packed.read_tensors(path)
    if harm == "damaged":
        whole = path.read_bytes()
        path.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    else:
        packed.write_tensors(path, {name: 0 * a for name, a in arrays.items()}, {"of": "another"})
    with caplog.at_level(logging.WARNING):
        assert torch.equal(logits(load(gguf, "cpu", "int8")), first)
    warned = [message for message in caplog.messages if path.name in message]
    assert warned == [f"{path.name} is damaged: rounding the weights again"] * (harm == "damaged")
    again, _ = packed.read_tensors(path)
    assert all((again[name] == values).all() for name, values in arrays.items())


@pytest.mark.parametrize("reason", ["large", "full"])
def test_a_model_opens_where_nothing_can_be_kept(
    gguf: Path,
    own_cache: Path,
    reason: str,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    if reason == "large":
        monkeypatch.setattr(packed, "MOST", 1000)
    else:
        monkeypatch.setattr(packed, "write_tensors", full)
    with caplog.at_level(logging.WARNING):
        assert logits(load(gguf, "cpu", "int8")).shape == (5, 320)
    assert not list(own_cache.glob("models/*.int8.safetensors"))
    said = [message for message in caplog.messages if "is not kept" in message]
    assert len(said) == (reason == "full")
