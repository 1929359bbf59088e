"""The script that a network becomes: it needs no byhand, and answers as the network did."""

from __future__ import annotations

import ast
import re
import runpy
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from byhand import engines
from byhand.data import Split
from byhand.errors import InputError
from byhand.export.script import export_torch, script
from byhand.export.trained import Trained
from byhand.export.written import LAYERS as WRITTEN
from byhand.layers import (
    GRU,
    LSTM,
    RNN,
    BatchNorm,
    Bidirectional,
    Dense,
    Dropout,
    Embedding,
    Flatten,
    Layer,
    LearnedPositions,
    OneHot,
    ReLU,
    Residual,
    SelfAttention,
    Sequential,
    Tanh,
)
from byhand.losses import BinaryCrossEntropyWithLogits, Loss, QuadraticCost, SoftmaxCrossEntropy
from byhand.models import cnn, gpt, mlp
from byhand.optimizers import SGD
from byhand.storage import write_tensors
from byhand.training import Run, find_recipe

from ..engines.two_sequences import of_attention, pairs
from ..layers.examples import LAYERS, examples
from ..layers.recurrent import KINDS, Kind

every_layer = pytest.mark.parametrize("kind", [k for k in LAYERS if k is not Sequential])


def trained(
    model: Sequential, x: Any, loss: Loss | None = None, targets: Any = None, title: str = "A net"
) -> Trained:
    program = engines.compile(model, loss or SoftmaxCrossEntropy(), SGD(0.1))
    targets = np.arange(len(x)) % 2 if targets is None else targets
    return Trained(title, program, Split(x, targets), program.predict(x))


def written(found: Trained, folder: Path) -> Path:
    """The script of a network in a folder, with both of its files."""
    text, arrays = script(found, "net.safetensors", "net.examples.safetensors")
    split = found.examples
    given = {"inputs": split.inputs, "targets": split.targets, "answers": found.answers}
    write_tensors(folder / "net.safetensors", arrays)
    write_tensors(folder / "net.examples.safetensors", given)
    (folder / "net.py").write_text(text, "utf-8")
    return folder / "net.py"


