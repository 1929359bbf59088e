"""Types beside each other: what is measured is what it is called."""

from __future__ import annotations

import math
import shutil
import tempfile
from collections import namedtuple
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from byhand import checkpoints
from byhand.checkpoints.forward import as_torch
from byhand.errors import ByhandError, InputError
from byhand.language import bits
from byhand.language.bits import measure, windows_of
from byhand.language.tokenizer import Tokenizer

TEXT = "the quick brown fox jumps over the lazy dog, it's 2026 and we'll see 12345. " * 8


@pytest.fixture(autouse=True)
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bits, "WINDOW", 24)
    monkeypatch.setattr(bits, "AT_ONCE", 7)


def predicted(folder: Path, windows: list[tuple[list[int], int]]) -> tuple[Any, Any]:
    """By transformers: logarithms of the probabilities, and the words that came."""
    model, found, came = as_torch(checkpoints.open(folder)), [], []
    with torch.no_grad():
        for ids, first in windows:
            logits = model(torch.tensor([ids])).logits[0].double()
            found.append(torch.log_softmax(logits, -1)[first - 1 : -1].numpy())
            came += ids[first:]
    return np.concatenate(found), np.array(came)


def test_the_measures_are_those_of_transformers(tiny: Path, tmp_path: Path) -> None:
    original, other = measure(tiny, ["q4_0"], TEXT, tokens=60, speed=False)
    checkpoints.quantize(tiny, tmp_path / "other.gguf", "q4_0")
    tokenizer = Tokenizer(checkpoints.open(tiny))
    ids = tokenizer.encode(TEXT, special=False)[:60]
    windows = list(windows_of(ids, tokenizer.encode("")))
    assert [len(ids) for ids, _ in windows] == [25, 25, 13]  # each begins with <s>
    p, came = predicted(tiny, windows)
    q, _ = predicted(tmp_path / "other.gguf", windows)
    assert len(came) == 60
    kl = (np.exp(p) * (p - q)).sum(1)
    for row, predictions in ((original, p), (other, q)):
        loss = -predictions[np.arange(60), came].mean()
        assert row.perplexity == pytest.approx(math.exp(loss), rel=1e-3)
    assert (original.kl, original.kl_99, original.top1) == (0, 0, 1)
    assert other.kl == pytest.approx(kl.mean(), rel=1e-2)
    assert other.kl_99 == pytest.approx(np.quantile(kl, 0.99), rel=1e-2)
    assert other.top1 == pytest.approx((p.argmax(1) == q.argmax(1)).mean())
    assert (original.kind, other.kind, original.speed) == ("original", "q4_0", None)
    assert original.bits == 32
    assert 4.5 < other.bits < 8.5 < other.nbytes * 8 / other.bits


def test_fewer_bits_hurt_more_and_llama_cpp_says_how_fast(
    tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("xllamacpp")
    path = tmp_path / "tiny.gguf"
    checkpoints.convert(tiny, path)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    told: list[str] = []
    rows = list(measure(path, ["q8_0", "q4_1"], TEXT, tokens=50, tell=told.append))
    assert rows[0].kl < rows[1].kl < rows[2].kl
    assert rows[0].nbytes > rows[1].nbytes > rows[2].nbytes
    assert all(row.speed is not None and row.speed > 0 for row in rows)
    assert "q4_1: 50 of 50 tokens" in told
    assert list(tmp_path.iterdir()) == [path]  # the original stays, and nothing else


def test_what_comes_before_a_text_is_not_predicted() -> None:
    assert list(windows_of([5, 6, 7], [1])) == [([1, 5, 6, 7], 1)]
    assert list(windows_of([5, 6, 7], [])) == [([5, 6, 7], 1)]
    whole = list(windows_of([*range(25)], []))
    assert [len(ids) for ids, _ in whole] == [24]  # one token alone predicts nothing


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"kinds": ["q8_0", "q9"]}, "cannot quantize to 'q9'; there is q2_k, q3_k, q4_0, q4_k, "),
        ({"tokens": 1}, "tokens is at least 2, found 1"),
        ({"text": "x"}, "the text has 1 tokens, and two or more are needed"),
    ],
)
def test_wrong_wishes(tiny: Path, options: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError) as refused:
        next(measure(tiny, **{"kinds": ["q8_0"], "text": TEXT} | options))
    assert str(refused.value).startswith(message)


def test_a_disk_without_room(tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    free = namedtuple("usage", "total used free")(10**6, 10**6, 1000)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: free)
    with pytest.raises(ByhandError) as refused:
        next(measure(tiny, ["q8_0"], TEXT, speed=False))
    assert str(refused.value).endswith(
        "for a while and 0.0 GB are free there: make room, set TMPDIR to another disk, or compare "
        "fewer tokens"
    )
