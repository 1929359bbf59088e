from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from byhand.errors import InputError, ShapeError
from byhand.layers import Summary

from .peer import assert_same


def drawn() -> tuple[Any, Any, Any]:
    rng = np.random.default_rng(0)
    return (
        rng.standard_normal((3, 2, 5)),
        rng.standard_normal((3, 4, 6)),
        np.array([[1, 1, 1, 1], [1, 1, 0, 0], [0, 1, 1, 0]]),
    )


def test_the_last_word_and_of_a_second_direction_the_first() -> None:
    x, m, source = drawn()
    last, first = [3, 1, 2], [0, 0, 1]
    for bidirectional in (False, True):
        layer = Summary(6, bidirectional=bidirectional)
        c, cache = layer.forward(x, m, memory_mask=source)
        dc = np.random.default_rng(1).standard_normal(c.shape)
        dx, dm, gradients = layer.backward(dc, cache)
        expected_dm = np.zeros_like(m)
        for n in range(3):
            told = m[n, last[n]].copy()
            expected_dm[n, last[n]] = dc[n].sum(axis=0)
            if bidirectional:
                told[3:] = m[n, first[n], 3:]
                expected_dm[n, last[n], 3:] = 0
                expected_dm[n, first[n], 3:] = dc[n].sum(axis=0)[3:]
            assert_same(c[n], [told, told])
        assert_same(dm, expected_dm)
        assert dx.shape == x.shape
        assert not dx.any()
        assert gradients == {}


def test_a_source_without_a_word_says_nothing() -> None:
    x, m, source = drawn()
    source[1] = 0
    layer = Summary(6, bidirectional=True)
    c, cache = layer.forward(x, m, memory_mask=source)
    assert not c[1].any()
    _, dm, _ = layer.backward(np.ones_like(c), cache)
    assert not dm[1].any()


def test_what_a_summary_refuses() -> None:
    for annotation, bidirectional in ((0, False), (5, True)):
        with pytest.raises(InputError) as error:
            Summary(annotation, bidirectional=bidirectional, name="told")
        assert str(error.value) == (
            'Summary "told": annotation is at least 1, and even where bidirectional, found '
            f"annotation = {annotation}"
        )
    x, m, _ = drawn()
    with pytest.raises(ShapeError) as wrong:
        Summary(6).forward(x, m[:2])
    assert str(wrong.value) == "Summary: m has batch = 2, x has batch = 3 (c[t] = m[last])"
    with pytest.raises(ShapeError) as wrong:
        Summary(4).forward(x, m)
    assert str(wrong.value) == (
        "Summary: m has annotation = 6, the layer expects annotation = 4 (c[t] = m[last])"
    )
