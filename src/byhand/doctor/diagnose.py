"""From a program that runs to a report: which gradients are right, which line is wrong."""

from __future__ import annotations

import ast
import dataclasses
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from byhand.doctor import absent, certify, deadline, explain, failures, render, values
from byhand.doctor.claims import Claim
from byhand.doctor.find import build
from byhand.doctor.instrument import Instrumented
from byhand.doctor.judge import Judge, Verdict
from byhand.doctor.kept import Kept
from byhand.doctor.repair import Search
from byhand.doctor.report import Finding, Fix, GradientVerdict, Report
from byhand.doctor.subject import Outcome, State, Subject
from byhand.doctor.variety import Variety

MOST_MISTAKES = 3


def diagnose(
    module: Instrumented,
    text: str,
    target: str,
    subject: Subject,
    outcome: Outcome | Exception,
    claims: list[Claim],
    more: list[dict[str, Any]],
    unguarded: Callable[[], Report | None],
) -> Report:
    """Certify, and where something is wrong find out what.

    unguarded   the outcome without the small numbers that guard against infinity, asked where
                something is wrong; None where there are none, or where it is no better
    """
    if isinstance(outcome, Exception):
        return unguarded() or _shapes(module, text, target, subject, outcome)
    claims = [*claims, *absent.in_its_place(subject, outcome, claims)]
    missing = [values.named(path[1:]) for path in absent.forgotten(subject, claims)]
    judges = _judges(subject, claims, more)
    if not judges:
        return Report(
            target, "undecided", reason="the loss is not a finite number at the example's inputs"
        )
    verdicts = [(judge, judge.judge()) for judge in judges]
    gradients = [_verdict_of(claim, verdicts) for claim in claims]
    if all(g.verdict == "right" for g in gradients) and not missing:
        return Report(target, "right", tuple(gradients))
    report = unguarded()
    if report is not None:
        return report
    findings = []
    bad = next((j for j, v in verdicts if v is None or len(v.right) < len(claims)), None)
    if bad is not None:
        findings = _search(module, text, bad, [j for j in judges if j is not bad])
        gradients = _inherit(gradients, findings)
    for name in missing:
        note = "is not handed back"
        gradients.append(GradientVerdict("", name, "wrong", float("inf"), len(judges), note))
        findings.append(explain.not_returned(render.Source(text), subject.definition, name))
    return Report(
        target, "wrong", tuple(gradients), tuple(findings), source=tuple(text.splitlines())
    )


def _judges(subject: Subject, claims: list[Claim], more: list[dict[str, Any]]) -> list[Judge]:
    """One for the example's own point and one for a generic point near it."""
    states: list[State] = [subject.start]
    for inputs in more[:1]:
        try:
            states.append(build(subject.module, subject.plan, inputs).start)
        except Exception:
            continue
    near = certify.nudged(subject, claims, states[-1], 1)
    points: list[State] = [states[0]] + ([near] if near is not None else states[1:])
    varied = Variety(subject, claims).varied(points[-1])
    if varied is not None:
        points.append(varied)
    found = []
    for state in points:
        try:
            point = certify.measure(subject, state, claims)
        except Exception:
            continue
        if point is not None:
            found.append(Judge(subject, state, claims, point))
    return found


def _verdict_of(claim: Claim, verdicts: list[tuple[Judge, Verdict | None]]) -> GradientVerdict:
    right, worst, note, points = True, 0.0, "", 0
    for _, verdict in verdicts:
        if verdict is None:
            right, worst = False, float("inf")
            continue
        c = verdict.comparisons[claim.name]
        points += 1
        right &= c.right
        worst = max(worst, c.relative_error)
        if c.kink is not None:
            note = f"kink at {claim.variable}[{', '.join(map(str, c.kink))}]"
        if c.wrong_shape:
            note = "wrong shape"
    return GradientVerdict(
        claim.label, claim.variable, "right" if right else "wrong", worst, points, note
    )


def _search(module: Instrumented, text: str, judge: Judge, others: list[Judge]) -> list[Finding]:
    """One mistake after the other: each repair stays in place while the next is looked for."""
    source = render.Source(text)
    findings: list[Finding] = []
    kept = Kept(module, ast.parse(text))
    search, unsolved = None, False
    judge.subject.hurry()
    try:
        # What is left of the time, but for what it takes to say what was found.
        with deadline.limit(deadline.left() - 0.4):
            for _ in range(MOST_MISTAKES):
                search = Search(module, judge, others, kept.tree)
                repairs = search.run()
                before = search.base.right if search.base else frozenset()
                if not repairs:
                    unsolved = bool(search.wrong()) or not findings
                    break
                best = repairs[0]
                alternatives = [r for r in repairs[1:] if r.right == best.right][:4]
                found = explain.finding(source, search, best, before, alternatives)
                findings = [*(_beside(f, found) for f in findings), found]
                if best.right >= search.all_claims():
                    break
                kept.put(best)
    except deadline.Late:
        unsolved = not findings
    finally:
        kept.restore()
    guess = explain.unexplained(source, search) if search is not None and unsolved else None
    return [*findings, *([guess] if guess else [])]


def _beside(earlier: Finding, later: Finding) -> Finding:
    """A finding where another one is of the same lines: the correction of both is one."""
    a, b = earlier.fix, later.fix
    if a is None or b is None or (a.line, a.old) != (b.line, b.old):
        return earlier
    return dataclasses.replace(earlier, fix=b)


def _inherit(gradients: list[GradientVerdict], findings: list[Finding]) -> list[GradientVerdict]:
    """Wrong first: the gradient nearest to a mistake; the others inherit it."""
    first = {f.gradient for f in findings}
    found = []
    for g in gradients:
        inherits = g.verdict == "wrong" and findings and g.name not in first
        found.append(dataclasses.replace(g, verdict="inherited") if inherits else g)
    return found


def _reads(fix: Fix | None, guessed: str) -> bool:
    """Whether a correction speaks for what was guessed: where its line no longer reads that, the
    line may be right and the guess wrong."""
    if fix is None:
        return False
    word = re.compile(rf"\b{re.escape(guessed)}\b")
    return bool(word.search(fix.new)) or not word.search(fix.old)


def _shapes(
    module: Instrumented,
    text: str,
    target: str,
    subject: Subject,
    error: Exception,
) -> Report:
    judge = Judge(subject, subject.start, [], None)
    findings = _search(module, text, judge, [])
    if subject.guessed and not any(_reads(f.fix, subject.guessed) for f in findings):
        # Most likely it was called with the wrong thing.
        reason = (
            f"{subject.plan.backward} wants {subject.guessed}, which nothing is known for: return "
            f"it from example(rng) too"
        )
        return Report(target, "undecided", reason=reason)
    said = f"{type(error).__name__}: {error}"
    source = tuple(text.splitlines())
    verdict = "shape" if isinstance(error, ValueError | IndexError) else "wrong"
    spot = failures.where(error.__traceback__, Path(module.path))
    if verdict == "wrong" and spot is not None and not any(f.fix for f in findings):
        # A name that is not there, say: where it is raised is all that there is to know.
        line = source[spot[1] - 1]
        column = len(line) - len(line.lstrip())
        findings = [Finding(spot[1], column, len(line.rstrip()), "", "raises", said)]
    claims = [GradientVerdict(c.label, c.variable, "wrong", float("inf")) for c in judge.claims]
    return Report(target, verdict, tuple(claims), tuple(findings), said, source=source)
