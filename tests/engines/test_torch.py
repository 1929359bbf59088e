"""What only the PyTorch engine has: devices, its options, the names that a module must not have."""

from __future__ import annotations

import subprocess
import sys
from itertools import permutations
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from byhand import engines
from byhand.engines import Program
from byhand.engines.torch.device import choose
from byhand.engines.torch.program import TorchProgram
from byhand.errors import InputError
from byhand.layers import BatchNorm, Dense, Dropout, Layer, ReLU, Sequential, Tanh
from byhand.losses import QuadraticCost, SoftmaxCrossEntropy
from byhand.models import mlp
from byhand.optimizers import SGD, Adam, Momentum, Optimizer
from byhand.storage import read_tensors, write_tensors

RNG = np.random.default_rng(0)
X, T = RNG.standard_normal((24, 6)), RNG.integers(0, 3, 24)


def program(
    model: Sequential | None = None,
    dtype: Any = np.float32,
    optimizer: Optimizer | None = None,
    engine: str = "torch",
    **options: Any,
) -> Any:
    model = (model or mlp([6, 5, 3], activation="tanh")).initialize(1, dtype)
    optimizer = optimizer or SGD(0.1)
    return engines.compile(model, SoftmaxCrossEntropy(), optimizer, engine=engine, **options)


