from __future__ import annotations

import numpy as np
import pytest

from byhand import engines
from byhand.data import Characters
from byhand.engines import ENGINES
from byhand.initializers import StandardNormal
from byhand.layers import Sequential
from byhand.layers.softmax import softmax
from byhand.models import char_rnn
from byhand.training import Run
from byhand.views import Focus, Subject, dependence
from byhand.views.dependence import Dependence, dependence_at, gradients

VOCABULARY = Characters("abcde")


def network(cell: str = "lstm", embedding: int | None = None) -> Sequential:
    model = char_rnn(5, hidden=[4, 3], cell=cell, embedding=embedding, weights=StandardNormal())
    return model.initialize(1)


@pytest.mark.parametrize("embedding", [None, 2])
@pytest.mark.parametrize("cell", ["rnn", "gru", "lstm"])
def test_gradients_are_those_of_finite_differences(cell: str, embedding: int | None) -> None:
    model = network(cell, embedding)
    ids, following = np.array([[0, 3, 1, 1], [2, 4, 0, 3]]), np.array([2, 0])
    found, p = gradients(model, ids, following)
    x, _ = model.layers[0].forward(ids)
    above = Sequential(*model.layers[1:])

    def answers(x: np.ndarray) -> np.ndarray:
        return softmax(above.forward(x)[0][:, -1])[np.arange(2), following]

    np.testing.assert_allclose(p, answers(x), rtol=1e-12)
    h, slopes = 1e-6, np.zeros_like(x)
    for t, feature in np.ndindex(x.shape[1:]):
        for sign in (1, -1):
            moved = x.copy()
            moved[:, t, feature] += sign * h
            slopes[:, t, feature] += sign * np.log(answers(moved)) / (2 * h)
    np.testing.assert_allclose(found, np.linalg.norm(slopes, axis=2), rtol=1e-6)


def test_how_far_back_half_of_the_gradient_comes_from() -> None:
    g = np.array([[0.0, 0, 0, 3], [1, 1, 1, 1], [9, 0, 1, 0], [2, 1, 1, 2]])
    view = Dependence("about", "character", [], g, np.ones(4))
    np.testing.assert_array_equal(view.reach, [1, 2, 4, 2])
    assert view.words == (
        "half of the gradient lies in the last 2 characters (median of 4 places; 1 to 3 at four "
        "of five)"
    )


def test_the_shown_places_go_from_the_shortest_reach_to_the_farthest() -> None:
    ids = np.random.default_rng(0).integers(5, size=80)
    places = np.arange(20, 80, 3)
    model = network()
    view = dependence_at(model, VOCABULARY, ids, places, "about")
    assert view.gradients.shape == (20, 20)
    assert len(view.pieces) == 6
    reach = view.reach[:6]
    np.testing.assert_array_equal(reach, np.sort(reach))
    assert (reach[0], reach[-1]) == (view.reach.min(), view.reach.max())
    text = VOCABULARY.decode(ids)
    for k, pieces in enumerate(view.pieces):
        shown = "".join(pieces)
        (place,) = [place for place in places if text[place - 20 : place + 1] == shown]
        expected, p = gradients(model, ids[None, place - 20 : place], ids[[place]])
        np.testing.assert_allclose(view.gradients[k], expected[0], rtol=1e-10)
        assert view.p[k] == pytest.approx(p[0])


def test_what_comes_after_the_example_that_is_asked_for(text_run: Run) -> None:
    view = dependence.compute(Subject(text_run, focus=Focus(example=1)))
    subject = Subject(text_run)
    test, vocabulary = subject.dataset.test, subject.vocabulary
    (pieces,) = view.pieces
    assert "".join(pieces) == vocabulary.decode([*test.inputs[:2].reshape(-1), test.targets[1, -1]])
    answer = subject.program.predict(test.inputs[:2].reshape(1, -1))[0, -1, test.targets[1, -1]]
    assert view.p == pytest.approx([answer], rel=1e-5)


@pytest.mark.parametrize("engine", ENGINES)
def test_every_engine_s_run_depends_on_the_same(text_run: Run, text: Subject, engine: str) -> None:
    if reason := engines.available(engine):
        pytest.skip(reason)
    found = dependence.compute(Subject(text_run, engine=engine))
    np.testing.assert_allclose(found.gradients, dependence.compute(text).gradients, rtol=1e-6)


def test_the_figure_says_what_it_shows(text: Subject) -> None:
    view = dependence.compute(text)
    page = dependence.draw(view)
    assert page.texts[0].get_text() == "What the next character depended on"
    assert view.words in page.texts[1].get_text().replace("\n", " ")
    panel, *_, over_distance = [axes for axes in page.axes if axes.get_title(loc="left")]
    assert panel.get_title(loc="left") == (
        f"{view.pieces[0][-1]!r}, p = {view.p[0]:.2g}; half of it in the last {view.reach[0]}"
    )
    assert panel.texts[-1].get_text() == view.pieces[0][-1].replace("\n", "↵")
    assert over_distance.get_title(loc="left") == (
        f"How far back the answer reaches, at {len(view.p)} places"
    )
    assert over_distance.get_xlabel() == "characters back"
    bars = [axes.get_xlabel() for axes in page.axes if "gradient" in axes.get_xlabel()]
    assert bars == ["gradient, as a share of the largest before this place"]


def test_a_network_that_depends_on_nothing_can_be_drawn() -> None:
    view = Dependence("about", "token", [list("abc")], np.zeros((1, 2)), np.ones(1))
    assert len(dependence.draw(view).axes) == 3
