"""What is special to attention in PyTorch: whole models with padding, states, torch.compile, and
what a state is refused for. That each layer is NumPy's is in test_agreement.py."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from byhand import engines
from byhand.engines import Program
from byhand.engines.parity import compare
from byhand.engines.program import Description
from byhand.errors import ByhandError
from byhand.layers import Embedding, Residual, SelfAttention, Sequential
from byhand.losses import SoftmaxCrossEntropy
from byhand.models import gpt
from byhand.optimizers import SGD, AdamW

from .agreement import Case, apart, assert_agreement, both_dtypes

Array = np.typing.NDArray[Any]
VOCABULARY = 7
MODELS: dict[str, dict[str, Any]] = {
    "as GPT-2": {},
    "as Llama": {"positions": "rotary", "norm": "rms", "feed_forward": "swiglu", "kv_heads": 1},
    "as in 2017": {"positions": "sinusoidal", "place": "post", "dropout": 0.2},
}
every_model = pytest.mark.parametrize("options", MODELS.values(), ids=MODELS.keys())


def model(context: int = 9, dtype: Any = np.float64, **options: Any) -> Sequential:
    chosen = {"width": 12, "depth": 2, "heads": 2, "context": context, **options}
    return gpt(VOCABULARY, **chosen).initialize(0, dtype)


def text(examples: int, steps: int) -> tuple[Array, Array]:
    """Ids and labels, with padding at the end of one sequence, before another and within a third,
    and one of nothing else."""
    ids = np.random.default_rng(2).integers(VOCABULARY, size=(examples, steps + 1))
    x, t = ids[:, :-1].copy(), ids[:, 1:].copy()
    for n, hidden in enumerate((slice(4, None), slice(0, 2), slice(2, 4), slice(None))):
        x[n, hidden] = t[n, hidden] = -1
    return x, t


def program(model: Sequential, engine: str = "torch", **options: Any) -> Program:
    return engines.compile(model, SoftmaxCrossEntropy(), SGD(0.1), engine=engine, **options)


@both_dtypes
@every_model
def test_whole_models_with_padding(options: dict[str, Any], dtype: Any) -> None:
    x, t = text(6, 9)
    case = Case(model(9, dtype, **options), x, t, optimizer=SGD(0.01), batch=6)
    assert_agreement(case, "torch", steps=6)


@every_model
def test_a_sequence_in_pieces(options: dict[str, Any]) -> None:
    x, _ = text(6, 9)
    p, numpy = (program(model(**options), engine) for engine in ("torch", "numpy"))
    states: dict[str, Array] = {}
    pieces = []
    for first, end in ((0, 1), (1, 5), (5, 9)):
        y, states = p.predict_from(x[:, first:end], states)
        pieces.append(y)
    whole, expected = numpy.predict_from(x, {})
    real = x >= 0
    assert apart(np.concatenate(pieces, axis=1)[real], whole[real]) < 1e-10
    assert states.keys() == expected.keys()
    for name, state in expected.items():
        assert apart(states[name], state) < 1e-10, name


def test_the_next_piece_of_each_stream() -> None:
    """States of attention go from one group of streams to the next."""
    x, t = text(6, 9)
    p, numpy = (program(model(positions="rotary"), engine) for engine in ("torch", "numpy"))
    found, expected = (each.evaluate(x, t, streams=2).loss for each in (p, numpy))
    assert abs(found - expected) < 1e-12
    assert abs(found - p.evaluate(x, t).loss) > 1e-4


@pytest.mark.parametrize("hidden", [np.nan, np.inf])
def test_what_a_state_holds_for_padding_has_no_effect(hidden: float) -> None:
    x, _ = text(4, 8)
    p = program(model(positions="none"))
    _, states = p.predict_from(x, {})
    changed = {name: state.copy() for name, state in states.items()}
    for state in changed.values():
        assert np.any(state[:, :, -1] == 0)
        state[:, :, :-1][state[:, :, -1] == 0] = hidden
    for following in (np.array([[3], [4], [0], [1]]), np.array([[3, 1], [4, 2], [0, -1], [1, 6]])):
        expected, _ = p.predict_from(following, states)
        np.testing.assert_array_equal(p.predict_from(following, changed)[0], expected)


def beyond_the_table(p: Program, x: Array) -> None:
    _, states = p.predict_from(x, {})
    p.predict_from(x[:, :1], states)


def of_other_sequences(p: Program, x: Array) -> None:
    _, states = p.predict_from(x, {})
    p.predict_from(x[:2], states)


@pytest.mark.parametrize(
    ("of", "ask", "said"),
    [
        (model(), beyond_the_table, "x has a step at position 9, P has positions = 9, so the last"),
        (model(positions="none"), of_other_sequences, "expected (2, 9, 25) = [batch, past, "),
        (
            Sequential(Embedding(VOCABULARY, 6), Residual(SelfAttention(6, 2))).initialize(0),
            beyond_the_table,
            "without causal=True the steps before look at those that follow, so no piece can go on",
        ),
    ],
    ids=["positions that end", "other sequences", "attention to what follows"],
)
def test_states_that_no_piece_goes_on_from(
    of: Sequential, ask: Callable[[Program, Array], None], said: str
) -> None:
    """Refused as the NumPy engine refuses them."""
    x = np.random.default_rng(2).integers(VOCABULARY, size=(3, 9))
    messages = []
    for engine in ("torch", "numpy"):
        with pytest.raises(ByhandError) as error:
            ask(program(of, engine), x)
        messages.append(str(error.value))
    assert messages[0] == messages[1]
    assert said in messages[0]


def test_parameters_have_the_model_s_names() -> None:
    p: Any = program(model(**MODELS["as Llama"]))
    assert list(p.network.state_dict()) == list(p.description.model.parameters)
    assert "attention1.selfattention1.Wq" in p.network.state_dict()


def losses(**options: Any) -> Array:
    """Those of some steps of a small model in float32."""
    x, t = text(6, 9)
    p = program(model(9, np.float32, depth=1, **MODELS["as Llama"]), device="cpu", **options)
    return p.train(x, t, np.tile(np.arange(6), 3), 6, 0, [0.1] * 3)


# What torch.compile loads decorates functions with what PyTorch has deprecated.
@pytest.mark.filterwarnings("ignore:.torch.jit:DeprecationWarning")
@pytest.mark.slow
def test_what_torch_compile_makes_computes_the_same() -> None:
    np.testing.assert_allclose(losses(compile=True), losses(), rtol=1e-5)
    torch.compiler.reset()


def test_mixed_precision_computes_nearly_the_same() -> None:
    found, expected = losses(amp=True), losses()
    np.testing.assert_allclose(found, expected, rtol=1e-2)
    assert np.any(found != expected)


@every_model
def test_parity_covers_a_transformer(options: dict[str, Any]) -> None:
    x, t = text(6, 9)
    description = Description(model(**options), SoftmaxCrossEntropy(), AdamW(0.01), seed=4)
    rows = compare(description, x, t, 6, [0.01] * 3, ["torch"])
    assert any("selfattention1" in row.array for row in rows)
    assert [row for row in rows if not row.agrees] == []
