"""All engines compute the same: every layer, loss and optimizer, and whole models."""

from __future__ import annotations

import math
import re
import sys
from itertools import product
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from byhand import clipping, engines, layers, losses, optimizers, regularizers
from byhand.clipping import ClipByGlobalNorm, Clipping
from byhand.engines.numpy import EVALUATION_BATCH
from byhand.layers import Convolution2D, Dense, Flatten, Layer, Sequential, Tanh
from byhand.losses import BinaryCrossEntropyWithLogits, Loss, SoftmaxCrossEntropy, one_hot
from byhand.models import mlp
from byhand.optimizers import SGD, Adam, Momentum, Nesterov, Optimizer
from byhand.regularizers import L2, Regularizer

from ..layers.examples import EXPORTED, LAYERS, Example, examples
from .agreement import (
    EXAMPLES,
    FUSED,
    OTHERS,
    Case,
    assert_agreement,
    assert_close,
    both_dtypes,
    labels,
    named,
    network,
    normal,
)

Array = np.typing.NDArray[Any]


def kinds(module: ModuleType, base: type) -> list[Any]:
    """All parts of one kind that a module of byhand offers."""
    return [
        value
        for value in vars(module).values()
        if isinstance(value, type) and issubclass(value, base) and value is not base
    ]


ODD = [1, 3, 17, 31]
BATCHES = [1, 3, 17, 31, 64]
"""Of 40 examples: four leave a short batch, and 64 is more than there are."""
MODELS = [(a, b, ODD[(i + j) % 4]) for i, a in enumerate(ODD) for j, b in enumerate(ODD)]
"""Every size beside every size, in the first layer and in the second."""
ACTIVATIONS = ["sigmoid", "tanh", "relu"]
OUTPUTS = {"z": None, "a": "sigmoid", "p": "softmax"}
"""The layer under a loss, by the symbol of the model's output in the loss's equation."""


@pytest.fixture
def native() -> None:
    """For what only the C++ engine promises."""
    if missing := engines.available("native"):
        pytest.skip(missing)


def twins(engine: str) -> dict[str, set[str]]:
    """What an engine has of each kind of part, by the names of NumPy's classes."""
    if engine == "native":
        from byhand.engines.native import TWINS

        return {what: set(names) for what, names in TWINS.items()}
    from byhand.engines.torch import layers as of_layers
    from byhand.engines.torch import losses as of_losses
    from byhand.engines.torch import optimizers as of_optimizers

    tables: dict[str, dict[Any, Any]] = {
        "layer": {**of_layers.TWINS, **of_layers.BLOCKS},
        "loss": of_losses.LOSSES,
        "optimizer": of_optimizers.TWINS,
        "regularizer": of_losses.PENALTIES,
        "clipping": of_optimizers.CLIPPINGS,
    }
    return {what: {kind.__name__ for kind in table} for what, table in tables.items()}


# The parts


WHERE = {
    "native": "native/include/byhand/layers/ and enter it in native/include/byhand/registry.hpp",
    "torch": "TWINS in src/byhand/engines/torch/layers.py",
}


def assert_twin(kind: type[Layer], engine: str) -> None:
    """A Sequential is replaced by its layers; every other is written for each engine."""
    assert kind is Sequential or kind.__name__ in twins(engine)["layer"], (
        f"engine {engine} has no twin of {kind.__name__}: write it in {WHERE[engine]}"
    )


def around(example: Example, dtype: Any) -> tuple[Sequential, Array]:
    """A small model with the layer in it, behind a layer with parameters where there is one of this
    shape, so that it has to hand on a gradient. Tanh keeps its inputs small, and a mean that the
    layer takes away does not make the gradient of a bias nothing but rounding."""
    x = np.resize(example.x, (EXAMPLES, *example.x.shape[1:]))
    before: list[Layer] = []
    if x.dtype.kind != "i" and x.ndim in (2, 3):
        before = [Dense(5, x.shape[-1], name="before"), Tanh()]
        x = normal((*x.shape[:-1], 5), dtype)
    if x.ndim == 4:
        before = [Convolution2D(2, x.shape[1], 1, name="before"), Tanh()]
        x = normal((EXAMPLES, 2, *x.shape[2:]), dtype)
    features = math.prod(example.layer.output_shape(example.x.shape[1:]))
    behind = [Flatten(), Dense(features, 3, name="behind")]
    return Sequential(*before, example.layer, *behind).initialize(2, dtype), x


@both_dtypes
@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("kind", LAYERS, ids=named)
def test_every_layer(kind: type[Layer], seed: int, dtype: Any, engine: str) -> None:
    assert_twin(kind, engine)
    for example in examples(kind, seed, dtype):
        model, x = around(example, dtype)
        assert_agreement(Case(model, x, labels(3), optimizer=SGD(0.01)), engine)


