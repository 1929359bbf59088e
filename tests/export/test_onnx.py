"""The ONNX file that a network becomes, in ONNX Runtime."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest

from byhand import engines
from byhand.data import Split
from byhand.errors import ByhandError, InputError
from byhand.export import onnx
from byhand.export.trained import Trained
from byhand.initializers import StandardNormal
from byhand.layers import (
    GRU,
    LSTM,
    RNN,
    BatchNorm,
    Bidirectional,
    Convolution2D,
    Dense,
    Dropout,
    Embedding,
    Flatten,
    GlobalAveragePool2D,
    LastStep,
    Layer,
    MaxPool2D,
    OneHot,
    ReLU,
    Sequential,
)
from byhand.losses import Loss, QuadraticCost, SoftmaxCrossEntropy
from byhand.models import gpt, mlp
from byhand.optimizers import SGD

from ..engines.two_sequences import MODELS, TARGET, pairs

X = np.random.default_rng(0).standard_normal((7, 2, 9, 8))
PICTURES = Sequential(
    Convolution2D(2, 4, 3, padding=1, groups=2),
    BatchNorm(4),
    MaxPool2D(2),
    ReLU(),
    Convolution2D(4, 5, (3, 2), stride=(2, 1), dilation=(1, 2)),
    GlobalAveragePool2D(),
    Dropout(0.5),
    Dense(5, 3),
)
VALUES = Sequential(Flatten(), mlp([144, 6, 2], output="sigmoid"))


def trained(model: Sequential, loss: Loss, dtype: Any) -> Trained:
    x = X.astype(dtype)
    program = engines.compile(model.initialize(0, dtype), loss, SGD(0.1), engine="torch")
    targets = np.zeros(len(x), np.int64)
    program.train(x, targets, np.arange(7), 7, 0, [0.1])  # running statistics that are not 0 and 1
    return Trained("A net", program, Split(x, targets), program.predict(x))


@pytest.fixture
def exported(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    """Export a network as if it were a run's."""

    def export(found: Trained) -> Path:
        path = tmp_path / "net.onnx"
        monkeypatch.setattr(onnx, "trained", lambda run, engine: found)
        difference = onnx.export_onnx(None, path)  # type: ignore[arg-type]
        assert 0 <= difference <= onnx.TOLERANCE[str(found.answers.dtype)]
        return path

    return export


@pytest.mark.slow
@pytest.mark.parametrize(
    ("model", "loss", "dtype"),
    [(PICTURES, SoftmaxCrossEntropy(), np.float32), (VALUES, QuadraticCost(), np.float64)],
    ids=["pictures", "values"],
)
def test_it_answers_as_the_network_does_to_batches_of_any_size(
    exported: Any, model: Sequential, loss: Loss, dtype: Any
) -> None:
    found = trained(model, loss, dtype)
    path = exported(found)
    assert [file.name for file in path.parent.iterdir()] == ["net.onnx"], "weights are inside"
    session = onnxruntime.InferenceSession(path.read_bytes())
    [given] = session.get_inputs()
    assert (given.name, given.shape) == ("x", ["batch", 2, 9, 8])
    for count in (1, 3, 7):
        [answers] = session.run(["y"], {"x": found.examples.inputs[:count]})
        assert answers.dtype == dtype
        tolerance = 1e-5 if dtype == np.float32 else 1e-10
        np.testing.assert_allclose(answers, found.answers[:count], rtol=tolerance)


IDS = np.random.default_rng(1).integers(0, 6, (7, 5))
ENDING = np.where(np.arange(5) < np.array([5, 1, 3, 5, 2, 0, 4])[:, None], IDS, -1)
SMALL = {"width": 8, "heads": 2, "kv_heads": 1, "depth": 1, "feed_forward": "swiglu"}
BIASES = {"biases": StandardNormal()}


