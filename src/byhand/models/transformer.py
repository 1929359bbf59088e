"""The Transformer that reads one sequence and writes another."""

from __future__ import annotations

from functools import partial

from byhand.initializers import Initializer, NormalFanIn, Zeros
from byhand.layers import CrossAttention, Dense, Encoder, SelfAttention, Sequential
from byhand.models.blocks import Blocks, embedded
from byhand.models.choices import check_choice

POSITIONS = ("sinusoidal", "learned", "none")
FEED_FORWARDS = ("relu", "gelu", "swiglu")


def transformer(
    source_vocabulary: int,
    target_vocabulary: int,
    *,
    width: int = 128,
    depth: int = 3,
    heads: int = 4,
    longest: int = 64,
    positions: str = "sinusoidal",
    norm: str = "layer",
    place: str = "post",
    feed_forward: str = "relu",
    dropout: float = 0.0,
    weights: Initializer = NormalFanIn(),
    biases: Initializer = Zeros(),
) -> Sequential:
    """An encoder whose words look at each other, and a decoder whose words look at those before
    them and at the encoder's: `transformer(8000, 10_000)`.

    Shapes          ids[batch, 2, time], source and target -> z[batch, time, target_vocabulary]
    width           of the vector that stands for a word, from one block to the next
    depth           of the encoder in pairs of blocks, attention1 and feed_forward1, ...; of the
                    decoder in threes: attention1, cross_attention1 and feed_forward1, ...
    heads           of every attention
    longest         steps of a sentence at most, the rows of learned positions
    positions       sinusoidal or learned: added to the embeddings; none: words are a set to the
                    encoder
    norm            layer or rms, one with each block
    place           post: norm(x + f(x)), as in the paper; pre: x + f(norm(x)), and a norm at the
                    end of encoder and decoder
    feed_forward    relu, as in the paper, or gelu: two matrices, 4 width between them; swiglu:
                    three, and 8/3 width
    dropout         share dropped in training of what each block adds, and of the embeddings
    weights, biases how Dense layers and attention start

    The paper multiplies embeddings by √width, and lets both of them and the output share their
    numbers; here each has its own, and embeddings are standard normal, as large as the paper's are
    after the multiplication. Attention has no biases.
    Source          Vaswani et al., Attention is all you need (2017), section 3; for pre Xiong et
                    al., On layer normalization in the Transformer architecture (2020).
    Raises          InputError, which names the argument.
    """
    check_choice("positions", positions, POSITIONS)
    check_choice("feed_forward", feed_forward, FEED_FORWARDS)
    blocks = Blocks(width, norm, place, feed_forward, dropout, weights, biases)
    looks = partial(SelfAttention, width, heads, weights=weights)
    crosses = partial(CrossAttention, width, heads, weights=weights)
    before = partial(embedded, width=width, positions=positions, longest=longest, dropout=dropout)
    return Sequential(
        Encoder(
            *before(source_vocabulary),
            *blocks.stack(depth, {"attention": looks}),
            name="encoder",
        ),
        *before(target_vocabulary),
        *blocks.stack(
            depth, {"attention": partial(looks, causal=True), "cross_attention": crosses}
        ),
        Dense(width, target_vocabulary, name="output", weights=weights, biases=biases),
    )