def epoch(p: Program, batch: int = 8) -> Any:
    return p.train(X, T, np.arange(len(X)), batch, 0, [0.1] * (len(X) // batch))


def refusal(call: Any, *arguments: Any, **options: Any) -> str:
    with pytest.raises(InputError) as caught:
        call(*arguments, **options)
    message = str(caught.value)
    assert "\n" not in message
    return message


# The module


def test_the_description_is_a_module_whose_parameters_have_the_models_names() -> None:
    model = Sequential(Dense(6, 4), BatchNorm(4), ReLU(), Dense(4, 3)).initialize(0)
    p = program(model, np.float64)
    assert isinstance(p.network, torch.nn.Module)
    state = p.network.state_dict()
    assert {name: tuple(w.shape) for name, w in state.items()} == {
        name: w.shape for name, w in model.parameters.items()
    }
    buffers = {name for name, _ in p.network.named_buffers()}
    assert buffers == {"batchnorm1.running_mean", "batchnorm1.running_variance"}
    assert str(p.network).splitlines()[1] == "  (dense1): Twin()"


def test_a_layer_of_somebodys_own_has_no_twin() -> None:
    class Dense(Layer):
        pass

    assert refusal(program, Sequential(mlp([6, 3]), Dense())) == (
        "the layer Dense has no twin in PyTorch, which has AveragePool2D, BatchNorm, "
        "Convolution2D, Dense, Dropout, Embedding, GELU, Flatten, GlobalAveragePool2D, LastStep, "
        "LayerNorm, MaxPool2D, OneHot, Projection, RMSNorm, ReLU, SiLU, Sigmoid, Softmax, SwiGLU, "
        "Tanh, LearnedPositions, SelfAttention, SinusoidalPositions, Bidirectional, GRU, LSTM, "
        "RNN, AdditiveAttention, CrossAttention, DotAttention, GeneralAttention, Summary; add it "
        "to TWINS in src/byhand/engines/torch/layers.py, or use engine numpy"
    )


def test_a_loss_of_somebodys_own_has_no_twin() -> None:
    class Half(QuadraticCost):
        pass

    model = mlp([6, 3]).initialize(0)
    assert refusal(engines.compile, model, Half(), SGD(0.1), engine="torch") == (
        "the loss Half has no twin in PyTorch, which has QuadraticCost, SoftmaxCrossEntropy, "
        "CrossEntropy, BinaryCrossEntropyWithLogits; add it to LOSSES in "
        "src/byhand/engines/torch/losses.py, or use engine numpy"
    )


@pytest.mark.parametrize("name", ["train", "forward"])
def test_a_name_that_a_module_has_itself(name: str) -> None:
    assert refusal(program, Sequential(Dense(6, 3, name=name))) == (
        f'Dense "{name}": a PyTorch module has an attribute of its own that is named {name}; '
        f"give the layer another name, or use engine numpy"
    )


# Running statistics


def test_gradients_and_a_loss_that_is_not_finite_leave_the_running_statistics() -> None:
    p = program(Sequential(BatchNorm(6), Dense(6, 3)), np.float64)
    before = p.parameters()
    p.gradients(X, T, 0)
    np.testing.assert_equal(p.parameters(), before)
    bad = X.copy()
    bad[0, 0] = np.inf
    losses = p.train(bad, T, np.arange(24), 8, 0, [0.1] * 3)
    assert len(losses) == 1
    assert not np.isfinite(losses[0])
    np.testing.assert_equal(p.parameters(), before)
    epoch(p)
    assert not np.array_equal(p.parameters()["batchnorm1.running_mean"], np.zeros(6))


def test_a_batch_of_one_example_is_refused_in_the_layers_words() -> None:
    p = program(Sequential(BatchNorm(6), Dense(6, 3)), np.float64)
    assert refusal(p.train, X[:1], T[:1], np.arange(1), 1, 0, [0.1]) == (
        'BatchNorm "batchnorm1": in training each feature needs two values or more, found x of '
        "shape (1, 6); use a larger batch, or leave a last one of one example out"
    )


# Devices


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Any:
    """A machine on which PyTorch finds these devices."""

    def having(*devices: str) -> None:
        monkeypatch.setattr(torch.cuda, "is_available", lambda: "cuda" in devices)
        monkeypatch.setattr(torch.backends.mps, "is_available", lambda: "mps" in devices)

    return having


@pytest.mark.parametrize(
    ("there", "float32", "float64"),
    [((), "cpu", "cpu"), (("cuda",), "cuda", "cuda"), (("mps",), "mps", "cpu")],
)
def test_auto_is_the_fastest_that_has_the_dtype(
    machine: Any, there: tuple[str, ...], float32: str, float64: str
) -> None:
    machine(*there)
    assert choose("auto", "float32").type == float32
    assert choose("auto", "float64").type == float64
    assert choose("cpu", "float32").type == "cpu"
    for name in there:
        assert choose(name, "float32").type == name


def test_a_device_that_is_not_there(machine: Any) -> None:
    machine("mps")
    assert refusal(program, device="cuda") == (
        f"device cuda: PyTorch {torch.__version__} finds none on this machine, it finds mps, cpu; "
        "use one of these, or auto"
    )
    assert refusal(program, dtype=np.float64, device="mps") == (
        "device mps has no float64: train in float32 (training.dtype), or use device cpu"
    )


def test_a_device_that_nobody_knows() -> None:
    assert refusal(program, device="gpu") == "device is one of auto, cpu, cuda, mps; found 'gpu'"


@pytest.mark.parametrize("options", [{"device": "cpu"}, {"compile": True}, {"amp": True}])
@pytest.mark.parametrize("engine", ["numpy", "native"])
def test_options_of_another_engine(engine: str, options: dict[str, Any]) -> None:
    assert refusal(program, engine=engine, **options) == (
        f"only engine torch takes device, compile and amp, the engine is {engine}; "
        "choose torch, or leave them out"
    )


# Options


def test_amp_computes_in_bfloat16_and_keeps_float32() -> None:
    exact, rough = program(), program(amp=True)
    _, expected = exact.gradients(X, T)
    _, found = rough.gradients(X, T)
    for name, gradient in found.items():
        assert gradient.dtype == np.float32
        off = np.linalg.norm(gradient - expected[name]) / np.linalg.norm(expected[name])
        assert 2**-20 < off < 2**-5, "eight bits of a product are kept, not 24 and not none"
    before = rough.evaluate(X, T).loss
    for _ in range(30):
        epoch(rough)
    assert rough.evaluate(X, T).loss < before - 0.1
    arrays = (*rough.parameters().values(), rough.predict(X), *rough.activations(X).values())
    assert {a.dtype for a in arrays} == {np.dtype(np.float32)}


def test_amp_is_not_for_float64() -> None:
    assert refusal(program, dtype=np.float64, amp=True) == (
        "amp computes in bfloat16, which the model's float64 was not chosen for: "
        "train in float32 (training.dtype), or leave amp out"
    )


def test_amp_is_not_for_a_gpu_without_bfloat16(
    machine: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine("cuda")
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda: False)
    assert refusal(program, device="cuda", amp=True) == (
        "amp computes in bfloat16, which this GPU does not: leave amp out"
    )


def test_as_many_threads_as_asked_for_and_afterwards_as_before() -> None:
    before = torch.get_num_threads()
    seen = []

    def note(module: Any, given: Any, output: Any) -> None:
        seen.append(torch.get_num_threads())

    large = mlp([600, 2000, 3]).initialize(0, np.float32)
    p = engines.compile(large, SoftmaxCrossEntropy(), SGD(0.1), engine="torch", threads=3)
    assert isinstance(p, TorchProgram)
    p.network.register_forward_hook(note)
    x, t = np.zeros((24, 600), np.float32), T
    p.gradients(x, t)
    p.gradients(x[:2], t[:2])
    assert seen == [3, 1], "a small product is not worth a second thread"
    assert torch.get_num_threads() == before


# What torch.compile loads decorates functions with what PyTorch has deprecated.
compiles = pytest.mark.filterwarnings("ignore:.torch.jit:DeprecationWarning")


@compiles
@pytest.mark.slow
def test_what_torch_compile_makes_computes_the_same() -> None:
    model = Sequential(Dense(6, 5), Tanh(), BatchNorm(5), Dropout(0.2), Dense(5, 3))
    eager, compiled = (program(model, np.float64, compile=chosen) for chosen in (False, True))
    expected, found = epoch(eager, 12), epoch(compiled, 12)
    np.testing.assert_allclose(found, expected, rtol=1e-10)
    for name, w in compiled.parameters().items():
        np.testing.assert_allclose(w, eager.parameters()[name], rtol=1e-9, atol=1e-12)


@compiles
@pytest.mark.slow
def test_without_a_compiler_compile_is_refused() -> None:
    from torch._inductor import config

    with config.patch({"force_disable_caches": True, "cpp.cxx": ("no-such-compiler",)}):
        model = Sequential(Dense(6, 7), ReLU(), Dense(7, 3))
        message = refusal(epoch, program(model, compile=True))
    assert message.startswith("torch.compile cannot compile this model here: ")
    assert message.endswith(
        "; it needs a C++ compiler (g++ or clang++) on the PATH; without compile the model trains "
        "as well"
    )


# Without PyTorch


def test_without_pytorch_its_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    expected = (
        "the torch engine needs PyTorch: pip install 'byhand[torch]'; engine numpy runs without"
    )
    assert engines.available("torch") == expected
    assert refusal(program) == expected


def test_a_pytorch_that_is_broken_is_told_from_one_that_is_missing(tmp_path: Path) -> None:
    (tmp_path / "torch.py").write_text("raise OSError('libtorch.so: file too short')")
    code = "from byhand import engines; print(engines.available('torch'))"
    answer = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=tmp_path
    )
    assert answer.stdout == (
        "PyTorch cannot be loaded: libtorch.so: file too short; "
        "install it again, or use engine numpy\n"
    )


# Files


@pytest.mark.parametrize("dtype", [np.float32, np.float64], ids=lambda d: d.__name__)
@pytest.mark.parametrize("first", engines.ENGINES)
def test_a_file_of_one_engine_is_read_by_the_others(tmp_path: Path, first: str, dtype: Any) -> None:
    path = tmp_path / "model.safetensors"
    trained = program(dtype=dtype, engine=first)
    epoch(trained)
    write_tensors(path, trained.parameters())
    for other in engines.ENGINES:
        reader = program(dtype=dtype, engine=other)
        tolerance = 1e-6 if dtype == np.float32 else 1e-12
        assert not np.allclose(reader.predict(X), trained.predict(X), rtol=tolerance)
        reader.set_parameters(read_tensors(path)[0])
        np.testing.assert_equal(reader.parameters(), trained.parameters())
        np.testing.assert_allclose(reader.predict(X), trained.predict(X), rtol=tolerance)


@pytest.mark.parametrize("kind", [Momentum, Adam])
@pytest.mark.parametrize(("first", "then"), list(permutations(engines.ENGINES, 2)))
def test_a_state_of_one_engine_is_gone_on_with_by_another(
    first: str, then: str, kind: type[Optimizer]
) -> None:
    def fresh(engine: str) -> Program:
        made: Program = program(dtype=np.float64, optimizer=kind(0.1), engine=engine)
        return made

    whole, begun, goes_on = fresh(first), fresh(first), fresh(then)
    order, rates = np.arange(24), [0.1] * 3
    whole.train(X, T, order, 4, 0, rates * 2)
    begun.train(X, T, order[:12], 4, 0, rates)
    goes_on.set_parameters(begun.parameters())
    goes_on.set_optimizer_state(begun.optimizer_state())
    goes_on.train(X, T, order[12:], 4, 3, rates)
    for name, w in goes_on.parameters().items():
        np.testing.assert_allclose(w, whole.parameters()[name], rtol=1e-9, atol=1e-11)
