"""Sampling against its definition, written out over the whole ranking."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from byhand import sampling
from byhand.errors import InputError
from byhand.randomness import stream
from byhand.sampling import Sampling


def defined(p: NDArray[np.float32], how: Sampling) -> NDArray[np.float64]:
    """The likeliest first, of equals the smaller id; heated, cut to k, then to p, and normed."""
    ranked = np.argsort(-p, kind="stable")
    if how.temperature == 0:
        ranked, q = ranked[:1], np.ones(1)
    else:
        heated = p.astype(np.float64) ** (1 / how.temperature)
        q = (heated / heated.sum())[ranked]
        if how.top_k is not None:
            q = q[: how.top_k] / q[: how.top_k].sum()
        if how.top_p is not None:
            q = q[: int(np.searchsorted(np.cumsum(q), how.top_p)) + 1]
        q = q / q.sum()
    whole = np.zeros(len(p))
    whole[ranked[: len(q)]] = q
    return whole


@pytest.mark.parametrize("temperature", [0, 0.3, 1, 2.5])
@pytest.mark.parametrize("top_k", [None, 1, 7, 5000])
@pytest.mark.parametrize("top_p", [None, 0.05, 0.6, 0.999, 1.0])
@pytest.mark.parametrize("kind", ["sharp", "flat", "tied"])
def test_what_is_left(
    temperature: float, top_k: int | None, top_p: float | None, kind: str
) -> None:
    random = stream(0, "sampling")
    scores = random.normal(size=3000) * {"sharp": 3, "flat": 0.1, "tied": 1}[kind]
    if kind == "tied":
        scores = np.round(scores)
    p = np.exp(scores - scores.max())
    p = (p / p.sum()).astype(np.float32)
    how = Sampling(temperature, top_k, top_p)
    np.testing.assert_allclose(how.left(p), defined(p, how), rtol=1e-9, atol=1e-15)


def test_a_share_beyond_the_likeliest_that_are_put_in_order() -> None:
    p = np.full(4 * sampling.MOST_LIKELY, 1 / (4 * sampling.MOST_LIKELY))
    left = Sampling(1.0, top_p=0.5).left(p)
    assert (left > 0).sum() == 2 * sampling.MOST_LIKELY
    assert left.sum() == pytest.approx(1)


def test_a_draw_is_where_u_is() -> None:
    p = np.array([0.1, 0.0, 0.6, 0.3])
    assert [Sampling().draw(p, u) for u in (0, 0.099, 0.11, 0.69, 0.71, 0.999)] == [
        *(0, 0, 2, 2, 3, 3)
    ]
    assert Sampling(0).draw(np.array([0.2, 0.4, 0.4]), 0.999) == 1


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (
            {"temperature": -1.0},
            "temperature is a number of at least 0, found -1; 1 is the network's own, 0 always "
            "takes the likeliest",
        ),
        (
            {"temperature": float("nan")},
            "temperature is a number of at least 0, found nan; 1 is the network's own, 0 always "
            "takes the likeliest",
        ),
        ({"top_k": 0}, "top-k is how many of the likeliest are left, at least 1; found 0"),
        (
            {"top_p": 0.0},
            "top-p is the share that the likeliest sum to, above 0 and at most 1; found 0",
        ),
    ],
)
def test_settings_that_there_are_not(settings: dict[str, float], message: str) -> None:
    with pytest.raises(InputError) as refused:
        Sampling(**settings)
    assert str(refused.value) == message
