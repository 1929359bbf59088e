"""Two models beside each other, run in the same way."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from byhand.napkin.derivation import Derivation
from byhand.napkin.inference import Setting, infer
from byhand.napkin.quantity import Quantity
from byhand.napkin.tensors import Model


@dataclass(frozen=True)
class Comparison:
    """The derivations of two models, and what they have in common."""

    first: Derivation
    second: Derivation

    def rows(self) -> list[tuple[Quantity, Quantity, float]]:
        """Each quantity that both have: the first, the second, and the second by the first."""
        return [
            (mine, self.second[mine.name], float(self.second[mine.name].value / mine.value))
            for mine in self.first.results
            if mine.name in self.second and mine.value
        ]

    def as_json(self) -> dict[str, Any]:
        """{name: {first, second, ratio}}."""
        return {
            a.name: {"first": a.as_json(), "second": b.as_json(), "ratio": ratio}
            for a, b, ratio in self.rows()
        }


def compare(first: Model, second: Model, setting: Setting) -> Comparison:
    """Both models under one setting; InputError for what is impossible with either."""
    return Comparison(infer(first, setting), infer(second, setting))
