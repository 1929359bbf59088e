from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from byhand.data import Characters
from byhand.errors import InputError
from byhand.layers import PADDING
from byhand.models import char_rnn, gpt, seq2seq, transformer
from byhand.views import Focus, attention, positions
from byhand.views.attention import Text, attention_of
from byhand.views.looking import smaller
from byhand.views.subject import DoesNotApply, Subject

from .conftest import letters_reversed

VOCABULARY = Characters("abc")
TEXT = Text(VOCABULARY.encode("abcabcab"), "abcabcab")
SOURCE = Text(np.array([0, 1, 2, 1]), ["a", "b", "c", "<eos>"])
TARGET = Text(np.array([3, 1, 2]), ["<bos>", "b", "c"])


def network(**settings: object) -> object:
    return gpt(3, width=8, depth=2, heads=2, context=8, **settings).initialize(0)


def test_the_cell_is_the_arithmetic_of_one_number_of_the_matrix() -> None:
    view = attention_of(network(), [TEXT], "about")
    assert view.products.shape == (4,)
    assert pytest.approx(view.products.sum() / math.sqrt(4)) == view.S
    assert view.p == pytest.approx(math.exp(view.S) / view.Z)
    assert view.matrix[view.query, view.key] == view.p == view.matrix[-1].max()
    assert "".join(view.keys) == "abcabcab"
    assert view.words.startswith(f"{view.layer} head {view.head}, “b” looks at “")
    assert view.words.endswith(f"= {view.p:.2f}")


def test_heads_that_share_their_keys() -> None:
    view = attention_of(network(kv_heads=1), [TEXT], "about", Focus(unit=1))
    assert view.head == 1
    assert view.p == pytest.approx(math.exp(view.S) / view.Z)


def test_the_thumbnails_of_a_short_text_are_the_weights_themselves() -> None:
    view = attention_of(network(), [TEXT], "about")
    assert [each.shape for each in view.thumbnails.values()] == [(2, 8, 8)] * 2
    np.testing.assert_array_equal(view.thumbnails[view.layer][view.head], view.matrix)
    assert np.triu(view.matrix, 1).max() == 0


def test_512_tokens_are_thumbnails_of_64_whose_rows_sum_to_1() -> None:
    model = gpt(3, width=8, depth=1, heads=2, context=512).initialize(0)
    view = attention_of(model, [Text(np.arange(512) % 3, "abc" * 170 + "ab")], "about")
    (thumbnails,) = view.thumbnails.values()
    assert thumbnails.shape == (2, 64, 64)
    np.testing.assert_allclose(thumbnails.sum(axis=-1), 1)
    assert view.matrix.shape == (attention.SHOWN, attention.SHOWN)
    assert (len(view.keys), view.tokens) == (attention.SHOWN, [512])
    assert attention.draw(view).axes


def test_a_smaller_matrix_takes_means_of_queries_and_sums_of_keys() -> None:
    p = np.array([[1, 0, 0], [0.5, 0.5, 0], [0.2, 0.3, 0.5]])
    np.testing.assert_allclose(smaller(p, 2), [[1, 0], [0.35, 0.65]])
    np.testing.assert_array_equal(smaller(p, 3), p)


def test_the_layer_and_the_head_that_are_asked_for() -> None:
    model = network()
    view = attention_of(model, [TEXT], "about", Focus(layer="attention2", unit=0))
    assert view.layer.startswith("attention2.")
    assert view.head == 0
    with pytest.raises(InputError) as caught:
        attention_of(model, [TEXT], "about", Focus(layer="output"))
    assert str(caught.value).startswith("no attention in layer 'output'; there is attention1.")
    with pytest.raises(InputError, match="has the units 0 to 1; found 2"):
        attention_of(model, [TEXT], "about", Focus(unit=2))


@pytest.mark.parametrize(
    ("layer", "queries", "keys"),
    [
        ("encoder.attention1", SOURCE, SOURCE),
        ("attention1", TARGET, TARGET),
        ("cross_attention1", TARGET, SOURCE),
    ],
)
def test_each_side_of_a_translation_looks(layer: str, queries: Text, keys: Text) -> None:
    model = transformer(4, 4, width=8, depth=1, heads=2, place="pre").initialize(0)
    view = attention_of(model, [SOURCE, TARGET], "about", Focus(layer=layer))
    assert view.layer.startswith(f"{layer}.")
    assert (view.queries, view.keys) == (queries.pieces, keys.pieces)
    np.testing.assert_allclose(view.matrix.sum(axis=1), 1)
    assert view.p == pytest.approx(math.exp(view.S) / view.Z)
    assert [len(each[0]) for each in view.thumbnails.values()] == [4, 3, 3]
    # Alone, without the target's padding, the source is looked at alike.
    longer = [SOURCE, Text(np.array([3, 1, 2, 0, 1, 2]), ["<bos>", *"bcabc"])]
    if queries is SOURCE:
        again = attention_of(model, longer, "about", Focus(layer=layer, unit=view.head))
        np.testing.assert_allclose(again.matrix, view.matrix)


@pytest.mark.slow
def test_a_run_that_was_trained_on_pairs(tmp_path: Path) -> None:
    model = 'kind = "transformer"\nwidth = 8\nheads = 2\ndepth = 1'
    subject = letters_reversed(tmp_path, "letters", model)
    view = attention.compute(subject)
    source, target = subject.dataset.test.inputs[0]
    assert view.tokens == [(source != PADDING).sum(), (target != PADDING).sum()]
    assert view.queries[0] == "<bos>" or view.queries[-1] == "<eos>"
    assert attention.draw(view).axes
    assert len(positions.compute(subject).rows) == len(source)


def test_recurrent_networks_attend_without_heads() -> None:
    model = seq2seq(4, 4, hidden=4, attention="additive").initialize(0)
    with pytest.raises(DoesNotApply, match="no layer with heads"):
        attention_of(model, [SOURCE, TARGET], "about")


def test_a_text_longer_than_the_context() -> None:
    with pytest.raises(InputError, match="8"):
        attention_of(network(), [Text(np.zeros(9, int), "aaaaaaaaa")], "about")


def test_a_network_without_attention() -> None:
    with pytest.raises(DoesNotApply) as caught:
        attention_of(char_rnn(3, hidden=[2]).initialize(0), [TEXT], "about")
    assert str(caught.value) == "attention is needed, and the network has no layer with heads"


def test_runs_of_another_kind(subject: Subject, text: Subject) -> None:
    with pytest.raises(DoesNotApply, match="a text is needed"):
        attention.compute(subject)
    with pytest.raises(DoesNotApply, match="attention is needed"):
        attention.compute(text)
