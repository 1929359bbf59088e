"""The most likely sequence that a decoder can write, as far as one looks for it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from byhand.engines import Program
from byhand.engines.program import layers_over_steps, of_rows
from byhand.errors import InputError
from byhand.layers import PADDING
from byhand.sampling import likeliest

Array = NDArray[Any]
ALPHA = 0.6
"""How much length counts, as in Wu et al. (2016) and Vaswani et al. (2017)."""


class Written(NamedTuple):
    """What was written to a source, without the end."""

    ids: tuple[int, ...]
    log_p: float
    """ln p of all tokens, with the end's where there is one."""
    ended: bool
    """False where it was cut off at the limit."""

    @property
    def score(self) -> float:
        """ln p / ((5 + n)/6)^α over the n tokens. Each further token makes ln p smaller, so by it
        alone the shortest would be best."""
        return _score(self.log_p, len(self.ids) + self.ended)


class _Growing(NamedTuple):
    """A beginning of a target."""

    source: int
    """Which of the sources it belongs to."""
    ids: tuple[int, ...] = ()
    log_p: float = 0.0

    def at_best(self, limit: int) -> float:
        """The score where all further tokens up to the limit are certain."""
        return _score(self.log_p, limit)


def _score(log_p: float, tokens: int) -> float:
    return float(log_p / ((5 + tokens) / 6) ** ALPHA)


def check_beam(beam: int) -> None:
    """Raises      InputError"""
    if beam < 1:
        raise InputError(
            f"beam is how many beginnings are gone on with, at least 1; found {beam}: 1 always "
            "takes the likeliest word"
        )


def search(
    program: Program, sources: Array, *, beam: int, limit: int, begin: int, end: int
) -> list[Written]:
    """For each source the target with the best score among those that were found.

    sources     ids[batch, time], −1 behind them
    beam        beginnings that are gone on with: of all their continuations by a token so many, the
                likeliest, those that end among them. 1 is the greedy search
    limit       tokens of a target at most, the end included
    begin, end  ids that stand before and behind a target

    A source is done when no beginning could become better than the best that has ended, were it
    certain of all its further tokens; or at the limit, where one that has ended comes first.

    The source is encoded once and no token is read twice: each step goes on from the states of the
    beginnings that are left, which are rows of the states before.
    Source      Sutskever, Vinyals, Le, Sequence to sequence learning (2014), section 3.2; the score
                is of Wu et al., Google's neural machine translation system (2016), eq. 14, without
                the coverage.
    Raises      InputError where the beam is below 1
    """
    check_beam(beam)
    inputs = np.full((len(sources), 2, sources.shape[1]), PADDING, np.int64)
    inputs[:, 0], inputs[:, 1, 0] = sources, begin
    growing = [_Growing(k) for k in range(len(sources))]
    best: list[Written | None] = [None] * len(sources)
    states: Mapping[str, Array] = {}
    for length in range(1, limit + 1):
        outputs, states = program.predict_from(inputs, states)
        growing, parents = _step(growing, outputs[:, 0], beam, best, limit, end)
        if not growing or length == limit:
            break
        states = _rows(program, states, parents)
        # Beside the memory in the states the source is not read again.
        inputs = np.zeros((len(growing), 2, 1), np.int64)
        inputs[:, 1, 0] = [each.ids[-1] for each in growing]
    for each in growing:
        _keep(best, each.source, Written(each.ids, each.log_p, False))
    return [each for each in best if each is not None]


def _step(
    growing: Sequence[_Growing],
    p: Array,
    beam: int,
    best: list[Written | None],
    limit: int,
    end: int,
) -> tuple[list[_Growing], list[int]]:
    """The beginnings with a token more, for each the row that it goes on from; the best that have
    ended go into `best`."""
    with np.errstate(divide="ignore"):
        log_p = np.log(p.astype(np.float64)) + np.array([[each.log_p] for each in growing])
    left, parents, tokens = [], [], p.shape[1]
    of_source: dict[int, list[int]] = {}
    for row, each in enumerate(growing):
        of_source.setdefault(each.source, []).append(row)
    for source, rows in of_source.items():
        candidates = log_p[rows].ravel()
        places = [int(place) for place in likeliest(candidates, beam)[:beam]]
        longer = []
        for place in places:
            row, token = rows[place // tokens], place % tokens
            ids, total = growing[row].ids, float(candidates[place])
            if token == end:
                _keep(best, source, Written(ids, total, True))
            else:
                longer.append((_Growing(source, (*ids, token), total), row))
        found = best[source]
        # They are in order: what the first cannot become the others cannot.
        if longer and (found is None or longer[0][0].at_best(limit) > found.score):
            left += [each for each, _ in longer]
            parents += [row for _, row in longer]
    return left, parents


def _keep(best: list[Written | None], source: int, new: Written) -> None:
    """One that has ended comes before one that has not, then the better score."""
    old = best[source]
    if old is None or (new.ended, new.score) > (old.ended, old.score):
        best[source] = new


def _rows(program: Program, states: Mapping[str, Array], rows: Sequence[int]) -> dict[str, Array]:
    """The states of some sequences of a batch."""
    layers = layers_over_steps(program.description.model)
    return {name: of_rows(state, layers[name], rows) for name, state in states.items()}
