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
from byhand.layers import (
    BatchNorm,
    Convolution2D,
    Dense,
    Dropout,
    Flatten,
    GlobalAveragePool2D,
    MaxPool2D,
    ReLU,
    Sequential,
)
from byhand.losses import Loss, QuadraticCost, SoftmaxCrossEntropy
from byhand.models import mlp
from byhand.optimizers import SGD

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
