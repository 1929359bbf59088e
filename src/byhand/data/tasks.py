"""Sequences that only a memory can answer: what a gap of any length is tried with.

The examples are drawn, so there are as many as one wants, and what a memory has to hold, and for
how many steps, is chosen. Whoever forgets does no better than chance, which is known beforehand.
"""

from __future__ import annotations

import numpy as np

from byhand.data.splits import Split
from byhand.errors import InputError
from byhand.layers import PADDING
from byhand.randomness import stream


def copy_task(
    examples: int, gap: int, *, seed: int = 0, symbols: int = 8, length: int = 10
) -> Split:
    """Read some symbols, wait, and then say them in their order.

        inputs      a₁ … a_length   blank × (gap − 1)   go   blank × length
        targets     nothing asked × (length + gap)           a₁ … a_length

    The symbols are 0 … symbols − 1, uniformly drawn; blank is `symbols` and go is `symbols` + 1. So
    each symbol is asked for length + gap steps after it was read. Who has forgotten them can only
    guess: a loss of ln `symbols`, and one right answer in `symbols`.

    In the paper the blanks of the targets are asked for, too. That is learned at once, and makes
    the mean loss smaller the longer the gap is; here they ask for nothing (−1).

    Shapes      inputs, targets[examples, gap + 2 · length] int64
    Source      Hochreiter, Schmidhuber, Long short-term memory (1997), experiment 2, for the idea;
                Arjovsky, Shah, Bengio, Unitary evolution recurrent neural networks (2016), section
                4.1, for this form, with 8 symbols and a length of 10.
    Raises      InputError
    """
    _at_least("examples", examples, 1)
    _at_least("gap", gap, 1)
    _at_least("symbols", symbols, 2)
    _at_least("length", length, 1)
    blank, go = symbols, symbols + 1
    said = stream(seed, "tasks").integers(symbols, size=(examples, length))
    inputs = np.full((examples, gap + 2 * length), blank, np.int64)
    inputs[:, :length] = said
    inputs[:, length + gap - 1] = go
    targets = np.full_like(inputs, PADDING)
    targets[:, length + gap :] = said
    return Split(inputs, targets)


def adding_task(examples: int, steps: int, *, seed: int = 0) -> Split:
    """Of many numbers, add the two that are marked.

    At each step there is a number, uniform in [0, 1], and a mark, 0 or 1. Two steps are marked, one
    in the first half and one in the second, both uniformly. The target is the sum of their numbers.

    Who knows nothing says 1, with a mean squared error of 2 · 1/12 = 1/6, the variance of the sum.

    Shapes      inputs[examples, steps, 2] float32, the number and the mark;
                targets[examples, 1] float32
    Source      Hochreiter, Schmidhuber, Long short-term memory (1997), experiment 4; in the form of
                Arjovsky, Shah, Bengio, Unitary evolution recurrent neural networks (2016), section
                4.2.
    Raises      InputError
    """
    _at_least("examples", examples, 1)
    _at_least("steps", steps, 2)
    rng = stream(seed, "tasks")
    numbers = rng.random((examples, steps), np.float32)
    half = steps // 2
    marked = np.stack(
        (rng.integers(half, size=examples), rng.integers(half, steps, size=examples)), axis=1
    )
    marks = np.zeros_like(numbers)
    np.put_along_axis(marks, marked, 1, axis=1)
    targets = np.take_along_axis(numbers, marked, axis=1).sum(axis=1, keepdims=True)
    return Split(np.stack((numbers, marks), axis=2), targets)


def _at_least(name: str, value: int, least: int) -> None:
    if value < least:
        raise InputError(f"{name} is at least {least}, found {value}")
