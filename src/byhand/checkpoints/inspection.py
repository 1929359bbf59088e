"""What a file or folder of weights holds, by its headers alone; also of families that byhand does
not convert."""

from __future__ import annotations

import mmap
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

from byhand.checkpoints import huggingface, meta, tiktoken
from byhand.checkpoints.conversion import format_of
from byhand.checkpoints.ggml_types import NAMED
from byhand.checkpoints.gguf import LongArray, read_gguf_header
from byhand.checkpoints.gguf_tokenizer import PREFIX, TEMPLATE
from byhand.checkpoints.safetensors_header import read_safetensors_header
from byhand.checkpoints.shards import shards
from byhand.checkpoints.tokenizer_files import JSON, MODEL, FileTokenizer, read_json
from byhand.checkpoints.torch_file import read_torch_file

BYTE_LEVEL, SENTENCEPIECE = "byte-level BPE", "SentencePiece"
GGUF_KINDS = {"gpt2": BYTE_LEVEL, "llama": f"{SENTENCEPIECE} BPE", "bert": "WordPiece"}
CONSTANTS = ("rope_freqs.weight", "rope.freqs")
MODEL_KIND = re.compile(rb'"type"\s*:\s*"(BPE|Unigram|WordPiece|WordLevel)"')
FALLBACK = re.compile(rb'"byte_fallback"\s*:\s*true')


@dataclass(frozen=True)
class TensorFacts:
    """One tensor: its name, shape and type as they stand in the file, and its bytes there."""

    name: str
    shape: tuple[int, ...]
    type: str
    nbytes: int


@dataclass(frozen=True)
class Inspection:
    """What the headers say; None where they say nothing.

    types       for each type of the tensors: how many there are, their numbers, their bytes
    """

    path: Path
    format: str
    architecture: str | None
    name: str | None
    licence: str | None
    parameters: int
    nbytes: int
    types: Mapping[str, tuple[int, int, int]]
    tensors: tuple[TensorFacts, ...]
    layers: int | None
    hidden_size: int | None
    context: int | None
    tokenizer: str | None
    vocabulary: int | None
    chat_template: str | None


def inspect(path: str | Path) -> Inspection:
    """Read the headers of a .gguf, .safetensors or .pth file, or of a folder of Hugging Face's or
    Meta's.

    Raises      InputError where there is none, or it is not whole
    """
    path = Path(path)
    form = format_of(path)
    if form == "gguf":
        return _gguf(path)
    if path.is_file():
        found = _torch([path]) if form == "pth" else _safetensors([path])
        return _made(path, form, found, {}, None)
    if form == "pth":
        return _meta(path)
    config = read_json(path / huggingface.CONFIG)
    tensors = _safetensors(huggingface.shard_files(path))
    return _made(path, form, tensors, config, FileTokenizer.of(path))


def _gguf(path: Path) -> Inspection:
    headers = [read_gguf_header(part) for part in shards(path)]
    header, metadata = headers[0], headers[0].metadata
    tensors = [
        TensorFacts(t.name, t.shape, t.type.name, t.nbytes) for h in headers for t in h.tensors
    ]
    kind = metadata.get(f"{PREFIX}model")
    words, template = metadata.get(f"{PREFIX}tokens"), metadata.get(TEMPLATE)
    return Inspection(
        path,
        "gguf",
        _text(header.architecture),
        _text(metadata.get("general.name")),
        _text(metadata.get("general.license")),
        **_counted(tensors),
        layers=_count(header.field("block_count")),
        hidden_size=_count(header.field("embedding_length")),
        context=_count(header.field("context_length")),
        tokenizer=GGUF_KINDS.get(kind, _text(kind)) if isinstance(kind, str) else None,
        vocabulary=len(words) if isinstance(words, list | LongArray) else None,
        chat_template=_text(template),
    )


def _meta(path: Path) -> Inspection:
    params = read_json(path / meta.PARAMS)
    tensors = _torch(sorted(path.glob("consolidated.*.pth")))
    beside = path / huggingface.CONFIG
    config = read_json(beside) if beside.is_file() else {}
    words = next((t.shape[0] for t in tensors if t.name == meta.EMBEDDING and t.shape), None)
    known = {
        "model_type": config.get("model_type", "llama"),
        "num_hidden_layers": params.get("n_layers"),
        "hidden_size": params.get("dim"),
        "vocab_size": words if params.get("vocab_size", -1) == -1 else params["vocab_size"],
    }
    return _made(path, "pth", tensors, config | known, FileTokenizer.of(path))


def _made(
    path: Path,
    form: str,
    tensors: list[TensorFacts],
    config: Mapping[str, Any],
    tokenizer: FileTokenizer | None,
) -> Inspection:
    about = huggingface.about(path, config) if path.is_dir() else {}
    text = config.get("text_config")
    inner: Mapping[str, Any] = text if isinstance(text, dict) else config
    return Inspection(
        path,
        form,
        _text(config.get("model_type")),
        about.get("name"),
        about.get("licence"),
        **_counted(tensors),
        layers=_count(inner.get("num_hidden_layers")),
        hidden_size=_count(inner.get("hidden_size")),
        context=_count(inner.get("max_position_embeddings")),
        tokenizer=None if tokenizer is None else _kind(tokenizer.folder),
        vocabulary=_count(inner.get("vocab_size")),
        chat_template=None if tokenizer is None else tokenizer.chat_template,
    )


def _counted(tensors: list[TensorFacts]) -> dict[str, Any]:
    numbers, counts, sizes = Counter[str](), Counter[str](), Counter[str]()
    for tensor in tensors:
        counts[tensor.type] += 1
        numbers[tensor.type] += prod(tensor.shape)
        sizes[tensor.type] += tensor.nbytes
    return {
        "parameters": sum(prod(t.shape) for t in tensors if t.name not in CONSTANTS),
        "nbytes": sizes.total(),
        "types": {kind: (counts[kind], numbers[kind], sizes[kind]) for kind in counts},
        "tensors": tuple(tensors),
    }


def _safetensors(paths: Iterable[Path]) -> list[TensorFacts]:
    return [
        TensorFacts(t.name, t.shape, t.dtype, t.nbytes)
        for path in paths
        for t in read_safetensors_header(path).tensors
    ]


def _torch(paths: Iterable[Path]) -> list[TensorFacts]:
    """Names of one storage count once, and slices of one matrix are listed one by one."""
    found: dict[object, TensorFacts] = {}
    for path in paths:
        for name, tensor in read_torch_file(path).items():
            nbytes = tensor.size * NAMED[tensor.stored].size
            found.setdefault(tensor.home, TensorFacts(name, tensor.shape, tensor.stored, nbytes))
    return list(found.values())


def _kind(folder: Path) -> str:
    """The kind of tokenizer, without reading a list of hundreds of thousands of words."""
    model, description = folder / MODEL, folder / JSON
    if not description.is_file():
        with model.open("rb") as file:
            head = file.read(4096)
        return BYTE_LEVEL if tiktoken.looks_like(head) else GGUF_KINDS["llama"]
    if not description.stat().st_size:
        return "unknown"
    with (
        description.open("rb") as file,
        mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content,
    ):
        kind = MODEL_KIND.search(content)
        if kind is None:
            return "unknown"
        if kind[1] != b"BPE":
            return kind[1].decode()
        # These stand before the words.
        near = FALLBACK.search(content, kind.start(), kind.start() + 1000)
        return GGUF_KINDS["llama"] if near else BYTE_LEVEL


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None


def _count(value: object) -> int | None:
    return value if type(value) is int and value > 0 else None
