"""A term that is missing where all that it is made of is known: at the end of the block.

ds = Ws.T @ dz is right as far as it goes; what the attention hands back to the same state is only
computed ten lines later, and was to be added there."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from byhand.doctor import synthesis, values
from byhand.doctor.blocks import Change, place_of, with_blocks, written_at
from byhand.doctor.instrument import definition
from byhand.doctor.parts import possible
from byhand.doctor.probing import flat
from byhand.doctor.stock import Stock, Wanted, scaled
from byhand.doctor.suspects import Suspect
from byhand.doctor.trace import Scope, Visit, afterwards

COST = 2.0
TARGETS = ast.Name | ast.Attribute | ast.Subscript


def suspect_at(s: Suspect, visits: dict[int, Visit], tree: ast.Module) -> Suspect | None:
    """The end of the block that the statement is in, as a place where something can be missing."""
    place = place_of(definition(tree, s.visit.site.function), s.visit.site.statement)
    if place is None or s.target is None:
        return None
    block, k = place
    after = [other for other in block[k + 1 :] if not isinstance(other, ast.Return)]
    last = next(
        (
            v
            for v in visits.values()
            if after and v.site.statement.lineno == after[-1].lineno and v.count == s.visit.count
        ),
        None,
    )
    if last is None or len(last.results) <= s.target.round:
        return None
    end = afterwards(last)
    return replace(s, visit=end, atoms=[], scope=Scope(s.scope.module, end, s.scope.texts))


def changes(s: Suspect, tree: ast.Module, stock: Stock, wanted: Wanted) -> Iterator[Change]:
    """dH += dm @ Wk, put in at the end of the block that holds the statement."""
    function = definition(tree, s.visit.site.function)
    place = place_of(function, s.visit.site.statement)
    to = written_at(s.visit.site.statement)
    if place is None or not isinstance(to, TARGETS) or s.target is None:
        return
    block = place[0]
    end = len(block) - isinstance(block[-1], ast.Return)
    rest = wanted.beside(s.target.start.reshape(wanted.shape))
    for node, f in rest.matches(synthesis.products(with_sums(stock), wanted.shape)):
        new = scaled(node, abs(f), stock)
        if new is None:
            continue
        line: ast.stmt = ast.AugAssign(to, ast.Add() if f > 0 else ast.Sub(), new)
        line = ast.fix_missing_locations(ast.copy_location(line, block[end - 1]))
        there = with_blocks(function, {id(block): [*block[:end], line, *block[end:]]})
        yield Change(there, "missing-term", COST, [line], after=block[end - 1])


def rounds_after(s: Suspect, visits: dict[int, Visit], tree: ast.Module) -> list[Suspect]:
    """The end of each round of the loop that adds up what the statement begins, dH = zeros."""
    loop = _loop_after(s, tree)
    line = loop.body[-1].lineno if loop else 0
    last = next((v for v in visits.values() if v.site.statement.lineno == line), None)
    if last is None or not 1 < last.count == len(last.results):
        return []
    end = afterwards(last)
    found = []
    for scope, result in zip(end.scopes, end.results, strict=True):
        one = replace(end, scopes=[scope], results=[result], count=1)
        there = Scope(s.scope.module, one, s.scope.texts)
        found.append(replace(s, visit=one, atoms=[], scope=there, target=None))
    return found


def additions(
    s: Suspect, tree: ast.Module, stocks: list[Stock], wanted: Wanted
) -> Iterator[Change]:
    """dH += dm @ Wk in every round, where dH = zeros stands before the loop."""
    function, loop = definition(tree, s.visit.site.function), _loop_after(s, tree)
    if loop is None:
        return
    stocks = _alike(stocks)
    for to, known, start in _begun(s, wanted):
        made = (synthesis.products(with_sums(stock), known.shape) for stock in stocks)
        rounds = (one for one in zip(*made, strict=False) if len({a.shape for _, a in one}) == 1)
        sums = ((one[0][0], np.sum([a for _, a in one], axis=0)) for one in rounds)
        for node, f in known.beside(start).matches(sums):
            new = scaled(node, abs(f), stocks[0])
            if new is None:
                continue
            line: ast.stmt = ast.AugAssign(to, ast.Add() if f > 0 else ast.Sub(), new)
            line = ast.fix_missing_locations(ast.copy_location(line, loop.body[-1]))
            there = with_blocks(function, {id(loop.body): [*loop.body, line]})
            yield Change(there, "missing-term", COST, [line], after=loop.body[-1])


def _alike(stocks: list[Stock]) -> list[Stock]:
    """The stocks of the rounds without what is not there in all of them: h[t + 2] at the end."""
    named = [{ast.unparse(node): (node, a) for node, a in stock.arrays} for stock in stocks]
    common = [text for text in named[0] if all(text in other for other in named)]
    return [
        replace(stock, arrays=[own[text] for text in common], fitting={}, kept={})
        for stock, own in zip(stocks, named, strict=True)
    ]


def _begun(s: Suspect, wanted: Wanted) -> Iterator[tuple[ast.Name, Wanted, np.ndarray]]:
    """The names that a statement gives their first values, dW, db = zeros, zeros, with what is
    known of their sums; those whose values are right as they are are left out."""
    to, result = written_at(s.visit.site.statement), s.visit.results[0]
    several = isinstance(to, ast.Tuple) and isinstance(result, tuple)
    names = to.elts if isinstance(to, ast.Tuple) else [to]
    starts = list(result) if several else [result]
    begin = flat(result)
    if begin is None or len(names) != len(starts):
        return
    at = 0
    for name, value in zip(names, starts, strict=True):
        start = values.as_array(value)
        first, at = at, at + flat(value).size  # type: ignore[union-attr]
        if start is None or not start.ndim or not isinstance(name, ast.Name):
            continue
        matrix = wanted.matrix[:, first:at]
        goal = wanted.goal - wanted.matrix @ begin + matrix @ start.reshape(-1)
        if possible(matrix, goal):
            yield name, Wanted(matrix, goal, start.shape), start


def _loop_after(s: Suspect, tree: ast.Module) -> ast.For | ast.While | None:
    """The next loop in the block."""
    place = place_of(definition(tree, s.visit.site.function), s.visit.site.statement)
    if place is None or not isinstance(s.visit.site.statement, ast.Assign):
        return None
    block, k = place
    return next((n for n in block[k + 1 :] if isinstance(n, ast.For | ast.While)), None)


def with_sums(stock: Stock) -> Stock:
    """The stock with the sums of its matrices over their rows and columns."""
    sums = [
        (stock.reduced(n, "sum", axis, keep=False), a.sum(axis=axis))
        for n, a in stock.arrays
        if a.ndim == 2
        for axis in (0, 1)
    ]
    return replace(stock, arrays=[*stock.arrays, *sums], fitting={}, kept={})
