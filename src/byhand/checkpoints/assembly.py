"""From the tensors of a file to those of a model: each in its place, none missing or too many."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from byhand.checkpoints.description import Config, Tensor
from byhand.checkpoints.families import Family, names
from byhand.checkpoints.settings import shape_of, shapes
from byhand.errors import InputError

HEAD = "lm_head.weight"
CONSTANT = re.compile(r"(.*\.)?(rotary_emb\.inv_freq|rope\.freqs|rope_freqs\.weight)")
"""Tables that follow from the configuration."""


def assembled(
    config: Config,
    family: Family,
    form: int,
    found: Mapping[str, Tensor],
    origin: object,
    adapt: Callable[[str, Tensor], Tensor] = lambda name, tensor: tensor,
) -> dict[str, Tensor]:
    """The model's tensors in its order, under Hugging Face's names.

    form        which name `found` goes by: 0 Hugging Face's, 1 GGUF's, 2 Meta's
    adapt       makes Hugging Face's layout out of the file's, given the name

    Raises      InputError that names a tensor that is missing, of a wrong shape, or unknown
    """
    before = ("model.layers.0.", "blk.0.", "layers.0.")[form]
    there = {part[0] for part in family.inside if f"{before}{part[form]}.bias" in found}
    biased = frozenset((*family.biased, *there))
    sizes, made = shapes(config), {}
    left = dict(found)
    for triple in names(family, config["num_hidden_layers"], biased):
        name, theirs = triple[0], triple[form]
        tensor = left.pop(theirs, None)
        if name == HEAD and config["tie_word_embeddings"]:
            continue
        if tensor is None:
            raise InputError(f"{origin}: the tensor {theirs} is missing; fetch the model again")
        if tensor.shape != (wanted := shape_of(name, sizes)):
            raise InputError(
                f"{origin}: the tensor {theirs} is {_by(tensor.shape)}, and by the configuration "
                f"{_by(wanted)}; fetch the model again"
            )
        made[name] = adapt(name, tensor)
    unknown = [name for name in left if not CONSTANT.fullmatch(name)]
    if unknown:
        raise InputError(
            f"{origin}: the tensor {unknown[0][:80]} is no part of a {family.model_type} model, so "
            "the converted one would be another"
        )
    return made


def _by(shape: tuple[int, ...]) -> str:
    return " × ".join(f"{n:,}" for n in shape) or "a single number"
