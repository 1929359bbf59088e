"""Scaled dot-product attention."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from byhand.errors import ShapeError
from byhand.layers.base import Array, Gradients, Layer
from byhand.layers.masks import as_mask, causal, masked_softmax, unseen_as_zeros


class Attended(NamedTuple):
    """What attention leaves behind. k and v have zeros where no query may look."""

    q: Array
    k: Array
    v: Array
    p: Array
    """How much each query looks at each key, [batch, heads, queries, keys]."""


class ScaledDotProductAttention(Layer):
    """y = softmax(q kᵀ / √d) v: each query takes the mean of the values, weighted by how well its
    key answers to the query.

    Shapes      q[batch, heads, queries, d]     k[batch, kv_heads, keys, d]
                v[batch, kv_heads, keys, d_v]   y[batch, heads, queries, d_v]
                mask[batch, queries, keys], 1 where the query may look at the key; where batch or
                queries is 1 it holds for all. S and p have [batch, heads, queries, keys]

    Every head is an attention by itself. Where there are fewer heads of keys than of queries, each
    serves a group of heads/kv_heads queries' heads next to each other (grouped queries).

        S[i, j] = q[i] · k[j] / √d        how well query i and key j fit
        p[i, j] = e^S[i, j] / Σₗ e^S[i, l]
        y[i]    = Σⱼ p[i, j] v[j]

    Why √d      q[i] · k[j] is a sum of d products. With independent components of mean 0 and
                variance 1 each product has variance 1 and the sum d, so S would be spread as √d.
                The wider it is spread, the more of p is on a single key, and where p is 0 or 1 the
                derivative below is 0. Divided by √d, S has variance 1 for every d.

    Derivatives, given dy = ∂L/∂y. v and p enter as in any product:

        dv[j]    = Σᵢ p[i, j] dy[i]               pᵀ dy
        dp[i, j] = Σ_c dy[i, c] v[j, c]           dy vᵀ

    p[i, j] depends on all S[i, l] of its row, through the common denominator Z = Σₗ e^S[i, l]. With
    the quotient rule and δ[j, l] = 1 where j = l, else 0:

        ∂p[i, j]/∂S[i, l] = (δ[j, l] e^S[i, j] Z − e^S[i, j] e^S[i, l]) / Z²
                          = p[i, j] (δ[j, l] − p[i, l])
        dS[i, l] = Σⱼ dp[i, j] p[i, j] (δ[j, l] − p[i, l])
                 = p[i, l] (dp[i, l] − Σⱼ dp[i, j] p[i, j])

    The last sum is the same for all l of a row, so no Jacobian is ever formed. S is a product over
    √d again:

        dS = p ⊙ (dp − Σ_keys dp ⊙ p)
        dq = dS k / √d                            dq[i] = Σⱼ dS[i, j] k[j] / √d
        dk = dSᵀ q / √d                           dk[j] = Σᵢ dS[i, j] q[i] / √d

    A key or value head is used by every head of its group, so dk and dv are sums over the group.

    A mask sets S = −∞, a constant, where a query must not look, so p = 0 there. In the derivative
    nothing has to be masked again: dS has the factor p, and so has dv. What is behind a mask gets
    no gradient and its content has no effect. A query that may look at nothing has y = 0.

    Source      Vaswani et al., Attention is all you need (2017), eq. 1, and section 3.2.1, note 4,
                on √d; Ainslie et al., GQA (2023), section 2.2, on groups.
    """

    equation = "y = softmax(q kᵀ / √d) v"
    axes = {
        "q": ("batch", "heads", "queries", "d"),
        "k": ("batch", "kv_heads", "keys", "d"),
        "v": ("batch", "kv_heads", "keys", "d_v"),
        "p": ("batch", "heads", "queries", "keys"),
        "y": ("batch", "heads", "queries", "d_v"),
    }

    def forward(  # type: ignore[override]  # a query looks at keys and values
        self, q: Array, k: Array, v: Array, mask: Array | None = None
    ) -> tuple[Array, Attended]:
        self.check(q=q, k=k, v=v)
        allowed = self._allowed(q, k, mask)
        kv_heads = k.shape[1]
        k, v = unseen_as_zeros(k, allowed), unseen_as_zeros(v, allowed)
        S = self._grouped(q, kv_heads) @ _shared(k).swapaxes(-1, -2) / math.sqrt(q.shape[-1])
        p = masked_softmax(S, allowed[:, :, None])
        y = _joined(p @ _shared(v))
        return y, Attended(q, k, v, _joined(p))

    def backward(  # type: ignore[override]  # three inputs have three gradients
        self, dy: Array, cache: Attended
    ) -> tuple[Array, Array, Array, Gradients]:
        q, k, v, p = cache
        self.check(p=p, v=v, dy=dy)
        kv_heads, scale = k.shape[1], math.sqrt(q.shape[-1])
        q, p, dy = (self._grouped(a, kv_heads) for a in (q, p, dy))
        dv = (p.swapaxes(-1, -2) @ dy).sum(axis=2)
        dp = dy @ _shared(v).swapaxes(-1, -2)
        dS = p * (dp - (dp * p).sum(axis=-1, keepdims=True))
        dq = dS @ _shared(k) / scale
        dk = (dS.swapaxes(-1, -2) @ q).sum(axis=2) / scale
        return _joined(dq), dk, dv, {}

    def _grouped(self, a: Array, kv_heads: int) -> Array:
        """[batch, heads, ...] as [batch, kv_heads, group, ...]"""
        batch, heads, *more = a.shape
        if heads % kv_heads:
            raise ShapeError(
                f"{self}: q has heads = {heads}, k has kv_heads = {kv_heads}; heads is a multiple "
                f"of kv_heads, each of which serves a group of them ({self.equation})"
            )
        return a.reshape(batch, kv_heads, heads // kv_heads, *more)

    def _allowed(self, q: Array, k: Array, mask: Any) -> Array:
        """[batch, 1, queries, keys], the same for all heads."""
        batch, queries, keys = len(q), q.shape[2], k.shape[2]
        if mask is None:
            return np.ones((batch, 1, queries, keys), bool)
        mask = np.asarray(mask)
        if mask.ndim == 3:
            # What holds for all examples, or for all queries, is said once.
            batch, queries = (
                1 if given == 1 else size
                for given, size in zip(mask.shape, (batch, queries), strict=False)
            )
        full = (batch, queries, keys)
        return as_mask(self, mask, full, "mask", "q and k have [batch, queries, keys]")[:, None]


def _shared(a: Array) -> Array:
    """[batch, kv_heads, ...] as [batch, kv_heads, 1, ...]: the same for each head of a group."""
    return a[:, :, None]


def _joined(a: Array) -> Array:
    """[batch, kv_heads, group, ...] as [batch, heads, ...]"""
    batch, kv_heads, group, *more = a.shape
    return a.reshape(batch, kv_heads * group, *more)


def example(rng: np.random.Generator) -> dict[str, Any]:
    """What `byhand check` gives to this layer: two heads of queries that share one of keys."""
    q, k, v = (rng.standard_normal((2, heads, 4, 3)) for heads in (2, 1, 1))
    return {
        "self": ScaledDotProductAttention(),
        "q": q,
        "k": k,
        "v": v,
        "mask": causal(4, 4)[None],
    }
