"""What training keeps of every token for the backward pass, term by term.

Per token and layer, with numbers of w bytes, heads of width n_h·d_h = A and n_kv·d_h = K:

    norms       n_norm·h·w                              the input of each norm
    attention   (h + A + 2·K + A)·w + h                 input, q, k and v, input of o; a mask
    scores      n_h·T·(w + w + 1)                       softmax, its dropped copy and the mask
    MLP         (h + 2·f)·w + h                         input, before and after the nonlinearity
    gated MLP   (h + 4·f)·w                             gate, up, σ(gate) and the product

For h = A = K, f = 4·h, two norms and w = 2 this is h·(34 + 5·n_h·T/h), the formula of Korthikanti
et al. Masks (of one byte) and the dropped copy are there only with dropout. Selective recomputation
keeps no scores, as does flash attention; full recomputation keeps a layer's input and no more.

A frozen matrix needs no input for a gradient of its own; what the nonlinearity, the norms and the
attention need for theirs stays. An adapter of rank r keeps r numbers more.

Source      Korthikanti et al., arXiv 2205.05198, section 4
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from byhand.napkin.quantity import Expression, Quantity, define, given, per, total
from byhand.napkin.symbols import Symbols
from byhand.napkin.weights import LINEAR_ROLES

KORTHIKANTI = "arXiv 2205.05198, section 4, term by term"
RECOMPUTE = ("none", "selective", "full")
QKV = frozenset({"q", "k", "v", "qkv", "q_down", "kv_down"})
OUT = frozenset({"o"})
UP = frozenset({"gate", "up", "expert_gate", "expert_up"})
DOWN = frozenset({"down", "expert_down"})


@dataclass(frozen=True)
class Trained:
    """Which matrices get gradients: all, or the adapters of some roles."""

    roles: frozenset[str] = frozenset(LINEAR_ROLES)
    rank: Quantity | None = None


class Activations:
    """The terms of one model; `width` is the bytes of a number, 2 or 4."""

    def __init__(self, s: Symbols, width: int, trained: Trained) -> None:
        self.s, self.trained = s, trained
        self.w = given("w", width, "B/token", "bytes of an activation")
        self.width = width

    def all(self, recompute: str) -> Quantity:
        """S: the bytes that are kept of all layers, under `recompute`."""
        s = self.s
        if recompute == "full":
            layer = self._named("s_input", s.h * self.w, "a layer's input")
        else:
            layer = self.layer(scores=recompute == "none")
        return define(
            "activation_bytes",
            "S",
            s.L * s.B * s.T * layer,
            "B",
            "activations kept for the backward pass",
            kind="modelled",
            source=KORTHIKANTI,
        )

    def layer(self, scores: bool) -> Quantity:
        """What a layer keeps of a token."""
        terms = [self._norms(), self._attention(), self._mlp()]
        if scores:
            terms.append(self.scores())
        if self.trained.rank:
            adapters = given(
                "n_A", self._adapters(), meaning="adapters in a layer, on average", kind="modelled"
            )
            kept = adapters * self.trained.rank * self.w
            terms.append(self._named("s_adapters", kept, "between the adapters' matrices"))
        return self._named("s_layer", total(terms), "kept of a token by a layer")

    def logits(self) -> Quantity | None:
        """Float32 logits of all tokens, where the model has a head."""
        if not self.s.has_logits:
            return None
        formula = per("B/token", 4) * self.s.B * self.s.T * self.s.V
        return define("logit_bytes", "Z", formula, "B", "logits in float32", source=KORTHIKANTI)

    def _norms(self) -> Quantity:
        first = [row for row in self.s.model.tensors if row.layer == 0 and row.role == "norm"]
        wide = [row for row in first if row.shape == (self.s.model.hidden,)]
        norms = given("n_norm", len(wide) or 2, meaning="norms of a layer")
        return self._named("s_norms", norms * self.s.h * self.w, "inputs of the norms")

    def _attention(self) -> Quantity:
        n_h, n_kv, d_h = self.s.heads
        kept: Expression = (n_h + 2 * n_kv) * d_h
        if self.trained.roles & QKV:
            kept = self.s.h + kept
        if self.trained.roles & OUT:
            kept = kept + n_h * d_h
        return self._named("s_attention", self._with_mask(kept * self.w), "input, q, k, v, o")

    def scores(self) -> Quantity:
        """What softmax keeps; selective recomputation computes it again."""
        width = 2 * self.width + 1 if self.s.model.dropout else self.width
        formula = per("B/token/token", width) * self.s.heads[0] * self.s.T
        return self._named("s_scores", formula, "softmax of the scores")

    def _mlp(self) -> Quantity:
        widths = (3 if self.s.model.gated else 1) + bool(self.trained.roles & DOWN)
        kept: Expression = widths * self.s.f
        if self.trained.roles & UP:
            kept = self.s.h + kept
        return self._named("s_mlp", self._with_mask(kept * self.w), "input and inside of the MLP")

    def _with_mask(self, kept: Expression) -> Expression:
        return kept + per("B/token", 1) * self.s.h if self.s.model.dropout else kept

    def _adapters(self) -> Fraction:
        rows = self.s.model.of(self.trained.roles)
        return Fraction(len(rows), int(self.s.L.value))

    def _named(self, symbol: str, formula: Expression, meaning: str) -> Quantity:
        return define(symbol, symbol, formula, "B/token", meaning, kind="modelled")
