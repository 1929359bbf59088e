"""Right programs with one token changed: the doctor notices every one that is wrong now, and blames
none that is not."""

from __future__ import annotations

import sys
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks/doctor"))

import _mutants
from _corpus import Program, load
from validate import ROOT

SOURCE = """
import numpy as np

def forward(x, w):
    y = np.maximum(x @ w, 0)
    return y, (x, w, y)

def backward(dy, cache):
    x, w, y = cache
    dz = dy * (y > 0)
    dx = dz @ w.T
    dw = x.T @ dz
    return dx, dw

def example(rng):
    return {"x": rng.normal(size=(1, 3)), "w": rng.normal(size=(3, 2))}
"""
SHEET = """
call = '''
y, cache = m.forward(**inputs)
loss = float((y * g(y)).sum())
dx, dw = m.backward(g(y), cache)
grads = {"x": dx, "w": dw}
'''
generic = 'inputs = {"x": rng.normal(size=(5, 3)), "w": rng.normal(size=(3, 2))}'
names = { dx = "x", dw = "w" }
"""


@pytest.fixture
def layer(tmp_path: Path) -> Program:
    (tmp_path / "pair").mkdir()
    (tmp_path / "pair/layer.py").write_text(SOURCE, "utf-8")
    (tmp_path / "pair/layer.toml").write_text(SHEET, "utf-8")
    [program] = load(tmp_path)
    return program


@pytest.fixture
def changed(layer: Program) -> Callable[[str, str], _mutants.Mutant]:
    """The mutant with this statement for that one."""

    def mutant(statement: str, by: str) -> _mutants.Mutant:
        [found] = [m for m in _mutants.mutants(layer) if m.text == SOURCE.replace(statement, by)]
        return found

    return mutant


def test_every_token_of_a_statement_is_changed(layer: Program) -> None:
    place = 1 + SOURCE.splitlines().index("    dw = x.T @ dz")
    lines = {
        m.text.splitlines()[place - 1].strip() for m in _mutants.mutants(layer) if m.line == place
    }
    others = ["cache", "dw", "dx", "dy", "dz", "w", "y"]
    assert lines == {
        "dw = x.T * dz",
        "dw = x @ dz",
        *(f"dw = {name}.T @ dz" for name in others),
        *(f"dw = x.T @ {name}" for name in ["x", *others] if name != "dz"),
    }


def test_the_example_is_left_as_it_is(layer: Program) -> None:
    example = SOURCE[SOURCE.index("def example") :]
    assert all(m.text.endswith(example) for m in _mutants.mutants(layer))


@pytest.mark.parametrize(
    ("statement", "by", "sort"),
    [
        ("dw = x.T @ dz", "dw = x.T @ dy", "wrong"),
        ("dw = x.T @ dz", "dw = x @ dz", "wrong"),
        ("dz = dy * (y > 0)", "dz = dy * (y > 1)", "wrong"),
        ("dz = dy * (y > 0)", "dz = dy * (y >= 0)", "wrong"),
        ("dw = x.T @ dz", "dw = x.T * dz", "hidden"),
        ("y = np.maximum(x @ w, 0)", "y = np.maximum(x @ w, 1)", "forward"),
        ("return dx, dw", "return dx, dx", "wrong"),
    ],
)
def test_what_a_mutant_is(
    changed: Callable[[str, str], _mutants.Mutant], statement: str, by: str, sort: str
) -> None:
    assert _mutants.sort(changed(statement, by)) == sort


def test_another_name_for_the_same_value_is_equivalent(tmp_path: Path, layer: Program) -> None:
    source = SOURCE.replace("dz = dy * (y > 0)", "dz = dy * (y > 0)\n    e = dz")
    (layer.path).write_text(source, "utf-8")
    [program] = load(layer.path.parents[1])
    wanted = source.replace("x.T @ dz", "x.T @ e")
    [mutant] = [m for m in _mutants.mutants(program) if m.text == wanted]
    assert _mutants.trial(mutant) == _mutants.Trial("equivalent", "let be", "right")


@pytest.mark.parametrize(
    ("statement", "by", "fits", "answer"),
    [
        ("dw = x.T @ dz", "dw = x.T @ dy", "noticed", "wrong"),
        ("dw = x.T @ dz", "dw = w.T @ dz", "noticed", "shape"),
        ("dw = x.T @ dz", "dw = dw.T @ dz", "noticed", "wrong UnboundLocalError"),
        ("return dx, dw", "return dx, y", "noticed", "wrong"),
        ("return dx, dw", "return dx, dz", "gone", "right"),
    ],
)
def test_the_doctors_answer_is_weighed(
    changed: Callable[[str, str], _mutants.Mutant], statement: str, by: str, fits: str, answer: str
) -> None:
    trial = _mutants.trial(changed(statement, by))
    assert (trial.sort, trial.fits) == ("wrong", fits)
    assert trial.answer.startswith(answer)


@pytest.mark.slow
def test_mutants_of_the_corpus() -> None:
    found: dict[str, list[str]] = defaultdict(list)
    for mutant, trial in _mutants.trials(_mutants.sample(load(ROOT), 150)):
        found[trial.fits].append(f"{mutant} {trial}")
    assert found["missed"] == []
    assert found["blamed"] == []
    assert len(found["noticed"]) > 80
    # A gradient that is nowhere to be found is no wrong one; such mutants are rare.
    assert len(found["gone"]) + len(found["undecided"]) <= 0.05 * len(found["noticed"])