@pytest.mark.parametrize("kind", [kind for kind in EXPORTED if kind not in LAYERS], ids=named)
def test_every_layer_of_two_sequences_has_a_twin(kind: type[Layer], engine: str) -> None:
    """What they compute is compared in test_two_sequences.py."""
    assert_twin(kind, engine)


def test_a_layer_without_a_twin_is_asked_for_one(engine: str) -> None:
    class Unknown(Layer):
        pass

    with pytest.raises(AssertionError) as error:
        assert_twin(Unknown, engine)
    assert str(error.value).startswith(
        f"engine {engine} has no twin of Unknown: write it in {WHERE[engine]}"
    )
    for file in re.findall(r"\S+/\S*", WHERE[engine]):
        assert (Path(__file__).parents[2] / file).exists()


def test_no_twin_is_left_without_its_layer(engine: str) -> None:
    parts = {
        "layer": (layers, Layer),
        "loss": (losses, Loss),
        "optimizer": (optimizers, Optimizer),
        "regularizer": (regularizers, Regularizer),
        "clipping": (clipping, Clipping),
    }
    found = twins(engine)
    assert found.keys() == parts.keys()
    for what, (module, base) in parts.items():
        if what == "layer":
            written = {kind.__name__ for kind in EXPORTED} - {"Sequential"}
        else:
            written = {kind.__name__ for kind in kinds(module, base)}
        assert found[what] == written


@both_dtypes
@pytest.mark.parametrize("form", ["labels", "one-hot rows", "distributions"])
@pytest.mark.parametrize("kind", kinds(losses, Loss), ids=named)
def test_every_loss(kind: type[Loss], form: str, dtype: Any, engine: str) -> None:
    model = network((5, 7, 3), dtype, output=OUTPUTS[kind.output])
    t = labels(3)
    if form == "one-hot rows":
        t = one_hot(t, 3, dtype)
    if form == "distributions":
        t = np.random.default_rng(1).dirichlet(np.ones(3), EXAMPLES).astype(dtype)
    assert_agreement(Case(model, normal((EXAMPLES, 5), dtype), t, loss=kind()), engine)


@both_dtypes
@pytest.mark.parametrize(
    # The softmax of a single score is 1, whatever the score.
    "kind",
    [kind for kind in kinds(losses, Loss) if kind is not SoftmaxCrossEntropy],
    ids=named,
)
def test_every_loss_of_one_output(kind: type[Loss], dtype: Any, engine: str) -> None:
    model = network((5, 7, 1), dtype, output="sigmoid" if kind.output in "ap" else None)
    # More of one class than of the other: with as many of both, db would be next to zero.
    t = np.minimum(labels(3), 1)
    case = Case(model, normal((EXAMPLES, 5), dtype), t, loss=kind())
    assert_agreement(case, engine)
    numpy, other = (case.program(name) for name in ("numpy", engine))
    expected = numpy.evaluate(case.x, case.t).accuracy
    assert other.evaluate(case.x, case.t).accuracy == expected
    assert expected is not None
    assert 0 < expected < 1


@both_dtypes
@pytest.mark.parametrize("crowded", [False, True], ids=["alone", "with all the rest"])
@pytest.mark.parametrize("kind", kinds(optimizers, Optimizer), ids=named)
def test_every_optimizer(kind: type[Optimizer], crowded: bool, dtype: Any, engine: str) -> None:
    """Alone, and with dropout, a regularizer and clipping around it."""
    rest = {"regularizer": L2(2.0), "clipping": ClipByGlobalNorm(0.5)} if crowded else {}
    model = network((5, 7, 6, 3), dtype, dropout=0.3 if crowded else 0.0)
    x, t = normal((EXAMPLES, 5), dtype), labels(3)
    assert_agreement(Case(model, x, t, optimizer=kind(0.002), **rest), engine)


@pytest.mark.parametrize("kind", [Momentum, Nesterov])
def test_a_momentum_of_nothing(kind: type[Momentum], engine: str) -> None:
    """v is kept all the same, and is dw."""
    model, x = network((5, 7, 3), np.float64), normal((EXAMPLES, 5), np.float64)
    assert_agreement(Case(model, x, labels(3), optimizer=kind(0.1, momentum=0.0)), engine)


@both_dtypes
@pytest.mark.parametrize(
    "clip", [None, *(kind(0.02) for kind in kinds(clipping, Clipping))], ids=named
)
@pytest.mark.parametrize(
    "regularizer", [None, *(kind(3.0) for kind in kinds(regularizers, Regularizer))], ids=named
)
def test_every_regularizer_and_clipping(
    regularizer: Regularizer | None, clip: Clipping | None, dtype: Any, engine: str
) -> None:
    case = Case(
        network((5, 7, 3), dtype),
        normal((EXAMPLES, 5), dtype),
        labels(3),
        optimizer=Momentum(0.01),
        regularizer=regularizer,
        clipping=clip,
    )
    assert_agreement(case, engine)


