"""What the headers say, against the reference implementations of each format."""

from __future__ import annotations

import shutil
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import torch
from gguf import GGUFReader

from byhand import checkpoints
from byhand.errors import InputError

from . import models
from .gguf_files import llama_tensors, write_gguf


def value(reader: Any, key: str) -> Any:
    return reader.fields[key].contents()


def test_it_says_what_the_reference_reads(smollm2: Path) -> None:
    found, reader = checkpoints.inspect(smollm2), GGUFReader(smollm2)
    assert (found.format, found.architecture) == ("gguf", value(reader, "general.architecture"))
    assert found.licence == value(reader, "general.license") == "apache-2.0"
    assert found.name == value(reader, "general.name")
    assert found.context == value(reader, "llama.context_length")
    assert found.layers == value(reader, "llama.block_count")
    assert found.hidden_size == value(reader, "llama.embedding_length")
    assert found.vocabulary == len(value(reader, "tokenizer.ggml.tokens"))
    assert found.tokenizer == "byte-level BPE"
    assert found.chat_template == value(reader, "tokenizer.chat_template")
    assert found.parameters == sum(int(t.n_elements) for t in reader.tensors) == 134_515_008
    assert {kind: n for kind, (n, _, _) in found.types.items()} == Counter(
        t.tensor_type.name for t in reader.tensors
    )
    assert found.nbytes == sum(int(t.n_bytes) for t in reader.tensors)
    assert [t.name for t in found.tensors] == [t.name for t in reader.tensors]


def test_every_format_of_one_model_says_the_same(tmp_path: Path) -> None:
    source = models.folder(tmp_path / "hf", "llama", torch.bfloat16)
    checkpoints.convert(source, tmp_path / "meta", "pth")
    checkpoints.convert(source, tmp_path / "model.gguf")
    expected = models.model("llama").num_parameters()
    for place in ("hf", "meta", "model.gguf"):
        found = checkpoints.inspect(tmp_path / place)
        assert found.parameters == expected
        assert (found.architecture, found.layers, found.hidden_size) == ("llama", 2, 64)
        assert (found.context, found.vocabulary, found.licence) == (512, 320, "mit")
        assert (found.tokenizer, found.chat_template) == ("byte-level BPE", models.TEMPLATE)
    assert checkpoints.inspect(source).types == {"BF16": (21, expected, 2 * expected)}


def test_single_files(tmp_path: Path) -> None:
    source = models.folder(tmp_path / "hf", "llama-tied")
    checkpoints.convert(source, tmp_path / "meta", "pth")
    for path in (source / "model.safetensors", tmp_path / "meta/consolidated.00.pth"):
        found = checkpoints.inspect(path)
        assert (found.architecture, found.tokenizer) == (None, None)
        # Embedding and head are one storage, so they count once.
        assert found.parameters == models.model("llama-tied").num_parameters()


def test_sentencepiece_is_told_from_bytes(tmp_path: Path) -> None:
    source = models.folder(tmp_path / "hf", "llama", tokenizer="sentencepiece")
    assert checkpoints.inspect(source).tokenizer == "SentencePiece BPE"
    (source / "tokenizer.model").write_bytes(models.sentencepiece_model())
    (source / "tokenizer.json").unlink()
    assert checkpoints.inspect(source).tokenizer == "SentencePiece BPE"
    (source / "tokenizer.model").unlink()
    assert checkpoints.inspect(source).tokenizer is None


def test_other_families_are_inspected_and_not_converted(tmp_path: Path) -> None:
    path = write_gguf(
        tmp_path / "m.gguf", llama_tensors(), {"block_count": 2}, architecture="mamba"
    )
    assert checkpoints.inspect(path).architecture == "mamba"
    with pytest.raises(InputError) as error:
        checkpoints.open(path)
    assert str(error.value) == (
        f"{path}: the architecture 'mamba' is not one that byhand converts; supported are Llama, "
        "Mistral, SmolLM2, TinyLlama, Qwen2, Qwen3 and Gemma 3 (text)"
    )


def test_where_there_is_no_model(tmp_path: Path) -> None:
    missing = tmp_path / "missing"
    with pytest.raises(InputError) as error:
        checkpoints.inspect(missing)
    assert str(error.value) == (
        f"{missing} does not exist; expected a .gguf file or a folder with a model"
    )
    with pytest.raises(InputError) as error:
        checkpoints.inspect(tmp_path)
    assert str(error.value) == (
        f"{tmp_path} holds no model: expected config.json with safetensors, or consolidated.00.pth "
        "with params.json"
    )
    shutil.copy(write_gguf(tmp_path / "a.gguf", llama_tensors()), tmp_path / "b.gguf")
    with pytest.raises(InputError) as error:
        checkpoints.inspect(tmp_path)
    assert str(error.value) == f"{tmp_path} is a folder with a.gguf; name that file"
