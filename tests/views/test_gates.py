from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from byhand import engines
from byhand.data import Characters
from byhand.engines import ENGINES
from byhand.errors import InputError
from byhand.layers import Sequential
from byhand.models import char_rnn
from byhand.training import Run
from byhand.views import Focus, Subject, gates
from byhand.views.gates import gates_of
from byhand.views.subject import DoesNotApply

VOCABULARY = Characters("abc")


def network(cell: str = "lstm") -> Sequential:
    """Gates that are set by the character alone: Wh is 0."""
    model = char_rnn(3, hidden=[2], cell=cell).initialize(0)
    model.layers[1].Wh[...] = 0
    model.layers[1].Wx[...] = 0
    model.layers[1].b[...] = 0
    return model


def with_gates(cell: str, **logits: Any) -> Sequential:
    """A network with Wx rows for a, b, c and columns for unit 0, unit 1 of a gate."""
    model = network(cell)
    order = {"lstm": ("input", "forget", "new", "output"), "gru": ("reset", "update", "new")}[cell]
    for gate, values in logits.items():
        place = 2 * order.index(gate)
        model.layers[1].Wx[:, place : place + 2] = values
    return model


def test_the_shares_of_a_text_at_which_a_gate_is_shut_or_open() -> None:
    model = with_gates("lstm", forget=[[9, 0], [9, -9], [-9, 9]], output=[[9, 9]] * 3)
    view = gates_of(model, VOCABULARY, VOCABULARY.encode("aabc"), "about")
    np.testing.assert_array_equal(view.shut["lstm1"]["forget"], [0.25, 0.25])
    np.testing.assert_array_equal(view.open["lstm1"]["forget"], [0.75, 0.25])
    np.testing.assert_array_equal(view.open["lstm1"]["output"], [1, 1])
    np.testing.assert_array_equal(view.shut["lstm1"]["input"], [0, 0])
    assert view.means["lstm1"]["input"] == 0.5
    assert view.means["lstm1"]["forget"] == pytest.approx((3 + 0 + 1 + 2 * 0.5) / 8, abs=1e-3)
    # Unit 0 is 1, 1, 1, 0 over the text and unit 1 is ½, ½, 0, 1: both vary, unit 0 more.
    assert (view.layer, view.unit) == ("lstm1", 0)
    np.testing.assert_allclose(view.single["forget"], [1, 1, 1, 0], atol=1e-3)
    np.testing.assert_allclose(view.over["lstm1"]["forget"], [0.75, 0.75, 0.5, 0.5], atol=1e-3)
    assert view.words == "lstm1: mean of the gates input 0.50, forget 0.62, output 1.00"
    assert view.pieces == ["a", "a", "b", "c"]


def test_a_gru_has_two_gates() -> None:
    model = with_gates("gru", update=[[0, 9], [0, -9], [0, 9]])
    view = gates_of(model, VOCABULARY, VOCABULARY.encode("abab"), "about")
    assert list(view.single) == ["reset", "update"]
    assert (view.layer, view.unit) == ("gru1", 1)
    np.testing.assert_array_equal(view.open["gru1"]["update"], [0, 0.5])


def test_a_plain_rnn_has_none() -> None:
    model = char_rnn(3, hidden=[2, 2], cell="rnn").initialize(0)
    with pytest.raises(DoesNotApply) as caught:
        gates_of(model, VOCABULARY, np.array([0, 1]), "about")
    assert str(caught.value) == "gates are needed, and there are none in rnn1, rnn2"


def test_the_layer_the_unit_and_the_example_that_are_asked_for(text_run: Run) -> None:
    subject = Subject(text_run, focus=Focus(example=2, layer="lstm1", unit=4))
    view = gates.compute(subject)
    assert list(view.means) == ["lstm1"]
    assert (view.layer, view.unit) == ("lstm1", 4)
    ids = subject.dataset.test.inputs[2:].reshape(-1)[: gates.PASSAGE]
    assert "".join(view.pieces) == subject.vocabulary.decode(ids)
    assert all(values.shape == ids.shape for values in view.single.values())


def test_a_unit_that_there_is_not(text_run: Run) -> None:
    with pytest.raises(InputError) as caught:
        gates.compute(Subject(text_run, focus=Focus(layer="lstm1", unit=6)))
    assert str(caught.value) == "layer lstm1 has the units 0 to 5; found 6"


@pytest.mark.parametrize("engine", ENGINES)
def test_every_engine_s_run_has_the_same_gates(text_run: Run, text: Subject, engine: str) -> None:
    if reason := engines.available(engine):
        pytest.skip(reason)
    found = gates.compute(Subject(text_run, engine=engine))
    assert found.words == gates.compute(text).words


def test_the_figure_says_what_it_shows(text: Subject) -> None:
    view = gates.compute(text)
    page = gates.draw(view)
    assert page.texts[0].get_text() == "Gates over a text"
    assert view.words.split(";")[0] in page.texts[1].get_text().replace("\n", " ")
    titles = [axes.get_title(loc="left") for axes in page.axes]
    assert titles[:3] == ["input gates", "forget gates", "output gates"]
    assert titles[3:5] == ["lstm1, mean of its units", "lstm2, mean of its units"]
    assert titles[5] == f"{view.layer} unit {view.unit}"
    assert page.axes[0].get_xlabel() == "shut, below 0.1 (%)"
    assert page.axes[-1].get_xlabel() == "gate: 0 is shut, 1 is open"
    labels = [label.get_text() for label in page.axes[5].get_xticklabels()]
    assert "".join(labels) == "".join(view.pieces).replace("\n", "↵")
    assert page.axes[5].get_xticklabels()[0].get_rotation() == 0


def test_tokens_of_several_characters_are_turned(text: Subject) -> None:
    view = gates.compute(text)
    turned = gates.draw(gates.Gates(**{**vars(view), "pieces": ["ab"] * len(view.pieces)}))
    assert turned.axes[5].get_xticklabels()[0].get_rotation() == 90
