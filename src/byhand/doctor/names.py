"""Which names speak of a gradient, and of the gradient of what."""

from __future__ import annotations

import re
from functools import lru_cache

_PREFIX = re.compile(
    r"^(?:d_?l_?d_?|d_?j_?d_?|dloss_?d?_?|d_|d|D_|D|grads?_?(?:of_|wrt_)?|gradient_?(?:of_|wrt_)?|g_|g|G_|G|"
    r"nabla_?|delta_?|del_?|partial_?|adj_?|bar_?|diff_?|deriv_?|derivative_?|der_?|∂l?_?∂?|δ_?|∇_?|Δ_?"
    r"|err(?:or)?_?)",
    re.IGNORECASE,
)
_SUFFIX = re.compile(
    r"(?:_?gradients?|_?grads?|_?bar|_?adj|_?g|_?delta|_?err(?:or)?|_?diff|_?deriv)$", re.IGNORECASE
)
BACKWARD = re.compile(
    r"back|bwd|grad|bprop|deriv|adjoint|pullback|vjp|nabla|delta|rueck|ruck|retro|_bp$|^bp|gradien|score|adapt|\bdo_b",
    re.IGNORECASE,
)
FORWARD = re.compile(
    r"forw|fwd|fprop|loss|cost|objective|energy|nll|likelihood|criterion|vorw|adelante|avant|error|predict|model|_fp$",
    re.IGNORECASE,
)
LOSS = re.compile(
    r"loss|cost|objective|energy|nll|likelihood|criter|error|kosten|verlust|perte|cout|costo|perdida|entropy|mse",
    re.IGNORECASE,
)
UPSTREAM = re.compile(
    r"^(?:d(?:out|y|z|a|l|loss|scores?|h|next|output|logits)|g|grad|upstream|grad_?out(?:put)?s?|delta|dl_?d.*|"
    r"error|err|eps|gout|gy|top_?(?:grad|diff)|up|signal|dvalues|cotangent|seed|bar|.*_?bar|d_.*|grad_.*|delta_.*)$",
    re.IGNORECASE,
)
CACHE = re.compile(
    r"cache|memory|mem|tape|ctx|context|saved|store|state|values|inter|residual|stash|history|trace|merk|aux|tmp|kept|record|extra|stuff|info|foo|ret",
    re.IGNORECASE,
)

STEPS = re.compile(r"veloc|moment(?!um)|accum|adagrad", re.IGNORECASE)
"""What an optimizer keeps of the steps until now."""


@lru_cache(maxsize=4096)
def stems(name: str) -> frozenset[str]:
    """What a gradient of this name may be the gradient of: dW1 -> W1, grad_W -> W, W_grad -> W."""
    found = {name}
    for _ in range(2):
        for text in list(found):
            for stripped in (_PREFIX.sub("", text), _SUFFIX.sub("", text)):
                if stripped:
                    found.add(stripped)
                    found.add(stripped.lstrip("_"))
            # d and other short prefixes may be only part of a longer match.
            if text[:1] in "dDgG∂δ" and len(text) > 1:
                found.add(text[1:].lstrip("_"))
    found.discard("")
    return frozenset(found)


@lru_cache(maxsize=4096)
def looks_like_gradient(name: str) -> bool:
    return bool(_PREFIX.match(name) or _SUFFIX.search(name)) and len(name) > 1


def of_list(name: str) -> str:
    """The part of a dotted name that speaks: grads.W.0 -> W."""
    return next((p for p in reversed(name.split(".")) if not p.isdecimal()), name)


@lru_cache(maxsize=16384)
def likeness(gradient: str, variable: str) -> int:
    """How well a gradient's name fits a variable's: 0 for not at all."""
    g, v = gradient.rsplit(".", maxsplit=1)[-1], variable.rsplit(".", maxsplit=1)[-1]
    if (
        g.casefold() in ("grad", "gradient", "grads", "g", "delta", "d", "dvalue", "dv")
        and "." in gradient
    ):
        # p.grad beside p.data
        owner = gradient.removeprefix("self.").removeprefix("global.").rsplit(".", 1)[0]
        if variable.rpartition(".")[0] == owner:
            return 10 if v in ("data", "value", "values", "val", "w", "array", "v") else 8
        return 9 if variable == owner else 0
    if re.fullmatch(r"\d+", v) and "." in variable:
        tail = variable.split(".")[-2]
        gt = gradient.split(".")[-2] if "." in gradient and re.fullmatch(r"\d+", g) else gradient
        if g != v and re.fullmatch(r"\d+", g):
            return 0
        return likeness(gt, tail)
    if g == v:
        return 9 if gradient != variable else 8
    candidates = stems(g)
    if v in candidates:
        return 10
    folded = {c.casefold().replace("_", "") for c in candidates}
    target = v.casefold().replace("_", "")
    if target in folded:
        return 7
    best = 0
    for c in folded:
        if target.startswith(c) or c.startswith(target):
            best = max(best, 3 + (len(c) > 2))
        elif len(c) > 1 and (target.endswith(c) or c.endswith(target)):
            best = max(best, 3)
        elif 3 * _shared(c, target) > 2 * max(len(c), len(target)):
            best = max(best, 3)  # outside_vecs, outside_vectors
    return best


def _shared(a: str, b: str) -> int:
    """How many characters two names begin with alike."""
    pairs = enumerate(zip(a, b, strict=False))
    return next((k for k, (x, y) in pairs if x != y), min(len(a), len(b)))


def role_stem(name: str) -> str:
    """A function's name without its role: affine_forward and affine_backward share "affine"."""
    text = re.sub(
        r"forward|backward|fwd|bwd|backprop(agation)?|back|fprop|bprop|grad(ient)?s?|loss|cost|pass|prop|adjoint|vjp|pullback|derivative",
        "",
        name,
        flags=re.IGNORECASE,
    )
    return re.sub(r"_+", "_", text).strip("_").casefold()
