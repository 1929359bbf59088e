from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest

from byhand import engines
from byhand.engines import Program
from byhand.errors import InputError
from byhand.layers import PADDING
from byhand.losses import SoftmaxCrossEntropy
from byhand.models import seq2seq, transformer
from byhand.optimizers import SGD
from byhand.training.search import Written, search

WORDS, BEGIN, END = 5, 0, 1
SOURCES = np.array([[2, 3, 4, 1], [4, 1, PADDING, PADDING], [3, 3, 1, PADDING]])
MODELS: dict[str, Any] = {
    "seq2seq": lambda: seq2seq(WORDS, WORDS, embedding=4, hidden=6, attention="dot"),
    "transformer": lambda: transformer(WORDS, WORDS, width=6, heads=2, depth=1, place="pre"),
}
every_model = pytest.mark.parametrize("name", MODELS)


def program(name: str, engine: str = "numpy") -> Program:
    model = MODELS[name]().initialize(5)
    for symbol in ("W", "b"):  # what it is sure of differs from source to source
        model.parameters[f"output.{symbol}"][...] *= 3
    return engines.compile(model, SoftmaxCrossEntropy(), SGD(0.1), engine=engine)


def log_p(own: Program, source: Any, ids: tuple[int, ...]) -> float:
    """ln p of a target, when it is read as a whole."""
    pair = np.full((1, 2, max(len(source), len(ids))), PADDING)
    pair[0, 0, : len(source)] = source
    pair[0, 1, : len(ids)] = (BEGIN, *ids[:-1])
    p = own.predict(pair)[0]
    return float(np.log(p[np.arange(len(ids)), ids]).sum())


@every_model
def test_a_beam_as_wide_as_all_that_there_is_finds_the_best(name: str) -> None:
    own, limit = program(name), 3
    found = search(own, SOURCES, beam=200, limit=limit, begin=BEGIN, end=END)
    others = [word for word in range(WORDS) if word != END]
    for source, best in zip(SOURCES, found, strict=True):
        targets = [
            Written(ids, log_p(own, source, (*ids, END)), True)
            for n in range(limit)
            for ids in itertools.product(others, repeat=n)
        ]
        expected = max(targets, key=lambda each: each.score)
        assert best.ids == expected.ids
        assert best.log_p == pytest.approx(expected.log_p, abs=1e-10)


@every_model
def test_a_beam_of_one_always_takes_the_likeliest(name: str) -> None:
    own = program(name)
    for source, found in zip(
        SOURCES, search(own, SOURCES, beam=1, limit=6, begin=BEGIN, end=END), strict=True
    ):
        ids: tuple[int, ...] = ()
        while len(ids) < 6 and (not ids or ids[-1] != END):
            ids += (max(range(WORDS), key=lambda word: log_p(own, source, (*ids, word))),)
        assert found.ids == tuple(word for word in ids if word != END)
        assert found.ended == (ids[-1] == END)
        assert found.log_p == pytest.approx(log_p(own, source, ids), abs=1e-10)


@pytest.mark.parametrize("engine", engines.ENGINES)
@every_model
def test_sentences_together_are_what_they_are_alone(name: str, engine: str) -> None:
    if missing := engines.available(engine):
        pytest.skip(missing)
    own = program(name, engine)
    how = {"limit": 5, "begin": BEGIN, "end": END}
    for beam in (1, 3):
        found = search(own, SOURCES, beam=beam, **how)
        assert len({each.ids for each in found}) > 1
        for source, together in zip(SOURCES, found, strict=True):
            (alone,) = search(own, source[source != PADDING][None], beam=beam, **how)
            assert alone.ids == together.ids
            assert alone.log_p == pytest.approx(together.log_p, abs=1e-10)


def test_what_does_not_end_is_cut_off_at_the_limit() -> None:
    model = MODELS["transformer"]().initialize(3)
    model.parameters["output.b"][END] = -1000
    own = engines.compile(model, SoftmaxCrossEntropy(), SGD(0.1))
    for beam in (1, 4):
        found = search(own, SOURCES, beam=beam, limit=7, begin=BEGIN, end=END)
        assert [(len(each.ids), each.ended) for each in found] == [(7, False)] * 3


def test_longer_targets_are_not_the_worse_for_it() -> None:
    """Wu et al., eq. 14 with α = 0.6: three tokens and the end, of which each has p = 1/2."""
    written = Written((2, 3, 4), 4 * np.log(0.5), True)
    assert written.score == pytest.approx(-2.772589 / 1.5**0.6, abs=1e-6)


@pytest.mark.parametrize("beam", [0, -2])
def test_a_beam_of_nothing(beam: int) -> None:
    text = f"beam is how many beginnings are gone on with, at least 1; found {beam}"
    with pytest.raises(InputError, match=text):
        search(program("seq2seq"), SOURCES, beam=beam, limit=3, begin=BEGIN, end=END)
