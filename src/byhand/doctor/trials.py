"""Which of the ways to see a forward and a backward in a file is meant: the likeliest that runs and
whose results are gradients of something."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from byhand.doctor import claims, deadline, failures, find
from byhand.doctor.claims import Claim
from byhand.doctor.instrument import Instrumented
from byhand.doctor.judge import same_loss
from byhand.doctor.results import CannotBind
from byhand.doctor.subject import Ended, Outcome, Plan, Subject
from byhand.errors import InputError

Case = tuple[Subject, Outcome | Exception, list[Claim]]
"""A program that is ready to be checked; or the error that its backward raises, without claims."""


class TooSlow(InputError):
    """One call did not return in its time."""


def settle(
    module: Instrumented, given: dict[str, Any], name: str | None, of: dict[str, str]
) -> Case:
    """The likeliest case at these inputs.

    Raises      InputError that says why there is none
    """
    trials = _Trials(module, given, of)
    for score, plan in find.plans(module, given, name):
        if trials.best is not None and score < trials.best.score - 4.5:
            break
        trials.add(score, plan)
    return trials.result(name)


@dataclass
class _Best:
    score: float  # of the plan, before it was run
    worth: float
    case: Case


class _Trials:
    def __init__(self, module: Instrumented, given: dict[str, Any], of: dict[str, str]) -> None:
        self.module = module
        self.path = Path(module.path)
        self.given = given
        self.of = of
        self.best: _Best | None = None
        self.raised: tuple[float, Subject | None, Exception] | None = None
        self.refused: InputError | None = None  # why the likeliest plan came to nothing
        self.endless: set[str | None] = set()

    def add(self, score: float, plan: Plan) -> None:
        """Run a plan and see what comes of it."""
        if {plan.forward, plan.backward} & self.endless:
            return
        subject, outcome = None, None
        called = plan.forward
        try:
            with deadline.limit(self._patience()):
                subject = find.build(self.module, plan, self.given)
                loss = subject.loss(subject.start)
                called = plan.backward or plan.forward
                outcome = subject.run(subject.start)
        except CannotBind:
            return
        except deadline.Late as late:
            self.endless.add(called)
            self._raises(score, subject, TooSlow(failures.endless(late, self.path)))
        except InputError as error:
            self._raises(score, subject, error)
        except Exception as error:
            self._fails(score, plan, subject, error, called)
        if subject is None or outcome is None:
            return
        if _differ(loss, outcome.loss):
            self._raises(score, subject, InputError(_unsteady(plan)))
        else:
            self._runs(score, subject, outcome)

    def _patience(self) -> float:
        """Seconds for one plan: what takes longer cannot be run dozens of times; and once that one
        is found, others of the file, such as its training, are not waited for."""
        if self.best is not None:
            return 0.2 + 10 * self.best.case[0].took
        return max(1.0, deadline.left() / 5)

    def _raises(self, score: float, subject: Subject | None, error: Exception) -> None:
        if self.raised is None or score > self.raised[0]:
            self.raised = (score, subject, error)

    def _fails(
        self, score: float, plan: Plan, subject: Subject | None, error: Exception, called: str
    ) -> None:
        said = InputError(failures.raised(error, self.path, f"{called}() fails"))
        if isinstance(error, Ended):
            self._raises(score, subject, said)
        elif isinstance(error, NotImplementedError):
            self.refused = self.refused or said  # a base class, where others of the file run
        elif plan.backward is not None and called == plan.backward:
            self._raises(score, subject, error)
        elif subject and plan.backward is None and _of_shapes(error) and find.both(subject):
            # What is raised may come from its backward.
            self.raised = self.raised or (score, subject, error)
        else:
            self.refused = self.refused or said

    def _runs(self, score: float, subject: Subject, outcome: Outcome) -> None:
        slopes = claims.Slopes(subject)
        found = claims.claims(subject, outcome, self.of, slopes)
        if not found:
            return
        right = sum(slopes.fits(c.of, outcome.gradients[c.name]) for c in found)
        worth = score + 0.3 * min(3, len(found)) + 2.5 * (right > 0) + 1.0 * right / len(found)
        if self.best is None or worth > self.best.worth:
            self.best = _Best(score, worth, (subject, outcome, found))

    def result(self, name: str | None) -> Case:
        if self.best and (self.raised is None or self.raised[0] < self.best.score + 0.5):
            return self.best.case
        if self.raised is None:
            raise self.refused or find.refuse(self.module, name, set(self.given))
        _, subject, error = self.raised
        if subject is None or isinstance(error, InputError):
            raise error
        return subject, error, []


def _of_shapes(error: Exception) -> bool:
    return isinstance(error, ValueError | IndexError)


def _differ(loss: float, again: float) -> bool:
    return math.isfinite(loss) and not same_loss(again, loss)


def _unsteady(plan: Plan) -> str:
    return (
        f"{plan.forward}() gives another loss each time with the same arguments; hand in what it "
        "draws or counts (a mask, a generator, a step) as an argument"
    )
