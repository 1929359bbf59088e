from __future__ import annotations

import numpy as np
import pytest

from byhand import engines
from byhand.data import BytePairs, Characters
from byhand.engines import ENGINES
from byhand.errors import InputError
from byhand.layers import Sequential
from byhand.models import char_rnn
from byhand.training import Run
from byhand.views import Focus, Subject, cells
from byhand.views.cells import Cells, Follower, cells_of, correlations, features, most_varied
from byhand.views.subject import DoesNotApply

TEXT = 'A b\n  "c (d)\n\nEf" {[g\n'
FEATURES = {
    # The first quote is never closed: it ends with its paragraph.
    "inside quotes": [0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 0, 0, 0, 1, 1, 1, 1, 1, 1],
    "depth of brackets": [0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 0, 0, 0, 0, 0, 0, 0, 1, 2, 2, 2],
    "position in the line": [1, 2, 3, 0, 1, 2, 3, 4, 5, 6, 7, 8, 0, 0, 1, 2, 3, 4, 5, 6, 7, 0],
    "indentation": [0, 0, 0, 0, 1, 2, 2, 2, 2, 2, 2, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
    "a line begins": [0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 0, 0, 0, 0, 0, 0, 0, 1],
    "first line after an empty one": [0] * 13 + [1] * 8 + [0],
    "position in the word": [1, 0, 1, 0, 0, 0, 0, 1, 0, 0, 1, 0, 0, 0, 1, 2, 0, 0, 0, 0, 1, 0],
}


def test_the_features_of_a_text() -> None:
    found = features(list(TEXT))
    assert list(found) == list(FEATURES)
    for name, values in FEATURES.items():
        np.testing.assert_array_equal(found[name], values, err_msg=name)


def test_round_quotes() -> None:
    np.testing.assert_array_equal(features(list("a “b” c"))["inside quotes"], [0, 0, 1, 1, 0, 0, 0])


def test_correlations() -> None:
    random = np.random.default_rng(0)
    a, f = random.standard_normal((50, 3)), random.standard_normal(50)
    a[:, 1] = 0.5  # never changes
    found = correlations(a, f)
    expected = [np.corrcoef(a[:, 0], f)[0, 1], 0, np.corrcoef(a[:, 2], f)[0, 1]]
    np.testing.assert_allclose(found, expected, rtol=1e-10)
    np.testing.assert_array_equal(correlations(a, np.ones(50)), [0, 0, 0])
    np.testing.assert_allclose(correlations(-2 * f[:, None], f), [-1])


def test_the_passage_where_a_feature_varies_most(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cells, "PASSAGE", 3)
    pieces = list("ab\ncd\nef\ng")
    assert most_varied(np.array([0, 0, 0, 0, 0, 0, 0, 5, 0, 9.0]), pieces) == 6
    # The 9 is too near to the end for a whole passage.
    assert most_varied(np.zeros(10), pieces) == 0
    assert most_varied(np.zeros(2), list("ab")) == 0


def counting(vocabulary: Characters) -> Sequential:
    """A plain RNN whose unit 2 is larger the longer the line is, and unit 0 is on in brackets."""
    model = char_rnn(len(vocabulary), hidden=[3], cell="rnn").initialize(0)
    layer = model.layers[1]
    a, opening, closing, end = (vocabulary.encode(character)[0] for character in "a()\n")
    layer.Wx[...], layer.Wh[...], layer.b[...] = 0, 0, 0
    layer.Wx[[a, opening, closing], 2], layer.Wx[end, 2], layer.Wh[2, 2] = 0.04, -3, 1
    layer.Wx[opening, 0], layer.Wx[closing, 0], layer.Wh[0, 0] = 9, -9, 3
    return model


def test_the_cells_that_follow_are_found() -> None:
    text = "aaaaaaaa\naa(aaa)aaaaaaaaaaa\naaa\naaaaaaa(aa)aa\n" * 30
    vocabulary = Characters(text)
    ids = vocabulary.encode(text)
    view = cells_of(counting(vocabulary), vocabulary, ids, ids, "about")
    by_feature = {each.feature: each for each in view.found}
    assert by_feature["depth of brackets"].unit == 0
    assert by_feature["depth of brackets"].r > 0.99
    assert by_feature["position in the line"].unit == 2
    assert by_feature["position in the line"].r > 0.8
    # There are no quotes, and nothing is indented or stands after an empty line.
    assert set(by_feature) == {
        *("depth of brackets", "position in the line", "a line begins", "position in the word"),
    }
    assert [abs(each.r) for each in view.found] == sorted(
        (abs(each.r) for each in view.found), reverse=True
    )
    assert view.words.startswith("depth of brackets: rnn1 cell 0, r = ")


def test_the_cell_is_chosen_on_one_text_and_measured_on_the_other() -> None:
    text, other = "aaa(aaaa)a\n" * 40, "a(a)aaaaaaaa\naaa(aaaa)a\n" * 20
    vocabulary = Characters(text)
    model = counting(vocabulary)
    ids, others = vocabulary.encode(text), vocabulary.encode(other)
    view = cells_of(model, vocabulary, ids, others, "about")
    for each in view.found:
        for part, r in ((text, each.chosen), (other, each.r)):
            states = model.activations(vocabulary.encode(part)[None])["rnn1"][0]
            expected = np.corrcoef(states[:, each.unit], features(list(part))[each.feature])[0, 1]
            assert r == pytest.approx(expected)


def test_a_token_of_several_characters_is_where_its_last_one_is() -> None:
    pairs = BytePairs.learn("ab\n" * 50, 258)
    ids = pairs.encode("ab\nab\naï\n")
    pieces = cells.pieces_of(ids, pairs)
    assert pieces[:2] == ["ab", "\n"]
    line = features(pieces)["position in the line"]
    np.testing.assert_array_equal(cells._at_tokens(line, pieces), [2, 0, 2, 0, 1, 1, 2, 0])


def test_the_passage_is_of_the_test_text(text: Subject) -> None:
    view = cells.compute(text)
    vocabulary, test = text.vocabulary, text.dataset.test
    whole = vocabulary.decode(test.inputs.reshape(-1))
    for each in view.found:
        assert "".join(each.pieces) in whole
        assert each.activation.shape == (len(each.pieces),)
        assert np.abs(each.activation).max() <= 1
    assert {"inside quotes", "depth of brackets", "indentation"} <= {e.feature for e in view.found}
    assert view.about.endswith("chosen on the validation text, its r measured on the test text")


def test_the_layer_the_unit_and_the_example_that_are_asked_for(text_run: Run) -> None:
    view = cells.compute(Subject(text_run, focus=Focus(example=2, layer="lstm2", unit=3)))
    assert {(each.layer, each.unit) for each in view.found} == {("lstm2", 3)}
    begins = Subject(text_run).dataset.test.inputs[2, 0]
    assert all(each.pieces[0] == text_run.vocabulary.decode([begins]) for each in view.found)


@pytest.mark.parametrize(
    ("focus", "message"),
    [
        (Focus(layer="lstm2", unit=5), "layer lstm2 has the units 0 to 4; found 5"),
        (Focus(layer="output"), "layer output has no state; there is lstm1, lstm2"),
        (Focus(example=99), "the test set has the examples 0 to {last}; found 99"),
    ],
)
def test_what_there_is_not(text_run: Run, focus: Focus, message: str) -> None:
    subject = Subject(text_run, focus=focus)
    with pytest.raises(InputError) as caught:
        cells.compute(subject)
    assert str(caught.value) == message.format(last=len(subject.dataset.test) - 1)


def test_a_text_in_which_nothing_changes() -> None:
    vocabulary = Characters("(.)\na")
    model, ids = counting(vocabulary), vocabulary.encode("......")
    with pytest.raises(DoesNotApply) as caught:
        cells_of(model, vocabulary, ids, ids, "about", Focus(unit=0))
    assert str(caught.value) == "cells that change along the text are needed, and none does"


@pytest.mark.parametrize("engine", ENGINES)
def test_every_engine_s_run_has_the_same_cells(text_run: Run, text: Subject, engine: str) -> None:
    if reason := engines.available(engine):
        pytest.skip(reason)
    found = cells.compute(Subject(text_run, engine=engine))
    assert found.words == cells.compute(text).words


def test_the_figure_says_what_it_shows() -> None:
    followers = [
        Follower("position in the line", "lstm1", 7, 0.5, -0.75, list("ab\nc"), np.zeros(4)),
        Follower("inside quotes", "lstm2", 0, 0.5, 0.25, list("x" * 999), np.ones(999)),
    ]
    view = Cells("title\nrun r", followers)
    page = cells.draw(view)
    assert page.texts[0].get_text() == "What single cells follow"
    first, second, bar = page.axes
    assert first.get_title(loc="left") == "position in the line: lstm1 cell 7, r = −0.75"
    assert second.get_title(loc="left") == "inside quotes: lstm2 cell 0, r = 0.25"
    assert bar.get_xlabel() == "activation of the cell after the character"
    assert len(second.texts) == cells.ROWS * 54
    assert view.words == (
        "position in the line: lstm1 cell 7, r = −0.75; inside quotes: lstm2 cell 0, r = 0.25"
    )
