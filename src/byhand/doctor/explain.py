"""A repair in words."""

from __future__ import annotations

from byhand.doctor import render
from byhand.doctor.render import Source
from byhand.doctor.repair import Repair, Search
from byhand.doctor.report import Finding


def finding(source: Source, search: Search, best: Repair, alternatives: list[Repair]) -> Finding:
    fix, place = render.fix(source, best)
    others = tuple(f for f in (render.fix(source, r)[0] for r in alternatives) if f is not None)
    gradient = _first(search, best)
    return Finding(place.line, place.column, place.end_column, gradient, best.kind or "unexplained", _message(best), fix, others)


def _first(search: Search, best: Repair) -> str:
    before = search.base.right if search.base else frozenset()
    names = [c for c in search.judge.claims if c.name in best.right - before]
    return names[0].label if names else ""


def _message(best: Repair) -> str:
    return best.kind


def unexplained(source: Source, search: Search) -> Finding | None:
    if not search.suspects:
        return None
    site = search.suspects[0].visit.site
    place = source.place(site.statement)
    wrong = [c for c in search.judge.claims if c.name in search.wrong()]
    return Finding(place.line, place.column, place.end_column, wrong[0].label if wrong else "", "unexplained", "wrong; the cause was not found")
