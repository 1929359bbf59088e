"""Sequences in the PyTorch engine: padding, states and losses over time, beside NumPy's."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from byhand import engines
from byhand.engines import Program
from byhand.errors import InputError, ShapeError
from byhand.initializers import StandardNormal
from byhand.layers import (
    GRU,
    LSTM,
    RNN,
    Bidirectional,
    Dense,
    Dropout,
    Embedding,
    LastStep,
    Layer,
    OneHot,
    Sequential,
    Sigmoid,
    Softmax,
)
from byhand.losses import (
    BinaryCrossEntropyWithLogits,
    CrossEntropy,
    Loss,
    QuadraticCost,
    SoftmaxCrossEntropy,
)
from byhand.optimizers import SGD, Adam
from byhand.storage import read_tensors, write_tensors

from ..layers.recurrent import KINDS, Kind

VOCABULARY, FEATURES, HIDDEN, TIME, STREAMS, WINDOWS = 7, 5, 4, 6, 3, 5
RNG = np.random.default_rng(0)
IDS = RNG.integers(0, VOCABULARY, (STREAMS * WINDOWS, TIME))
NEXT = RNG.integers(0, VOCABULARY, IDS.shape)
PADDED = np.where(RNG.random(IDS.shape) < 0.3, -1, IDS)
PADDED[0], PADDED[1, 2:], PADDED[2, :3] = -1, -1, -1
ASKED = np.where(PADDED < 0, -1, NEXT)

GRU_BEFORE = {"reset": "before"}
PAIRS: list[Callable[[], tuple[Any, Any]]] = [
    lambda: (RNN(FEATURES, 3), LSTM(FEATURES, 2)),
    lambda: (LSTM(FEATURES, 3), LSTM(FEATURES, 3)),
    lambda: (GRU(FEATURES, 2), GRU(FEATURES, 3, reset="before")),
]

every_kind = pytest.mark.parametrize("kind", KINDS, ids=str)


def reader(*layers: Layer, dtype: Any = np.float64) -> Sequential:
    """From ids through these layers to scores of each class."""
    width = layers[-1].sizes.get("hidden") or layers[-1].sizes["out"]
    behind = Dense(width, VOCABULARY, biases=StandardNormal())
    return Sequential(Embedding(VOCABULARY, FEATURES), *layers, behind).initialize(3, dtype)


def stacked(kind: Kind) -> Sequential:
    """Two layers of this kind, whose biases are not 0, with dropout between them."""
    one, two = kind.make(FEATURES, HIDDEN), kind.make(HIDDEN, HIDDEN)
    return reader(one, Dropout(0.3), two)


def program(model: Sequential, engine: str = "torch", **options: Any) -> Any:
    options = {"loss": SoftmaxCrossEntropy(), "optimizer": SGD(0.3), "seed": 4, **options}
    loss, optimizer = options.pop("loss"), options.pop("optimizer")
    return engines.compile(model, loss, optimizer, engine=engine, **options)


def both(model: Sequential, **options: Any) -> tuple[Any, Any]:
    return program(model, "numpy", **options), program(model, "torch", **options)


def assert_same(found: Any, expected: Any, tolerance: float = 1e-10) -> None:
    assert found.keys() == expected.keys()
    assert expected
    for name, value in expected.items():
        assert found[name].dtype == value.dtype, name
        np.testing.assert_allclose(found[name], value, rtol=tolerance, atol=tolerance, err_msg=name)


def seen(p: Program, ids: Any, t: Any) -> dict[str, Any]:
    """All that a program tells of a model."""
    told: dict[str, Any] = {}
    for step in (None, 5):
        objective, gradients = p.gradients(ids, t, step)
        told |= {f"d{name} of step {step}": g for name, g in gradients.items()}
        told[f"the objective of step {step}"] = np.array(objective)
    told |= {f"the output of {name}": y for name, y in p.activations(ids).items()}
    told["the loss"] = np.array(p.evaluate(ids, t).loss)
    told["the predictions"] = p.predict(ids)
    return told


def trained(p: Program, ids: Any, t: Any, epochs: int = 1) -> dict[str, Any]:
    """What training leaves behind: step k reads window k of each stream."""
    order = np.arange(len(ids)).reshape(STREAMS, -1).T.reshape(-1)
    told = {}
    for epoch in range(epochs):
        rates = [0.3] * WINDOWS
        losses = p.train(ids, t, order, STREAMS, epoch * WINDOWS, rates)
        told[f"the losses of epoch {epoch}"] = losses
    return {**told, **p.parameters(), **p.recurrent_state()}


def states_of(model: Sequential, batch: int) -> dict[str, Any]:
    """Some states of its recurrent layers."""
    return {
        str(layer.name): 0.5 * RNG.standard_normal(layer.state_shape(batch))
        for layer in model.layers
        if isinstance(layer, RNN | GRU | LSTM)
    }


def refusal(call: Any, *arguments: Any, **options: Any) -> str:
    with pytest.raises(InputError) as caught:
        call(*arguments, **options)
    message = str(caught.value)
    assert "\n" not in message
    return message


# The layers


@every_kind
@pytest.mark.parametrize(("ids", "t"), [(IDS, NEXT), (PADDED, ASKED)], ids=["whole", "padded"])
def test_every_kind_computes_what_numpy_does(kind: Kind, ids: Any, t: Any) -> None:
    numpy, torch = both(stacked(kind))
    assert_same(seen(torch, ids, t), seen(numpy, ids, t))
    assert_same(trained(torch, ids, t), trained(numpy, ids, t))


@pytest.mark.parametrize("pair", PAIRS, ids=["RNN and LSTM", "two LSTMs", "both GRUs"])
@pytest.mark.parametrize(("ids", "t"), [(IDS, NEXT), (PADDED, ASKED)], ids=["whole", "padded"])
def test_both_directions(pair: Callable[[], tuple[Any, Any]], ids: Any, t: Any) -> None:
    numpy, torch = both(reader(Bidirectional(*pair())))
    assert_same(seen(torch, ids, t), seen(numpy, ids, t))
    assert torch.recurrent_state() == {}


@every_kind
def test_sequences_of_numbers_that_end_in_one_answer(kind: Kind) -> None:
    model = Sequential(kind.make(FEATURES, HIDDEN), LastStep(), Dense(HIDDEN, 3)).initialize(2)
    x, t = RNG.standard_normal((8, TIME, FEATURES)), RNG.integers(0, 3, 8)
    numpy, torch = both(model)
    assert_same(seen(torch, x, t), seen(numpy, x, t))
    assert torch.evaluate(x, t).accuracy == numpy.evaluate(x, t).accuracy


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("ids", [IDS, PADDED.astype(np.int16), IDS.astype(np.uint8)])
def test_ids_as_rows_of_a_single_one(ids: Any, dtype: Any) -> None:
    model = Sequential(OneHot(VOCABULARY), Dense(VOCABULARY, 3)).initialize(1, dtype)
    numpy, torch = both(model)
    t = RNG.integers(0, 3, ids.shape)
    assert_same(seen(torch, ids, t), seen(numpy, ids, t), 1e-6 if dtype == np.float32 else 1e-10)


@every_kind
def test_the_output_is_zero_in_padding_and_nowhere_else(kind: Kind) -> None:
    layer = kind.make(FEATURES, HIDDEN)
    torch = program(Sequential(Embedding(VOCABULARY, FEATURES), layer).initialize(0))
    hidden = torch.activations(PADDED)[str(layer.name)]
    assert not hidden[PADDED < 0].any()
    assert hidden[PADDED >= 0].all()


# Losses over time


@pytest.mark.parametrize(
    ("loss", "output"),
    [
        (QuadraticCost(), Sigmoid()),
        (CrossEntropy(), Softmax()),
        (BinaryCrossEntropyWithLogits(), Dense(3, 3)),
        (SoftmaxCrossEntropy(), Dense(3, 3)),
    ],
    ids=str,
)
def test_every_loss_is_a_mean_over_batch_and_time(loss: Loss, output: Layer) -> None:
    model = Sequential(Embedding(VOCABULARY, FEATURES), RNN(FEATURES, 3), output).initialize(1)
    t = RNG.dirichlet(np.ones(3), IDS.shape)
    numpy, torch = both(model, loss=loss)
    assert_same(seen(torch, IDS, t), seen(numpy, IDS, t))
    assert torch.evaluate(IDS, t).accuracy is None


def test_groups_of_nothing_but_padding_count_for_nothing() -> None:
    numpy, torch = both(reader(LSTM(FEATURES, HIDDEN)))
    t = ASKED.copy()
    t[3:6] = -1
    found, expected = (p.evaluate(IDS, t, streams=3) for p in (torch, numpy))
    assert found.loss == pytest.approx(expected.loss, rel=1e-12)
    assert found.accuracy is expected.accuracy is None
    assert np.isnan(torch.evaluate(IDS, np.full_like(t, -1)).loss)


def test_targets_that_the_loss_refuses_are_refused_in_its_words() -> None:
    torch = program(reader(LSTM(FEATURES, HIDDEN)))
    order, rates = np.arange(len(IDS)), [0.1] * WINDOWS
    nothing, wrong = NEXT.copy(), NEXT.copy()
    nothing[STREAMS : 2 * STREAMS], wrong[1, 1] = -1, VOCABULARY
    before = torch.parameters()
    assert refusal(torch.train, IDS, nothing, order, STREAMS, 0, rates).startswith(
        "SoftmaxCrossEntropy: every target is -1"
    )
    assert refusal(torch.train, IDS, wrong, order, STREAMS, 0, rates) == (
        "a label is 7, but there are 7 classes: labels run from 0 to 6"
    )
    assert refusal(torch.evaluate, IDS, NEXT[:, 1:]).startswith(
        "SoftmaxCrossEntropy: t has shape (15, 5)"
    )
    assert_same(torch.parameters(), before)


# States


@every_kind
@pytest.mark.parametrize(("ids", "t"), [(IDS, NEXT), (PADDED, ASKED)], ids=["whole", "padded"])
def test_training_carries_the_state_from_step_to_step(kind: Kind, ids: Any, t: Any) -> None:
    model = stacked(kind)
    numpy, torch = both(model, carry_state=True, optimizer=Adam(0.01))
    assert torch.recurrent_state() == {}
    expected, found = (trained(p, ids, t, epochs=2) for p in (numpy, torch))
    assert_same(found, expected, 1e-9)
    names = {str(layer.name) for layer in model.layers if isinstance(layer, RNN | GRU | LSTM)}
    assert set(torch.recurrent_state()) == names
    without = trained(program(model, optimizer=Adam(0.01)), ids, t, epochs=2)
    assert np.abs(without["dense1.W"] - found["dense1.W"]).max() > 1e-6


@every_kind
def test_gradients_start_from_the_state_and_leave_it(kind: Kind) -> None:
    model = stacked(kind)
    numpy, torch = both(model, carry_state=True)
    states = states_of(model, STREAMS)
    alone = torch.gradients(IDS[:STREAMS], NEXT[:STREAMS])[0]
    for p in (numpy, torch):
        p.set_recurrent_state(states)
    (a, found), (b, expected) = (p.gradients(IDS[:STREAMS], NEXT[:STREAMS]) for p in (torch, numpy))
    assert a == pytest.approx(b, rel=1e-12)
    assert a != pytest.approx(alone, rel=1e-6)
    assert_same(found, expected)
    assert_same(torch.recurrent_state(), states)
    torch.set_recurrent_state({})
    assert torch.gradients(IDS[:STREAMS], NEXT[:STREAMS])[0] == alone


@every_kind
def test_evaluation_over_streams_reads_on(kind: Kind) -> None:
    model = stacked(kind)
    numpy, torch = both(model, carry_state=True)
    states = states_of(model, 2)
    torch.set_recurrent_state(states)
    one_text = program(model).evaluate(IDS.reshape(1, -1), NEXT.reshape(1, -1)).loss
    assert torch.evaluate(IDS, NEXT, streams=1).loss == pytest.approx(one_text, rel=1e-12)
    for streams in (1, STREAMS, None):
        found, expected = (p.evaluate(IDS, NEXT, streams=streams) for p in (torch, numpy))
        assert found.loss == pytest.approx(expected.loss, rel=1e-12)
    assert_same(torch.recurrent_state(), states)


@every_kind
def test_a_prediction_goes_on_from_any_state(kind: Kind) -> None:
    model = stacked(kind)
    numpy, torch = both(model, carry_state=True)
    states = states_of(model, len(IDS))
    (y, after), (expected, expected_after) = (p.predict_from(IDS, states) for p in (torch, numpy))
    np.testing.assert_allclose(y, expected, rtol=1e-10)
    assert_same(after, expected_after)
    assert torch.recurrent_state() == {}
    whole, pieces, states = torch.predict(IDS), [], {}
    for t in range(TIME):
        piece, states = torch.predict_from(IDS[:, t : t + 1], states)
        pieces.append(piece)
    np.testing.assert_allclose(np.concatenate(pieces, axis=1), whole, rtol=1e-10)
    assert_same(states, torch.predict_from(IDS, {})[1])


def test_a_loss_that_is_not_finite_leaves_the_state() -> None:
    model = reader(LSTM(FEATURES, HIDDEN))
    torch = program(model, carry_state=True)
    torch.train(IDS, NEXT, np.arange(STREAMS), STREAMS, 0, [0.1])
    before = torch.recurrent_state()
    torch.set_parameters({**torch.parameters(), "dense1.b": np.full(VOCABULARY, np.inf)})
    losses = torch.train(IDS, NEXT, np.arange(len(IDS)), STREAMS, 1, [0.1] * WINDOWS)
    assert len(losses) == 1
    assert_same(torch.recurrent_state(), before)


def test_states_of_other_sequences_are_refused() -> None:
    model = reader(LSTM(FEATURES, HIDDEN))
    torch = program(model, carry_state=True)
    torch.train(IDS, NEXT, np.arange(STREAMS), STREAMS, 0, [0.1])
    for call in (
        lambda: torch.train(IDS, NEXT, np.arange(2), 2, 1, [0.1]),
        lambda: torch.gradients(IDS[:2], NEXT[:2]),
        lambda: torch.predict_from(IDS[:2], torch.recurrent_state()),
    ):
        with pytest.raises(ShapeError) as caught:
            call()
        assert str(caught.value) == (
            'LSTM "lstm1": state has batch = 3, x has batch = 2 '
            "(hₜ = oₜ ⊙ tanh(cₜ), cₜ = fₜ ⊙ cₜ₋₁ + iₜ ⊙ gₜ)"
        )
    assert refusal(torch.set_recurrent_state, {"rnn1": np.zeros((3, 4))}) == (
        "no layer with a state is named rnn1; there is lstm1"
    )


def test_an_id_without_a_row_is_refused_in_the_layers_words() -> None:
    torch = program(reader(GRU(FEATURES, HIDDEN)))
    ids = IDS.copy()
    ids[1, 2] = VOCABULARY
    expected = (
        'Embedding "embedding1": ids[1, 2] is 7, expected 0 to 6 for vocabulary = 7, or -1 for '
        "padding (y = E[ids])"
    )
    assert refusal(torch.predict, ids) == expected
    assert refusal(torch.gradients, ids, NEXT) == expected


# Options


@every_kind
@pytest.mark.parametrize("ids", [IDS, PADDED], ids=["whole", "padded"])
def test_amp_keeps_states_and_answers_in_float32(kind: Kind, ids: Any) -> None:
    model = stacked(kind).initialize(3, np.float32)
    exact, rough = (program(model, amp=amp, carry_state=True) for amp in (False, True))
    _, expected = exact.gradients(ids, NEXT)
    _, found = rough.gradients(ids, NEXT)
    for name, gradient in found.items():
        assert gradient.dtype == np.float32
        off = np.linalg.norm(gradient - expected[name]) / np.linalg.norm(expected[name])
        assert 2**-20 < off < 2**-3, name
    first = rough.evaluate(ids, NEXT, streams=STREAMS).loss
    left = trained(rough, ids, NEXT, epochs=10)
    assert rough.evaluate(ids, NEXT, streams=STREAMS).loss < first - 0.1
    y, states = rough.predict_from(ids[:2], {})
    assert {a.dtype for a in (y, *states.values(), *left.values())} <= {
        np.dtype(np.float32),
        np.dtype(np.float64),  # the losses
    }


# What torch.compile loads decorates functions with what PyTorch has deprecated; and at a recurrent
# layer, which it leaves as it is, it asks for gradients that are not there yet. It would not show
# either of these warnings.
@pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor:UserWarning")
@pytest.mark.filterwarnings("ignore:.torch.jit:DeprecationWarning")
@pytest.mark.slow
@every_kind
def test_what_torch_compile_makes_computes_the_same(kind: Kind) -> None:
    """In float32, where the CPU has a kernel of its own for the LSTM."""
    model = stacked(kind).initialize(3, np.float32)
    eager, compiled = (program(model, compile=chosen, carry_state=True) for chosen in (False, True))
    assert_same(trained(compiled, IDS, NEXT, 2), trained(eager, IDS, NEXT, 2), 1e-5)


# Files


@every_kind
@pytest.mark.parametrize("first", ["numpy", "torch"])
def test_a_file_of_one_engine_is_read_by_the_other(kind: Kind, first: str, tmp_path: Path) -> None:
    model, path = (
        reader(Bidirectional(*(kind.make(FEATURES, HIDDEN) for _ in "ab"))),
        tmp_path / "a",
    )
    writer = program(model, first)
    trained(writer, IDS, NEXT)
    write_tensors(path, writer.parameters())
    for other in ("numpy", "torch"):
        p = program(model, other)
        assert not np.allclose(p.predict(IDS), writer.predict(IDS), rtol=1e-3)
        p.set_parameters(read_tensors(path)[0])
        assert_same(p.parameters(), writer.parameters(), 0)
        assert all(w.flags.c_contiguous for w in p.parameters().values())
        np.testing.assert_allclose(p.predict(IDS), writer.predict(IDS), rtol=1e-10)
