"""Parameters and the bytes that their storage takes: sums over the rows of the model."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from fractions import Fraction

from byhand.napkin import mixtures
from byhand.napkin.checks import one_of
from byhand.napkin.precision import DTYPES, LINEAR, dtype_of
from byhand.napkin.quantity import Expression, Operation, Quantity, define, given, per, total
from byhand.napkin.tensors import Model, Tensor

PROJECTIONS = ("q", "k", "v", "o", "qkv", "q_down", "q_up", "kv_down", "kv_up")
MATRICES = ("gate", "up", "down", "expert_gate", "expert_up", "expert_down")
LINEAR_ROLES = (*PROJECTIONS, *MATRICES)
"""The roles of the matrices inside of the blocks: what quantisation packs and LoRA adapts."""

QUANTIZATIONS = (*(name.lower() for name in mixtures.DEFAULTS), *LINEAR)
DEFAULT_DTYPE = "bf16"
ACTIVE = "parameters that one token uses"


def parameters(model: Model) -> tuple[Quantity, Quantity]:
    """N and N_a: every row once, tied rows not at all; and what one token uses.

    A bare count is assumed, from the lowest to the highest number that the text can mean.
    """
    if model.counted:
        n = count(model)
        return n, define("parameters_active", "N_a", n, "parameter", ACTIVE)
    groups = _groups(row for row in model.tensors if not row.tied_to)
    n = define(
        "parameters",
        "N",
        total(group for group, _ in groups),
        "parameter",
        "parameters",
        source=model.source,
    )
    shares = dict.fromkeys(share for _, share in groups)
    used: list[Expression] = [n]
    if len(shares) > 1:
        used = []
        for share in shares:
            whole = total(group for group, own in groups if own == share)
            several = whole if share.numerator == 1 else share.numerator * whole
            used.append(several if share.denominator == 1 else several / share.denominator)
    return n, define("parameters_active", "N_a", total(used), "parameter", ACTIVE)


def count(model: Model) -> Quantity:
    """N as one number, for what only needs the sum."""
    low, value, high = model.counted or (model.parameters,) * 3
    return given(
        "N",
        value,
        "parameter",
        "parameters",
        name="parameters",
        kind="assumed" if model.counted else "exact",
        source=model.source,
        low=low,
        high=high,
    )


def weight_bytes(
    model: Model, n: Quantity, dtype: str | None, quantization: str | None
) -> Quantity:
    """W: the bytes of the weights.

    dtype           of what isn't quantised; as stored, or else bf16, where it is None
    quantization    one of llama.cpp's mixtures, by its rules for each tensor, or of `LINEAR`
    Raises          InputError for an unknown dtype or quantization.
    """
    if quantization is not None:
        return _quantized(model, n, dtype, quantization.lower())
    if dtype is None and any(row.dtype for row in model.tensors):
        stored = [
            (row.dtype or "F32", row, mixtures.stored_bytes(row))
            for row in model.tensors
            if not row.tied_to
        ]
        return _by_type(stored, "as stored")
    return _weights(n * _bytes(dtype))


def bits_per_weight(model: Model, n: Quantity, w: Quantity) -> Quantity:
    """The bits of storage per parameter, 8·W/N."""
    formula = per("bit/B", 8) * w / n
    if model.counted and isinstance(w.formula, Operation):
        # W is N·b: N stands above and below, and its interval would make b unsure.
        formula = per("bit/B", 8) * w.formula.arguments[1]
    return define("bits_per_weight", "bpw", formula, "bit/parameter", "bits per weight")


def mlp_width(model: Model) -> int:
    """The widest hidden layer of an MLP that one token passes, over all layers; 0 without any."""
    widths: dict[int | None, Fraction] = {}
    for row in model.of(("up", "expert_up")):
        hidden = row.shape[-1]
        widths[row.layer] = widths.get(row.layer, Fraction()) + (
            row.active * Fraction(row.elements, hidden)
        )
    fused = 2 if model.gated and not model.of(("gate", "expert_gate")) else 1
    return int(max(widths.values(), default=Fraction()) / fused)


def _groups(rows: Iterable[Tensor]) -> list[tuple[Quantity, Fraction]]:
    """Rows of one role, shape and active share, as how often × their shape; and that share."""
    found = Counter((row.role, row.shape, row.active) for row in rows)
    roles = Counter(role for role, _, _ in found)
    seen: Counter[str] = Counter()
    groups = []
    for (role, shape, share), often in found.items():
        seen[role] += 1
        sizes = [often, *shape] if often > 1 else list(shape) or [1]
        formula: Expression = per("parameter", sizes[0])
        for size in sizes[1:]:
            formula = formula * size
        symbol = f"N_{role}{seen[role] if roles[role] > 1 else ''}"
        meaning = f"{role.replace('_', ' ')}, {often} {'tensors' if often > 1 else 'tensor'}"
        groups.append((define(symbol, symbol, formula, "parameter", meaning), share))
    return groups


def _sum(symbol: str, rows: Iterable[Tensor], meaning: str) -> Quantity:
    return given(symbol, sum(row.parameters for row in rows), "parameter", meaning)


def _bytes(dtype: str | None) -> Quantity:
    name = dtype_of(dtype or DEFAULT_DTYPE)
    return given("b", DTYPES[name], "B/parameter", f"bytes of a {name} number")


def _weights(formula: Expression, source: str = "") -> Quantity:
    return define("weight_bytes", "W", formula, "B", "weights", source=source)


def _quantized(model: Model, n: Quantity, dtype: str | None, quantization: str) -> Quantity:
    one_of("quantization", quantization, QUANTIZATIONS)
    if quantization not in LINEAR:
        types = mixtures.bits(model, quantization).types
        stored = [
            (kind.name, row, kind.nbytes(row.shape[-1], row.parameters)) for row, kind in types
        ]
        w = _by_type(stored, f"llama.cpp's rules for {quantization}")
        return _scaled(n, w) if model.counted else w
    packed = LINEAR[quantization]
    bits = given("q", packed.bits, "bit/parameter", f"bits of {quantization}", source=packed.source)
    linear = model.of(LINEAR_ROLES)
    rest = [row for row in model.tensors if row.role not in LINEAR_ROLES]
    inside = _sum("N_linear", linear, "parameters of the blocks' matrices")
    outside = _sum("N_rest", rest, "all others")
    w = _weights(inside * bits / per("bit/B", 8) + outside * _bytes(dtype))
    return _scaled(n, w) if model.counted else w


def _by_type(stored: list[tuple[str, Tensor, int]], source: str) -> Quantity:
    """Σ N·b over the types; b is the type's bytes per parameter."""
    terms: list[Expression] = []
    for name in dict.fromkeys(name for name, _, _ in stored):
        rows = [(row, size) for kind, row, size in stored if kind == name]
        count = sum(row.parameters for row, _ in rows)
        size = Fraction(sum(size for _, size in rows), count)
        number = given(f"N_{name}", count, "parameter", f"parameters stored as {name}")
        terms.append(number * given(f"b_{name}", size, "B/parameter", f"bytes of a {name} number"))
    return _weights(total(terms), source)


def _scaled(n: Quantity, w: Quantity) -> Quantity:
    """The weights of a bare count: the assumed shape gives the bytes of a parameter."""
    shape = given(
        "b",
        Fraction(w.value) / n.value,
        "B/parameter",
        "bytes, by the assumed shape",
        kind="assumed",
        source=w.source,
    )
    return _weights(n * shape)
