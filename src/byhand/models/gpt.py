"""The Transformer that guesses the next token."""

from __future__ import annotations

from functools import partial

from byhand.initializers import Initializer, NormalFanIn, Zeros
from byhand.layers import Dense, Layer, Projection, SelfAttention, Sequential
from byhand.models.blocks import Blocks, embedded
from byhand.models.choices import check_choice

POSITIONS = ("learned", "sinusoidal", "rotary", "none")
FEED_FORWARDS = ("gelu", "swiglu")


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
    check_choice("positions", positions, POSITIONS)
    check_choice("feed_forward", feed_forward, FEED_FORWARDS)
    blocks = Blocks(width, norm, place, feed_forward, dropout, weights, biases)
    attention = partial(
        SelfAttention,
        width,
        heads,
        kv_heads=kv_heads,
        causal=True,
        rotary=positions == "rotary",
        weights=weights,
    )
    output: Layer = Dense(width, vocabulary, name="output", weights=weights, biases=biases)
    if feed_forward == "swiglu":
        output = Projection(width, vocabulary, name="output", weights=weights)
    return Sequential(
        *embedded(vocabulary, width, positions=positions, longest=context, dropout=dropout),
        *blocks.stack(depth, {"attention": attention}),
        output,
    )
