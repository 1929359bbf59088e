"""What is special to attention in the native engine: blocks of keys, states that grow, threads, and
what is refused before C++ reads it. That each layer is NumPy's is in test_agreement.py."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from byhand import engines
from byhand.engines import Program
from byhand.errors import InputError, ShapeError
from byhand.layers import SelfAttention, Sequential
from byhand.losses import SoftmaxCrossEntropy
from byhand.models.gpt import gpt
from byhand.optimizers import SGD

from .agreement import Case, apart, assert_agreement, both_dtypes, normal

if missing := engines.available("native"):
    pytest.skip(missing, allow_module_level=True)

Array = np.typing.NDArray[Any]
VOCABULARY = 7
MODELS: dict[str, dict[str, Any]] = {
    "as GPT-2": {},
    "as Llama": {"positions": "rotary", "norm": "rms", "feed_forward": "swiglu", "kv_heads": 1},
    "as in 2017": {"positions": "sinusoidal", "place": "post", "dropout": 0.2},
}


def model(context: int, dtype: Any = np.float64, **options: Any) -> Sequential:
    chosen = {"width": 12, "depth": 2, "heads": 2, "context": context, **options}
    return gpt(VOCABULARY, **chosen).initialize(0, dtype)


def text(examples: int, steps: int, padded: bool = False) -> tuple[Array, Array]:
    """Ids and labels, with padding at the end of some sequences and within another."""
    ids = np.random.default_rng(2).integers(VOCABULARY, size=(examples, steps + 1))
    x, t = ids[:, :-1].copy(), ids[:, 1:].copy()
    if padded:
        for n, hidden in ((0, slice(steps // 2, None)), (1, slice(0, 2))):
            x[n, hidden] = t[n, hidden] = -1
    return x, t


def program(model: Sequential, engine: str = "native", **options: Any) -> Program:
    return engines.compile(model, SoftmaxCrossEntropy(), SGD(0.1), engine=engine, **options)


@both_dtypes
@pytest.mark.parametrize("padded", [False, True], ids=["whole", "padded"])
@pytest.mark.parametrize("options", MODELS.values(), ids=MODELS.keys())
def test_whole_models(options: dict[str, Any], padded: bool, dtype: Any) -> None:
    x, t = text(5, 9, padded)
    case = Case(model(9, dtype, **options), x, t, optimizer=SGD(0.01), batch=3)
    assert_agreement(case, "native", steps=6)


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("steps", [1, 15, 16, 17, 63, 64, 65, 150])
def test_every_length_around_a_block(steps: int, causal: bool) -> None:
    layer = SelfAttention(6, 2, kv_heads=1, causal=causal)
    one = Sequential(layer).initialize(0)
    x = normal((2, steps, 6), np.float64)
    t = np.random.default_rng(1).integers(6, size=(2, steps))
    found, expected = (program(one, engine) for engine in ("native", "numpy"))
    assert apart(found.predict(x), expected.predict(x)) < 1e-12
    ours, theirs = (p.gradients(x, t)[1] for p in (found, expected))
    for name, dw in theirs.items():
        # One step has nothing to choose from: dWq and dWk are nothing but rounding.
        np.testing.assert_allclose(ours[name], dw, rtol=1e-10, atol=1e-14)


@pytest.mark.parametrize("threads", [2, 3])
def test_the_number_of_threads_changes_no_bit(threads: int) -> None:
    x, t = text(8, 40, padded=True)
    wide = model(40, np.float32, width=64, heads=4, kv_heads=2)
    one, several = (program(wide, threads=k) for k in (1, threads))
    for p in (one, several):
        p.train(x, t, np.arange(8), 4, 0, [0.1, 0.1])
    for name, value in one.parameters().items():
        np.testing.assert_array_equal(several.parameters()[name], value, err_msg=name)


@pytest.mark.parametrize("options", MODELS.values(), ids=MODELS.keys())
def test_a_sequence_in_pieces(options: dict[str, Any]) -> None:
    """Some steps, then one by one, through arrays that are outgrown on the way."""
    x, _ = text(3, 150, padded=True)
    native = program(model(150, **options))
    whole, (y, states) = native.predict(x), native.predict_from(x[:, :20], {})
    pieces = [y]
    for k in range(20, 150):
        y, states = native.predict_from(x[:, k : k + 1], states)
        pieces.append(y)
    np.testing.assert_allclose(np.concatenate(pieces, axis=1), whole, rtol=1e-10, atol=1e-14)
    _, expected = program(model(150, **options), "numpy").predict_from(x, {})
    assert states.keys() == expected.keys()
    for name, state in expected.items():
        np.testing.assert_allclose(states[name], state, rtol=1e-10, atol=1e-12, err_msg=name)


def test_two_ways_on_from_one_state() -> None:
    """What was handed out stays as it is, whatever is read after it."""
    x, _ = text(2, 12)
    p = program(model(12))
    _, middle = p.predict_from(x[:, :5], {})
    kept = {name: state.copy() for name, state in middle.items()}
    one, _ = p.predict_from(x[:, 5:8], middle)
    other, _ = p.predict_from(x[:, 8:11], middle)
    again, _ = p.predict_from(x[:, 5:8], middle)
    np.testing.assert_array_equal(again, one)
    assert apart(other, one) > 0.01
    copied, _ = p.predict_from(x[:, 5:8], kept)
    np.testing.assert_array_equal(copied, one)
    for name, state in kept.items():
        np.testing.assert_array_equal(middle[name], state)


def test_states_that_are_not_the_last() -> None:
    """Of fewer examples, in another order, or of later steps only: read as what they are."""
    x, _ = text(3, 9)
    options = {"positions": "none"}
    p, numpy = (program(model(9, **options), engine) for engine in ("native", "numpy"))
    _, states = p.predict_from(x[:, :8], {})
    for change in (slice(0, 2), slice(None, None, -1)):
        part = {name: state[change] for name, state in states.items()}
        found, _ = p.predict_from(x[change, 8:], part)
        expected, _ = numpy.predict_from(x[change, 8:], part)
        np.testing.assert_allclose(found, expected, rtol=1e-10)
    later = {name: state[:, 3:] for name, state in states.items()}
    found, _ = p.predict_from(x[:, 8:], later)
    np.testing.assert_allclose(found, numpy.predict_from(x[:, 8:], later)[0], rtol=1e-10)


def test_a_table_of_positions_ends() -> None:
    x, _ = text(2, 9)
    p, numpy = (program(model(9), engine) for engine in ("native", "numpy"))
    _, states = p.predict_from(x, {})
    said = []
    for each in (p, numpy):
        with pytest.raises(InputError) as error:
            each.predict_from(x[:, :1], states)
        said.append(str(error.value))
    assert said[0] == said[1]
    assert "x has a step at position 9, P has positions = 9" in said[0]


def test_states_for_other_sequences() -> None:
    x, _ = text(3, 4)
    p, numpy = (program(model(9), engine) for engine in ("native", "numpy"))
    _, states = p.predict_from(x, {})
    said = []
    for each in (p, numpy):
        with pytest.raises(ShapeError) as error:
            each.predict_from(x[:2], states)
        said.append(str(error.value))
    assert said[0] == said[1]


def test_a_state_of_an_attention_that_sees_what_follows() -> None:
    one = Sequential(SelfAttention(6, 2)).initialize(0)
    x = normal((2, 4, 6), np.float64)
    for engine in ("native", "numpy"):
        p = program(one, engine)
        _, states = p.predict_from(x, {})
        with pytest.raises(InputError) as error:
            p.predict_from(x, states)
        assert "without causal=True the steps before look at those that follow" in str(error.value)


def test_streams_are_refused() -> None:
    x, t = text(4, 5)
    with pytest.raises(InputError) as error:
        program(model(5)).evaluate(x, t, streams=2)
    assert str(error.value) == (
        "the state of attention1.selfattention1 is of all steps so far, and streams would keep the "
        "whole text: leave streams out, or use engine numpy"
    )


@pytest.mark.parametrize("hidden", [np.nan, np.inf])
def test_what_a_state_holds_for_padding_has_no_effect(hidden: float) -> None:
    x, _ = text(2, 8, padded=True)
    p = program(model(9, positions="none"))
    _, states = p.predict_from(x, {})
    changed = {name: state.copy() for name, state in states.items()}
    for state in changed.values():
        state[:, :, :-1][state[:, :, -1] == 0] = hidden
    last = np.array([[3], [4]])
    expected, _ = p.predict_from(last, states)
    np.testing.assert_array_equal(p.predict_from(last, changed)[0], expected)
    two = np.array([[3, 1], [4, 2]])
    expected, _ = p.predict_from(two, states)
    np.testing.assert_array_equal(p.predict_from(two, changed)[0], expected)
