"""States that differ in one respect from that of an example, for a program to be tried with."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Any

import numpy as np

from byhand.doctor import names, oracle, usage, values
from byhand.doctor.subject import State, Subject
from byhand.doctor.values import Path

_TRAINING = re.compile(r"train", re.IGNORECASE)
EXAMPLES = 3


def examples(subject: Subject, claimed: list[Path], state: State) -> Iterator[State]:
    """Three where there is one: a batch of 1 hides a missing sum or mean, a single step the path
    through time.

    Which arrays and lists hold examples is found by trying: those that no gradient is of, with
    those that are needed beside them."""
    own = _arguments(claimed)
    for axis in (0, -1):
        single = [k for k, v in state.inputs.items() if _is_single(v, axis)]
        data = [k for k in single if k not in own]
        for chosen in (data, list(dict.fromkeys([*data, *single[:1]])), single):
            if chosen:
                yield _three(state, chosen, axis)


def all_examples(subject: Subject, claimed: list[Path], state: State) -> Iterator[State]:
    """Three examples in all that is data, where there is one in all of it and the program asks how
    many there are: it is not meant for one alone."""
    own = _arguments(claimed)
    data = {k: v for k, v in state.inputs.items() if k not in own}
    arrays = [k for k, v in data.items() if isinstance(v, np.ndarray | list | tuple)]
    for axis in (0, -1):
        single = arrays and all(_is_single(data[k], axis) for k in arrays)
        if single and usage.asks_length(subject, arrays, axis):
            yield _three(state, arrays, axis)


def has_one(claimed: list[Path], state: State) -> bool:
    """Whether some data may be a single example."""
    own = _arguments(claimed)
    data = [v for k, v in state.inputs.items() if k not in own]
    return any(_is_single(value, axis) for value in data for axis in (0, -1))


def _arguments(claimed: Iterable[Path]) -> set[Any]:
    return {path[1] for path in claimed if path[0] == "inputs"}


def _is_single(value: Any, axis: int) -> bool:
    if isinstance(value, np.ndarray):
        # One column: of more than one row, as its one row comes first.
        there = value.ndim > 0 if axis == 0 else value.ndim > 1 and value.shape[0] > 1
        return there and value.shape[axis] == 1
    return axis == 0 and type(value) in (list, tuple) and len(value) == 1


def _three(state: State, chosen: list[str], axis: int) -> State:
    rng = np.random.default_rng(4)

    def another(value: Any) -> Any:
        for path, leaf in list(values.leaves(value)):
            if isinstance(leaf, np.ndarray) and leaf.dtype.kind == "f":
                plain = bool(np.isin(leaf, (0, 1)).all())  # labels, masks
                spread = 0 if plain else 0.5 * rng.normal(size=leaf.shape)
                value = values.replaced(value, path, leaf + spread)
        return value

    wide = state.copy()
    for name in chosen:
        value = wide.inputs[name]
        one = value if isinstance(value, np.ndarray) else value[0]
        parts = [another(values.fresh(one)) for _ in range(EXAMPLES)]
        is_array = isinstance(value, np.ndarray)
        wide.inputs[name] = np.concatenate(parts, axis=axis) if is_array else type(value)(parts)
    return wide


def in_training(subject: Subject, claimed: list[Path], state: State) -> Iterator[State]:
    """With the flags set that say that it trains."""
    told = state.copy()
    optional = {k: v for k, v in subject.left_out().items() if v is False}
    told.inputs.update({k: v for k, v in optional.items() if _TRAINING.search(k)})
    attributes = getattr(told.owner, "__dict__", {})
    changed = False
    for holder in (told.inputs, attributes):
        for name, value in holder.items():
            if value is False and _TRAINING.search(name):
                holder[name] = changed = True
    words = usage.strings(subject.module.tree) & {"train", "training"}
    for holder in (told.inputs, *(v for v in told.inputs.values() if type(v) is dict)):
        for name, value in holder.items():
            if words and type(value) is str and value in ("test", "eval"):
                holder[name], changed = min(words), True
    if changed:
        yield told


def masked(subject: Subject, claimed: list[Path], state: State) -> Iterator[State]:
    """With some 0 in what is 1 throughout, and some True in what is False."""
    told = state.copy()
    changed = False
    for path, value in values.leaves(state.inputs):
        if not isinstance(value, np.ndarray) or ("inputs", *path) in claimed:
            continue
        several = value.size > 1 and value.ndim > 0 and value.dtype.kind in "fiub"
        if several and ((value == 1).all() or (value.dtype.kind == "b" and not value.any())):
            chosen = np.asarray(np.random.default_rng(8).random(value.shape) < 0.4)
            chosen[(..., 0) if value.shape[-1] > 1 else 0] = False  # something is left
            chosen.reshape(-1)[-1] = True
            other = np.where(chosen, 1 - value.astype(int), value).astype(value.dtype)
            told.put(("inputs", *path), other)
            changed = True
    if changed:
        yield told


def repeating(subject: Subject, claimed: list[Path], state: State) -> Iterator[State]:
    """With an index that comes twice, where none does."""
    if usage.wants_distinct(subject.module.tree):
        return
    told = state.copy()
    changed = False
    for name, value in state.inputs.items():
        is_list = type(value) is list and value and all(type(v) is int for v in value)
        indices = np.array(value) if is_list else values.as_indices(value)
        if indices is not None and indices.ndim:
            again = _with_repeats(indices)
            changed |= not np.array_equal(again, np.asarray(value))
            told.inputs[name] = again.tolist() if is_list else values.alike(value, again)
    if changed:
        yield told


def _with_repeats(indices: np.ndarray) -> np.ndarray:
    """Indices of which two are equal along each axis. What is sorted may be a choice of rows, and
    what has each of 0, 1, 2, … an order of them; and there are the ones and zeros of labels."""
    if set(np.unique(indices)) <= {0, 1}:
        return indices
    found = indices.copy()
    for axis in range(found.ndim):
        lines = np.moveaxis(found, axis, -1).reshape(-1, found.shape[axis])
        ordered = np.sort(lines, axis=1)
        told = (ordered == lines).all(axis=1) | (ordered == np.arange(lines.shape[1])).all(axis=1)
        if lines.shape[1] > 1 and not told.any() and np.diff(ordered, axis=1).all():
            first = (0,) * found.ndim
            found[(*first[:axis], 1, *first[axis + 1 :])] = found[first]
    return found


def unequal(
    claimed: list[Path], state: State, holds: Callable[[State], bool]
) -> Iterator[Callable[[State], Iterator[State]]]:
    """With one example less where there are as many as of something else; with a row or a column
    less of a square image or kernel. One contrast for each length.

    holds       whether the gradients look right at a state
    """
    arrays = {k: v for k, v in state.inputs.items() if isinstance(v, np.ndarray) and v.ndim}
    everything = [*values.leaves(state.inputs), *values.leaves(state.owner)]
    sizes = [n for _, value in everything for n in values.shape(value)]
    for axis in (0, -1):
        there = [v.shape[axis] for v in arrays.values() if axis == 0 or v.ndim > 1]
        for n in sorted(set(there)):
            if n > 2 and sizes.count(n) > 1:
                yield partial(_one_less, _arguments(claimed), axis, n, sizes.count(n), holds)
    owned = [path for path in claimed if path[0] == "owner"]
    for path in [*(("inputs", k) for k in arrays), *owned]:
        shape = values.shape(state.get(path))
        for axis in (-1, -2, -3) if len(shape) > 2 else ():
            if shape[axis] > 2 and shape[-3:].count(shape[axis]) > 1:
                yield partial(_narrower, path, axis)


def _one_less(
    own: set[Any],
    axis: int,
    n: int,
    count: int,
    holds: Callable[[State], bool],
    state: State,
) -> Iterator[State]:
    """Of all that has this length there; or of the data, with the first argument or without."""
    arrays = {
        k: v
        for k, v in state.inputs.items()
        if isinstance(v, np.ndarray) and v.ndim > -axis and v.shape[axis] == n
    }
    first = next(iter(state.inputs))
    tried: list[list[str]] = []
    for chosen in (
        list(arrays),
        [k for k in arrays if k not in own or k == first],
        [k for k in arrays if k not in own],
    ):
        labels = all(arrays[k].ndim == 1 and arrays[k].dtype.kind in "iu" for k in chosen)
        alone = count == len(chosen)
        fixed = any(
            _is_order(arrays[k])
            or (_is_shared_out(arrays[k], axis) and not _by_chance(state, k, axis, holds))
            for k in chosen
        )
        if chosen not in tried and not (labels or alone or fixed):
            tried.append(chosen)
            cut = state
            for k in chosen:
                cut = _cut(cut, ("inputs", k), axis)
            yield _counting(cut, n)


def _narrower(path: Path, axis: int, state: State) -> Iterator[State]:
    yield _cut(state, path, axis)


def _cut(state: State, path: Path, axis: int) -> State:
    cut = state.copy()
    value = cut.get(path)
    keep = [slice(None)] * value.ndim
    keep[axis] = slice(value.shape[axis] - 1)
    cut.put(path, value[tuple(keep)].copy())
    return cut


def _is_order(value: np.ndarray) -> bool:
    """Whether it is a permutation, which has to have all places."""
    if value.dtype.kind not in "iu" or value.ndim != 1:
        return False
    places = np.arange(len(value))
    return np.array_equal(np.sort(value), places) and not np.array_equal(value, places)


def _is_shared_out(value: np.ndarray, axis: int) -> bool:
    """Whether it has the same sum all along the other axes, as probabilities and labels do."""
    sums = value.sum(axis=axis)
    return bool(np.ptp(sums) < 1e-9) if value.ndim > 1 else bool(abs(sums - 1) < 1e-9)


def _by_chance(state: State, name: str, axis: int, holds: Callable[[State], bool]) -> bool:
    """Whether nothing relies on these sums: with one example, whole as it is, in the place of
    another there are other sums, and the gradients look right still."""
    told = state.copy()
    lines = np.moveaxis(told.inputs[name].copy(), axis, 0)
    others = [line for line in lines[1:] if not np.array_equal(line, lines[0])]
    if lines.ndim < 2 or not others:
        return False
    lines[0] = others[0]
    told.inputs[name] = np.moveaxis(lines, 0, axis)
    return holds(told)


def _counting(cut: State, length: int) -> State:
    """The state with the numbers that are this length one less, as what they may count is."""
    for path, value in list(values.leaves(cut.inputs)):
        if type(value) is int and value == length:
            cut.put(("inputs", *path), value - 1)
    return cut


def left_behind(subject: Subject, claimed: list[Path], state: State) -> Iterator[State]:
    """With what a call leaves for the next one, such as the last state of a sequence; but not its
    gradients, and what an optimizer keeps."""
    if state.owner is None and not state.world:
        return
    try:
        after = subject.after(state)
    except Exception:
        return
    told = state.copy()
    for which in ("owner", "world"):
        for path, value in list(values.leaves(getattr(state, which))):
            words = [part for part in path if isinstance(part, str)]
            kept = any(names.looks_like_gradient(w) or names.STEPS.search(w) for w in words)
            if kept or (which, *path) in claimed or not values.is_real(value):
                continue
            new = values.found(getattr(after, which), path)
            if type(new) is type(value) and values.shape(new) == values.shape(value):
                told.put((which, *path), values.fresh(new))
    yield told


def signs(subject: Subject, claimed: list[Path], state: State) -> Iterator[State]:
    """With both signs in parameters that have one: relu is on or off for all of them."""
    if not usage.bends_at_zero(subject):
        return
    for least in (1, 2):
        rng, told, changed = np.random.default_rng(10), state.copy(), False
        for path in claimed:
            value = state.get(path)
            array = values.as_array(value)
            if array is None or array.ndim < least or array.size < 2:
                continue
            if (array > 0).all() or (array < 0).all():
                turned = rng.choice([-1.0, 1.0], size=array.shape)
                turned.reshape(-1)[:2] = -1, 1
                told.put(path, oracle.like(value, array * turned))
                changed = True
        if changed:
            yield told


def farther(claimed: list[Path], factor: int, state: State) -> Iterator[State]:
    """With everything larger: the example may keep to one side of a limit."""
    told = state.copy()
    for path in claimed:
        value = state.get(path)
        array = values.as_array(value)
        if array is not None:
            told.put(path, oracle.like(value, factor * array))
    yield told
