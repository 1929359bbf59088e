"""Two recurrent networks: one reads a sentence, the other writes one."""

from __future__ import annotations

from byhand.errors import InputError
from byhand.initializers import Initializer, NormalFanIn, Zeros
from byhand.layers import (
    GRU,
    AdditiveAttention,
    Bidirectional,
    Concatenation,
    Dense,
    DotAttention,
    Dropout,
    Embedding,
    Encoder,
    GeneralAttention,
    Layer,
    Sequential,
    Summary,
    Tanh,
)
from byhand.models.choices import check_choice

ATTENTIONS = ("none", "dot", "general", "additive")


def seq2seq(
    source_vocabulary: int,
    target_vocabulary: int,
    *,
    embedding: int = 128,
    hidden: int = 128,
    depth: int = 1,
    bidirectional: bool = True,
    attention: str = "additive",
    dropout: float = 0.0,
    weights: Initializer = NormalFanIn(),
    biases: Initializer = Zeros(),
) -> Sequential:
    """A GRU that reads the source, and one that writes the target, with or without a look back at
    each of the source's words: `seq2seq(8000, 10_000)`.

    Shapes          ids[batch, 2, time], source and target -> z[batch, time, target_vocabulary]
    embedding       features of a word, on both sides
    hidden          units of the decoder, and features of what the encoder says of each word
    depth           recurrent layers of the encoder, and of the decoder
    bidirectional   an encoder in both directions, with hidden/2 units each
    attention       none: of the source the decoder knows what the encoder says at its end; dot,
                    general or additive: at each step it looks at all of its words as well
    dropout         share dropped in training of the embeddings, between recurrent layers and
                    before the output
    weights, biases how the parameters start; the matrices of the state are orthogonal

    The parts are of three papers:

        Cho et al. (2014)       the encoder's end is an input of every step of the decoder, with or
                                without attention. Their output sees it, too; here only the GRU
        Bahdanau et al. (2014)  the encoder in both directions, and additive attention. In theirs
                                the state of the step before asks, and what it finds goes into the
                                next state
        Luong et al. (2015)     where attention is: the new state s asks, after the decoder's
                                layers, and tanh([s; c] W + b), eq. 5, goes on to the output. They
                                hand it to the next step as well (input feeding), which is left out:
                                so the decoder's layers read a whole target at once in training

    Sources         Cho et al., Learning phrase representations using RNN encoder–decoder; Bahdanau,
                    Cho, Bengio, Neural machine translation by jointly learning to align and
                    translate; Luong, Pham, Manning, Effective approaches to attention-based neural
                    machine translation. For the dropout Zaremba, Sutskever, Vinyals, Recurrent
                    neural network regularization (2014).
    Raises          InputError, which names the argument.
    """
    check_choice("attention", attention, ATTENTIONS)
    if depth < 1:
        raise InputError(f"depth is at least 1, found {depth}")
    if bidirectional and hidden % 2:
        raise InputError(f"hidden is even, half of it for each direction; found {hidden}")

    def recurrent(n_in: int, units: int) -> GRU:
        return GRU(n_in, units, weights=weights, biases=biases)

    def reading(n_in: int) -> Layer:
        if not bidirectional:
            return recurrent(n_in, hidden)
        return Bidirectional(recurrent(n_in, hidden // 2), recurrent(n_in, hidden // 2))

    def dropped() -> list[Layer]:
        return [Dropout(dropout)] if dropout else []

    encoder: list[Layer] = [Embedding(source_vocabulary, embedding)]
    decoder: list[Layer] = [Embedding(target_vocabulary, embedding)]
    for k in range(depth):
        encoder += [*dropped(), reading(embedding if k == 0 else hidden)]
        decoder += dropped()
        if k == 0:
            decoder.append(Concatenation(Summary(hidden, bidirectional=bidirectional)))
        decoder.append(recurrent(embedding + hidden if k == 0 else hidden, hidden))
    if attention != "none":
        decoder += [
            Concatenation(_attention(attention, hidden, weights), name="attention"),
            Dense(2 * hidden, hidden, name="combined", weights=weights, biases=biases),
            Tanh(),
        ]
    return Sequential(
        Encoder(*encoder, name="encoder"),
        *decoder,
        *dropped(),
        Dense(hidden, target_vocabulary, name="output", weights=weights, biases=biases),
    )


def _attention(kind: str, hidden: int, weights: Initializer) -> Layer:
    if kind == "dot":
        return DotAttention()
    if kind == "general":
        return GeneralAttention(hidden, hidden, weights=weights)
    return AdditiveAttention(hidden, hidden, hidden, weights=weights)
