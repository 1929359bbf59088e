"""The learning rate over time, as a factor on the optimizer's learning rate.

A factor depends on the step, the plan of the run and the validation scores so far, and on nothing
else: no schedule has a state, so a resumed run continues exactly.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from byhand.errors import InputError


@dataclass(frozen=True)
class Plan:
    """What a schedule may know: the length of an epoch and of the run in steps, and the validation
    score (higher is better) after each finished epoch."""

    steps_per_epoch: int
    total_steps: int
    scores: Sequence[float] = ()


@dataclass(frozen=True)
class Schedule:
    """factor(step, plan) multiplies the learning rate of step 0, 1, 2, …"""

    def factor(self, step: int, plan: Plan) -> float:
        raise NotImplementedError

    def factors(self, first: int, count: int, plan: Plan) -> list[float]:
        """The factors of `count` steps in a row."""
        return [self.factor(step, plan) for step in range(first, first + count)]

    def finished(self, plan: Plan) -> bool:
        """Whether the factor has become so small that training may end."""
        return False


@dataclass(frozen=True)
class Constant(Schedule):
    """factor = 1"""

    def factor(self, step: int, plan: Plan) -> float:
        return 1.0

    def factors(self, first: int, count: int, plan: Plan) -> list[float]:
        return [1.0] * count


@dataclass(frozen=True)
class Step(Schedule):
    """factor = γ^⌊epoch / every⌋: multiplied by `gamma` after every `every` epochs."""

    every: int
    gamma: float = 0.1

    def __post_init__(self) -> None:
        if self.every < 1:
            raise InputError(f"every is a number of epochs, at least 1, found {self.every}")

    def factor(self, step: int, plan: Plan) -> float:
        epoch = step // plan.steps_per_epoch
        return float(self.gamma ** (epoch // self.every))


@dataclass(frozen=True)
class Cosine(Schedule):
    """factor = f + (1 − f) · ½ (1 + cos(π step / total_steps)), from 1 down to f = `final`.

    Source      Loshchilov, Hutter, SGDR (2017), eq. 5, without restarts.
    """

    final: float = 0.0

    def factor(self, step: int, plan: Plan) -> float:
        wave = 0.5 * (1 + math.cos(math.pi * min(step / plan.total_steps, 1.0)))
        return self.final + (1 - self.final) * wave


@dataclass(frozen=True)
class WarmUp(Schedule):
    """factor = min((step + 1) / steps, 1) · then.factor: a straight line up to `then`.

    Source      Goyal et al., Accurate, large minibatch SGD (2017), section 2.2.
    """

    steps: int
    then: Schedule = Constant()

    def __post_init__(self) -> None:
        if self.steps < 1:
            raise InputError(f"steps is at least 1, found {self.steps}")

    def factor(self, step: int, plan: Plan) -> float:
        return min((step + 1) / self.steps, 1.0) * self.then.factor(step, plan)

    def finished(self, plan: Plan) -> bool:
        return self.then.finished(plan)


@dataclass(frozen=True)
class InverseSquareRoot(Schedule):
    """factor = min(s / w, √(w / s)) with s = step + 1 and w = `warm_up`: a straight line up to 1,
    then down as 1/√s, without an end that would have to be planned.

    The paper's rate is d^−½ · min(s^−½, s · w^−3⁄2), which is the factor times (d w)^−½. So with a
    learning rate of (d w)^−½ for the optimizer, the highest that there will be, it is the paper's:
    for its width d = 512 and w = 4000 that is 0.0007.

    Source      Vaswani et al., Attention is all you need (2017), eq. 3.
    """

    warm_up: int

    def __post_init__(self) -> None:
        if self.warm_up < 1:
            raise InputError(f"warm_up is a number of steps, at least 1, found {self.warm_up}")

    def factor(self, step: int, plan: Plan) -> float:
        return min((step + 1) / self.warm_up, math.sqrt(self.warm_up / (step + 1)))


@dataclass(frozen=True)
class HalveOnPlateau(Schedule):
    """factor is halved whenever the best validation score is `patience` epochs old; training ends
    when it has fallen to `smallest`.

    Source      Nielsen, ch. 3, "How to choose a neural network's hyper-parameters": halve when
                validation stalls, stop at 1/128.
    """

    patience: int = 10
    smallest: float = 1 / 128

    def __post_init__(self) -> None:
        if self.patience < 1:
            raise InputError(f"patience is a number of epochs, at least 1, found {self.patience}")

    def factor(self, step: int, plan: Plan) -> float:
        best, waited, factor = -math.inf, 0, 1.0
        for score in plan.scores:
            if score > best:
                best, waited = score, 0
            else:
                waited += 1
            if waited == self.patience:
                waited, factor = 0, factor / 2
        return factor

    def factors(self, first: int, count: int, plan: Plan) -> list[float]:
        # The history is walked once, not at every step: it is the same for all of them.
        return [self.factor(first, plan)] * count

    def finished(self, plan: Plan) -> bool:
        return self.factor(0, plan) <= self.smallest
