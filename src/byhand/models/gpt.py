"""The Transformer that guesses the next token."""

from __future__ import annotations

from byhand.errors import InputError
from byhand.initializers import Initializer, NormalFanIn, Zeros
from byhand.layers import (
    GELU,
    Dense,
    Dropout,
    Embedding,
    Layer,
    LayerNorm,
    LearnedPositions,
    Projection,
    Residual,
    RMSNorm,
    SelfAttention,
    Sequential,
    SinusoidalPositions,
    SwiGLU,
)

POSITIONS = ("learned", "sinusoidal", "rotary", "none")
NORMS: dict[str, type[LayerNorm] | type[RMSNorm]] = {"layer": LayerNorm, "rms": RMSNorm}
FEED_FORWARDS = ("gelu", "swiglu")
PLACES = ("pre", "post")


def gpt(
    vocabulary: int,
    *,
    width: int = 128,
    depth: int = 4,
    heads: int = 4,
    kv_heads: int | None = None,
    context: int = 64,
    positions: str = "learned",
    norm: str = "layer",
    place: str = "pre",
    feed_forward: str = "gelu",
    dropout: float = 0.0,
    weights: Initializer = NormalFanIn(),
    biases: Initializer = Zeros(),
) -> Sequential:
    """Attention to the tokens so far, and a layer for each token by itself, `depth` times over; and
    a score for each token that may come next, at every step: `gpt(65)`.

    Shapes          ids[batch, time] -> z[batch, time, vocabulary]
    vocabulary      how many tokens there are
    width           of the vector that stands for a token, from one block to the next
    depth           pairs of blocks: attention1 and feed_forward1, attention2 and feed_forward2, ...
    heads, kv_heads     as `SelfAttention` has them
    context         tokens that are read at once, the rows of learned positions
    positions       learned or sinusoidal: added to the embedding; rotary: a rotation of queries and
                    keys; none: attention sees a set
    norm            layer or rms, with which each block begins
    place           pre: x + f(norm(x)), and a norm at the end; post: norm(x + f(x)), as in 2017
    feed_forward    gelu: two matrices, 4 width between them; swiglu: three, and 8/3 width, rounded
                    up to a multiple of 8, so that both have about as many numbers
    dropout         share dropped in training of what each block adds
    weights, biases how Dense layers and attention start; embeddings are standard normal

    Embedding and output have weights of their own; GPT-2 ties them. With rotary, rms and swiglu it
    is a Llama, which has no biases, and its scores have none.
    Source          Radford et al., Language models are unsupervised multitask learners (2019);
                    with rotary, rms and swiglu Touvron et al., LLaMA (2023), section 2.2.
    Raises          InputError, which names the argument.
    """
    _check_choice("positions", positions, POSITIONS)
    _check_choice("norm", norm, tuple(NORMS))
    _check_choice("place", place, PLACES)
    _check_choice("feed_forward", feed_forward, FEED_FORWARDS)
    if depth < 1:
        raise InputError(f"depth is at least 1, found {depth}")
    layers: list[Layer] = [Embedding(vocabulary, width)]
    if positions == "learned":
        layers.append(LearnedPositions(context, width))
    elif positions == "sinusoidal":
        layers.append(SinusoidalPositions(width))
    if dropout:
        layers.append(Dropout(dropout))
    for k in range(1, depth + 1):
        attention = SelfAttention(
            width,
            heads,
            kv_heads=kv_heads,
            causal=True,
            rotary=positions == "rotary",
            weights=weights,
        )
        forward = _feed_forward(feed_forward, width, weights, biases)
        for name, inner in ((f"attention{k}", [attention]), (f"feed_forward{k}", forward)):
            before = [NORMS[norm](width)] if place == "pre" else []
            after = [Dropout(dropout)] if dropout else []
            layers.append(Residual(*before, *inner, *after, name=name))
            if place == "post":
                layers.append(NORMS[norm](width))
    if place == "pre":
        layers.append(NORMS[norm](width))
    output: Layer = Dense(width, vocabulary, name="output", weights=weights, biases=biases)
    if feed_forward == "swiglu":
        output = Projection(width, vocabulary, name="output", weights=weights)
    layers.append(output)
    return Sequential(*layers)


def _feed_forward(kind: str, width: int, weights: Initializer, biases: Initializer) -> list[Layer]:
    if kind == "swiglu":
        return [SwiGLU(width, -(-8 * width // 24) * 8, weights=weights)]
    wider = Dense(width, 4 * width, weights=weights, biases=biases)
    return [wider, GELU(), Dense(4 * width, width, weights=weights, biases=biases)]


def _check_choice(argument: str, value: str, choices: tuple[str, ...]) -> None:
    if value not in choices:
        raise InputError(f"{argument} is one of {', '.join(choices)}; found {value!r}")
