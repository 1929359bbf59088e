from __future__ import annotations

import re
from pathlib import Path

import pytest
import torch

from byhand import checkpoints, napkin
from byhand.errors import InputError
from byhand.language import memory
from byhand.language.building import build
from byhand.language.decoder import Cache
from byhand.language.kernels import Int8, Plain
from byhand.napkin.inference import Setting, infer

from ..checkpoints import models

GB = 10**9


@pytest.mark.parametrize("dtype", ["f32", "bf16"])
@pytest.mark.parametrize("context", [4, 256])
@pytest.mark.parametrize("name", ["llama", "llama-tied", "qwen2", "gemma3"])
def test_weights_and_cache_are_those_of_the_napkin(
    tmp_path: Path, name: str, context: int, dtype: str
) -> None:
    path = models.folder(tmp_path, name)
    found = memory.needed(checkpoints.open(path), context, dtype)
    terms = {q.symbol: q.value for q in infer(
        napkin.load(str(path)), Setting(dtype=dtype, context=context)).results}  # fmt: skip
    assert (found.weights, found.cache) == (terms["W"], terms["KV"])


def test_weights_and_cache_of_a_published_model(smollm2: Path) -> None:
    found = memory.needed(checkpoints.open(smollm2), 2048, "bf16")
    terms = {q.symbol: q.value for q in infer(
        napkin.load(str(smollm2)), Setting(dtype="bf16", context=2048)).results}  # fmt: skip
    assert (found.weights, found.cache) == (terms["W"], terms["KV"])
    assert found.weights == 2 * 134_515_008
    assert found.cache == 2 * 30 * 3 * 64 * 2 * 2048


@pytest.mark.parametrize("dtype", ["f32", "bf16", "int8"])
@pytest.mark.parametrize("name", ["llama", "llama-tied", "qwen2", "qwen3", "gemma3"])
def test_what_is_predicted_is_what_is_held(tmp_path: Path, name: str, dtype: str) -> None:
    checkpoint = checkpoints.open(models.folder(tmp_path, name))
    found = memory.needed(checkpoint, 100, dtype)
    decoder = build(checkpoint, 100, dtype, torch.device("cpu"))
    cache = Cache(decoder, 100)
    held = sum(layer.keys.nbytes + layer.values.nbytes for layer in cache.layers)
    assert found.cache == held
    parts = {id(m): m for m in (decoder.embedding, decoder.head)}
    weights = decoder.norm.nbytes
    for part in (*parts.values(), *(p for block in decoder.blocks for p in vars(block).values())):
        if isinstance(part, Int8 | Plain | torch.Tensor):
            weights += part.nbytes
    assert found.weights == weights


def test_what_does_not_fit_is_refused_with_the_sum(smollm2: Path) -> None:
    checkpoint = checkpoints.open(smollm2)
    need = memory.check(checkpoint, 8192, "f32", 3 * GB)
    assert need.total == need.weights + need.cache + need.working + need.libraries
    with pytest.raises(InputError) as refused:
        memory.check(checkpoint, 8192, "f32", GB)
    assert re.fullmatch(
        r".*smollm2-135m-instruct.gguf as f32 with a context of 8,192 needs 1\.5 GB \(weights 0\.5 "
        r"\+ cache 0\.4 \+ working set 0\.2 \+ libraries 0\.4\) and 1\.0 GB are free; int8 "
        r"\(8 bits a weight\) fits|.*a context of [0-9,]+ fits",
        str(refused.value),
    ), refused.value


def test_the_advice_is_the_first_that_fits(tiny: Path) -> None:
    checkpoint = checkpoints.open(tiny)
    fixed = memory.LIBRARIES + memory.needed(checkpoint, 512, "f32").working
    weights = {dtype: memory.needed(checkpoint, 512, dtype).weights for dtype in ("f32", "int8")}
    cache = memory.needed(checkpoint, 512, "f32").cache

    def advice(free: int) -> str:
        with pytest.raises(InputError) as refused:
            memory.check(checkpoint, 512, "f32", free)
        return str(refused.value).rpartition("; ")[2]

    assert advice(fixed + weights["int8"] + cache // 2 + 1) == "int8 (8 bits a weight) fits"
    assert advice(cache // 2 + checkpoint.parameters * 34 // 32 + 1) == (
        "a GGUF of Q8_0 (8.5 bits a weight) fits, in llama.cpp"
    )
    assert advice(cache // 2 + checkpoint.parameters * 18 // 32 + 1) == (
        "a GGUF of Q4_0 (4.5 bits a weight) fits, in llama.cpp"
    )
    assert advice(1000) == (
        "none of the quantisations fits: take a smaller model, or a machine with more memory"
    )


def test_a_shorter_context_is_the_first_advice(smollm2: Path) -> None:
    checkpoint = checkpoints.open(smollm2)
    half = memory.needed(checkpoint, 4096, "bf16").total
    with pytest.raises(InputError, match=r"; a context of 4,096 fits$"):
        memory.check(checkpoint, 8192, "bf16", half)
