from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from byhand.errors import InputError
from byhand.layers import Sequential
from byhand.models import seq2seq
from byhand.models.seq2seq import ATTENTIONS

from .two_sequences import (
    SOURCE,
    TARGET,
    TIME,
    assert_gradients,
    assert_sees_no_word_after,
    assert_shorter_batch,
    assert_step_by_step,
)

KINDS: dict[str, dict[str, Any]] = {kind: {"attention": kind} for kind in ATTENTIONS} | {
    "one direction": {"bidirectional": False},
    "deep": {"depth": 2},
}
every_kind = pytest.mark.parametrize("kind", KINDS)


def small(kind: str = "additive", **options: Any) -> Sequential:
    how: dict[str, Any] = {"embedding": 3, "hidden": 4}
    return seq2seq(SOURCE, TARGET, **(how | KINDS[kind] | options))


def names(model: Sequential) -> list[str]:
    return [str(layer.name) for layer in model.layers]


def test_layers_by_their_names() -> None:
    decoder = ["encoder", "embedding1", "concatenation1", "gru1"]
    assert names(small("none")) == [*decoder, "output"]
    assert names(small("dot")) == [*decoder, "attention", "combined", "tanh1", "output"]
    assert names(small("deep"))[3:6] == ["gru1", "gru2", "attention"]
    parameters = small("deep").initialize(0).parameters
    assert "encoder.bidirectional2.reverse_Wx" in parameters
    assert "attention.additiveattention1.v" in parameters


def test_as_many_parameters_as_the_equations_have() -> None:
    embeddings = 3 * (SOURCE + TARGET)
    gru = lambda n, h: 3 * (n * h + h * h + h)  # noqa: E731
    encoder = 2 * (gru(3, 2) + 2)  # each direction, with the second bias of the candidate
    decoder, output = gru(3 + 4, 4) + 4, (4 + 1) * TARGET
    attention = 4 * 4 + 4 * 4 + 4 + (8 + 1) * 4
    sizes = {
        kind: sum(value.size for value in small(kind).initialize(0).parameters.values())
        for kind in ("none", "additive")
    }
    assert sizes["none"] == embeddings + encoder + decoder + output
    assert sizes["additive"] == sizes["none"] + attention


@every_kind
def test_gradients(kind: str) -> None:
    assert_gradients(small(kind))


@every_kind
def test_step_by_step(kind: str) -> None:
    assert_step_by_step(small(kind))


@every_kind
def test_what_a_step_knows(kind: str) -> None:
    assert_sees_no_word_after(small(kind))


def test_padding_that_all_have_changes_nothing() -> None:
    assert_shorter_batch(small())


def test_dropout_of_embeddings_between_layers_and_before_the_output() -> None:
    masks = small("deep", dropout=0.5).draw_masks(2, (2, TIME), 0, 0, np.float64)
    found = {name: mask.shape[2] for name, mask in masks.items()}
    encoder = {"encoder.dropout1": 3, "encoder.dropout2": 4}
    assert found == encoder | {"dropout1": 3, "dropout2": 4, "dropout3": 4}


@pytest.mark.parametrize(
    ("options", "text"),
    [
        (
            {"attention": "luong"},
            "attention is one of none, dot, general, additive; found 'luong'",
        ),
        ({"hidden": 5}, "hidden is even, half of it for each direction; found 5"),
        ({"depth": 0}, "depth is at least 1, found 0"),
    ],
)
def test_what_makes_no_model(options: dict[str, Any], text: str) -> None:
    with pytest.raises(InputError, match=text):
        small("none", **options)
