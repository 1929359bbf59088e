"""The prediction beside the measurement: activations, weights, gradients, optimizer."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from torch import nn

from byhand.errors import InputError
from byhand.napkin.measure import Measurement, Term, measure
from byhand.napkin.saved_tensors import lstm_workspace

MODULES = '''\
import torch
from torch import nn
from torch.nn import functional as F


def mlp():
    return nn.Sequential(nn.Linear(784, 100), nn.Sigmoid(), nn.Linear(100, 10))


class LeNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.c1 = nn.Conv2d(1, 6, 5, padding=2)
        self.c2 = nn.Conv2d(6, 16, 5)
        self.f1, self.f2, self.f3 = nn.Linear(400, 120), nn.Linear(120, 84), nn.Linear(84, 10)

    def forward(self, x):
        x = F.max_pool2d(torch.relu(self.c1(x)), 2)
        x = F.avg_pool2d(torch.tanh(self.c2(x)), 2)
        return self.f3(torch.tanh(self.f2(torch.sigmoid(self.f1(x.flatten(1))))))


def lstm():
    return nn.LSTM(24, 40, num_layers=2, batch_first=True, bidirectional=True)


def gru():
    return nn.GRU(24, 40)


def block():
    return nn.TransformerEncoderLayer(64, 4, 256, batch_first=True)


class Block(nn.Module):
    """Pre-norm, attention by PyTorch's own function, a gated MLP, no dropout."""

    def __init__(self, width=64, heads=4):
        super().__init__()
        self.heads = heads
        self.ln1, self.ln2 = nn.LayerNorm(width), nn.RMSNorm(width)
        self.qkv, self.o = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.gate, self.up = nn.Linear(width, 2 * width), nn.Linear(width, 2 * width)
        self.down = nn.Linear(2 * width, width)

    def forward(self, x):
        batch, time, width = x.shape
        heads = (batch, time, 3, self.heads, width // self.heads)
        q, k, v = self.qkv(self.ln1(x)).view(heads).permute(2, 0, 3, 1, 4)
        a = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        x = x + self.o(a.transpose(1, 2).reshape(batch, time, width))
        y = self.ln2(x)
        return x + self.down(F.silu(self.gate(y)) * self.up(y))


class GPT(nn.Module):
    def __init__(self):
        super().__init__()
        self.words, self.places = nn.Embedding(100, 64), nn.Embedding(128, 64)
        self.blocks = nn.ModuleList(Block() for _ in range(2))
        self.head = nn.Linear(64, 100, bias=False)
        self.head.weight = self.words.weight

    def forward(self, x):
        x = self.words(x) + self.places(torch.arange(x.shape[1]))
        for block in self.blocks:
            x = block(x)
        return self.head(x)


def normed():
    return nn.Sequential(
        nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.ReLU(inplace=True), nn.AdaptiveAvgPool2d(1),
        nn.Flatten(), nn.Linear(8, 10), nn.Dropout(0.5), nn.GELU(), nn.LogSoftmax(-1),
    )


def frozen():
    model = mlp()
    model[0].requires_grad_(False)
    return model


def given():
    return nn.Linear(3, 4), torch.zeros(5, 7, 3)


class Digamma(nn.Module):
    def __init__(self):
        super().__init__()
        self.inside = nn.Linear(3, 4)

    def forward(self, x):
        return torch.digamma(self.inside(x))


class Named(Digamma):
    def forward(self, x):
        print("forward")
        return {"logits": self.inside(x), "more": [x]}


def wrong():
    return nn.Linear(3, 4), torch.zeros(5, 7)


class Numbers(Digamma):
    def forward(self, x):
        return self.inside(x).detach()


class Strange(Digamma):
    def forward(self, x, y):
        return x
'''
ONE = """\
import torch
from torch.nn import functional as F


class One(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.inside = torch.nn.Linear(8, 8)

    def forward(self, x):
        x = self.inside(x)
        return {expression}
"""
RECIPE = """\
title = "Heaps"
loss = "quadratic"

[data]
table = "points.csv"

[model]
{model}

[optimizer]
name = "{optimizer}"
learning_rate = 0.3

[training]
epochs = 4
batch_size = 7
dtype = "{dtype}"
"""
MLP = 'sizes = [20, 30, 10]\nactivation = "relu"\noutput = "softmax"\ndropout = 0.5'
CNN = 'kind = "cnn"\nchannels = [3, 4]\nhidden = [12]\nactivation = "sigmoid"'


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Threads of PyTorch that wait for work keep a busy machine busier."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(autouse=True)
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("mine.py").write_text(MODULES, "utf-8")


def measured(name: str, **options: int) -> Measurement:
    return measure(f"mine.py::{name}", **({"batch": 4, "context": 12} | options))


def refused(text: str, **options: object) -> str:
    with pytest.raises(InputError) as error:
        measure(text, **options)  # type: ignore[arg-type]
    assert "\n" not in str(error.value)
    return str(error.value)


@pytest.mark.parametrize(
    ("name", "inputs"),
    [
        ("Named", "4×3"),
        ("mlp", "4×784"),
        ("LeNet", "4×1×28×28"),
        ("lstm", "4×12×24"),
        ("gru", "12×4×24"),
        ("block", "4×12×64"),
        ("Block", "4×12×64"),
        ("GPT", "4×12"),
        ("normed", "4×3×28×28"),
        ("frozen", "4×784"),
        ("given", "5×7×3"),
    ],
)
def test_prediction_and_measurement_agree_term_by_term(name: str, inputs: str) -> None:
    step = measured(name)
    assert step.inputs == inputs
    assert step.activation_bytes.measured > 0
    for term in step.activations:
        assert term.difference == pytest.approx(0, abs=0.05), term
    for term in (step.weights, step.gradients, step.optimizer):
        assert term.predicted == term.measured, term
    guessed = f"the input {inputs} is a guess from the first layer"
    assert step.notes == (() if name == "given" else (guessed,))


@pytest.mark.parametrize(
    "expression",
    [
        "F.elu(x)",
        "F.gelu(x, approximate='tanh')",
        "F.glu(x)",
        "F.logsigmoid(x)",
        "F.dropout(x, 0.3)",
        "F.normalize(x, dim=-1)",
        "F.cross_entropy(x, torch.zeros(4, dtype=torch.long))",
        "F.binary_cross_entropy_with_logits(x, torch.ones(4, 8))",
        "x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + 1e-6)",
        "(x @ x.T).masked_fill(torch.ones(4, 4, dtype=torch.bool).triu(1), -1e9).softmax(-1) @ x",
        "torch.einsum('bi,bj->bij', x, x)",
        "x / (x.abs() + 1)",
        "torch.maximum(x, 2 * x)",
        "torch.where(x > 0, x, 2 * x)",
        "x.gather(1, torch.zeros(4, 2, dtype=torch.long))",
        "x[torch.tensor([0, 1, 1])]",
        "x.topk(3).values",
        "x.std(-1)",
        "x.logsumexp(-1)",
        "x.clamp(-1, 1).mul_(x)",
    ],
)
def test_rules_of_single_operations(expression: str) -> None:
    Path("one.py").write_text(ONE.format(expression=expression), "utf-8")
    step = measure("one.py::One", batch=4)
    assert step.activation_bytes.measured > 0
    for term in step.activations:
        assert term.difference == pytest.approx(0, abs=0.05), term
    assert step.notes == ("the input 4×8 is a guess from the first layer",)


def test_an_mlp_by_hand() -> None:
    step = measured("mlp")
    # Each Linear keeps its input; the sigmoid keeps its output, which is the second one's input.
    assert step.activations == (
        Term("0", 4 * 784 * 4, 4 * 784 * 4),
        Term("1", 4 * 100 * 4, 4 * 100 * 4),
    )
    assert [term.what for term in step.activations] == ["addmm", "sigmoid"]
    weights = 4 * (784 * 100 + 100 + 100 * 10 + 10)
    assert step.weights == Term("weights", weights, weights)
    # Two moments of each parameter, and a counter of steps for each of four tensors.
    assert step.optimizer == Term("adamw", 2 * weights + 4 * 4, 2 * weights + 4 * 4)


def test_what_is_frozen_has_no_gradient_and_its_input_is_not_kept() -> None:
    step = measured("frozen")
    assert step.gradients.measured == 4 * (100 * 10 + 10)
    assert [term.name for term in step.activations] == ["2"]


@pytest.mark.parametrize(("optimizer", "factor"), [("sgd", 0), ("momentum", 1)])
def test_other_optimizers(optimizer: str, factor: int) -> None:
    step = measure("mine.py::mlp", batch=2, optimizer=optimizer)
    assert step.optimizer.predicted == step.optimizer.measured == factor * step.weights.measured


def test_what_a_module_prints_is_not_in_the_answer(capsys: pytest.CaptureFixture[str]) -> None:
    measured("Named")
    assert capsys.readouterr().out == ""


def test_an_operation_without_a_rule_is_named() -> None:
    step = measured("Digamma")
    assert step.notes[-1] == "byhand has no rule for digamma: not in the prediction"
    assert step.activation_bytes.measured > step.activation_bytes.predicted


@pytest.mark.parametrize(
    "sizes", [(2, 3, 5, 7), (3, 2, 256, 8), (1, 4, 8, 64), (4, 3, 100, 128), (3, 5, 31, 270)]
)
def test_the_workspace_of_an_lstm(sizes: tuple[int, int, int, int]) -> None:
    steps, batch, inputs, hidden = sizes
    kept: list[int] = []

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        if tensor.dtype == torch.uint8:
            kept.append(tensor.numel())
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        nn.LSTM(inputs, hidden)(torch.zeros(steps, batch, inputs))
    # Without oneDNN the LSTM is made of products and functions, which have rules of their own.
    assert kept in ([lstm_workspace(steps, batch, inputs, hidden)], [])


@pytest.mark.parametrize(
    ("model", "inputs"), [(MLP, "16×20"), (CNN, "16×1×28×28")], ids=["mlp", "cnn"]
)
@pytest.mark.parametrize(
    ("optimizer", "dtype", "states"), [("sgd", "float32", 0), ("adam", "float64", 2)]
)
def test_one_of_our_runs(model: str, inputs: str, optimizer: str, dtype: str, states: int) -> None:
    folder = Path("runs/heaps")
    folder.mkdir(parents=True)
    recipe = RECIPE.format(model=model, optimizer=optimizer, dtype=dtype)
    (folder / "config.toml").write_text(recipe, "utf-8")
    step = measure("heaps", batch=16)
    assert step == measure("runs/heaps", batch=16)
    assert step.inputs == inputs
    assert step.activation_bytes.measured > 0
    for term in (*step.activations, step.weights, step.gradients, step.optimizer):
        assert term.predicted == term.measured, term
    assert step.optimizer.measured == states * step.weights.measured
    assert step.notes == ()


def test_a_run_on_a_text_is_refused() -> None:
    folder = Path("runs/tale")
    folder.mkdir(parents=True)
    recipe = RECIPE.format(model='kind = "char_rnn"', optimizer="sgd", dtype="float32")
    (folder / "config.toml").write_text(recipe, "utf-8")
    with pytest.raises(InputError) as error:
        measure("tale", batch=16)
    assert str(error.value) == (
        "run tale reads a text: measured are networks of numbers and images, recipes of kind mlp "
        "and cnn"
    )


@pytest.mark.parametrize(
    ("predicted", "measured", "difference"),
    [(105, 100, 0.05), (0, 0, 0.0), (1, 0, float("inf")), (0, 2, -1.0)],
)
def test_differences(predicted: int, measured: int, difference: float) -> None:
    assert Term("x", predicted, measured).difference == pytest.approx(difference)


@pytest.mark.parametrize(
    ("text", "options", "message"),
    [
        ("mine.py::mlp", {"batch": 0}, "batch and context are at least 1; found 0 and 128"),
        ("mine.py::lstm", {"context": -2}, "batch and context are at least 1; found 32 and -2"),
        (
            "mine.py::mlp",
            {"optimizer": "adamv"},
            "unknown optimizer 'adamv'; did you mean adam?",
        ),
        (
            "llama-2-7b",
            {},
            "llama-2-7b is neither a PyTorch module, written FILE.py::NAME or "
            "package.module:NAME, nor a run; byhand runs lists the runs there are",
        ),
        (
            "mine.py::wrong",
            {},
            "mine.py::wrong: RuntimeError: a and b must have same reduction dim, but got [5, 7] X "
            "[3, 4].; correct it",
        ),
        (
            "mine.py::Numbers",
            {},
            "mine.py::Numbers: its output needs no gradient; give a module that can be trained",
        ),
        (
            "mine.py::Strange",
            {},
            "mine.py::Strange: no input fits that byhand can guess (Strange.forward() missing 1 "
            "required positional argument: 'y'); let NAME be a function that returns "
            "(module, input)",
        ),
    ],
)
def test_bad_input_is_one_line(text: str, options: dict[str, object], message: str) -> None:
    assert refused(text, **options) == message