def both_kinds() -> Bidirectional:
    return Bidirectional(GRU(4, 3, reset="before", **BIASES), LSTM(4, 2, **BIASES))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("layers", "out"),
    [
        ([Embedding(6, 4), RNN(4, 3, **BIASES), Dense(3, 6)], ["batch", "time", 6]),
        ([Embedding(6, 4), GRU(4, 3, **BIASES), LSTM(3, 5), Dense(5, 6)], ["batch", "time", 6]),
        ([OneHot(6), Dense(6, 4), both_kinds(), Dense(5, 6)], ["batch", "time", 6]),
        ([Embedding(6, 4), both_kinds(), LastStep(), Dense(5, 3)], ["batch", 3]),
        (gpt(6, **SMALL, positions="sinusoidal").layers, ["batch", "time", 6]),
        (gpt(6, **SMALL, positions="rotary", norm="rms").layers, ["batch", "time", 6]),
    ],
    ids=["RNN", "GRU and LSTM", "both directions", "last step", "sinusoidal", "rotary"],
)
def test_sequences_of_any_length_and_with_padding_at_the_end(
    exported: Any, layers: list[Layer], out: list[Any]
) -> None:
    model = Sequential(*layers).initialize(0, np.float32)
    p = engines.compile(model, SoftmaxCrossEntropy(), SGD(0.1), engine="torch")
    found = Trained("A net", p, Split(ENDING, np.zeros(7, np.int64)), p.predict(ENDING))
    session = onnxruntime.InferenceSession(exported(found).read_bytes())
    [given], [answer] = session.get_inputs(), session.get_outputs()
    assert (given.name, given.type, given.shape) == ("x", "tensor(int64)", ["batch", "time"])
    assert answer.shape == out
    for ids in (IDS, ENDING, IDS[:1, :1], np.tile(IDS[:3], 4)):
        [answers] = session.run(["y"], {"x": ids})
        np.testing.assert_allclose(answers, p.predict(ids), rtol=1e-4, atol=1e-6)


@pytest.mark.slow
def test_sequences_end_where_a_table_of_positions_does(exported: Any) -> None:
    model = gpt(6, **SMALL, context=5).initialize(0, np.float32)
    p = engines.compile(model, SoftmaxCrossEntropy(), SGD(0.1), engine="torch")
    found = Trained("A net", p, Split(ENDING, np.zeros(7, np.int64)), p.predict(ENDING))
    session = onnxruntime.InferenceSession(exported(found).read_bytes())
    for ids in (IDS, ENDING, IDS[:1, :2]):
        [answers] = session.run(["y"], {"x": ids})
        np.testing.assert_allclose(answers, p.predict(ids), rtol=1e-4, atol=1e-6)
    with pytest.raises(Exception, match="invalid index found"):
        session.run(["y"], {"x": np.tile(IDS, 2)})


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["transformer", "additive"])
def test_pairs_of_sentences_of_any_length(exported: Any, kind: str) -> None:
    ids, targets = pairs()
    model = MODELS[kind](np.float32)
    p = engines.compile(model, SoftmaxCrossEntropy(), SGD(0.1), engine="torch")
    found = Trained("A net", p, Split(ids, targets), p.predict(ids))
    session = onnxruntime.InferenceSession(exported(found).read_bytes())
    [given], [answer] = session.get_inputs(), session.get_outputs()
    assert (given.name, given.shape) == ("x", ["batch", 2, "time"])
    assert answer.shape == ["batch", "time", TARGET]
    wider = np.pad(ids, ((0, 0), (0, 0), (0, 2)), constant_values=-1)
    for x in (ids, ids[3:4], ids[:1, :, :1], wider):
        [answers] = session.run(["y"], {"x": x})
        real = x[:, 1] >= 0
        np.testing.assert_allclose(answers[real], p.predict(x)[real], rtol=1e-4, atol=1e-6)


def test_recurrent_layers_of_an_encoder_in_float64_are_refused(exported: Any) -> None:
    ids, targets = pairs()
    p = engines.compile(MODELS["dot"](), SoftmaxCrossEntropy(), SGD(0.1), engine="torch")
    found = Trained("A net", p, Split(ids, targets), p.predict(ids))
    with pytest.raises(InputError) as caught:
        exported(found)
    assert str(caught.value) == (
        'Bidirectional "bidirectional1": ONNX Runtime has recurrent layers in float32 only, the '
        "network is float64: train in float32 (training.dtype), or export --to torch"
    )


