from __future__ import annotations

import numpy as np
import pytest

from byhand.models import char_rnn, gpt
from byhand.views import positions
from byhand.views.positions import positions_of
from byhand.views.subject import DoesNotApply, Subject


def test_learned_positions_are_the_table() -> None:
    model = gpt(3, width=8, depth=1, heads=2, context=5).initialize(0)
    view = positions_of(model, "about")
    (name,) = (name for name in model.parameters if name.endswith(".P"))
    assert view.kind == "learned"
    np.testing.assert_array_equal(view.rows, model.parameters[name])
    np.testing.assert_allclose(np.diagonal(view.alike), 1)
    assert positions.draw(view).axes


@pytest.mark.parametrize("kind", ["sinusoidal", "rotary"])
def test_waves_are_alike_by_their_distance_alone(kind: str) -> None:
    view = positions_of(gpt(3, width=8, depth=1, heads=2, positions=kind).initialize(0), "about")
    assert view.kind == kind
    for distance in (1, 7):
        along = np.diagonal(view.alike, distance)
        np.testing.assert_allclose(along, along[0])
    assert view.words.startswith(f"{kind} positions of {view.layer}: neighbours are alike to 0.")


def test_a_network_without(text: Subject) -> None:
    for model in (char_rnn(3, hidden=[2]), gpt(3, width=8, depth=1, heads=2, positions="none")):
        with pytest.raises(DoesNotApply) as caught:
            positions_of(model.initialize(0), "about")
        assert str(caught.value) == "positions are needed, and the network has none"
    with pytest.raises(DoesNotApply):
        positions.compute(text)
