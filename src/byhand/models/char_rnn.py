"""The recurrent network that guesses the next character."""

from __future__ import annotations

from collections.abc import Sequence

from byhand.errors import InputError
from byhand.initializers import Initializer, NormalFanIn, Zeros
from byhand.layers import GRU, LSTM, RNN, Dense, Dropout, Embedding, Layer, OneHot, Sequential

CELLS: dict[str, type[RNN] | type[GRU] | type[LSTM]] = {"rnn": RNN, "gru": GRU, "lstm": LSTM}


def char_rnn(
    vocabulary: int,
    *,
    hidden: Sequence[int] = (128, 128),
    cell: str = "lstm",
    embedding: int | None = None,
    dropout: float = 0.0,
    weights: Initializer = NormalFanIn(),
    biases: Initializer = Zeros(),
) -> Sequential:
    """Recurrent layers over the ids of a text, and a score for each token that may come next, at
    every step: `char_rnn(65)`.

    Shapes          ids[batch, time] -> z[batch, time, vocabulary]
    vocabulary      how many tokens there are
    hidden          units of each recurrent layer
    cell            rnn, gru or lstm
    embedding       features of a learnt vector for each token; None: a one-hot row
    dropout         share dropped in training of what each recurrent layer hands upwards; what it
                    hands on to its own next step is left whole
    weights, biases how the parameters start; the matrices of the state are orthogonal, the vectors
                    of an embedding standard normal

    The layers are named by kind and place, such as lstm1, lstm2, the last one output.
    Source          Karpathy, The unreasonable effectiveness of recurrent neural networks (2015),
                    and its char-rnn; for the dropout Zaremba, Sutskever, Vinyals, Recurrent neural
                    network regularization (2014).
    Raises          InputError, which names the argument.
    """
    if cell not in CELLS:
        raise InputError(f"cell is one of {', '.join(CELLS)}; found {cell!r}")
    if len(hidden) < 1:
        raise InputError("hidden needs one entry or more, such as [128, 128]; found none")
    layers: list[Layer] = [
        OneHot(vocabulary) if embedding is None else Embedding(vocabulary, embedding)
    ]
    n_in = vocabulary if embedding is None else embedding
    for n_out in hidden:
        layers.append(CELLS[cell](n_in, n_out, weights=weights, biases=biases))
        if dropout:
            layers.append(Dropout(dropout))
        n_in = n_out
    layers.append(Dense(n_in, vocabulary, name="output", weights=weights, biases=biases))
    return Sequential(*layers)
