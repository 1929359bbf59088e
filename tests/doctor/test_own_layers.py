"""The doctor on byhand's own derivatives, as at the command line: every one of them is right."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

import byhand
from byhand import losses, regularizers
from byhand.cli import app
from byhand.doctor import check_file
from byhand.layers import Dense, Embedding, Encoder, Layer, OneHot, ReLU, Softmax
from byhand.layers.lstm import LSTM
from byhand.layers.rnn import RNN
from byhand.losses import Loss
from byhand.regularizers import Regularizer

from ..layers.examples import EXPORTED, LAYERS, PARTS, examples


def kinds(module: Any, base: type) -> list[type]:
    return [
        value
        for value in vars(module).values()
        if isinstance(value, type) and issubclass(value, base) and value is not base
    ]


OWN = [
    *EXPORTED,
    *PARTS,
    *kinds(losses, Loss),
    *kinds(regularizers, Regularizer),
]


WITHOUT_DERIVATIVE = {OneHot, Encoder}
"""Names in, and nothing to learn, or names out. An encoder's memory is checked below."""
OWN = [kind for kind in OWN if kind not in WITHOUT_DERIVATIVE]


def source(kind: type) -> Path:
    return Path(inspect.getfile(kind))


def named(value: Any) -> str:
    return value.__name__ if isinstance(value, type) else str(value)


@pytest.mark.parametrize("kind", OWN, ids=named)
def test_byhand_check_says_right(kind: type) -> None:
    result = CliRunner().invoke(app, ["check", f"{source(kind)}::{kind.__name__}"])
    assert result.exit_code == 0, result.output
    assert f"::{kind.__name__}: right" in result.output.replace("\n", "")


class Remembering:
    """What an encoder has for those who look at it, in the place of the ids that it hands on."""

    def __init__(self, encoder: Encoder) -> None:
        self.encoder = encoder

    def forward(self, x: Any) -> Any:
        _, cache = self.encoder.forward(x)
        return cache.m, cache

    def backward(self, dm: Any, cache: Any) -> Any:
        return self.encoder.backward(dm, cache)


def test_the_memory_of_an_encoder_is_right() -> None:
    encoder = Encoder(Embedding(5, 3), Dense(3, 2, name="dense"), name="encoder").initialize(0)
    assert isinstance(encoder, Encoder)
    layer = Remembering(encoder)
    ids = np.array([[[1, 4, 2], [3, 0, 1]], [[2, 0, -1], [2, 2, -1]]])
    report = byhand.check(layer.forward, layer.backward, {"x": ids})
    assert report.verdict == "right", str(report)
    assert {g.of for g in report.gradients} == {
        f"encoder.layers.{name}" for name in ("0.E", "1.W", "1.b")
    }


TRANSLATION = """
from byhand.layers import GRU, Concatenation, Dense, Embedding, Encoder, Sequential, Summary

model = Sequential(
    Encoder(Embedding(5, 2), GRU(2, 3), name="encoder"),
    Embedding(6, 2), Concatenation(Summary(3)), GRU(5, 3), Dense(3, 6),
).initialize(0)

def example(rng):
    return {"x": rng.integers(0, 5, size=(2, 2, 3))}
"""
FUNCTIONS = """
def forward(x):
    return model.forward(x)

def backward(dy, cache):
    return model.backward(dy, cache)
"""


def test_a_model_of_two_sentences_in_a_file(tmp_path: Path) -> None:
    path = tmp_path / "translation.py"
    path.write_text(TRANSLATION + FUNCTIONS, encoding="utf-8")
    report = check_file(path)
    assert report.verdict == "right", str(report)
    of = {g.of for g in report.gradients}
    assert {"model.layers.0.layers.0.E", "model.layers.0.layers.1.Wh", "model.layers.4.W"} <= of
    assert len(of) == 12


