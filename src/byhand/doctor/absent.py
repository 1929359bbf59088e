"""Gradients that are certainly missing, and not left out on purpose.

Who returns no gradient of the data, or keeps an embedding as it is, does nothing wrong. But a
parameter whose layer has other gradients, and whose kind has gradients in other layers, is
forgotten: W1, W2 and b2 without b1. So is a gradient that is computed, that nothing reads, and in
whose place something else is returned."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from byhand.doctor import names, values
from byhand.doctor.claims import Claim, Slopes, variables
from byhand.doctor.results import own_nodes
from byhand.doctor.subject import Outcome, Subject
from byhand.doctor.values import Path


def forgotten(subject: Subject, found: list[Claim]) -> list[Path]:
    """The variables that the loss depends on, without a gradient, where both the layer and the
    kind have others."""
    places = {_place(claim.of) for claim in found}
    slopes = Slopes(subject)
    missing = []
    for path in variables(subject):
        layer, kind = _place(path)
        same_layer = any(a == layer and b != kind for a, b in places)
        same_kind = any(a != layer and b == kind for a, b in places)
        alone = (layer, kind) not in places and layer and same_layer and same_kind
        if alone and not names.looks_like_gradient(str(path[-1])) and slopes.matters(path):
            missing.append(path)
    return missing


def _place(path: Path) -> tuple[tuple[str, ...], str]:
    """The numbers in a path, which say the layer, and the rest, which says the kind:
    params.W1 is W in layer 1."""
    text = ".".join(map(str, path))
    return tuple(re.findall(r"\d+", text)), re.sub(r"\d+", "#", text)


def in_its_place(subject: Subject, outcome: Outcome, found: list[Claim]) -> Iterator[Claim]:
    """Results that are nobody's gradient, each with the variable whose own is computed and lost:
    return dx, y where dw was meant."""
    labels = subject.names.get(subject.plan.backward or subject.plan.forward, [])
    claimed = {claim.name for claim in found}
    others = [
        name
        for name in labels
        if name in outcome.gradients
        and name not in claimed
        and not names.looks_like_gradient(name)
        and values.shape(outcome.gradients[name])
    ]
    taken = {claim.of for claim in found}
    slopes = Slopes(subject)
    for lost in _lost(subject.definition):
        for path in variables(subject):
            meant = names.likeness(lost, values.named(path[1:])) == 10 and path not in taken
            if len(others) == 1 and meant and slopes.matters(path):
                yield Claim(others.pop(), path)


def _lost(definition: ast.FunctionDef | None) -> list[str]:
    """The names with a gradient's that a function writes once and never reads."""
    nodes = [n for n in own_nodes(definition) if isinstance(n, ast.Name)] if definition else []
    read = {n.id for n in nodes if isinstance(n.ctx, ast.Load)}
    return [
        n.id
        for n in nodes
        if isinstance(n.ctx, ast.Store) and n.id not in read and names.looks_like_gradient(n.id)
    ]
