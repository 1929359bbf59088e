"""The engine without Python: its own tests, and the example that trains on MNIST."""

from __future__ import annotations

import os
import re
import shutil
import signal
import struct
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from safetensors.numpy import load_file

from byhand import engines
from byhand.data import Dataset
from byhand.losses import SoftmaxCrossEntropy
from byhand.models import mlp
from byhand.optimizers import SGD

NATIVE = Path(__file__).parents[2] / "native"
COMPILER = any(shutil.which(name) for name in ("c++", "g++", "clang++"))
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not (COMPILER and shutil.which("cmake") and os.name == "posix"),
        reason="no CMake or no C++ compiler",
    ),
]

TRAIN, TEST = 10_000, 2_000  # examples
FILES = ("images-idx3-ubyte", "labels-idx1-ubyte")


def succeed(*command: object) -> str:
    """Run a command that does not know of the make it may be a part of; what it prints."""
    make = {"MAKEFLAGS", "MAKELEVEL", "MFLAGS"}
    environment = {name: value for name, value in os.environ.items() if name not in make}
    done = subprocess.run(
        [str(part) for part in command],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        env=environment | {"LC_ALL": "C"},
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


def build(folder: Path, targets: list[str], *options: str) -> Path:
    python = f"-DPython_EXECUTABLE={sys.executable}"
    succeed("cmake", "-S", NATIVE, "-B", folder, python, "-DBYHAND_TESTS=ON", *options)
    jobs = str(os.cpu_count() or 1)
    succeed("cmake", "--build", folder, "--parallel", jobs, "--target", *targets)
    return folder


def write_idx(path: Path, values: NDArray[np.uint8]) -> None:
    sizes = struct.pack(f">{values.ndim}I", *values.shape)
    path.write_bytes(bytes([0, 0, 8, values.ndim]) + sizes + values.tobytes())


@pytest.fixture(scope="module")
def released(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The example as a user builds it, and the one test that needs the system's own malloc."""
    return build(tmp_path_factory.mktemp("released"), ["mnist", "test_allocation"])


@pytest.fixture(scope="module")
def idx(mnist: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A part of MNIST in its own format."""
    folder = tmp_path_factory.mktemp("idx")
    for part, split in (("train", mnist.train.first(TRAIN)), ("t10k", mnist.test.first(TEST))):
        pixels = np.rint(split.inputs[:, 0] * 255).astype(np.uint8)
        write_idx(folder / f"{part}-{FILES[0]}", pixels)
        write_idx(folder / f"{part}-{FILES[1]}", split.targets.astype(np.uint8))
    return folder


@pytest.fixture
def few(tmp_path: Path) -> Path:
    """Four well-formed files with three pictures each, to be spoiled."""
    folder = tmp_path / "few"
    folder.mkdir()
    for part in ("train", "t10k"):
        write_idx(folder / f"{part}-{FILES[0]}", np.zeros((3, 28, 28), np.uint8))
        write_idx(folder / f"{part}-{FILES[1]}", np.array([4, 0, 9], np.uint8))
    return folder


def example(released: Path, folder: Path, *words: object) -> subprocess.CompletedProcess[str]:
    """Run the example in this folder, where it writes its file."""
    command = [str(released / "mnist"), *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=folder)


# Not the one that counts calls of malloc: the sanitizers bring a malloc of their own.
SANITIZED = sorted({path.stem for path in NATIVE.glob("tests/test_*.cpp")} - {"test_allocation"})


def test_there_are_tests_in_cpp() -> None:
    assert {"test_layers", "test_recurrent"} <= set(SANITIZED)


@pytest.mark.parametrize("name", SANITIZED)
def test_the_engine_under_the_sanitizers(name: str, tmp_path: Path) -> None:
    build(tmp_path, [name], "-DBYHAND_SANITIZE=ON")
    printed = succeed("ctest", "--test-dir", tmp_path, "--output-on-failure", "-R", f"^{name}$")
    assert "100% tests passed, 0 tests failed out of 1" in printed


def test_training_allocates_nothing(released: Path) -> None:
    succeed("ctest", "--test-dir", released, "--output-on-failure", "-R", "^test_allocation$")


def test_the_example_learns_and_its_file_gives_numpy_the_same_network(
    released: Path, idx: Path, mnist: Dataset, tmp_path: Path
) -> None:
    done = example(released, tmp_path, idx, "--epochs", 1, "--seed", 7)
    assert (done.returncode, done.stderr) == (0, "")
    printed, written = done.stdout.splitlines()
    line = re.fullmatch(
        r"epoch 1: loss (\d\.\d{4}), test accuracy (\d\d\.\d\d) %, \d+\.\d microseconds per step",
        printed,
    )
    assert line is not None, printed
    assert float(line[2]) > 85
    assert written == "the parameters are in mnist.safetensors"
    assert [path.name for path in tmp_path.iterdir()] == ["mnist.safetensors"]

    model = mlp([784, 100, 10]).initialize(0, np.float32)
    model.set_parameters(load_file(tmp_path / "mnist.safetensors"))
    program = engines.compile(model, SoftmaxCrossEntropy(), SGD(0.5), engine="numpy")
    test = mnist.test.first(TEST)
    accuracy = program.evaluate(test.inputs, test.targets).accuracy
    assert accuracy is not None
    assert f"{100 * accuracy:.2f}" == line[2]


def test_a_seed_is_a_run(released: Path, idx: Path, tmp_path: Path) -> None:
    def epoch(seed: int) -> tuple[str, bytes]:
        done = example(released, tmp_path, idx, "--epochs", 1, "--seed", seed)
        return done.stdout.partition(" %")[0], (tmp_path / "mnist.safetensors").read_bytes()

    assert epoch(1) == epoch(1)
    assert epoch(1) != epoch(2)


def test_ctrl_c_stops_and_keeps_what_was_learned(released: Path, idx: Path, tmp_path: Path) -> None:
    command = [str(released / "mnist"), str(idx), "--epochs", "1000000"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=tmp_path) as process:
        assert process.stdout is not None
        assert process.stdout.readline().startswith("epoch 1: loss ")
        process.send_signal(signal.SIGINT)
        printed = process.stdout.read()
    assert process.returncode == 130
    stopped = re.search(r"^interrupted after step (\d+)$", printed, re.MULTILINE)
    assert stopped is not None, printed
    assert int(stopped[1]) >= TRAIN // 10
    assert printed.endswith("the parameters are in mnist.safetensors\n")
    assert load_file(tmp_path / "mnist.safetensors")["output.b"].shape == (10,)


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


def lengthen(path: Path) -> None:
    path.write_bytes(path.read_bytes() + b"\0")


def claim_too_much(path: Path) -> None:
    path.write_bytes(struct.pack(">4I", 2051, 2**32 - 1, 2**32 - 1, 2**32 - 1) + bytes(2352))


def give_more_labels(path: Path) -> None:
    write_idx(path, np.zeros(4, np.uint8))


SPOILED: dict[str, tuple[str, Callable[[Path], object], str]] = {
    "missing": (
        "t10k-labels-idx1-ubyte",
        Path.unlink,
        "{} is expected, and there is no such file to read: give the folder that holds the four "
        "files of MNIST, unpacked",
    ),
    "packed": (
        "train-images-idx3-ubyte",
        lambda path: path.write_bytes(b"\x1f\x8b\x08\x08" + bytes(2000)),
        "{} is expected to start with the magic number 2051, found 529205256: unpack the file if "
        "it ends in .gz, or download it again",
    ),
    "empty": (
        "train-labels-idx1-ubyte",
        lambda path: path.write_bytes(b""),
        "{} is expected to start with the magic number 2049, found 0 bytes: unpack the file if it "
        "ends in .gz, or download it again",
    ),
    "truncated": (
        "t10k-images-idx3-ubyte",
        cut,
        "{} is expected to hold 3 x 28 x 28 bytes after its header, found 2351: download it again",
    ),
    "too long": (
        "train-labels-idx1-ubyte",
        lengthen,
        "{} is expected to hold 3 bytes after its header, found 4: download it again",
    ),
    "sizes of 2**96 bytes": (
        "train-images-idx3-ubyte",
        claim_too_much,
        "{} is expected to hold 4294967295 x 4294967295 x 4294967295 bytes after its header, "
        "found 2352: download it again",
    ),
    "other pictures": (
        "train-images-idx3-ubyte",
        lambda path: write_idx(path, np.zeros((3, 20, 30), np.uint8)),
        "{} is expected to hold pictures of 28 x 28, found 3 of 20 x 30: give the files of MNIST",
    ),
    "no pictures": (
        "t10k-images-idx3-ubyte",
        lambda path: write_idx(path, np.zeros((0, 28, 28), np.uint8)),
        "{} is expected to hold pictures of 28 x 28, found 0 of 28 x 28: give the files of MNIST",
    ),
    "more labels than pictures": (
        "t10k-labels-idx1-ubyte",
        give_more_labels,
        "{} is expected to hold 3 labels, found 4: take both files from the same place",
    ),
    "a label that is no digit": (
        "train-labels-idx1-ubyte",
        lambda path: write_idx(path, np.array([1, 10, 2], np.uint8)),
        "{} is expected to hold labels from 0 to 9, found 10: download it again",
    ),
}


@pytest.mark.parametrize(("name", "spoil", "message"), SPOILED.values(), ids=SPOILED)
def test_a_file_that_is_not_mnist_is_refused_in_one_line(
    released: Path, few: Path, name: str, spoil: Callable[[Path], object], message: str
) -> None:
    spoil(few / name)
    done = example(released, few, few)
    assert done.stderr == f"error: {message.format(few / name)}\n"
    assert (done.returncode, done.stdout) == (2, "")
    assert not (few / "mnist.safetensors").exists()


OPTIONS = "expected one folder and the options --epochs and --seed, found"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (
            [],
            "expected a folder with the four files of MNIST, found none: give it as in "
            "mnist FOLDER --epochs 3 --seed 0",
        ),
        (["a", "b"], f"{OPTIONS} b: leave it out"),
        (["a", "--batch", "5"], f"{OPTIONS} --batch: leave it out"),
        (["a", "--epochs"], "--epochs needs a whole number such as --epochs 3, found nothing"),
        (["a", "--epochs", "3.5"], "--epochs needs a whole number such as --epochs 3, found 3.5"),
        (["a", "--seed", "-1"], "--seed needs a whole number such as --seed 3, found -1"),
    ],
)
def test_wrong_options(released: Path, tmp_path: Path, words: list[str], message: str) -> None:
    done = example(released, tmp_path, *words)
    assert (done.returncode, done.stdout, done.stderr) == (2, "", f"error: {message}\n")


def test_a_file_that_cannot_be_written(released: Path, few: Path) -> None:
    (few / "mnist.safetensors.part").mkdir()
    done = example(released, few, few, "--epochs", 1)
    assert done.returncode == 1
    assert done.stderr == (
        "error: mnist.safetensors could not be written: is the disk full, or the folder "
        "read-only?\n"
    )
    assert not (few / "mnist.safetensors").exists()
