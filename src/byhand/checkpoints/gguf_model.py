"""A model in a GGUF file: read into the description that all formats share, and written from it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from math import prod
from pathlib import Path

import numpy as np

from byhand.checkpoints import blocks, gguf_config, gguf_tokenizer, gguf_write, rotary
from byhand.checkpoints.assembly import assembled
from byhand.checkpoints.description import Checkpoint, Config, Tensor
from byhand.checkpoints.families import (
    FAMILIES,
    Family,
    family_of,
    is_norm,
    names,
    rotated_heads,
)
from byhand.checkpoints.ggml_types import BlockType
from byhand.checkpoints.gguf import GGUFHeader, GGUFTensor, read_gguf_header
from byhand.checkpoints.gguf_tokenizer import GGUFTokenizer
from byhand.checkpoints.numbers import DTYPES, Array, to_float32
from byhand.checkpoints.settings import sound
from byhand.checkpoints.shards import shards
from byhand.checkpoints.torch_file import Place
from byhand.checkpoints.writing import Plan, Stored, pieces
from byhand.errors import InputError

EMBEDDING, HEAD, FACTORS = "token_embd.weight", "output.weight", "rope_freqs.weight"
AT_ONCE = 2**22  # numbers taken out of their blocks together
BIASED = {
    "self_attn.q_proj",
    "self_attn.k_proj",
    "self_attn.v_proj",
    "self_attn.o_proj",
}


def open_gguf(path: Path) -> Checkpoint:
    """The model in the file, or in the files that it is a part of.

    Raises      InputError where it is not whole, or of a family that byhand does not convert
    """
    parts = shards(path)
    headers = [read_gguf_header(part) for part in parts]
    header = headers[0]
    found = {
        tensor.name: _tensor(tensor, part)
        for part, in_part in zip(parts, headers, strict=True)
        for tensor in in_part.tensors
    }
    embedding = found.get(EMBEDDING)
    rows = embedding.shape[0] if embedding and embedding.shape else 0
    with sound("description", path):
        config = gguf_config.read(header, rows, HEAD not in found, path)
    family = FAMILIES[config["model_type"]]
    if FACTORS in found:
        config["rope_scaling"] = _llama3(found[FACTORS], config, path)
    _say_biases(config, family, found, path)
    tensors = assembled(config, family, 1, found, path, partial(_adapted, config, family))
    tokenizer = GGUFTokenizer(header.metadata, path)
    return Checkpoint(
        path,
        "gguf",
        config,
        tensors,
        tokenizer if "tokenizer.ggml.model" in header.metadata else None,
        gguf_config.generation(header, config, _ends(header, tokenizer), path),
        gguf_config.about(header.metadata),
    )


def _ends(header: GGUFHeader, tokenizer: GGUFTokenizer) -> list[int]:
    if "tokenizer.ggml.model" not in header.metadata:
        return []
    return tokenizer.vocabulary().ends()


def _tensor(tensor: GGUFTensor, path: Path) -> Tensor:
    place = Place(path, tensor.offset, tensor.type.name, tensor.shape)
    known = tensor.type.name in DTYPES
    read = place.read if known else partial(_from_blocks, place, tensor.type)
    return Tensor(tensor.name, tensor.shape, tensor.type.name, read, place)


def _from_blocks(place: Place, kind: BlockType) -> Array:
    """float32 out of blocks of few bits, some rows at a time."""
    size = prod(place.shape)
    values = np.empty(size, np.float32)
    step = max(1, AT_ONCE // kind.block)
    with place.path.open("rb") as file:
        file.seek(place.offset)
        for first in range(0, size // kind.block, step):
            wanted = min(step, size // kind.block - first)
            raw = np.fromfile(file, np.uint8, wanted * kind.size)
            if raw.size != wanted * kind.size:
                raise InputError(f"{place.path} became shorter while it was read; fetch it again")
            begin = first * kind.block
            values[begin : begin + wanted * kind.block] = _numbers(raw, kind, place.path)
    return values.reshape(place.shape)


def _numbers(raw: Array, kind: BlockType, path: Path) -> Array:
    if kind.name in blocks.LAYOUTS:
        return blocks.numbers(raw, kind.name)
    try:
        from gguf import GGMLQuantizationType
        from gguf.quants import dequantize

        rows = raw.reshape(-1, kind.size)
        return np.asarray(dequantize(rows, GGMLQuantizationType[kind.name]), np.float32).reshape(-1)
    except ImportError:
        raise InputError(
            f"{path} has tensors of the type {kind.name}, which needs the package gguf: "
            "pip install byhand[language]"
        ) from None
    except NotImplementedError:
        raise InputError(
            f"{path} has tensors of the type {kind.name}, which byhand cannot read; "
            "quantize the model to a type such as Q4_K_M"
        ) from None


def _llama3(factors: Tensor, config: Config, path: Path) -> dict[str, object]:
    if factors.shape != (config["head_dim"] // 2,):
        raise InputError(f"{path}: {FACTORS} has {factors.size:,} numbers; fetch the model again")
    scaling = rotary.llama3_scaling(factors.read(), config["rope_theta"])
    if scaling is None:
        raise InputError(
            f"{path}: {FACTORS} scales positions by another rule than Llama 3's, the only one known"
        )
    return scaling


def _say_biases(config: Config, family: Family, found: dict[str, Tensor], path: Path) -> None:
    """Llama's configuration says whether there are biases; all four parts have one, or none."""
    if family.model_type != "llama":
        return
    theirs = {part: gguf for part, gguf, _ in family.inside}
    present = {part for part in theirs if f"blk.0.{theirs[part]}.bias" in found}
    if present not in (set(), BIASED):
        raise InputError(
            f"{path}: biases of {', '.join(sorted(present))} alone are no part of a Llama model"
        )
    config["attention_bias"] = bool(present)