@pytest.mark.slow
def test_states_that_were_carried_go_in_and_out(exported: Any) -> None:
    layers = [GRU(4, 3, reset="before", **BIASES), LSTM(3, 5, name="second"), Dense(5, 6)]
    model = Sequential(Embedding(6, 4), *layers).initialize(0, np.float32)
    options: dict[str, Any] = {"engine": "torch", "carry_state": True}
    p = engines.compile(model, SoftmaxCrossEntropy(), SGD(0.1), **options)
    p.train(IDS, IDS, np.arange(7), 7, 0, [0.1])
    found = Trained("A net", p, Split(IDS, IDS), p.predict(IDS))
    session = onnxruntime.InferenceSession(exported(found).read_bytes())
    names = ["gru1", "second"]
    assert {a.name: a.shape for a in session.get_inputs()} == {
        "x": ["batch", "time"],
        "gru1": ["batch", 3],
        "second": [2, "batch", 5],
    }
    assert [a.name for a in session.get_outputs()] == ["y", "gru1_after", "second_after"]
    states = {"gru1": np.zeros((7, 3), np.float32), "second": np.zeros((2, 7, 5), np.float32)}
    for piece in (ENDING[:, :3], IDS[:, :1], IDS[:, 1:]):
        expected, after = p.predict_from(piece, states)
        y, *found_after = session.run(None, {"x": piece, **states})
        np.testing.assert_allclose(y, expected, rtol=1e-4, atol=1e-6)
        for name, state in zip(names, found_after, strict=True):
            np.testing.assert_allclose(state, after[name], rtol=1e-4, atol=1e-6)
        states = after


@pytest.mark.slow
def test_a_length_that_the_model_fixes_stays_fixed(exported: Any) -> None:
    model = Sequential(LSTM(4, 3), Flatten(), Dense(15, 2)).initialize(0, np.float32)
    p = engines.compile(model, QuadraticCost(), SGD(0.1), engine="torch")
    x = np.random.default_rng(0).standard_normal((7, 5, 4)).astype(np.float32)
    found = Trained("A net", p, Split(x, np.zeros((7, 2), np.float32)), p.predict(x))
    [given] = onnxruntime.InferenceSession(exported(found).read_bytes()).get_inputs()
    assert given.shape == ["batch", 5, 4]


def test_recurrent_layers_in_float64_are_refused(exported: Any) -> None:
    model = Sequential(Embedding(6, 4), both_kinds(), Dense(5, 6)).initialize(0)
    p = engines.compile(model, SoftmaxCrossEntropy(), SGD(0.1), engine="torch")
    with pytest.raises(InputError) as caught:
        exported(Trained("A net", p, Split(IDS, IDS), p.predict(IDS)))
    assert str(caught.value) == (
        'Bidirectional "bidirectional1": ONNX Runtime has recurrent layers in float32 only, the '
        "network is float64: train in float32 (training.dtype), or export --to torch"
    )


@pytest.mark.slow
def test_a_file_that_answers_something_else_is_not_written(exported: Any, tmp_path: Path) -> None:
    found = trained(VALUES, QuadraticCost(), np.float32)
    found.answers[3, 1] += 0.25
    with pytest.raises(ByhandError) as caught:
        exported(found)
    assert str(caught.value) == (
        "ONNX Runtime answers other than the network does, by up to 2.5e-01: "
        f"{tmp_path / 'net.onnx'} was not written; export --to torch, and report it"
    )
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("package", onnx.NEEDED)
def test_what_is_not_installed_is_named(package: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(InputError) as caught:
        onnx.export_onnx(None, Path("net.onnx"))  # type: ignore[arg-type]
    assert str(caught.value) == (
        f"--to onnx needs {package}: pip install 'byhand[onnx]'; --to torch needs nothing"
    )
