"""A network that guesses the next character of Shakespeare: how good, beside counting, and what its
cells follow.

Trains one LSTM layer for some epochs. Prints the losses, and what it writes at three temperatures;
draws a few of its cells over the text.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

import numpy as np
from _shared import output_folder, publish

from byhand import Adam, SoftmaxCrossEntropy, data, engines
from byhand.clipping import ClipByGlobalNorm
from byhand.data import Dataset, Vocabulary, stream_order
from byhand.engines import Program
from byhand.models import char_rnn
from byhand.sampling import Sampling
from byhand.schedules import Cosine, Plan
from byhand.training.sampling import continued, encoded, spelled
from byhand.views import cells
from byhand.views.cells import TOKENS, Cells
from byhand.views.reading import tokens_of
from byhand.views.subject import in_our_layers

STEPS, STREAMS, HIDDEN, EPOCHS, RATE = 64, 32, 128, 6, 0.01
TEMPERATURES, WRITTEN = (0.3, 0.7, 1.0), 160
DRAWN = 2  # cells, for a small figure
LAST = (0, 1, 2, 3)  # characters that counting looks at


@dataclass(frozen=True)
class Findings:
    """losses: nats per character of the validation text after each epoch. counting: by how many
    characters it looks back. samples: by temperature."""

    losses: list[float]
    counting: dict[int, float]
    samples: dict[float, str]
    cells: Cells


def by_counting(known: np.ndarray, held_out: np.ndarray, characters: int, last: int) -> float:
    """Nats per character of a table of what has followed each run of the `last` characters; 0.1 is
    added to each count."""
    powers = characters ** np.arange(last, -1, -1)

    def places(ids: np.ndarray) -> np.ndarray:
        return np.lib.stride_tricks.sliding_window_view(ids, last + 1) @ powers

    counts = np.bincount(places(known), minlength=characters ** (last + 1)) + 0.1
    rows = counts.reshape(-1, characters)
    p = rows / rows.sum(axis=1, keepdims=True)
    return float(-np.log(p.ravel()[places(held_out)]).mean())


def learned(
    text: Dataset, characters: int, hidden: int, epochs: int
) -> tuple[Program, list[float]]:
    """The network, and its loss on the validation text after each epoch."""
    program = engines.compile(
        char_rnn(characters, hidden=[hidden]).initialize(0, np.float32),
        SoftmaxCrossEntropy(),
        Adam(RATE),
        clipping=ClipByGlobalNorm(1.0),
        engine="numpy" if engines.available("native") else "native",
        threads=1,
        carry_state=True,
    )
    order = stream_order(len(text.train), STREAMS)
    validation = stream_order(len(text.validation), STREAMS)
    steps = len(order) // STREAMS
    plan, losses = Plan(steps, epochs * steps), []
    for epoch in range(epochs):
        rates = [RATE * factor for factor in Cosine().factors(epoch * steps, steps, plan)]
        program.set_recurrent_state({})
        program.train(text.train.inputs, text.train.targets, order, STREAMS, epoch * steps, rates)
        x, t = text.validation.inputs[validation], text.validation.targets[validation]
        losses.append(program.evaluate(x, t, STREAMS).loss)
    return program, losses


def wrote(program: Program, vocabulary: Vocabulary, temperature: float) -> str:
    ids = continued(program, encoded("ROMEO:", vocabulary), Sampling(temperature), seed=1)
    return "ROMEO:" + "".join(spelled(islice(ids, WRITTEN), vocabulary))


def main(
    folder: Path, hidden: int = HIDDEN, epochs: int = EPOCHS, part: int | None = None
) -> Findings:
    """`part` is how many windows of the training text are read; None: all."""
    text = data.text("tiny-shakespeare", steps=STEPS)
    if part is not None:
        text = replace(text, train=text.train.first(part))
    assert text.vocabulary is not None
    characters = len(text.vocabulary)
    known, held_out = text.train.inputs.ravel(), text.validation.inputs.ravel()
    program, losses = learned(text, characters, hidden, epochs)
    found = Findings(
        losses,
        {last: by_counting(known, held_out, characters, last) for last in LAST},
        {t: wrote(program, text.vocabulary, t) for t in TEMPERATURES},
        cells.cells_of(
            in_our_layers(program),
            text.vocabulary,
            tokens_of(text.validation, TOKENS),
            tokens_of(text.test, TOKENS),
            f"one LSTM layer of {hidden} units, {epochs} epochs\n"
            "each cell chosen on the validation text, its r measured on the test text",
        ),
    )
    best = replace(found.cells, found=found.cells.found[:DRAWN])
    publish("writing_shakespeare", lambda: cells.draw(best), said(found), folder)
    return found


def said(found: Findings) -> list[str]:
    lines = ["nats per character of the validation text"]
    lines += [f"  counting, the last {k}  {loss:.2f}" for k, loss in found.counting.items()]
    lines += [f"  after epoch {k}         {loss:.2f}" for k, loss in enumerate(found.losses, 1)]
    for temperature, sample in found.samples.items():
        lines += [
            "",
            f"temperature {temperature:g}",
            *(f"  {line}".rstrip() for line in sample.split("\n")),
        ]
    return lines


if __name__ == "__main__":
    main(output_folder())
