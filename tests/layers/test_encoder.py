from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from byhand.errors import DTypeError, InputError, ShapeError
from byhand.finite_differences import numerical_gradient, relative_error
from byhand.layers import (
    GRU,
    Concatenation,
    CrossAttention,
    Dense,
    DotAttention,
    Dropout,
    Embedding,
    Encoder,
    Layer,
    Residual,
    Sequential,
    Summary,
    Tanh,
)

from .peer import assert_same

EQUATION = "(m = f(source), y = target)"
IDS = np.array([[[1, 4, 2], [3, 0, 1]], [[2, 0, -1], [2, 2, -1]], [[3, -1, -1], [0, 3, 1]]])
"""Of three pairs the second has padding in both rows, the third in the source."""


def encoder(*more: Layer) -> Encoder:
    return Encoder(Embedding(5, 4), *more, GRU(4, 4), name="encoder")


def translator(*more: Layer) -> Sequential:
    """The memory is looked at in four places, of which three are inside of blocks."""
    return Sequential(
        encoder(*more),
        Embedding(4, 4),
        Concatenation(Summary(4)),
        Dense(8, 4),
        Residual(CrossAttention(4, 2, name="first"), Residual(CrossAttention(4, 1))),
        DotAttention(),
    ).initialize(3)


def test_what_every_layer_sends_back_to_the_memory_adds_up() -> None:
    model = translator()
    y, caches = model.forward(IDS)
    dy = np.random.default_rng(0).standard_normal(y.shape)
    dx, gradients = model.backward(dy, caches)
    assert dx.shape == IDS.shape
    assert not dx.any()
    assert gradients.keys() == model.parameters.keys()
    assert "encoder.embedding1.E" in gradients
    for name, w in model.parameters.items():
        measured = numerical_gradient(lambda: float((dy * model.forward(IDS)[0]).sum()), w)
        # Some gradients are small beside the sum that is measured.
        assert relative_error(gradients[name], measured) < 1e-6, name


def test_nobody_looks_at_the_memory() -> None:
    """Then the encoder learns nothing, but has its gradients."""
    model = Sequential(encoder(), Embedding(4, 3)).initialize(0)
    y, caches = model.forward(IDS)
    _, gradients = model.backward(np.ones_like(y), caches)
    assert gradients.keys() == model.parameters.keys()
    assert not any(g.any() for name, g in gradients.items() if name.startswith("encoder."))
    assert gradients["embedding1.E"].any()


def test_a_short_pair_says_what_it_says_alone() -> None:
    model = translator()
    y, _ = model.forward(IDS)
    alone, _ = model.forward(IDS[1:2, :, :2])
    assert_same(y[1, :2], alone[0])
    wider = np.pad(IDS, ((0, 0), (0, 0), (0, 2)), constant_values=-1)
    again, _ = model.forward(wider)
    assert_same(again[:, :3], y)


def test_what_the_memory_holds_in_its_padding_has_no_effect() -> None:
    model = translator()
    y, caches = model.forward(IDS)
    state = model.final_states(caches)["encoder.memory"]
    for content in (1e3, np.inf, np.nan):
        other = state.copy()
        other[1, 2, :-1] = other[2, 1:, :-1] = content
        changed, _ = model.forward(IDS, states={"encoder.memory": other})
        np.testing.assert_array_equal(changed, y)


def test_from_a_state_on_the_source_is_not_read() -> None:
    model = translator()
    y, caches = model.forward(IDS)
    states = model.final_states(caches)
    assert states.keys() == {"encoder.memory"}
    memory = states["encoder.memory"]
    assert memory.shape == (3, 3, 5) == model.layers[0].state_shape(3, 3)  # type: ignore[attr-defined]
    assert memory[..., -1].tolist() == [[1, 1, 1], [1, 1, 0], [1, 0, 0]]
    # Another source, of another length: word for word of the target.
    words = []
    for t in range(3):
        step = IDS[:, :, t : t + 1].copy()
        step[:, 0] = 4
        word, caches = model.forward(step, states=states)
        states = model.final_states(caches)
        words.append(word)
    assert_same(np.concatenate(words, axis=1), y)
    np.testing.assert_array_equal(states["encoder.memory"], memory)
    with pytest.raises(InputError) as error:
        model.backward(np.ones_like(word), caches)
    assert str(error.value) == (
        'Encoder "encoder": its memory was given, so no source was read to learn from'
    )


def test_dropout_inside() -> None:
    model = translator(Dropout(0.5))
    masks = model.draw_masks(3, IDS.shape[1:], seed=0, step=2, dtype=np.float64)
    assert masks.keys() == {"encoder.dropout1"}
    assert masks["encoder.dropout1"].shape == (3, 3, 4)
    trained, _ = model.forward(IDS, masks)
    whole = {"encoder.dropout1": np.ones((3, 3, 4))}
    assert (trained != model.forward(IDS)[0]).any()
    assert_same(model.forward(IDS, whole)[0], model.forward(IDS)[0])


def test_shapes_of_an_encoder() -> None:
    assert encoder().output_shape((2, 7)) == (7,)
    assert translator().output_shape((2, 7)) == (7, 4)


@pytest.mark.parametrize(
    ("x", "kind", "text"),
    [
        (
            np.zeros((3, 7), int),
            ShapeError,
            "an example of x has shape (7,), expected (2, time), source and target",
        ),
        (
            np.zeros((3, 3, 7), int),
            ShapeError,
            "an example of x has shape (3, 7), expected (2, time), source and target",
        ),
        (np.zeros((3, 2, 7)), DTypeError, "x is float64, expected integers, ids"),
    ],
)
def test_inputs_that_are_no_pairs(x: Any, kind: type[InputError], text: str) -> None:
    with pytest.raises(kind) as error:
        translator().forward(x)
    assert str(error.value) == f'Encoder "encoder": {text} {EQUATION}'


@pytest.mark.parametrize(
    ("shape", "expected"), [((3, 3, 4), (3, 3, 5)), ((2, 3, 5), (3, 3, 5)), ((3, 5), (3, 0, 5))]
)
def test_a_memory_that_does_not_fit(shape: Any, expected: Any) -> None:
    with pytest.raises(ShapeError) as error:
        translator().forward(IDS, states={"encoder.memory": np.ones(shape)})
    assert str(error.value) == (
        f'Encoder "encoder": memory has shape {shape}, expected {expected} = '
        f"[batch, time, annotation + 1] {EQUATION}"
    )


def test_models_that_make_no_sense() -> None:
    with pytest.raises(InputError) as error:
        Encoder(encoder(), name="outer")
    assert str(error.value) == (
        'Encoder "outer" is made of layers that read one sentence, found an Encoder'
    )
    with pytest.raises(InputError) as error:
        Sequential(Embedding(5, 3), Tanh(), DotAttention()).initialize(0).forward(IDS[:, 0])
    assert str(error.value) == (
        'DotAttention "dotattention1" looks at a memory, and there is no Encoder before it '
        "(c = softmax(s hᵀ) h)"
    )


def test_the_docstring_states_the_equation_and_the_derivative() -> None:
    assert Encoder.__doc__ is not None
    assert Encoder.__doc__.startswith(Encoder.equation)
    assert "\n    Derivative" in Encoder.__doc__
