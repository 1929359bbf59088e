"""The engines compute the same of models that read one sentence and write another."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from byhand import engines
from byhand.engines import Program
from byhand.errors import InputError, ShapeError
from byhand.layers import Sequential
from byhand.losses import SoftmaxCrossEntropy
from byhand.optimizers import SGD, Adam

from .agreement import Case, assert_agreement, assert_close, both_dtypes
from .two_sequences import MODELS, SOURCE, TARGET, TIME, pairs

Array = Any
every_model = pytest.mark.parametrize("kind", MODELS)


def program(model: Sequential, engine: str) -> Program:
    return engines.compile(model, SoftmaxCrossEntropy(), SGD(0.1), examples=12, engine=engine)


@both_dtypes
@every_model
def test_the_engines_agree(kind: str, dtype: Any, engine: str) -> None:
    ids, targets = pairs()
    case = Case(MODELS[kind](dtype), ids, targets, optimizer=Adam(0.002), batch=5)
    assert_agreement(case, engine, steps=12)


@pytest.mark.parametrize("kind", ["transformer", "additive"])
def test_dropout_drops_the_same(kind: str, engine: str) -> None:
    """In masks that have the shape of what is left of a batch without its last padding."""
    ids, targets = pairs()
    case = Case(MODELS[kind](np.float64, 0.3), ids, targets, optimizer=Adam(0.002), batch=5)
    assert_agreement(case, engine, steps=12)
    own = case.program(engine)
    assert len({own.gradients(ids, targets, step)[0] for step in (None, 0, 1)}) == 3
    found = case.model.draw_masks(2, (2, 4), 0, 0, np.float64)
    inside = {"transformer": "residual1.dropout1", "additive": "concatenation2.dropout1"}[kind]
    assert {"encoder.dropout1", inside} <= set(found)


@every_model
def test_what_stands_behind_the_sentences_has_no_effect(kind: str, any_engine: str) -> None:
    """Further padding changes nothing, whether it is in one batch with longer pairs or not."""
    ids, targets = pairs()
    own = program(MODELS[kind](), any_engine)
    short = ids[:6, :, : TIME - 1], targets[:6, : TIME - 1]
    more = [((0, 0),) * (a.ndim - 1) + ((0, 4),) for a in short]
    wider = [np.pad(a, by, constant_values=-1) for a, by in zip(short, more, strict=True)]
    loss, gradients = own.gradients(*short)
    same, others = own.gradients(*wider)
    assert_close({"loss": np.array(same), **others}, {"loss": np.array(loss), **gradients}, 1e-12)
    assert own.evaluate(*wider).loss == pytest.approx(own.evaluate(*short).loss, rel=1e-12)
    np.testing.assert_allclose(own.predict(wider[0])[:, : TIME - 1], own.predict(short[0]))
    # One pair by itself is what it is among longer ones.
    n = 3
    length = max(int((ids[n, row] >= 0).sum()) for row in (0, 1))
    alone = own.predict(ids[n : n + 1, :, :length])
    real = ids[n, 1, :length] >= 0
    np.testing.assert_allclose(alone[0][real], own.predict(ids)[n, :length][real])


@every_model
def test_the_loss_and_the_gradients_are_those_of_the_pairs_one_by_one(
    kind: str, any_engine: str
) -> None:
    ids, targets = pairs()
    own = program(MODELS[kind](), any_engine)
    loss, gradients = own.gradients(ids, targets)
    asked = (targets >= 0).sum()
    total, sums = 0.0, {name: np.zeros_like(g) for name, g in gradients.items()}
    for n in range(len(ids)):
        share = (targets[n] >= 0).sum() / asked
        one, of_one = own.gradients(ids[n : n + 1], targets[n : n + 1])
        total += share * one
        for name, g in of_one.items():
            sums[name] += share * g
    assert total == pytest.approx(loss, rel=1e-12)
    assert_close(sums, gradients, 1e-10)


@every_model
def test_a_decoder_that_reads_word_by_word(kind: str, any_engine: str) -> None:
    """The source is read once; from then on it is in the state of the encoder."""
    model = MODELS[kind]()
    own, (ids, _) = program(model, any_engine), pairs()
    reference = program(model, "numpy")
    whole = own.predict(ids)
    first = ids.copy()
    first[:, 1, 1:] = -1
    p, states = own.predict_from(first, {})
    _, expected = reference.predict_from(first, {})
    assert states.keys() == expected.keys()
    assert "encoder.memory" in states
    real_memory = expected["encoder.memory"][..., -1:]
    np.testing.assert_array_equal(states["encoder.memory"][..., -1:], real_memory)
    np.testing.assert_allclose(
        np.where(real_memory, states["encoder.memory"], 0),
        np.where(real_memory, expected["encoder.memory"], 0),
        atol=1e-12,
    )
    words = [p[:, :1]]
    for t in range(1, TIME):
        later = ids[:, :, t : t + 1].copy()
        later[:, 0] = SOURCE - 1
        p, states = own.predict_from(later, states)
        words.append(p)
    real = ids[:, 1] >= 0
    np.testing.assert_allclose(np.concatenate(words, axis=1)[real], whole[real], rtol=1e-9)


@pytest.mark.parametrize(("row", "size"), [(0, SOURCE), (1, TARGET)], ids=["source", "target"])
def test_an_id_that_has_no_row(row: int, size: int, any_engine: str) -> None:
    ids, _ = pairs()
    ids[0, row, 0] = size
    with pytest.raises(InputError) as error:
        program(MODELS["transformer"](), any_engine).predict(ids)
    assert str(error.value) == (
        f'Embedding "embedding1": ids[0, 0] is {size}, expected 0 to {size - 1} for '
        f"vocabulary = {size}, or -1 for padding (y = E[ids])"
    )


def test_inputs_that_are_no_pairs(any_engine: str) -> None:
    own = program(MODELS["transformer"](), any_engine)
    ids, _ = pairs()
    with pytest.raises(ShapeError) as error:
        own.predict(ids[:, 0])
    assert str(error.value) == (
        'Encoder "encoder": an example of x has shape (6,), expected (2, time), source and target '
        "(m = f(source), y = target)"
    )


def test_a_memory_of_another_width(any_engine: str) -> None:
    own, (ids, _) = program(MODELS["transformer"](), any_engine), pairs()
    with pytest.raises(ShapeError) as error:
        own.predict_from(ids, {"encoder.memory": np.ones((12, 6, 6))})
    assert str(error.value) == (
        "the state of encoder.memory has shape (12, 6, 6), expected (12, 6, 7)"
    )