@every_layer
def test_every_layer_is_written(kind: type[Layer], tmp_path: Path) -> None:
    assert kind in WRITTEN, f"add {kind.__name__} to LAYERS in src/byhand/export/written.py"
    for example in examples(kind, 0, np.float64):
        if example.x.ndim == 1:  # an example without axes, which nn.Flatten does not take
            continue
        x = example.x if example.x.dtype == np.float64 else np.abs(example.x)  # no padding
        features = int(np.prod(example.layer.output_shape(x.shape[1:])))
        model = Sequential(example.layer, Flatten(), Dense(features, 3)).initialize(0)
        found = trained(model, x)
        network = runpy.run_path(str(written(found, tmp_path)))["load"]()
        with torch.no_grad():
            answers = network.predict(torch.tensor(x))
        np.testing.assert_allclose(answers.numpy(), found.answers, rtol=1e-10)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(
    ("loss", "outputs"),
    [(SoftmaxCrossEntropy(), 3), (BinaryCrossEntropyWithLogits(), 1), (QuadraticCost(), 2)],
    ids=str,
)
def test_the_script_prints_the_accuracy_that_the_engine_has(
    loss: Loss, outputs: int, dtype: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rng = np.random.default_rng(0)
    x = rng.standard_normal((50, 4)).astype(dtype)
    model = mlp([4, 6, outputs], activation="tanh").initialize(1, dtype)
    targets = rng.integers(0, min(outputs + 1, 3), 50) if outputs != 2 else rng.random((50, 2))
    found = trained(model, x, loss, targets.astype(np.int64 if outputs != 2 else dtype))
    runpy.run_path(str(written(found, tmp_path)), run_name="__main__")
    title, count, *lines = capsys.readouterr().out.splitlines()
    assert (title, count) == ("A net", "50 test examples")
    accuracy = found.program.evaluate(x, found.examples.targets).accuracy
    if accuracy is not None:
        assert lines.pop(0) == f"accuracy {accuracy:.4f}"
        assert 0 < accuracy < 1
    said, _, difference = lines.pop().rpartition(" ")
    assert said == "largest difference from the answers at export:"
    assert float(difference) < (1e-6 if dtype == np.float32 else 1e-14)
    assert not lines


@pytest.mark.slow
def test_a_run_becomes_a_script_that_runs_where_byhand_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    run = Run.create(find_recipe("nielsen-one-neuron"), "neuron")
    program = engines.compile(mlp([1, 1], output="sigmoid").initialize(0), QuadraticCost(), SGD(1))
    run.save_parameters("best", program.parameters(), 1)
    path = tmp_path / "out" / "net.py"
    files = export_torch(run, path)
    names = ["net.py", "net.safetensors", "net.examples.safetensors"]
    assert files == [path.with_name(name) for name in names]
    assert sorted(file.name for file in path.parent.iterdir()) == sorted(names)
    code = "import sys, runpy; sys.modules['byhand'] = None; sys.argv = sys.argv[1:]; "
    code += "runpy.run_path(sys.argv[0], run_name='__main__')"
    answer = subprocess.run(
        [sys.executable, "-c", code, path], capture_output=True, text=True, check=False
    )
    assert (answer.returncode, answer.stderr) == (0, "")
    assert re.search(r"at export: 0\.0e\+00|at export: \d\.\de-(0[7-9]|1\d)$", answer.stdout)


def test_the_script_reads_like_pytorch(tmp_path: Path) -> None:
    model = cnn([3], [7], 10, image=(1, 12, 12), dropout=0.5).initialize(0, np.float32)
    found = trained(model, np.zeros((2, 1, 12, 12), np.float32))
    text = written(found, tmp_path).read_text("utf-8")
    for line in (
        "self.filters1 = nn.Conv2d(1, 3, 5)",
        "self.maxpool2d1 = nn.MaxPool2d(2, stride=2, padding=0)",
        "self.dropout1 = nn.Dropout(0.5)",
        "self.output = nn.Linear(7, 10)",
        '"""x[batch, 1, 12, 12] -> y[batch, 10]"""',
        "x = self.filters1(x)",
        "return torch.softmax(self(x), dim=-1)",
    ):
        assert line in [each.strip() for each in text.splitlines()]
    assert "import byhand" not in text
    assert "from byhand" not in text


def test_sequences_read_like_pytorch(tmp_path: Path) -> None:
    ids = np.arange(12).reshape(3, 4) % 7
    pair = Bidirectional(GRU(8, 3, reset="before"), LSTM(8, 2), name="both")
    model = Sequential(Embedding(7, 5), GRU(5, 8), pair, LSTM(5, 6), Dense(6, 7))
    found = trained(model.initialize(0, np.float32), ids, targets=ids)
    text = written(found, tmp_path).read_text("utf-8")
    lines = [each.strip() for each in text.splitlines()]
    for line in (
        "self.embedding1 = nn.Embedding(7, 5)",
        "self.gru1 = nn.GRU(5, 8, batch_first=True)",
        "def forward(self, x: Tensor, states: dict | None = None) -> Tensor:",
        "x, states['gru1'] = self.gru1(x, states.get('gru1'))",
        "self.both_layer = Bidirectional(GRUResetBefore(8, 3), nn.LSTM(8, 2, batch_first=True))",
        "x = self.both_layer(x)",
        '"""x[batch, 4] -> y[batch, 4, 7]"""',
        "return torch.softmax(self(x, states), dim=-1)",
    ):
        assert line in lines
    kinds = [line.split("(")[0] for line in lines if line.startswith("class ")]
    assert kinds == ["class GRUResetBefore", "class Bidirectional", "class Network"]
    assert "accuracy" not in text


def test_scores_at_every_step_are_those_of_the_engine(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ids = np.random.default_rng(0).integers(0, 7, (5, 9))
    both = Bidirectional(LSTM(6, 3), GRU(6, 4, reset="before"))
    model = Sequential(OneHot(7), RNN(7, 6), both, LSTM(7, 5), Dense(5, 7)).initialize(0)
    found = trained(model, ids, targets=ids)
    known = runpy.run_path(str(written(found, tmp_path)), run_name="__main__")
    title, count, last = capsys.readouterr().out.splitlines()
    assert (title, count) == ("A net", "5 test examples")
    assert float(last.rpartition(" ")[2]) < 1e-14
    with torch.no_grad(), pytest.raises(RuntimeError, match="non-negative"):
        known["load"]().predict(torch.tensor([[1, -1]]))


@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_a_sequence_can_be_read_piece_by_piece(kind: Kind, tmp_path: Path) -> None:
    ids = np.random.default_rng(0).integers(0, 7, (5, 9))
    cells = kind.make(4, 6), kind.make(6, 3)
    model = Sequential(Embedding(7, 4), *cells, Dense(3, 7)).initialize(0)
    found = trained(model, ids, targets=ids)
    network = runpy.run_path(str(written(found, tmp_path)))["load"]()
    states: dict[str, Any] = {}
    parts = np.split(ids, [1, 5], axis=1)
    with torch.no_grad():
        pieces = [network.predict(torch.tensor(part), states) for part in parts]
    np.testing.assert_allclose(torch.cat(pieces, 1).numpy(), found.answers, rtol=1e-10)


@pytest.mark.parametrize(
    "options",
    [
        {"dropout": 0.2},
        {"positions": "sinusoidal", "place": "post"},
        {"positions": "rotary", "norm": "rms", "feed_forward": "swiglu", "kv_heads": 1},
    ],
    ids=["as GPT-2", "as in 2017", "as Llama"],
)
def test_a_transformer_answers_as_the_engine_does(
    options: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ids = np.random.default_rng(0).integers(0, 7, (5, 9))
    model = gpt(7, width=8, depth=2, heads=2, context=9, **options).initialize(0)
    path = written(trained(model, ids, targets=ids), tmp_path)
    runpy.run_path(str(path), run_name="__main__")
    assert float(capsys.readouterr().out.rpartition(" ")[2]) < 1e-14
    assert path.read_text("utf-8").count("class Residual(") == 1


def test_a_layer_with_a_state_in_a_block_is_refused() -> None:
    model = Sequential(Embedding(7, 5), Residual(LSTM(5, 5)), Dense(5, 7)).initialize(0)
    ids = np.zeros((2, 3), np.int64)
    with pytest.raises(InputError) as caught:
        script(trained(model, ids, targets=ids), "a", "b")
    assert str(caught.value) == (
        'Residual "residual1": LSTM "lstm1" cannot be written inside of a block, for it has a '
        "state or no module of its own; export --to onnx"
    )


def test_states_are_offered_where_every_layer_keeps_one(tmp_path: Path) -> None:
    """Attention beside a GRU is read as a whole, for it does not know the piece before."""
    ids = np.random.default_rng(0).integers(0, 7, (5, 9))
    first, last = Embedding(7, 4), Dense(4, 7)
    for layers, states in (
        ([GRU(4, 4)], True),
        ([GRU(4, 4), SelfAttention(4, 2, causal=True)], False),
        ([LearnedPositions(9, 4), GRU(4, 4)], False),
        ([Residual(SelfAttention(4, 2, causal=True)), GRU(4, 4)], False),
    ):
        model = Sequential(first, *layers, last).initialize(0)
        found = trained(model, ids, targets=ids)
        path = written(found, tmp_path)
        assert ("states: dict | None = None" in path.read_text("utf-8")) == states
        network = runpy.run_path(str(path))["load"]()
        with torch.no_grad():
            answers = network.predict(torch.tensor(ids))
        np.testing.assert_allclose(answers.numpy(), found.answers, rtol=1e-10)


def test_pairs_of_sentences_are_refused() -> None:
    model = of_attention()
    ids, targets = pairs()
    with pytest.raises(InputError) as caught:
        script(trained(model, ids, targets=targets), "a", "b")
    assert str(caught.value) == (
        "a model that reads pairs of sentences is not written with torch.nn: export --to onnx"
    )


def test_padding_is_refused() -> None:
    ids = np.array([[1, 2, 3], [4, -1, -1]])
    model = Sequential(Embedding(7, 5), LSTM(5, 2)).initialize(0)
    with pytest.raises(InputError) as caught:
        script(trained(model, ids), "a", "b")
    assert str(caught.value) == (
        "the sequences have padding (ids of -1), which the layers of torch.nn do not leave out: "
        "export --to onnx"
    )


def test_names_and_titles_are_never_code(tmp_path: Path) -> None:
    name = 'x"); raise SystemExit(7); ("'
    layers = [Dense(2, 4, name="train"), Dense(4, 4, name="train_layer"), Dense(4, 4, name="2nd")]
    model = Sequential(*layers, ReLU(name=name), Dropout(0.1), BatchNorm(4), Tanh())
    title = '"""\n\\"; raise SystemExit(7)\n\'\'\''
    found = trained(model.initialize(0), np.ones((3, 2)), title=title)
    path = written(found, tmp_path)
    tree = ast.parse(path.read_text("utf-8"))
    kinds = {type(node) for node in tree.body}
    assert kinds <= {ast.Expr, ast.Import, ast.ImportFrom, ast.Assign, ast.ClassDef,
                     ast.FunctionDef, ast.If}  # fmt: skip
    known = runpy.run_path(str(path))
    assert known["TITLE"] == title
    names = [name for name, _ in known["load"]().named_children()]
    assert names[:3] == ["train_layer", "train_layer_layer", "layer_2nd_layer"]
    assert all(name.isidentifier() for name in names)
    assert len(set(names)) == 7


def test_a_layer_that_cannot_be_written_is_named() -> None:
    class Square(Layer):
        equation = "y = x²"
        axes = {"x": ("...",), "y": ("...",)}

        def forward(self, x: Any) -> Any:
            return x * x, x

    model = Sequential(Dense(2, 2), Square()).initialize(0)
    with pytest.raises(InputError) as caught:
        script(trained(model, np.ones((3, 2))), "a", "b")
    assert str(caught.value).startswith(
        "the layer Square cannot be written with torch.nn yet, only AveragePool2D, BatchNorm, "
    )
    assert str(caught.value).endswith(
        "; add it to LAYERS in src/byhand/export/written.py, or export --to onnx"
    )
