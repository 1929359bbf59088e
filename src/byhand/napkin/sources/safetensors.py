"""A safetensors file as a list of tensors; config.json beside it says how the model attends."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from pathlib import Path

from byhand.checkpoints.safetensors_header import SafetensorsTensor, read_safetensors_header
from byhand.checkpoints.shards import shards
from byhand.errors import InputError
from byhand.napkin.sources import names
from byhand.napkin.sources.config import read_config
from byhand.napkin.sources.refused import refuse
from byhand.napkin.tensors import Model, Tensor

ATTENDS = ("q", "k", "v", "qkv", "q_down", "q_up", "kv_down", "kv_up")
NO_CONFIG = (
    "there is no config.json beside the file, so how it attends isn't known: no KV cache, and "
    "every expert counts as used"
)


def read_safetensors(path: Path) -> Model:
    """The model in the file, or in the files that it is one of.

    Raises      InputError where a file isn't whole, packs its weights, or is no Transformer's
    """
    stored = [tensor for part in shards(path) for tensor in read_safetensors_header(part).tensors]
    for tensor in stored:
        if names.PACKED.search(tensor.name):
            raise InputError(
                f"{path}: {tensor.name[:80]} is packed, so its shape doesn't count its parameters; "
                "give the config.json of the model and a --quantization"
            )
        if ".mixer.A_log" in tensor.name or ".mamba." in tensor.name:
            refuse("Mamba", str(path))
    config = path.with_name("config.json")
    if config.is_file():
        return _with_config(path, stored, read_config(config))
    return _alone(path, stored)


def _with_config(path: Path, stored: list[SafetensorsTensor], model: Model) -> Model:
    """The rows of the file in the model of the config, which knows what a header doesn't say."""
    active = Fraction(model.experts_used or 1, model.experts or 1)
    layers = model.layers or 0
    # DeepSeek-V3's files hold a module behind the last layer, for training only.
    rows = tuple(
        row
        for tensor in stored
        if (row := _row(tensor, active)) and (row.layer is None or row.layer < layers)
    )
    tied = tuple(row for row in model.tensors if row.tied_to)
    return replace(model, tensors=rows + tied, source=str(path))


def _alone(path: Path, stored: list[SafetensorsTensor]) -> Model:
    rows = tuple(row for tensor in stored if (row := _row(tensor, Fraction(1))))
    layers = {row.layer for row in rows if row.layer is not None}
    embedding = next((row for row in rows if row.role == "embedding"), None)
    attends = any(row.role in ATTENDS for row in rows)
    return Model(
        path.stem,
        "unknown",
        rows,
        str(path),
        layers=len(layers) or None,
        hidden=embedding.shape[1] if embedding and len(embedding.shape) == 2 else None,
        vocabulary=embedding.shape[0] if embedding and embedding.shape else None,
        gated=any(row.role in ("gate", "expert_gate") for row in rows),
        causal=attends,
        assumed=(NO_CONFIG,) if attends else (),
    )


def _row(tensor: SafetensorsTensor, active: Fraction) -> Tensor | None:
    """The row of a parameter; None for what is stored beside them."""
    if names.BUFFER.search(tensor.name):
        return None
    role = names.role(tensor.name)
    return Tensor(
        tensor.name,
        tensor.shape,
        role,
        names.layer(tensor.name),
        tensor.dtype,
        active=active if role.startswith("expert_") else Fraction(1),
    )
