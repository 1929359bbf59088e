"""Blocks of few bits: as the reference implementation makes them, and as llama.cpp reads them."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from gguf import GGMLQuantizationType, GGUFReader
from gguf.quants import quantize

from byhand import checkpoints
from byhand.checkpoints.forward import as_torch
from byhand.checkpoints.quantization import FILE_TYPES
from byhand.errors import InputError

from . import models
from .gguf_files import LLAMA, llama_tensors, write_gguf


@pytest.mark.parametrize("kind", FILE_TYPES)
def test_each_type_is_what_llama_cpp_reads(tmp_path: Path, kind: str) -> None:
    source = models.folder(tmp_path / "hf", "qwen3")
    path = tmp_path / "model.gguf"
    made = checkpoints.quantize(source, path, kind.lower())
    up = "model.layers.0.mlp.up_proj.weight"
    stored = {name: tensor.stored for name, tensor in made.tensors.items()}
    assert (stored[up], stored["model.embed_tokens.weight"]) == (kind, "Q8_0")
    assert {kind for name, kind in stored.items() if "norm" in name} == {"F32"}
    # llama.cpp rounds the other factor of a product to 8 bits as well.
    models.check_llama_cpp(path, models.logits(as_torch(made)), most=0.6)
    reader = GGUFReader(path)
    assert reader.fields["general.file_type"].contents() == FILE_TYPES[kind]
    raw = next(t for t in reader.tensors if t.name == "blk.0.ffn_up.weight")
    values = checkpoints.open(source).tensor(up).read()
    assert np.array_equal(raw.data, quantize(values, GGMLQuantizationType[kind]))


def test_fewer_bits_are_further_from_the_original(tmp_path: Path) -> None:
    source = models.folder(tmp_path / "hf", "llama")
    kls = []
    for kind in ("q8_0", "q5_1", "q4_0"):
        checkpoints.quantize(source, tmp_path / f"{kind}.gguf", kind)
        found = checkpoints.verify(source, tmp_path / f"{kind}.gguf")
        assert found.reason is not None
        assert found.reason.endswith("Q8_0 stores it in blocks of few bits")  # of the embedding
        assert found.kl is not None
        kls.append(found.kl)
    assert kls == sorted(kls)


def test_rows_that_do_not_fit_stay_in_float16(tmp_path: Path) -> None:
    source = models.folder(tmp_path / "hf", "gemma3")
    made = checkpoints.quantize(source, tmp_path / "model.gguf", "q4_0")
    # 48 wide: one and a half blocks; what enters from 64 heads' numbers fits.
    assert made.tensor("model.layers.0.mlp.up_proj.weight").stored == "F16"
    assert made.tensor("model.layers.0.self_attn.o_proj.weight").stored == "Q4_0"


@pytest.mark.parametrize(
    ("destination", "kind", "message"),
    [
        ("m.gguf", "q4_k", "cannot quantize to 'q4_k'; did you mean q4_1?"),
        ("m.gguf", "int3", "cannot quantize to 'int3'; there is q4_0, q4_1, q8_0, q5_0, q5_1"),
        ("m", "q8_0", "m has to end in .gguf: other formats have no such blocks"),
    ],
)
def test_wrong_wishes(tmp_path: Path, destination: str, kind: str, message: str) -> None:
    with pytest.raises(InputError) as error:
        checkpoints.quantize(tmp_path / "hf", tmp_path / destination, kind)
    assert str(error.value).endswith(message)


def test_without_the_package_of_the_blocks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "gguf.quants", None)
    with pytest.raises(InputError) as error:
        checkpoints.quantize(tmp_path / "hf", tmp_path / "m.gguf", "q8_0")
    assert str(error.value) == (
        "to quantize the package gguf is needed: pip install byhand[language]"
    )


def test_types_that_only_the_package_knows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tensors = llama_tensors("MXFP4")
    del tensors["rope_freqs.weight"]
    path = write_gguf(tmp_path / "m.gguf", tensors, LLAMA)
    tensor = checkpoints.open(path).tensor("model.layers.0.mlp.up_proj.weight")
    assert not tensor.read().any()
    monkeypatch.setitem(sys.modules, "gguf", None)
    with pytest.raises(InputError) as error:
        tensor.read()
    assert str(error.value) == (
        f"{path} has tensors of the type MXFP4, which needs the package gguf: "
        "pip install byhand[language]"
    )
