"""The key-value cache: what attention keeps of every token.

    full and sliding    κ = 2·L·n_kv·d_h·b_kv               k and v of every layer
    latent              κ = L·(r_kv + d_R)·b_kv             one compressed vector, no factor 2
    KV = κ·B·T, where a sliding layer keeps the last W_s tokens and not all T

Source      Ainslie et al., arXiv 2305.13245 (grouped heads); DeepSeek-V2, arXiv 2405.04434, 2.1.4
"""

from __future__ import annotations

from collections import Counter

from byhand.napkin.engines import Engine
from byhand.napkin.quantity import Expression, Quantity, ceil, define, given, smallest, total
from byhand.napkin.symbols import Symbols
from byhand.napkin.tensors import Attention


def has_cache(s: Symbols) -> bool:
    """Whether the model generates, and its attention is known."""
    return s.model.causal and bool(s.model.attention)


def cache(s: Symbols, engine: Engine, dtype: str | None) -> tuple[Quantity, Quantity]:
    """κ and KV: the bytes that one token adds, and the bytes of the whole cache."""
    wide = dtype == "f32" and engine.cache_in_dtype
    number = given("b_kv", 4 if wide else 2, "B/token", "bytes of a number in the cache")
    groups = Counter(s.model.attention)
    full = _pages(s.T, engine)
    parts = [
        (
            _per_token(s, attention, layers, number, k if len(groups) > 1 else 0),
            _kept(s.T, full, attention, engine),
        )
        for k, (attention, layers) in enumerate(groups.items(), 1)
    ]
    kappa, kept = parts[0]
    formula: Expression = kappa * s.B * kept
    if len(parts) > 1:
        every = total(part for part, _ in parts)
        kappa = define("kv_bytes_per_token", "κ", every, "B/token", "cache bytes per token")
        formula = total(part * s.B * kept for part, kept in parts)
    return kappa, define("kv_bytes", "KV", formula, "B", "key-value cache", source=engine.cache)


def _per_token(
    s: Symbols, attention: Attention, count: int, number: Quantity, group: int
) -> Quantity:
    """κ of the layers of one kind; `group` numbers the kinds where there are several."""
    layers, (_, heads, width) = s.L, s.heads
    below = f"_{group}" if group else ""
    if group:
        layers = given(f"L{below}", count, meaning=f"layers with {attention.kind} attention")
        heads = given(f"n_kv{group}", attention.kv_heads, meaning="their heads of k and of v")
        width = given(f"d_h{group}", attention.head_dim, meaning="width of their heads")
    formula = 2 * layers * heads * width * number
    if attention.kind == "latent":
        rank = given("r_kv", attention.kv_lora_rank or 0, meaning="rank of the compressed k and v")
        rope = given("d_R", attention.rope_dim or 0, meaning="width of the part with positions")
        formula = layers * (rank + rope) * number
    meaning = "cache bytes per token" + (f", {attention.kind} attention" if group else "")
    return define(f"kv_bytes_per_token{below}", f"κ{below}", formula, "B/token", meaning)


def _pages(tokens: Quantity, engine: Engine) -> Expression:
    """The tokens of a sequence, in whole pages where the engine has pages."""
    if engine.block == 1:
        return tokens
    page = given("P", engine.block, "token", "tokens in a page of the cache")
    return ceil(tokens / page) * page


def _kept(tokens: Quantity, full: Expression, attention: Attention, engine: Engine) -> Expression:
    """The tokens that a layer keeps of one sequence."""
    if attention.window is None or attention.window >= tokens.high:
        return full
    if engine.sliding == "capped":
        window = given("W_s", attention.window, "token", "tokens in the sliding window")
        return smallest(tokens, window)
    low, high = min(attention.window, tokens.low), tokens.high
    return given(
        "T_s",
        low if engine.sliding == "likely capped" else high,
        "token",
        "tokens that a sliding layer keeps",
        source=engine.cache,
        low=low,
        high=high,
    )
