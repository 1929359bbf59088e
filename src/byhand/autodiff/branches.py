"""Which way a computation went, wherever its numbers decided that.

A comparison, the winner of a maximum, the side of an abs, a sort order: between two inputs that go
the same way everywhere a program of smooth functions is smooth. So a finite difference can be
trusted where its two ends left the same record.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from byhand.autodiff.tape import Array


class Branch(NamedTuple):
    """One decision: the operation's name, and for each element which way it went."""

    operation: str
    decision: Array

    def same_as(self, other: Branch) -> bool:
        return self.operation == other.operation and np.array_equal(self.decision, other.decision)


class Branches(list[Branch]):
    """The decisions of one run, in order: `with recording(branches=Branches()) as record`."""

    def same_as(self, other: Branches) -> bool:
        return self.first_difference(other) is None

    def first_difference(self, other: Branches) -> tuple[int, tuple[int, ...] | None] | None:
        """Where two runs part: the number of the decision, and the index of the first element that
        differs (None where one run has other operations or shapes). None for the same way."""
        for k, (mine, its) in enumerate(zip(self, other, strict=False)):
            if mine.same_as(its):
                continue
            if mine.operation != its.operation or mine.decision.shape != its.decision.shape:
                return k, None
            place = np.argwhere(mine.decision != its.decision)[0]
            return k, tuple(int(i) for i in place)
        shorter = min(len(self), len(other))
        return None if len(self) == len(other) else (shorter, None)
