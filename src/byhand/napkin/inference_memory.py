"""Memory of inference: what stays, and the largest of its phases.

    M = W/n + KV/n + X + max(prefill, decode)

Weights W and cache KV are shared by the n devices; X is the engine's runtime. Prefill and decode
follow each other, so the larger one counts, never their sum.
"""

from __future__ import annotations

from byhand.napkin.engines import Engine
from byhand.napkin.quantity import (
    Expression,
    Quantity,
    define,
    given,
    largest,
    per,
    smallest,
    total,
)
from byhand.napkin.symbols import Symbols


def activations(s: Symbols, engine: Engine, kv: Quantity | None) -> Quantity | None:
    """A: the largest working set, in bytes; None where the shape of the layers is unknown.

    prefill     u tokens in one pass, and their logits
    decode      one token of each sequence, its logits, and a layer's cache where it is copied
    """
    if not s.knows_shape:
        return None
    phases: list[Expression] = []
    if s.model.causal:
        decode = _pass(s, engine, per("token", 1) * s.B, s.B)
        if engine.grows and kv is not None:
            decode = decode + kv / s.L
        phases.append(_working("A_decode", decode, "working set of decoding"))
    if engine.at_once is not None or not phases:
        phases.append(_prefill(s, engine))
    return define(
        "activation_bytes",
        "A",
        largest(*phases) if len(phases) > 1 else phases[0],
        "B",
        "working set, the larger phase" if len(phases) > 1 else "working set",
        kind="modelled",
        source=engine.source,
    )


def peak(s: Symbols, w: Quantity, kv: Quantity | None, own: list[Quantity]) -> Quantity:
    """M: the peak of one device: its part of what is shared, and its own runtime and phases."""
    shared: list[Expression] = [w] if kv is None else [w, kv]
    if s.n.value != 1:
        shared = [per("device", 1) * each / s.n for each in shared]
    meaning = "peak memory" if s.n.value == 1 else "peak memory of each device"
    return define("peak_bytes", "M", total([*shared, *own]), "B", meaning)


def runtime(engine: Engine) -> list[Quantity]:
    """X, where the engine has any."""
    low, value, high = engine.runtime
    if not high:
        return []
    meaning = f"runtime of {engine.name}"
    source = engine.runtime_source
    return [given("X", value, "B", meaning, source=source, low=low, high=high)]


def _prefill(s: Symbols, engine: Engine) -> Quantity:
    tokens = s.B * s.T
    u = define("u", "u", tokens, "token", "tokens in one pass")
    if isinstance(engine.at_once, tuple):
        most = _assumed("u_max", engine.at_once, "token", "most tokens in a pass", engine)
        u = define("u", "u", smallest(most, tokens), "token", "tokens in one pass")
    if engine.scores:
        return _working("A_prefill", _compute_buffer(s, u), "compute buffer of prefill")
    if engine.logit_rows:
        rows = _assumed("rows", engine.logit_rows, "1", "rows of logits", engine)
    else:
        # One of each sequence; older versions keep those of every token.
        rows = given(
            "rows",
            s.B.value,
            meaning="rows of logits",
            source=engine.source,
            high=s.B.value * s.T.high,
        )
    return _working("A_prefill", _pass(s, engine, u, rows), "working set of prefill")


def _pass(s: Symbols, engine: Engine, tokens: Expression, rows: Expression) -> Expression:
    """u·(2·h + c·f)·w: the stream, its normed copy, and the MLP's c hidden layers; and logits."""
    matrices = 3 if s.model.gated else 2
    formula = tokens * (2 * s.h + matrices * s.f) * per("B/token", engine.width)
    if s.has_logits:
        formula = formula + per("B", 4 * engine.logit_copies) * rows * s.V
    return formula


def _compute_buffer(s: Symbols, u: Quantity) -> Expression:
    """llama.cpp's, in float32: the largest of logits, MLP and attention of a pass.

    u·4·max(V + h, h + 2·f, 4·h + T + σ·n_h·T); σ is 1 where the scores are written out.
    """
    one = per("1/token", 1)
    written = given(
        "σ",
        0,
        meaning="1 if attention scores are written out, 0 with flash attention",
        source="llama.cpp's -fa auto",
        low=0,
        high=1,
    )
    parts: list[Expression] = [
        s.h + 2 * s.f,
        4 * s.h + s.T * one + written * s.heads[0] * s.T * one,
    ]
    if s.has_logits:
        parts.insert(0, s.V + s.h)
    return per("B/token", 4) * u * largest(*parts)


def _assumed(
    symbol: str, interval: tuple[int, int, int], of: str, meaning: str, engine: Engine
) -> Quantity:
    low, value, high = interval
    return given(
        symbol,
        value,
        of,
        meaning,
        source=engine.source,
        low=low,
        high=high,
    )


def _working(symbol: str, formula: Expression, meaning: str) -> Quantity:
    return define(symbol.lower(), symbol, formula, "B", meaning, kind="modelled")
