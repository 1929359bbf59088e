"""What is special to models of two sequences in the native engine: blocks of the source, threads,
batches of many lengths, memories that are handed out and come back, and what is refused before C++
reads it. That each model is NumPy's is in test_two_sequences.py."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from byhand import engines
from byhand.engines import Program
from byhand.errors import InputError
from byhand.layers import (
    GRU,
    LSTM,
    AdditiveAttention,
    Concatenation,
    CrossAttention,
    Dense,
    DotAttention,
    Dropout,
    Embedding,
    Encoder,
    GeneralAttention,
    Layer,
    LearnedPositions,
    OneHot,
    Residual,
    SelfAttention,
    Sequential,
    Summary,
)
from byhand.losses import SoftmaxCrossEntropy
from byhand.optimizers import SGD

from .agreement import Case, assert_agreement, both_dtypes
from .two_sequences import MODELS, SOURCE, TARGET, pairs

if missing := engines.available("native"):
    pytest.skip(missing, allow_module_level=True)

Array = Any
WIDTH = 6
EVERY = {
    "cross": lambda: Residual(CrossAttention(WIDTH, 3, kv_heads=1)),
    "dot": DotAttention,
    "general": lambda: GeneralAttention(WIDTH, WIDTH),
    "additive": lambda: AdditiveAttention(WIDTH, WIDTH, 5),
    "summary": lambda: Concatenation(Summary(WIDTH)),
}
every = pytest.mark.parametrize("kind", EVERY)


def model(looking: Layer, dtype: Any = np.float64, longest: int = 9) -> Sequential:
    """One layer that looks at a memory; a table of positions, so that steps differ."""
    behind = 2 * WIDTH if isinstance(looking, Concatenation) else WIDTH
    encoder = Encoder(Embedding(SOURCE, WIDTH), LearnedPositions(longest, WIDTH), name="encoder")
    decoder = [Embedding(TARGET, WIDTH), LearnedPositions(longest, WIDTH), looking]
    return Sequential(encoder, *decoder, Dense(behind, TARGET)).initialize(0, dtype)


def program(model: Sequential, engine: str = "native", **options: Any) -> Program:
    return engines.compile(model, SoftmaxCrossEntropy(), SGD(0.1), engine=engine, **options)


def sentences(source: int, target: int, count: int = 3) -> tuple[Array, Array]:
    """Pairs of such lengths, with padding behind the shorter one, and within one source."""
    rng, time = np.random.default_rng(3), max(source, target)
    ids = np.stack([rng.integers(n, size=(count, time)) for n in (SOURCE, TARGET)], 1)
    ids[:, 0, source:] = ids[:, 1, target:] = -1
    ids[0, 0, : source // 3] = -1
    targets = np.where(ids[:, 1] < 0, -1, rng.integers(TARGET, size=(count, time)))
    return ids, targets


@every
@pytest.mark.parametrize(("source", "target"), [(1, 1), (2, 17), (33, 1), (64, 16), (65, 40)])
def test_every_length_around_a_block(kind: str, source: int, target: int) -> None:
    ids, targets = sentences(source, target)
    one = model(EVERY[kind](), longest=70)
    found, expected = (program(one, engine) for engine in ("native", "numpy"))
    np.testing.assert_allclose(found.predict(ids), expected.predict(ids), rtol=1e-11)
    ours, theirs = (p.gradients(ids, targets)[1] for p in (found, expected))
    assert ours.keys() == theirs.keys()
    for name, dw in theirs.items():
        np.testing.assert_allclose(ours[name], dw, rtol=1e-9, atol=1e-13, err_msg=name)


@pytest.mark.parametrize("kind", MODELS)
def test_the_number_of_threads_changes_no_bit(kind: str) -> None:
    ids, targets = pairs(16)
    ids, targets = np.tile(ids, 8), np.tile(targets, 8)  # with padding in the middle
    found = []
    for threads in (1, 2, 3):
        own = program(MODELS[kind](np.float32), threads=threads)
        own.train(ids, targets, np.arange(16), 8, 0, [0.1, 0.1])
        found.append(own.parameters())
    for name, value in found[0].items():
        for other in found[1:]:
            np.testing.assert_array_equal(other[name], value, err_msg=name)


@both_dtypes
@every
def test_batches_of_many_lengths(kind: str, dtype: Any) -> None:
    """Longer and shorter ones in turn, and fewer and more examples."""
    ids, targets = pairs(20)
    case = Case(model(EVERY[kind](), dtype), ids, targets, optimizer=SGD(0.05), batch=3)
    assert_agreement(case, "native", steps=14)


def test_other_encoders() -> None:
    """One that has a state of its own, and ids as rows of a single 1."""
    ids, targets = pairs(9)
    encoder = Encoder(OneHot(SOURCE), LSTM(SOURCE, 4), Dropout(0.2), GRU(4, WIDTH), name="encoder")
    one = Sequential(
        encoder,
        OneHot(TARGET),
        Concatenation(Summary(WIDTH)),
        LSTM(TARGET + WIDTH, WIDTH),
        Concatenation(Dropout(0.3), DotAttention()),
        Residual(Dense(2 * WIDTH, 3), Dense(3, 2 * WIDTH)),
        Dense(2 * WIDTH, TARGET),
    ).initialize(4)
    case = Case(one, ids, targets, optimizer=SGD(0.05), batch=4)
    assert_agreement(case, "native", steps=12)
    # What an encoder has read before leaves no trace.
    own = case.program("native")
    before = own.predict(ids[:4])
    own.predict(ids[4:])
    np.testing.assert_array_equal(own.predict(ids[:4]), before)


@pytest.mark.parametrize("kind", MODELS)
def test_memories_from_elsewhere(kind: str) -> None:
    """Of fewer examples, in another order, of later steps only; and what one holds for padding,
    be it no number, has no effect."""
    ids, _ = pairs()
    own, numpy = (program(MODELS[kind](), engine) for engine in ("native", "numpy"))
    _, states = numpy.predict_from(ids, {})
    memory = states["encoder.memory"]
    for change in (memory, memory[:, 2:], memory[::-1]):
        given = {"encoder.memory": change}
        found, after = own.predict_from(ids, given)
        np.testing.assert_allclose(found, numpy.predict_from(ids, given)[0], rtol=1e-9)
        np.testing.assert_array_equal(after["encoder.memory"], change)
    hidden = memory.copy()
    hidden[..., :-1][memory[..., -1] == 0] = np.nan
    expected, _ = own.predict_from(ids, {"encoder.memory": memory})
    np.testing.assert_array_equal(own.predict_from(ids, {"encoder.memory": hidden})[0], expected)


def test_a_memory_is_the_callers() -> None:
    ids, _ = pairs()
    own = program(MODELS["transformer"]())
    _, states = own.predict_from(ids, {})
    kept = states["encoder.memory"].copy()
    words = ids[:, :, :1]
    _, after = own.predict_from(words, states)
    after["encoder.memory"][:] = 0
    own.predict_from(ids[:, :, ::-1], {})
    np.testing.assert_array_equal(states["encoder.memory"], kept)


def test_a_source_that_is_not_read_may_be_anything() -> None:
    ids, _ = pairs()
    own = program(MODELS["additive"]())
    _, states = own.predict_from(ids, {})
    expected, _ = own.predict_from(ids, states)
    ids[:, 0] = SOURCE + 1000
    np.testing.assert_array_equal(own.predict_from(ids, states)[0], expected)


def test_a_memory_of_no_step() -> None:
    ids, _ = pairs()
    with pytest.raises(InputError) as error:
        program(MODELS["dot"]()).predict_from(ids, {"encoder.memory": np.zeros((12, 0, 9))})
    assert str(error.value) == (
        "encoder.memory has no step to look at: leave it out, for the source to be read"
    )


def test_no_encoder_before() -> None:
    one = Sequential(Embedding(TARGET, WIDTH), DotAttention(), Dense(WIDTH, 3)).initialize(0)
    said = []
    for engine in ("native", "numpy"):
        with pytest.raises(InputError) as error:
            program(one, engine).predict(np.zeros((2, 4), int))
        said.append(str(error.value))
    assert said[0] == said[1]
    assert "looks at a memory, and there is no Encoder before it" in said[0]


def test_what_reads_pairs() -> None:
    """C++ reads the rows that ids name, so that their readers have to be known."""
    encoder = Encoder(Embedding(SOURCE, WIDTH))
    one = Sequential(encoder, Dropout(0.1), Embedding(TARGET, WIDTH)).initialize(0)
    with pytest.raises(InputError) as error:
        program(one)
    assert str(error.value) == (
        "engine native reads pairs with an Embedding or OneHot first in the encoder and one right "
        'behind it, found Dropout "dropout1"; use engine numpy'
    )


def test_states_are_not_carried() -> None:
    for engine in ("native", "numpy"):
        with pytest.raises(InputError) as error:
            program(model(DotAttention()), engine, carry_state=True)
        assert str(error.value) == (
            "the state of encoder.memory is of all steps so far, and carry_state would keep the "
            "whole text: leave it out"
        )


@pytest.mark.parametrize("engine", engines.ENGINES)
def test_streams_are_refused(engine: str) -> None:
    ids, targets = pairs()
    with pytest.raises(InputError) as error:
        program(MODELS["dot"](), engine).evaluate(ids, targets, streams=2)
    assert str(error.value) == (
        "the memory of an encoder is of one source, and streams would go on with the first: "
        "leave streams out"
    )


def test_tables_of_positions_end() -> None:
    """In the encoder, and word by word in the decoder."""
    long, _ = sentences(9, 10)
    said = []
    for engine in ("native", "numpy"):
        own = program(model(DotAttention()), engine)
        with pytest.raises(InputError) as error:
            own.predict(long)
        _, states = own.predict_from(long[1:, :, :9], {})
        with pytest.raises(InputError) as later:
            own.predict_from(long[1:, :, 9:], states)
        said.append((str(error.value), str(later.value)))
    assert said[0] == said[1]
    assert "P has positions = 9" in said[0][1]


def test_long_sentences_are_not_asked_of_numpy(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whose attention takes memory with the square of the steps."""
    asked = []
    forward = Sequential.forward

    def seen(self: Sequential, x: Array, *more: Any, **options: Any) -> Any:
        asked.append(x.shape[-1])
        return forward(self, x, *more, **options)

    monkeypatch.setattr(Sequential, "forward", seen)
    encoder = Encoder(Embedding(SOURCE, WIDTH), Residual(SelfAttention(WIDTH, 2)), name="encoder")
    one = Sequential(encoder, Embedding(TARGET, WIDTH), DotAttention(), Dense(WIDTH, TARGET))
    ids, _ = sentences(300, 200)
    program(one.initialize(0)).predict(ids)
    assert max(asked) <= 64