def test_a_file_that_only_makes_a_model_is_told_what_to_add(tmp_path: Path) -> None:
    path = tmp_path / "translation.py"
    path.write_text(TRANSLATION, encoding="utf-8")
    result = CliRunner().invoke(app, ["check", str(path)])
    assert result.exit_code == 2
    assert result.stderr == (
        "error: the file makes model, whose source is elsewhere, and has no function that runs it; "
        "add to it:\n"
        "    def forward(x):\n"
        "        return model.forward(x)\n\n"
        "    def backward(dy, cache):\n"
        "        return model.backward(dy, cache)\n"
    )


def test_a_layer_without_a_derivative_is_told_so() -> None:
    result = CliRunner().invoke(app, ["check", f"{source(OneHot)}::OneHot"])
    assert result.exit_code == 2
    assert result.stderr == (
        "error: none of self, ids is an array of floats, or has one: there is nothing to "
        "differentiate\n"
    )


@pytest.mark.parametrize("kind", [kind for kind in LAYERS if kind is not OneHot], ids=named)
def test_every_parameter_and_the_input_are_checked(kind: type) -> None:
    for case in examples(kind, 0, np.float64):
        x, *_ = inspect.signature(case.layer.forward).parameters
        inputs = dict(
            zip(
                inspect.signature(case.layer.forward).parameters, (case.x, *case.more), strict=False
            )
        )
        report = byhand.check(case.layer.forward, case.layer.backward, inputs)
        assert report.verdict == "right", str(report)
        trained = [n for n in case.layer.parameters if n not in case.layer.statistics]
        # What stands in a layer within the layer has that one's name before it.
        own = [n.removeprefix("forward_").removeprefix("reverse_") for n in trained]
        symbols = sorted(name.rpartition(".")[2] for name in own)
        checked = sorted(g.of.rpartition(".")[2] for g in report.gradients)
        # An id is a name, and has no derivative.
        named_inputs = [] if np.issubdtype(case.x.dtype, np.integer) else [x]
        assert checked == sorted([*named_inputs, *symbols])


@pytest.mark.parametrize(
    ("kind", "right", "wrong"),
    [
        (Dense, "dW = x.T @ dz", "dW = x.T @ z"),
        (Dense, "dx = dz @ self.W.T", "dx = dz @ (2 * self.W).T"),
        (Dense, "dz.sum(axis=0)", "dz.mean(axis=0)"),
        (ReLU, "(a > 0)", "(a < 0)"),
        (Softmax, "(dp * p).sum(", "(dp * dp).sum("),
        (losses.BinaryCrossEntropyWithLogits, "(sigmoid(z) - t) / count(z)", "(sigmoid(z) - t)"),
        (losses.QuadraticCost, "return error / count(error)", "return 2 * error / count(error)"),
        (regularizers.L2, "out: Array = w * w.dtype", "out: Array = 2 * w * w.dtype"),
    ],
    ids=named,
)
def test_a_mistake_in_one_of_them_is_named(
    kind: type, right: str, wrong: str, tmp_path: Path
) -> None:
    text = source(kind).read_text("utf-8")
    assert text.count(right) == 1
    copy = tmp_path / source(kind).name
    copy.write_text(text.replace(right, wrong), "utf-8")
    report = check_file(copy, kind.__name__)
    assert report.verdict in ("wrong", "shape")
    (finding,) = report.findings
    place = next(
        n for n, line in enumerate(copy.read_text("utf-8").splitlines(), 1) if wrong in line
    )
    assert finding.line == place
    assert finding.fix is not None


@pytest.mark.parametrize("kind", [RNN, LSTM])
def test_methods_that_are_inherited_are_checked_in_their_class(kind: type[Layer]) -> None:
    layer = kind(3, 2).initialize(0)  # type: ignore[call-arg]
    x = np.random.default_rng(0).standard_normal((2, 3, 3))
    report = byhand.check(layer.forward, layer.backward, {"x": x})
    assert (report.verdict, report.reason) == ("right", "")
    assert {"Wx", "Wh", "b"} <= {gradient.of for gradient in report.gradients}
