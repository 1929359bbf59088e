"""Tables with a name become objects."""

from __future__ import annotations

from typing import Any, get_args

import pytest

from byhand.clipping import ClipByGlobalNorm, ClipByValue
from byhand.optimizers import SGD, Adam
from byhand.regularizers import L1, L2
from byhand.schedules import Cosine, HalveOnPlateau, Step, WarmUp
from byhand.training import parts


@pytest.mark.parametrize(
    ("table", "registry", "expected"),
    [
        ({"name": "sgd", "learning_rate": 1}, parts.OPTIMIZERS, SGD(1.0)),
        (
            {"name": "adam", "learning_rate": 0.1, "beta2": 0.5},
            parts.OPTIMIZERS,
            Adam(0.1, beta2=0.5),
        ),
        ({"name": "l1", "strength": 2.0}, parts.REGULARIZERS, L1(2.0)),
        ({"name": "l2", "strength": 2.0}, parts.REGULARIZERS, L2(2.0)),
        ({"name": "value", "limit": 2.0}, parts.CLIPPINGS, ClipByValue(2.0)),
        ({"name": "global_norm", "limit": 2.0}, parts.CLIPPINGS, ClipByGlobalNorm(2.0)),
        ({"name": "step", "every": 3}, parts.SCHEDULES, Step(3)),
        ({"name": "halve_on_plateau"}, parts.SCHEDULES, HalveOnPlateau()),
        (
            {"name": "warm_up", "steps": 3, "then": {"name": "cosine", "final": 0.5}},
            parts.SCHEDULES,
            WarmUp(3, Cosine(0.5)),
        ),
    ],
)
def test_a_table_becomes_its_object(
    table: dict[str, Any], registry: dict[str, type[Any]], expected: Any
) -> None:
    assert parts.build(table, registry) == expected


def test_a_whole_number_becomes_the_float_that_is_meant() -> None:
    assert type(
        parts.build({"name": "sgd", "learning_rate": 1}, parts.OPTIMIZERS).learning_rate
    ) is (float)


def test_the_names_that_are_typed_are_those_that_are_known() -> None:
    assert set(get_args(parts.LossName)) == set(parts.LOSSES)
    assert set(get_args(parts.InitializerName)) == set(parts.INITIALIZERS)


@pytest.mark.parametrize(
    ("module", "base", "registry"),
    [
        ("losses", "Loss", parts.LOSSES),
        ("initializers", "Initializer", parts.INITIALIZERS),
        ("optimizers", "Optimizer", parts.OPTIMIZERS),
        ("regularizers", "Regularizer", parts.REGULARIZERS),
        ("clipping", "Clipping", parts.CLIPPINGS),
        ("schedules", "Schedule", parts.SCHEDULES),
    ],
)
def test_nothing_is_left_out(module: str, base: str, registry: dict[str, type[Any]]) -> None:
    """Every class of the ground floor can be named in a recipe."""
    home = getattr(parts, module)
    kinds = {
        kind
        for kind in vars(home).values()
        if isinstance(kind, type)
        and issubclass(kind, getattr(home, base))
        and kind is not getattr(home, base)
    }
    assert set(registry.values()) == kinds
