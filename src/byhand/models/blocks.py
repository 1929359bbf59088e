"""What the Transformers are put together of."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from byhand.errors import InputError
from byhand.initializers import Initializer
from byhand.layers import (
    GELU,
    Dense,
    Dropout,
    Embedding,
    Layer,
    LayerNorm,
    LearnedPositions,
    ReLU,
    Residual,
    RMSNorm,
    SinusoidalPositions,
    SwiGLU,
)
from byhand.models.choices import check_choice

NORMS: dict[str, type[LayerNorm] | type[RMSNorm]] = {"layer": LayerNorm, "rms": RMSNorm}


def embedded(
    vocabulary: int, width: int, *, positions: str, longest: int, dropout: float
) -> list[Layer]:
    """A vector for each id, and what says where it stands: learned or sinusoidal; with another word
    nothing is added."""
    layers: list[Layer] = [Embedding(vocabulary, width)]
    if positions == "learned":
        layers.append(LearnedPositions(longest, width))
    elif positions == "sinusoidal":
        layers.append(SinusoidalPositions(width))
    if dropout:
        layers.append(Dropout(dropout))
    return layers


@dataclass(frozen=True)
class Blocks:
    """How blocks are made: with which norm, and where, and with which feed-forward layers. The
    arguments are those of `gpt` and `transformer`.

    Raises      InputError, which names the argument.
    """

    width: int
    norm: str
    place: str
    feed_forward: str
    dropout: float
    weights: Initializer
    biases: Initializer

    def __post_init__(self) -> None:
        check_choice("norm", self.norm, tuple(NORMS))
        check_choice("place", self.place, ("pre", "post"))

    def stack(self, depth: int, attentions: Mapping[str, Callable[[], Layer]]) -> list[Layer]:
        """Each attention and then a layer for each step by itself, `depth` times over; where the
        norms are before the blocks, with one at the end."""
        if depth < 1:
            raise InputError(f"depth is at least 1, found {depth}")
        layers: list[Layer] = []
        for k in range(1, depth + 1):
            for name, attention in attentions.items():
                layers += self._block(f"{name}{k}", [attention()])
            layers += self._block(f"feed_forward{k}", self._forward())
        return [*layers, NORMS[self.norm](self.width)] if self.place == "pre" else layers

    def _block(self, name: str, inner: Sequence[Layer]) -> list[Layer]:
        after = [Dropout(self.dropout)] if self.dropout else []
        norm = NORMS[self.norm](self.width)
        if self.place == "pre":
            return [Residual(norm, *inner, *after, name=name)]
        return [Residual(*inner, *after, name=name), norm]

    def _forward(self) -> list[Layer]:
        width, weights, biases = self.width, self.weights, self.biases
        if self.feed_forward == "swiglu":
            return [SwiGLU(width, -(-8 * width // 24) * 8, weights=weights)]
        wider = Dense(width, 4 * width, weights=weights, biases=biases)
        between = ReLU() if self.feed_forward == "relu" else GELU()
        return [wider, between, Dense(4 * width, width, weights=weights, biases=biases)]