@both_dtypes
def test_dropout_drops_the_same(dtype: Any, engine: str) -> None:
    """Of inputs and of hidden units, in masks that are others in each layer and step."""
    model = network((17, 31, 31, 3), dtype, input_dropout=0.2, dropout=0.5)
    case = Case(model, normal((EXAMPLES, 17), dtype), labels(3), optimizer=Adam(0.001))
    assert_agreement(case, engine)
    program = case.program(engine)
    found = {program.gradients(case.x, case.t, step)[0] for step in (None, 0, 1, 2**40)}
    assert len(found) == 4


# Whole models


WHOLE = [
    (engine, sizes, batch)
    for engine in OTHERS
    for k, (sizes, batch) in enumerate(product(MODELS, BATCHES))
    # Where the products are not our own, one in seven will do.
    if engine == "native" or k % 7 == 0
]


@both_dtypes
@pytest.mark.parametrize(("engine", "sizes", "batch"), WHOLE, indirect=["engine"], ids=str)
def test_whole_models(sizes: tuple[int, int, int], batch: int, dtype: Any, engine: str) -> None:
    """Sizes that fill no vector, batches down to one example and up to more than there are."""
    activation = ACTIVATIONS[sum(sizes) % 3]
    classes = max(2, sizes[-1])
    case = Case(
        network(sizes, dtype, activation=activation),
        normal((EXAMPLES, sizes[0]), dtype),
        labels(classes),
        loss=FUSED if sizes[-1] > 1 else BinaryCrossEntropyWithLogits(),
        optimizer=SGD(0.05),
        batch=batch,
    )
    assert_agreement(case, engine)


@both_dtypes
@pytest.mark.usefixtures("native")
def test_layers_of_every_width(dtype: Any) -> None:
    """A product is made of tiles; here are all widths, depths and heights of the first few. One
    row has tiles of its own."""
    for n, single in product(range(1, 71), (False, True)):
        sizes = (n, 71 - n, 1 + n * 7 % 71)
        rows = 1 if single else 1 + n * 11 % 71
        x, t = normal((rows, n), dtype), normal((rows, sizes[-1]), dtype, seed=1)
        # ReLU adds no rounding to those of the products.
        model = network(sizes, dtype, activation="relu")
        case = Case(model, x, t, loss=losses.QuadraticCost(), batch=rows)
        programs = (case.program(engine) for engine in ("native", "numpy"))
        assert_close(*(case.observe(program) for program in programs), case.bound())


@both_dtypes
def test_more_examples_than_go_through_at_once(dtype: Any, engine: str) -> None:
    count = EVALUATION_BATCH + 7
    case = Case(network((6, 9, 3), dtype), normal((count, 6), dtype), labels(3, count))
    numpy, other = case.program("numpy"), case.program(engine)
    assert_close(case.observe(other), case.observe(numpy), case.bound())
    assert other.evaluate(case.x, case.t).accuracy == numpy.evaluate(case.x, case.t).accuracy


# Threads


def large(dtype: Any, optimizer: Optimizer, clip: Clipping | None = None) -> Case:
    """A model whose products are worth sharing."""
    model = mlp([784, 300, 200, 10], activation="relu", dropout=0.2).initialize(0, dtype)
    x = np.random.default_rng(0).random((300, 784)).astype(dtype)
    return Case(model, x, labels(10, 300), FUSED, optimizer, L2(5.0), clip, batch=256)


@both_dtypes
@pytest.mark.usefixtures("native")
@pytest.mark.parametrize("clip", [None, ClipByGlobalNorm(0.1)], ids=str)
def test_the_number_of_threads_changes_no_bit(clip: Clipping | None, dtype: Any) -> None:
    case = large(dtype, Adam(0.001), clip)

    def everything(threads: int) -> dict[str, Array]:
        program = case.program("native", threads)
        seen = case.observe(program)
        seen["the losses"] = case.train(program, 5)
        return seen | {f"{name} at the end": a for name, a in case.observe(program).items()}

    one = everything(1)
    for threads in (2, 3):
        for name, a in everything(threads).items():
            np.testing.assert_array_equal(a, one[name], err_msg=f"{name}, {threads} threads")


@pytest.mark.usefixtures("native")
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="counts threads in /proc")
def test_large_products_are_shared_and_small_ones_are_not() -> None:
    """Or else the test above would compare one thread with one thread."""

    def started(case: Case) -> int:
        before = set(Path("/proc/self/task").iterdir())
        program = case.program("native", threads=3)
        case.train(program, 1)
        return len(set(Path("/proc/self/task").iterdir()) - before)

    case = large(np.float32, SGD(0.1))
    assert started(case) == 2
    small = Case(network((784, 30, 10), np.float32), case.x, case.t, batch=10)
    assert started(small) == 0


@both_dtypes
def test_a_large_model_agrees(dtype: Any, engine: str) -> None:
    """In C++ with several threads, in products of many tiles."""
    assert_agreement(
        large(dtype, SGD(0.1)), engine, steps=6, threads=1 if engine == "torch" else None
    )
