"""A model in a folder as Meta has it: consolidated.00.pth …, params.json, tokenizer.model.

Each file holds a slice of every matrix, for one of several machines. What params.json cannot say
(the context, the chat template) is looked for in Hugging Face's small files beside it.

Source      `llama/model.py` and `generation.py` of Meta's llama and llama3.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from math import prod
from pathlib import Path
from typing import Any

import numpy as np

from byhand.checkpoints import huggingface, rotary
from byhand.checkpoints.assembly import assembled
from byhand.checkpoints.description import Checkpoint, Config, Tensor
from byhand.checkpoints.families import Family, family_of, names, rotated_heads
from byhand.checkpoints.numbers import DTYPES, Array
from byhand.checkpoints.settings import normalised, sound
from byhand.checkpoints.tokenizer_files import (
    MODEL,
    FileTokenizer,
    as_json,
    model_file,
    read_json,
)
from byhand.checkpoints.torch_file import Place, read_torch_file, write_torch_file
from byhand.checkpoints.writing import AT_ONCE, Plan, pieces
from byhand.errors import InputError

PARAMS, FIRST = "params.json", "consolidated.00.pth"
NUMBERED = re.compile(r"consolidated\.(\d\d)\.pth")
EMBEDDING, HEAD = "tok_embeddings.weight", "output.weight"
OF_LLAMA_3 = 128_256  # words
SCALED_CONTEXT, SCALED_FROM = 131_072, 8192
SMALL_32 = 3072  # the width of Llama 3.2 3B, the largest whose frequencies are divided by 32


def open_meta(folder: Path) -> Checkpoint:
    """The model in the folder.

    Raises      InputError where a file is missing or not whole
    """
    params = read_json(folder / PARAMS)
    parts = [read_torch_file(path) for path in _files(folder)]
    found = _joined(parts, params, folder)
    with sound(PARAMS, folder):
        config = _config(params, found, folder)
    family = family_of(config, folder)
    tensors = assembled(config, family, 2, found, folder, partial(_adapted, config))
    return Checkpoint(
        folder,
        "pth",
        config,
        tensors,
        FileTokenizer.of(folder),
        huggingface.generation_of(folder),
        huggingface.about(folder, config),
    )


def _files(folder: Path) -> list[Path]:
    found = sorted(path for path in folder.iterdir() if NUMBERED.fullmatch(path.name))
    for number, path in enumerate(found):
        if path.name != f"consolidated.{number:02}.pth":
            raise InputError(f"{folder}: consolidated.{number:02}.pth is missing; fetch it as well")
    if not found:
        raise InputError(f"{folder} has no {FIRST}; fetch the model again")
    return found


def _joined(
    parts: list[dict[str, Tensor]], params: Mapping[str, Any], folder: Path
) -> dict[str, Tensor]:
    """The slices of each matrix as one."""
    if len(parts) == 1:
        return parts[0]
    width, made = params.get("dim"), {}
    for name, first in parts[0].items():
        slices = [part.get(name) for part in parts]
        present = [piece for piece in slices if piece is not None]
        if len(present) < len(parts) or any(p.shape != first.shape for p in present):
            raise InputError(f"{folder}: its files have different slices of {name[:80]}")
        if len(first.shape) == 2:
            # The inputs of a product are split where the slices are narrower than what goes in:
            # the width of the model, or for w2 that of the layer inside.
            within = name.endswith((".wo.weight", ".w2.weight"))
            axis = 1 if within or first.shape[1] != width else 0
            made[name] = _join(name, present, axis)
        else:
            made[name] = first
    return made


def _join(name: str, slices: list[Tensor], axis: int) -> Tensor:
    shape = list(slices[0].shape)
    shape[axis] *= len(slices)

    def read() -> Array:
        first = slices[0].read()
        whole = np.empty(shape, first.dtype)
        step = first.shape[axis]
        for k, piece in enumerate(slices):
            at = slice(k * step, (k + 1) * step)
            whole[(at, slice(None)) if axis == 0 else (slice(None), at)] = piece.read()
        return whole

    return Tensor(name, tuple(shape), slices[0].stored, read, tuple(p.home for p in slices))


def _config(params: Config, found: Mapping[str, Tensor], folder: Path) -> Config:
    beside = folder / huggingface.CONFIG
    embedding = found.get(EMBEDDING)
    vocabulary = embedding.shape[0] if embedding and len(embedding.shape) == 2 else None
    inner = found.get("layers.0.feed_forward.w1.weight")
    heads, width = params.get("n_heads"), params.get("dim")
    theta = params.get("rope_theta", 10_000.0)
    config: Config = read_json(beside) if beside.is_file() else {"model_type": "llama"}
    config |= {
        "vocab_size": vocabulary,
        "hidden_size": width,
        "intermediate_size": inner.shape[0] if inner and inner.shape else None,
        "num_hidden_layers": params.get("n_layers"),
        "num_attention_heads": heads,
        "num_key_value_heads": params.get("n_kv_heads") or heads,
        "head_dim": params.get("head_dim"),
        "rms_norm_eps": params.get("norm_eps", 1e-5),
    }
    if not beside.is_file():
        scaled = bool(params.get("use_scaled_rope"))
        config |= {
            "hidden_act": "silu",
            "max_position_embeddings": _context(params, vocabulary, scaled),
            "rope_theta": theta,
            "rope_scaling": _scaling(params) if scaled else None,
            "tie_word_embeddings": _tied(found),
        }
        if window := params.get("sliding_window"):
            config |= {"model_type": "mistral", "sliding_window": window}
        config |= _special(folder)
    return normalised(config, folder)


def _special(folder: Path) -> Config:
    tokenizer = FileTokenizer.of(folder)
    if tokenizer is None:
        return {}
    special = tokenizer.vocabulary().special
    return {f"{role}_token_id": special[role] for role in ("bos", "eos") if role in special}


def _context(params: Mapping[str, Any], vocabulary: int | None, scaled: bool) -> int:
    """Not in params.json, so by the generation: Llama 1, 2, 3, 3.1 and later."""
    if scaled:
        return SCALED_CONTEXT
    if vocabulary == OF_LLAMA_3:
        return 8192
    return 2048 if params.get("norm_eps") == 1e-6 else 4096


def _scaling(params: Mapping[str, Any]) -> dict[str, Any]:
    small = params.get("dim", 0) <= SMALL_32
    return {
        "rope_type": "llama3",
        "factor": float(params.get("rope_scaling_factor") or (32 if small else 8)),
        "low_freq_factor": 1.0,
        "high_freq_factor": float(params.get("rope_high_freq_factor") or 4),
        "original_max_position_embeddings": SCALED_FROM,
    }


def _tied(found: Mapping[str, Tensor]) -> bool:
    """Whether the head is the embedding: one storage, or the same numbers."""
    embedding, head = found.get(EMBEDDING), found.get(HEAD)
    if embedding is None or head is None or embedding.shape != head.shape:
        return False
    a, b = _places(embedding), _places(head)
    if [place.shape for place in a] != [place.shape for place in b]:
        return False
    return all(map(_equal, a, b))


def _places(tensor: Tensor) -> list[Place]:
    homes = tensor.home if isinstance(tensor.home, tuple) else (tensor.home,)
    return [home for home in homes if isinstance(home, Place)]


def _equal(a: Place, b: Place) -> bool:
    """Whether two places hold the same numbers, a piece at a time."""
    if a == b:
        return True
    width = np.dtype(DTYPES[a.dtype]).itemsize
    for first in range(0, prod(a.shape), AT_ONCE):
        count = (min(AT_ONCE, prod(a.shape) - first),)
        x, y = (replace(p, offset=p.offset + width * first, shape=count).read() for p in (a, b))
        if a.dtype != b.dtype or not np.array_equal(x, y):
            return False
    return True


def _adapted(config: Config, name: str, tensor: Tensor) -> Tensor:
    heads = rotated_heads(name, config)
    tensor = replace(tensor, name=name)
    if heads is None:
        return tensor
    return replace(tensor, read=lambda: rotary.to_halves(tensor.read(), heads))


def write_meta(checkpoint: Checkpoint, folder: Path, plan: Plan) -> None:
    """Write the model into an empty folder, in one file.

    Raises      InputError for families, and parts of them, that Meta's format does not have
    """
    config = checkpoint.config
    family = family_of(config, checkpoint.path)
    params = _params(checkpoint, family)
    for name, content in huggingface.small_files(checkpoint, plan).items():
        (folder / name).write_bytes(content)
    (folder / PARAMS).write_bytes(as_json(params))
    if checkpoint.tokenizer is not None and not (folder / MODEL).is_file():
        content_ = model_file(checkpoint.tokenizer.vocabulary())
        if content_ is not None:
            (folder / MODEL).write_bytes(content_)
    described, values = {}, {}
    for name, _, theirs in names(family, config["num_hidden_layers"], frozenset()):
        source = name if name in checkpoint.tensors else "model.embed_tokens.weight"
        tensor = checkpoint.tensor(source)
        heads = rotated_heads(name, config)
        if heads is not None:
            tensor = replace(tensor, read=partial(_pairs, tensor, heads))
        described[theirs] = (plan.dtypes[source], tensor.shape, source)
        values[theirs] = pieces(tensor, plan.dtypes[source])
    write_torch_file(folder / FIRST, described, values)


def _pairs(tensor: Tensor, heads: int) -> Array:
    return rotary.to_pairs(tensor.read(), heads)


def _params(checkpoint: Checkpoint, family: Family) -> Config:
    config = checkpoint.config
    biased = next((name for name in checkpoint.tensors if name.endswith(".bias")), None)
    scaling = config["rope_scaling"]
    width, heads = config["hidden_size"], config["num_attention_heads"]
    refused = {
        f"is of the family {family.model_type}": not family.meta,
        f"has the bias {biased}": biased is not None,
        f"has heads of {config['head_dim']}": config["head_dim"] * heads != width,
        f"scales positions by {(scaling or {}).get('rope_type')}": scaling
        and scaling["rope_type"] != "llama3",
    }
    for what, wrong in refused.items():
        if wrong:
            raise InputError(
                f"{checkpoint.path} {what}, which Meta's format does not know; convert it to "
                "safetensors or gguf"
            )
    params = {
        "dim": width,
        "n_layers": config["num_hidden_layers"],
        "n_heads": heads,
        "n_kv_heads": config["num_key_value_heads"],
        "vocab_size": config["vocab_size"],
        **_inner(width, config["intermediate_size"]),
        "norm_eps": config["rms_norm_eps"],
        "rope_theta": config["rope_theta"],
    }
    return params | ({"use_scaled_rope": True} if scaling else {})


def _inner(width: int, wanted: int) -> Config:
    """multiple_of and ffn_dim_multiplier, from which Meta's code computes the width inside:
    ⌊⌊8/3 · dim⌋ · multiplier⌋, rounded up to a multiple."""
    base = int(2 * (4 * width) / 3)
    for multiple in (256, 1024, 4096, 512, 128, 64, 32, 16, 8, 4, 2, 1):
        if wanted % multiple == 0:
            if -(-base // multiple) * multiple == wanted:
                return {"multiple_of": multiple}
            multiplier = round((wanted - multiple / 2) / base, 4)
            if -(-int(multiplier * base) // multiple) * multiple == wanted:
                return {"multiple_of": multiple, "ffn_dim_multiplier": multiplier}
    return {"multiple_of": 1, "ffn_dim_multiplier": (wanted + 0.5) / base}
