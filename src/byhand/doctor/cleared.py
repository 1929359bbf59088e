"""Statements that cannot have gone wrong, since what is made of their values is right.

A wrong value leaves nothing right that depends on it, but by chance. In a loop each round counts by
itself: what comes back from a later step is nothing in the first."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from byhand.doctor import deadline, values
from byhand.doctor.compared import Comparison, Part, arrays
from byhand.doctor.judge import Judge
from byhand.doctor.probing import flat, shifted
from byhand.doctor.trace import Visit

SECONDS = 0.3


def innocent(
    judge: Judge, visits: dict[int, Visit], suspects: Sequence[Visit], known: Comparison
) -> dict[int, set[int]]:
    """The rounds of each statement in which its value is right, or goes into one that is."""
    found = {v.site.number: set(known.right[v.site.number]) for v in suspects}
    watched = {n: parts for n, parts in known.parts.items() if parts}
    end = time.thread_time() + min(SECONDS, deadline.left() / 10)
    for visit in suspects:
        own = found[visit.site.number]
        rounds = set(range(len(visit.results))) - own
        sizes = [flat(result) for result in visit.results]
        if not watched or not rounds or visit.count != len(visit.results):
            continue
        if time.thread_time() > end or any(size is None or not size.size for size in sizes):
            continue
        for k in sorted(rounds):
            steps = list(_steps(visit.results[k]))
            whole = np.sum(steps, axis=0)
            if time.thread_time() > end or not _reaches(judge, visits, visit, k, whole, watched):
                break  # once it has gone wrong it stays so
            if all(_reaches(judge, visits, visit, k, step, watched) for step in steps):
                own.add(k)
    return found


def _steps(value: Any) -> Iterator[np.ndarray]:
    """Steps of parts of a value, each a vector as flat() has it: of a tuple or a dictionary each
    array, of an array the quarters along each axis, since one gate of four may be wrong."""
    rng = np.random.default_rng(5)
    whole = flat(value)
    assert whole is not None
    step = (0.1 * np.abs(whole) + 0.01) * rng.uniform(0.5, 1.5, whole.size)
    if isinstance(value, tuple | list | dict):
        several = value.values() if isinstance(value, dict) else value
        sizes = [0 if part is None else part.size for part in map(flat, several)]
        owners = [np.repeat(np.arange(len(sizes)), sizes)]
    else:
        shape = values.shape(value) or (1,)
        indices = np.indices(shape)
        owners = [
            (4 * along // size).reshape(-1) for along, size in zip(indices, shape, strict=True)
        ]
    for owner in owners:
        for k in np.unique(owner):
            yield np.where(owner == k, step, 0.0)


def _reaches(
    judge: Judge,
    visits: dict[int, Visit],
    visit: Visit,
    moved: int,
    step: np.ndarray,
    watched: dict[int, set[tuple[int, Part]]],
) -> bool:
    """Whether a step of a statement's value in one round changes a value that is right."""
    module, site = judge.subject.module, visit.site
    counts: Counter[int] = Counter()
    reached: list[int] = []

    def handler(there: dict[str, Any]) -> Any:
        k = counts[site.number]
        counts[site.number] += 1
        value = module.evaluate(site.code, there)
        return shifted(value, step) if k == moved else value

    def watch(number: int) -> Any:
        other = visits[number]

        def look(there: dict[str, Any]) -> Any:
            k = counts[number]
            counts[number] += 1
            value = module.evaluate(other.site.code, there)
            if not reached and k < len(other.results):
                now = dict(arrays(value))
                if any(
                    (k, part) in watched[number] and part in now and _differs(was, now[part])
                    for part, was in arrays(other.results[k])
                ):
                    reached.append(number)
            return value

        return look

    for number in watched:
        if number != site.number:
            module.listen(number, watch(number))
    module.listen(site.number, handler)
    try:
        judge.subject.run(judge.state)
    except Exception:
        return False
    finally:
        module.quiet()
    return bool(reached)


def _differs(was: np.ndarray, now: np.ndarray) -> bool:
    return was.shape == now.shape and not np.allclose(was, now, rtol=1e-9, atol=1e-13)
