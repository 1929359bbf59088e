"""Examples of each layer, for the tests that hold for all of them. A new layer gets an entry."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

import byhand.layers
from byhand.initializers import StandardNormal
from byhand.layers import (
    GELU,
    GRU,
    LSTM,
    RNN,
    AveragePool2D,
    BatchNorm,
    Bidirectional,
    Concatenation,
    Convolution2D,
    Dense,
    Dropout,
    Embedding,
    Encoder,
    Flatten,
    GlobalAveragePool2D,
    LastStep,
    Layer,
    LayerNorm,
    LearnedPositions,
    MaxPool2D,
    OneHot,
    Projection,
    ReLU,
    Residual,
    RMSNorm,
    SelfAttention,
    Sequential,
    Sigmoid,
    SiLU,
    SinusoidalPositions,
    Softmax,
    SwiGLU,
    Tanh,
)
from byhand.layers.attention import ScaledDotProductAttention
from byhand.layers.memory import MemoryLayer
from byhand.layers.recurrent import Cell, RecurrentLayer
from byhand.layers.rotary import Rotary

Array = NDArray[Any]


@dataclass(frozen=True)
class Example:
    """An initialised layer and what its forward takes: x, and a mask, or whether it is training.

    Where x is ids, it is numbers without a derivative.
    """

    layer: Layer
    x: Array
    more: tuple[Any, ...] = ()


Builder = Callable[[Generator, Any], Example]


def sizes(rng: Generator, count: int) -> list[int]:
    """Axis sizes that all differ, so that no two axes can be mistaken for each other."""
    return [int(size) for size in rng.permutation(np.arange(2, 9))[:count]]


def off_zero(rng: Generator, shape: tuple[int, ...], dtype: Any) -> Array:
    """Numbers of both signs at least 0.1 away from 0, where ReLU has no derivative."""
    return (rng.choice([-1.0, 1.0], shape) * rng.uniform(0.1, 2, shape)).astype(dtype)


def dense(*more_axes: int) -> Builder:
    def build(rng: Generator, dtype: Any) -> Example:
        batch, n_in, n_out = sizes(rng, 3)
        layer = Dense(n_in, n_out, weights=StandardNormal(), biases=StandardNormal())
        x = rng.standard_normal((batch, *more_axes, n_in))
        return Example(layer.initialize(rng, dtype), x.astype(dtype))

    return build


def over_rows(kind: Callable[[int, int], Layer], *more_axes: int) -> Builder:
    """A layer of two sizes, of which the first is that of the last axis."""

    def build(rng: Generator, dtype: Any) -> Example:
        batch, width, other = sizes(rng, 3)
        x = rng.standard_normal((batch, *more_axes, width)).astype(dtype)
        return Example(kind(width, other).initialize(rng, dtype), x)

    return build


def elementwise(kind: Callable[[], Layer], axes: int) -> Builder:
    return lambda rng, dtype: Example(kind(), off_zero(rng, tuple(sizes(rng, axes)), dtype))


def all_different(rng: Generator, shape: tuple[int, ...], dtype: Any) -> Array:
    """Numbers of both signs at least 0.01 apart: a largest one stays the largest when nudged."""
    count = int(np.prod(shape))
    return ((rng.permutation(count) - count / 2) / 100).reshape(shape).astype(dtype)


def convolution(groups: int, **options: Any) -> Builder:
    """Two inputs and three outputs per group; the window covers all of the image, or not."""

    def build(rng: Generator, dtype: Any) -> Example:
        kernel = (int(rng.integers(1, 4)), int(rng.integers(2, 4)))
        normal = {"weights": StandardNormal(), "biases": StandardNormal()}
        layer = Convolution2D(2 * groups, 3 * groups, kernel, groups=groups, **options, **normal)
        x = rng.standard_normal((4, 2 * groups, *rng.integers(5, 8, 2)))
        return Example(layer.initialize(rng, dtype), x.astype(dtype))

    return build


def images(layer: Layer) -> Builder:
    def build(rng: Generator, dtype: Any) -> Example:
        batch, channels = sizes(rng, 2)
        shape = (min(batch, 4), min(channels, 5), *map(int, rng.integers(5, 8, 2)))
        return Example(layer, all_different(rng, shape, dtype))

    return build


def batch_norm(training: bool, *more_axes: int) -> Builder:
    def build(rng: Generator, dtype: Any) -> Example:
        batch, features = sizes(rng, 2)
        layer = BatchNorm(features).initialize(rng, dtype)
        layer.gamma, layer.beta, layer.running_mean = rng.standard_normal((3, features)).astype(
            dtype
        )
        layer.running_variance = rng.uniform(0.5, 2, features).astype(dtype)
        x = 3 * rng.standard_normal((max(batch, 3), features, *more_axes)) + 1
        return Example(layer, x.astype(dtype), (training,))

    return build


def layer_norm(axes: int) -> Builder:
    def build(rng: Generator, dtype: Any) -> Example:
        *rows, features = sizes(rng, axes)
        layer = LayerNorm(features + 1).initialize(rng, dtype)
        layer.gamma, layer.beta = rng.standard_normal((2, features + 1)).astype(dtype)
        x = 3 * rng.standard_normal((*rows, features + 1)) + 1
        return Example(layer, x.astype(dtype))

    return build


def recurrent(kind: type[RecurrentLayer], **options: Any) -> Builder:
    def build(rng: Generator, dtype: Any) -> Example:
        batch, time, n_in, hidden = sizes(rng, 4)
        layer = kind(n_in, hidden, biases=StandardNormal(), **options)
        x = rng.standard_normal((batch, time, n_in)).astype(dtype)
        return Example(layer.initialize(rng, dtype), x)

    return build


def bidirectional(rng: Generator, dtype: Any) -> Example:
    batch, time, n_in, ahead, back = sizes(rng, 5)
    both = LSTM(n_in, ahead, biases=StandardNormal()), GRU(n_in, back, biases=StandardNormal())
    x = rng.standard_normal((batch, time, n_in)).astype(dtype)
    return Example(Bidirectional(*both).initialize(rng, dtype), x)


def of_ids(kind: Callable[..., Layer], *more: int) -> Builder:
    """A layer that takes ids below 5, some of them padding at the end."""

    def build(rng: Generator, dtype: Any) -> Example:
        batch, time = sizes(rng, 2)
        ids = rng.integers(5, size=(batch, time))
        ids[0, 1:] = -1
        return Example(kind(5, *more).initialize(rng, dtype), ids)

    return build


def last_step(rng: Generator, dtype: Any) -> Example:
    return Example(LastStep(), rng.standard_normal(sizes(rng, 3)).astype(dtype))


def softmax(axes: int) -> Builder:
    return lambda rng, dtype: Example(
        Softmax(), 3 * rng.standard_normal(sizes(rng, axes)).astype(dtype)
    )


def dropout_in_training(rng: Generator, dtype: Any) -> Example:
    layer = Dropout(0.4)
    x = rng.standard_normal(sizes(rng, 3)).astype(dtype)
    return Example(layer, x, (layer.draw_mask(x.shape, rng, dtype),))


def dropout_in_evaluation(rng: Generator, dtype: Any) -> Example:
    return Example(Dropout(0.4), rng.standard_normal(sizes(rng, 3)).astype(dtype))


def sequential(rng: Generator, dtype: Any) -> Example:
    batch, channels, height, hidden, classes = sizes(rng, 5)
    normal = {"weights": StandardNormal(), "biases": StandardNormal()}
    layer = Sequential(
        Flatten(),
        Dense(channels * height, hidden, name="hidden", **normal),
        Tanh(),
        Dropout(0.3),
        Dense(hidden, classes, name="output", **normal),
        Softmax(),
    ).initialize(int(rng.integers(2**32)), dtype)
    x = 0.3 * rng.standard_normal((batch, channels, height)).astype(dtype)
    masks = layer.draw_masks(batch, x.shape[1:], seed=0, step=3, dtype=dtype)
    return Example(layer, x.astype(dtype), (masks,))


def rms_norm(axes: int) -> Builder:
    def build(rng: Generator, dtype: Any) -> Example:
        shape = sizes(rng, axes)
        layer = RMSNorm(shape[-1]).initialize(rng, dtype)
        layer.gamma = rng.standard_normal(shape[-1]).astype(dtype)
        return Example(layer, 3 * rng.standard_normal(shape).astype(dtype))

    return build


def mask_of(rng: Generator, batch: int, time: int) -> Array:
    """Padding anywhere, but in every sequence there is something that is real."""
    mask = rng.integers(2, size=(batch, time))
    mask[:, rng.integers(time)] = 1
    return mask


def self_attention(heads: int, kv_heads: int, padded: bool, **options: bool) -> Builder:
    def build(rng: Generator, dtype: Any) -> Example:
        batch, time = sizes(rng, 2)
        layer = SelfAttention(4 * heads, heads, kv_heads=kv_heads, **options)
        x = rng.standard_normal((batch, time, 4 * heads)).astype(dtype)
        more = (None, mask_of(rng, batch, time)) if padded else ()
        return Example(layer.initialize(rng, dtype), x, more)

    return build


def positions(make: Callable[[int], Layer], padded: bool) -> Builder:
    def build(rng: Generator, dtype: Any) -> Example:
        batch, time, half = sizes(rng, 3)
        x = rng.standard_normal((batch, time, 2 * half)).astype(dtype)
        state = rng.integers(3, size=batch).astype(dtype)
        more = (state, mask_of(rng, batch, time)) if padded else ()
        return Example(make(2 * half).initialize(rng, dtype), x, more)

    return build


def residual(rng: Generator, dtype: Any) -> Example:
    batch, time, width, hidden = sizes(rng, 4)
    inner = LayerNorm(width + 1), Dense(width + 1, hidden), Tanh(), Dense(hidden, width + 1)
    x = rng.standard_normal((batch, time, width + 1)).astype(dtype)
    return Example(Residual(*inner).initialize(rng, dtype), x)


def concatenation(rng: Generator, dtype: Any) -> Example:
    batch, time, width, hidden, out = sizes(rng, 5)
    inner = Dense(width, hidden), Tanh(), Dense(hidden, out)
    x = rng.standard_normal((batch, time, width)).astype(dtype)
    return Example(Concatenation(*inner).initialize(rng, dtype), x)


EXAMPLES: dict[type[Layer], tuple[Builder, ...]] = {
    AveragePool2D: (
        images(AveragePool2D(2)),
        images(AveragePool2D((3, 2), stride=(2, 1), padding=1)),
    ),
    BatchNorm: (
        batch_norm(True),
        batch_norm(True, 2, 3),
        batch_norm(False),
        batch_norm(False, 2, 3),
    ),
    Concatenation: (concatenation,),
    Convolution2D: (
        convolution(1),
        convolution(1, stride=2),
        convolution(2, stride=(1, 2), padding=(2, 1), dilation=(2, 1)),
    ),
    Bidirectional: (bidirectional,),
    Dense: (dense(), dense(4)),
    Dropout: (dropout_in_training, dropout_in_evaluation),
    Embedding: (of_ids(Embedding, 3),),
    GELU: (elementwise(GELU, 2), elementwise(lambda: GELU("tanh"), 3)),
    Flatten: (elementwise(Flatten, 2), elementwise(Flatten, 4)),
    GRU: (recurrent(GRU), recurrent(GRU, reset="before")),
    GlobalAveragePool2D: (images(GlobalAveragePool2D()),),
    LSTM: (recurrent(LSTM),),
    LastStep: (last_step,),
    LayerNorm: (layer_norm(2), layer_norm(3)),
    LearnedPositions: (
        positions(lambda features: LearnedPositions(11, features), False),
        positions(lambda features: LearnedPositions(11, features), True),
    ),
    MaxPool2D: (
        images(MaxPool2D(2)),
        images(MaxPool2D((2, 3), stride=(1, 2), padding=(0, 1))),
    ),
    OneHot: (of_ids(OneHot),),
    Projection: (over_rows(Projection), over_rows(Projection, 4)),
    RMSNorm: (rms_norm(2), rms_norm(3)),
    RNN: (recurrent(RNN),),
    ReLU: (elementwise(ReLU, 1), elementwise(ReLU, 3)),
    Residual: (residual,),
    SelfAttention: (
        self_attention(1, 1, False),
        self_attention(4, 2, False, causal=True),
        self_attention(2, 1, True, rotary=True),
        self_attention(2, 2, True, rotary=True, causal=True),
    ),
    Sequential: (sequential,),
    SiLU: (elementwise(SiLU, 2), elementwise(SiLU, 3)),
    Sigmoid: (elementwise(Sigmoid, 2), elementwise(Sigmoid, 3)),
    SinusoidalPositions: (
        positions(SinusoidalPositions, False),
        positions(SinusoidalPositions, True),
    ),
    Softmax: (softmax(2), softmax(3)),
    SwiGLU: (over_rows(SwiGLU), over_rows(SwiGLU, 4)),
    Tanh: (elementwise(Tanh, 2), elementwise(Tanh, 3)),
}

EXPORTED = [
    value
    for name in byhand.layers.__all__
    if isinstance(value := getattr(byhand.layers, name), type)
    and issubclass(value, Layer)
    and value is not Layer
    and not issubclass(value, Cell)
]
"""Those that stand in a Sequential. A cell is a step of one, with a state beside its input; it has
its tests in test_recurrent.py."""
LOOK_BACK = [kind for kind in EXPORTED if issubclass(kind, MemoryLayer)]
"""Those that look at a memory, too."""
LAYERS = [kind for kind in EXPORTED if kind is not Encoder and kind not in LOOK_BACK]
"""Those that take x alone. The Encoder has its tests in test_encoder.py."""
PARTS: list[type[Layer]] = [Rotary, ScaledDotProductAttention]
"""They stand in no Sequential, but within other layers."""
OF_SEVERAL_INPUTS = [*LOOK_BACK, *PARTS]
"""They have their tests in test_attention.py."""


def examples(kind: type[Layer], seed: int, dtype: Any) -> list[Example]:
    """The examples of one layer, other shapes and numbers for each seed."""
    assert kind in EXAMPLES, f"{kind.__name__} has no example: add one to tests/layers/examples.py"
    return [build(np.random.default_rng([seed, 1]), dtype) for build in EXAMPLES[kind]]