def _adapted(config: Config, family: Family, name: str, tensor: Tensor) -> Tensor:
    """In Hugging Face's layout: rows of Q and K in halves, Gemma's norms without the one."""
    heads = rotated_heads(name, config)
    tensor = replace(tensor, name=name)
    if heads and family.pairs:
        return replace(tensor, read=lambda: rotary.to_halves(tensor.read(), heads))
    if family.norm_offset and is_norm(name):
        offset = np.float32(family.norm_offset)
        return replace(
            tensor,
            stored="F32",
            read=lambda: to_float32(tensor.read(), tensor.dtype) - offset,
        )
    return tensor


def write_gguf_model(
    checkpoint: Checkpoint,
    path: Path,
    plan: Plan,
    stored: Callable[[Tensor], Stored] | None = None,
    file_type: int | None = None,
) -> None:
    """Write the model as one GGUF file: matrices in the planned types, all else in float32.

    stored      how a matrix is stored, where not by the plan
    file_type   GGUF's number for what most matrices are stored in, likewise

    Raises      InputError for settings, or a tokenizer, that GGUF does not know
    """
    config = checkpoint.config
    family = family_of(config, checkpoint.path)
    rows = config["vocab_size"]
    kind = gguf_config.FILE_TYPES[plan.matrices] if file_type is None else file_type
    fields = gguf_config.written(checkpoint, family, kind, rows)
    if checkpoint.tokenizer is not None:
        fields += gguf_tokenizer.written(checkpoint.tokenizer.vocabulary(), rows)
    biased = frozenset(
        part for part, _, _ in family.inside if f"model.layers.0.{part}.bias" in checkpoint.tensors
    )
    tensors = []
    scaling = config["rope_scaling"]
    if scaling and scaling["rope_type"] == "llama3":
        factors = rotary.llama3_factors(scaling, config["rope_theta"], config["head_dim"])
        tensors.append(gguf_write.Written(FACTORS, factors.shape, "F32", [factors]))
    for name, theirs, _ in names(family, config["num_hidden_layers"], biased):
        if name in checkpoint.tensors:
            tensor = _laid_out(checkpoint.tensor(name), config, family)
            if stored is not None and len(tensor.shape) > 1:
                form = stored(tensor)
            else:
                dtype = plan.dtypes[name] if len(tensor.shape) > 1 else "F32"
                form = Stored(dtype, pieces(tensor, dtype))
            tensors.append(gguf_write.Written(theirs, tensor.shape, form.kind, form.pieces))
    gguf_write.write_gguf(path, fields, tensors)


def _laid_out(tensor: Tensor, config: Config, family: Family) -> Tensor:
    """The inverse of `_adapted`."""
    heads = rotated_heads(tensor.name, config)
    if heads and family.pairs:
        return replace(tensor, read=lambda: rotary.to_pairs(tensor.read(), heads))
    if family.norm_offset and is_norm(tensor.name):
        offset = np.float32(family.norm_offset)
        return replace(
            tensor, stored="F32", read=lambda: to_float32(tensor.read(), tensor.dtype) + offset
        )
    return tensor
