"""Low-rank adapters: beside a frozen matrix, two thin ones are trained.

    N_lora = Σ r·(d_in + d_out) over the adapted matrices

Source      Hu et al., arXiv 2106.09685
"""

from __future__ import annotations

from collections import Counter
from math import prod

from byhand.errors import InputError, nearest
from byhand.napkin.quantity import Expression, Number, Quantity, define, per, total
from byhand.napkin.tensors import Model, Tensor
from byhand.napkin.weights import LINEAR_ROLES

SPELLINGS = {
    "c_attn": "qkv",
    "qkv_proj": "qkv",
    "attn": "q,k,v,o,qkv",
    "mlp": "gate,up,down,expert_gate,expert_up,expert_down",
    "all": ",".join(LINEAR_ROLES),
    "all-linear": ",".join(LINEAR_ROLES),
}


def targets_of(model: Model, text: str | None) -> frozenset[str]:
    """The roles that `q,v` or `q_proj,v_proj`, `attn`, `mlp` or `all` names, as the model has them.

    Without a text q and v, as in the paper, or the matrix that holds them.

    Raises      InputError where it has no such matrices.
    """
    there = {row.role for row in model.tensors} & set(LINEAR_ROLES)
    if text is None:
        text = "qkv" if "qkv" in there else "q,v"
    found: set[str] = set()
    for word in text.lower().replace(" ", "").split(","):
        name = word.removesuffix("_proj")
        roles = set(SPELLINGS.get(word, SPELLINGS.get(name, name)).split(",")) & there
        if not roles:
            names = sorted(there)
            advice = nearest(name, names, f"it has {', '.join(names) or 'none'}")
            raise InputError(f"--targets: {model.name} has no matrices {word!r}; {advice}")
        found |= roles
    return frozenset(found)


def lora_parameters(model: Model, r: Quantity, roles: frozenset[str]) -> Quantity:
    """N_lora: the parameters of the adapters.

    Raises      InputError where the rank is larger than a matrix is wide.
    """
    shapes: Counter[tuple[str, int, int]] = Counter()
    for row in model.of(roles):
        out, into = row.shape[-2:]
        _check_rank(model, row, int(r.value))
        shapes[row.role, out, into] += prod(row.shape[:-2])
    terms: list[Expression] = [
        per("parameter", often) * r * (Number(into) + out)
        for (_, out, into), often in shapes.items()
    ]
    names = ", ".join(dict.fromkeys(role for role, _, _ in shapes))
    return define(
        "lora_parameters",
        "N_lora",
        total(terms),
        "parameter",
        f"parameters of the adapters of {names}",
        kind="assumed" if model.counted else "exact",
        source="LoRA, arXiv 2106.09685",
    )


def _check_rank(model: Model, row: Tensor, rank: int) -> None:
    most = min(row.shape[-2:])
    if not 1 <= rank <= most:
        raise InputError(
            f"--lora-rank: {row.role} of {model.name} is {row.shape[-2]} by {row.shape[-1]}, so "
            f"its rank is from 1 to {most}, found {rank:,}"
        )
