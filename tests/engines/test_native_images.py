"""What the native engine does with images and running statistics, beyond each layer by itself."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from byhand import SGD, Adam, SoftmaxCrossEntropy, engines
from byhand.engines import Program
from byhand.errors import InputError
from byhand.layers import BatchNorm, Convolution2D, Dense, GlobalAveragePool2D, ReLU, Sequential
from byhand.models import cnn
from byhand.optimizers import Optimizer

if missing := engines.available("native"):
    pytest.skip(missing, allow_module_level=True)

Array = NDArray[Any]
DESCENT = SGD(0.05)


def images(count: int, shape: tuple[int, ...] = (1, 28, 28), dtype: Any = np.float64) -> Array:
    return np.random.default_rng(0).standard_normal((count, *shape)).astype(dtype)


def labels(count: int) -> Array:
    return np.random.default_rng(1).integers(0, 10, count)


def program(
    model: Sequential, engine: str, optimizer: Optimizer = DESCENT, threads: int | None = None
) -> Program:
    return engines.compile(model, SoftmaxCrossEntropy(), optimizer, engine=engine, threads=threads)


def normalised() -> Sequential:
    """For images of any size. The ReLU is in between because BatchNorm would take a bias away."""
    return Sequential(
        Convolution2D(3, 4, 3), ReLU(), BatchNorm(4), GlobalAveragePool2D(), Dense(4, 10)
    ).initialize(0)


def train(trained: Program, x: Array, steps: int = 3) -> Array:
    order = np.arange(len(x))
    size = -(-len(x) // steps)
    return trained.train(x, labels(len(x)), order, size, 0, [0.05] * steps)


def assert_same(found: dict[str, Array], expected: dict[str, Array]) -> None:
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        np.testing.assert_allclose(found[name], value, rtol=1e-9, atol=1e-12, err_msg=name)


def test_a_whole_network_agrees() -> None:
    model = cnn([6, 9], [20], 10).initialize(0)
    numpy, native = (program(model, engine) for engine in ("numpy", "native"))
    x = images(40)
    np.testing.assert_allclose(train(native, x), train(numpy, x), rtol=1e-10)
    assert_same(native.parameters(), numpy.parameters())
    assert_same(native.activations(x), numpy.activations(x))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_number_of_threads_changes_no_bit(dtype: Any) -> None:
    model = cnn([20, 40], [20], 10).initialize(0, dtype)
    x = images(30, dtype=dtype)
    found = []
    for threads in (1, 2, 3):
        trained = program(model, "native", threads=threads)
        losses = train(trained, x)
        found.append({"losses": losses, "y": trained.predict(x), **trained.parameters()})
    for other in found[1:]:
        for name, value in found[0].items():
            np.testing.assert_array_equal(other[name], value, err_msg=name)


def test_more_images_than_go_through_at_once() -> None:
    """A layer of 8 · 256 · 256 numbers lets two of them through."""
    model = Sequential(Convolution2D(1, 8, 1), GlobalAveragePool2D(), Dense(8, 10)).initialize(0)
    numpy, native = (program(model, engine) for engine in ("numpy", "native"))
    x, t = images(5, (1, 256, 256)), labels(5)
    np.testing.assert_allclose(native.predict(x), numpy.predict(x), rtol=1e-10)
    found, expected = native.evaluate(x, t), numpy.evaluate(x, t)
    assert found.loss == pytest.approx(expected.loss, rel=1e-10)
    assert found.accuracy == expected.accuracy


def test_images_of_another_size_keep_parameters_and_statistics() -> None:
    numpy, native = (program(normalised(), engine, Adam(0.01)) for engine in ("numpy", "native"))
    for trained in (numpy, native):
        train(trained, images(12, (3, 7, 8)))
        train(trained, images(12, (3, 9, 5)))
    assert_same(native.parameters(), numpy.parameters())
    assert_same(native.optimizer_state(), numpy.optimizer_state())


def test_statistics_change_in_training_alone() -> None:
    native = program(normalised(), "native")
    x, t = images(6, (3, 6, 6)), labels(6)
    before = native.parameters()
    native.gradients(x, t, step=3)
    native.evaluate(x, t)
    native.predict(x)
    assert_same(native.parameters(), before)
    assert native.gradients(x, t)[1].keys() == native.gradients(x, t, step=3)[1].keys()
    assert not any("running" in name for name in native.gradients(x, t)[1])
    assert not any("running" in name for name in native.optimizer_state())
    train(native, x)
    after = native.parameters()
    for name in ("batchnorm1.running_mean", "batchnorm1.running_variance"):
        assert np.abs(after[name] - before[name]).max() > 1e-3


def test_a_loss_that_is_not_finite_leaves_the_statistics() -> None:
    native = program(normalised(), "native")
    x = images(6, (3, 6, 6))
    x[0, 0, 0, 0] = np.nan
    before = native.parameters()
    assert np.isnan(train(native, x, steps=1)).all()
    assert_same(native.parameters(), before)


def test_a_training_batch_of_one_has_no_variance() -> None:
    model = Sequential(Dense(5, 4), BatchNorm(4), Dense(4, 10)).initialize(0)
    x, t = images(7, (5,)), labels(7)
    texts = []
    for engine in ("numpy", "native"):
        one = program(model, engine)
        for call in (
            lambda one=one: one.train(x, t, np.arange(7), 3, 0, [0.1] * 3),
            lambda one=one: one.gradients(x[:1], t[:1], step=0),
        ):
            with pytest.raises(InputError) as error:
                call()
            texts.append(str(error.value))
        one.evaluate(x[:1], t[:1])
    assert set(texts) == {
        'BatchNorm "batchnorm1": in training each feature needs two values or more, found x of '
        "shape (1, 4); use a larger batch, or leave a last one of one example out"
    }
