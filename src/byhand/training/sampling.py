"""Writing with a network that guesses the next token: which one is drawn, again and again."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from byhand.data import Vocabulary
from byhand.engines import Program
from byhand.errors import InputError
from byhand.randomness import stream
from byhand.sampling import Sampling

Array = NDArray[Any]
PIECE = 1000
"""Tokens of a prompt that are read at once, so that a long one does not fill the memory."""
BROKEN = "\ufffd"
"""What stands for bytes that are no character, or not yet."""


def encoded(prompt: str | None, vocabulary: Vocabulary) -> Array:
    """The ids of a prompt; without one those of the end of a line, after which something new may
    begin, or the first token where there are no lines.

    Raises      InputError for an empty prompt, and for a character not in the vocabulary
    """
    if prompt == "":
        raise InputError(
            "the prompt is empty, and the network goes on from something: give a character or "
            "more, or leave --prompt out to begin a line"
        )
    try:
        return vocabulary.encode("\n" if prompt is None else prompt)
    except InputError as error:
        if prompt is None:
            return np.zeros(1, np.int64)
        raise InputError(f"the prompt: {error}") from None


def after(
    program: Program, prompt: Array, context: int | None = None
) -> tuple[Array, dict[str, Array]]:
    """The probabilities of the token after a prompt, and the states in which it leaves the network.

    context     of a longer prompt only so many tokens are read, the last ones; None: all of them
    Shapes      prompt[tokens] -> p[vocabulary]
    """
    states: dict[str, Array] = {}
    prompt = prompt[-context:] if context else prompt
    for start in range(0, len(prompt), PIECE):
        outputs, states = program.predict_from(prompt[None, start : start + PIECE], states)
    return outputs[0, -1], states


def continued(
    program: Program, prompt: Array, sampling: Sampling, seed: int, context: int | None = None
) -> Iterator[int]:
    """The tokens that a network writes after a prompt[tokens], without an end. One seed is one
    text, on every engine, unless a rounding decides.

    context     tokens that the network was trained to look at; None where it remembers without an
                end. When they are full it begins again with the last half of them: were each token
                to push out the first, all the others would have to be read anew at every step.
    """
    random = stream(seed, "sampling")
    p, states = after(program, prompt, context)
    recent: deque[int] = deque(prompt.tolist(), maxlen=context)
    seen = len(recent)
    while True:
        token = sampling.draw(p, random.random())
        yield token
        recent.append(token)
        if context is not None and seen >= context:
            half = np.array(recent)[-max(1, context // 2) :]
            p, states = after(program, half)
            seen = len(half)
            continue
        outputs, states = program.predict_from(np.array([[token]]), states)
        p = outputs[0, -1]
        seen += 1


def spelled(ids: Iterable[int], vocabulary: Vocabulary) -> Iterator[str]:
    """What each token adds to the text. A character of several tokens comes whole with its last
    one, and "" with those before; what is no character in the end comes after all others."""
    pending: list[int] = []
    shown = 0
    for token in ids:
        pending.append(token)
        text = vocabulary.decode(pending)
        if text.endswith(BROKEN):
            # The next token may make a character of the bytes at the end, and of no others.
            yield text[shown:-1]
            shown = len(text) - 1
        else:
            yield text[shown:]
            pending, shown = [], 0
    if pending:
        yield vocabulary.decode(pending)[shown:]
