"""The letters of the formulas, each made once per question, so that a derivation lists it once."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from functools import cached_property

from byhand.errors import InputError
from byhand.napkin.checks import batch_of, context_of, devices_of
from byhand.napkin.quantity import Expression, Interval, Quantity, define, given, total
from byhand.napkin.tensors import Attention, Model
from byhand.napkin.weights import ACTIVE, count, mlp_width

Context = int | tuple[int, int, int] | None


class Symbols:
    """A model, how many tokens and sequences it gets, and how many devices it has.

    Raises      InputError for numbers that no model or machine has.
    """

    def __init__(
        self, model: Model, context: Context = None, batch: int = 1, devices: int = 1
    ) -> None:
        self.model = model
        self.T = context_of(model, context)
        self.B = batch_of(batch)
        self.n = devices_of(devices)

    @property
    def notes(self) -> list[str]:
        """What was assumed of the model, and what was unclear about the question."""
        found = [*self.model.assumed]
        if not self.T.interval.is_point:
            found.append(
                f"a context in k can mean thousands or 1,024s: {self.T.low:,} to {self.T.high:,} "
                "tokens; write the number to be exact"
            )
        return found

    @cached_property
    def N(self) -> Quantity:
        """All parameters."""
        return count(self.model)

    @cached_property
    def N_a(self) -> Quantity:
        """The parameters that one token uses; N itself where there are no experts."""
        if self.model.counted or not self.model.experts:
            return define("parameters_active", "N_a", self.N, "parameter", ACTIVE)
        return given(
            "N_a", self.model.parameters_active, "parameter", ACTIVE, name="parameters_active"
        )

    @cached_property
    def L(self) -> Quantity:
        return self._given("L", self.model.layers, "layers")

    @cached_property
    def h(self) -> Quantity:
        return self._given("h", self.model.hidden, "width of the model")

    @cached_property
    def f(self) -> Quantity:
        meaning = "width of the MLP of a token"
        return self._given("f", mlp_width(self.model), meaning)

    @cached_property
    def V(self) -> Quantity:
        return self._given("V", self.model.vocabulary, "vocabulary")

    @cached_property
    def heads(self) -> tuple[Quantity, Quantity, Quantity]:
        """n_h, n_kv and d_h of the layer with the widest attention."""
        widest = max(self.model.attention, key=_width, default=None)
        return (
            self._given("n_h", widest.heads if widest else None, "heads"),
            self._kv_heads(widest.kv_heads if widest else None),
            self._given("d_h", widest.head_dim if widest else None, "width of a head"),
        )

    @cached_property
    def heads_width(self) -> Quantity:
        """Σ n_h·d_h over the layers: L·H·Q of PaLM, also where layers differ."""
        kinds = Counter((a.heads, a.head_dim) for a in self.model.attention)
        terms: list[Expression] = []
        for k, ((heads, width), often) in enumerate(kinds.items(), 1):
            layers, n_h, d_h = self.L, self.heads[0], self.heads[2]
            if len(kinds) > 1:
                layers = given(f"L_a{k}", often, meaning="layers with such heads")
                n_h = given(f"n_h{k}", heads, meaning="heads")
                d_h = given(f"d_a{k}", width, meaning="width of a head")
            terms.append(layers * n_h * d_h)
        return define("heads_width", "A_h", total(terms), "1", "width of all heads, all layers")

    @property
    def has_logits(self) -> bool:
        """Whether each token gets a score for every word; ViT and BERT without a head give none."""
        return bool(self.model.vocabulary and self.model.of(("head",)))

    @property
    def knows_shape(self) -> bool:
        """Whether the layers' shape is known, and so what they keep while they work."""
        return self.model.hidden is not None and bool(self.model.layers and self.model.attention)

    def _kv_heads(self, heads: int | None) -> Quantity:
        """Of a bare count nobody knows whether its heads share k and v; eight mostly do."""
        known = self._given("n_kv", heads, "heads of k and of v")
        if not self.model.counted:
            return known
        low = max(1, int(known.value) // 8)
        return replace(known, interval=Interval(low, known.value, known.value))

    def _given(self, symbol: str, value: int | None, meaning: str) -> Quantity:
        if not value:
            raise InputError(
                f"{self.model.name}: expected a Transformer, found nothing that says its "
                f"{meaning}; `byhand napkin params` counts it, `measure` runs it"
            )
        return given(
            symbol, value, meaning=meaning, kind="assumed" if self.model.counted else "exact"
        )


def _width(attention: Attention) -> int:
    return attention.heads * attention.head_dim
