"""Runs to look at: three kinds of small images, the same as plain numbers, regression, and a run
that was never trained."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from byhand.data import Dataset
from byhand.training import Run, load_data, read_recipe, trainer_for
from byhand.views import Subject

RECIPE = """
title = "Bars, dots and frames"
loss = "{loss}"

[data]
{data}

[model]
{model}

[optimizer]
name = "sgd"
learning_rate = 0.2

[training]
epochs = 2
batch_size = 4
"""
EXAMPLES = 600


def noisy_shapes() -> tuple[np.ndarray, np.ndarray]:
    """Three 5 x 5 patterns under so much noise that some cannot be told apart."""
    patterns = np.zeros((3, 1, 5, 5))
    patterns[0, :, :, 2] = 1
    patterns[1, :, 2, 2] = 1
    patterns[2, :, [0, 4], :] = 1
    random = np.random.default_rng(0)
    labels = np.arange(EXAMPLES) % 3
    images = 0.4 * patterns[labels] + 0.6 * random.random((EXAMPLES, 1, 5, 5))
    return images.astype(np.float32), labels


def trained(root: Path, name: str, data: str, model: str, loss: str, *changes: str) -> Run:
    path = root / f"{name}.toml"
    path.write_text(RECIPE.format(loss=loss, data=data, model=model), "utf-8")
    run = Run.create(read_recipe(path, changes), name, root / "runs")
    trainer_for(run.recipe, run).fit()
    return run


def letters_reversed(root: Path, name: str, model: str) -> Subject:
    """A run on pairs, three steps long."""
    data = 'task = "reverse"\nlongest = 5\nvocabulary = 4'
    short = ("training.epochs=1", "training.steps_per_epoch=3")
    return Subject(trained(root, name, data, model, "softmax_cross_entropy", *short))


@pytest.fixture(scope="session")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("views")
    images, labels = noisy_shapes()
    np.savez(
        folder / "shapes.npz", inputs=images, targets=np.array(["bar", "dot", "frame"])[labels]
    )
    flat = images.reshape(EXAMPLES, 25)
    np.savez(folder / "numbers.npz", inputs=flat, targets=(labels == 1).astype(np.int64))
    np.savez(folder / "values.npz", inputs=images, targets=flat[:, :1])
    easy = np.repeat([[[[0.0, 1.0]]], [[[1.0, 0.0]]]], 100, axis=0)
    np.savez(folder / "easy.npz", inputs=easy, targets=np.repeat([0, 1], 100))
    return folder


@pytest.fixture(scope="session")
def run(root: Path) -> Run:
    """Images of three classes."""
    return trained(
        root,
        "shapes",
        f'table = "{root}/shapes.npz"',
        "sizes = [25, 7, 3]",
        "softmax_cross_entropy",
    )


CNN = """
kind = "cnn"
image = [1, 5, 5]
channels = [4]
kernel = 2
hidden = [6]
outputs = 3
"""


@pytest.fixture(scope="session")
def cnn_run(root: Path) -> Run:
    """The same images, read by a convolutional network."""
    data = f'table = "{root}/shapes.npz"'
    return trained(root, "convolutional", data, CNN, "softmax_cross_entropy")


@pytest.fixture(scope="session")
def cnn(cnn_run: Run) -> Subject:
    return Subject(cnn_run)


@pytest.fixture(scope="session")
def subject(run: Run) -> Subject:
    return Subject(run)


@pytest.fixture(scope="session")
def dataset(run: Run) -> Dataset:
    return load_data(run.recipe.data)


@pytest.fixture(scope="session")
def numbers(root: Path) -> Run:
    """Plain numbers, two classes and a single output."""
    data = f'table = "{root}/numbers.npz"'
    return trained(root, "numbers", data, "sizes = [25, 1]", "binary_cross_entropy_with_logits")


@pytest.fixture(scope="session")
def values(root: Path) -> Run:
    """Images with a value to predict."""
    return trained(root, "values", f'table = "{root}/values.npz"', "sizes = [25, 1]", "quadratic")


@pytest.fixture(scope="session")
def easy(root: Path) -> Run:
    """Images that are all answered right."""
    data = f'table = "{root}/easy.npz"'
    return trained(root, "easy", data, "sizes = [2, 2]", "softmax_cross_entropy")


LINES = """\
ANNA:
  I saw a cat (a small one),
  and "that is mine" said she.

BERT:
  No "it is not" said I, and
  went home (to eat).

"""
CHAR_RNN = 'kind = "char_rnn"\ncell = "{cell}"\nhidden = [6, 5]'


def reader(root: Path, cell: str) -> Run:
    """A run that has read a text."""
    (root / "lines.txt").write_text(LINES * 60, "utf-8")
    data = f'text = "{root}/lines.txt"\nsteps = 16'
    loss = "softmax_cross_entropy"
    return trained(
        root, f"text-{cell}", data, CHAR_RNN.format(cell=cell), loss, "training.keep_epochs=true"
    )


@pytest.fixture(scope="session")
def text_run(root: Path) -> Run:
    """A text, read by an LSTM; the run kept the parameters of every epoch."""
    return reader(root, "lstm")


@pytest.fixture(scope="session")
def text(text_run: Run) -> Subject:
    return Subject(text_run)


@pytest.fixture(scope="session")
def plain_rnn(root: Path) -> Run:
    """A text, read by layers without gates."""
    return reader(root, "rnn")


@pytest.fixture
def untrained(run: Run, tmp_path: Path) -> Run:
    """A run that was stopped before its first step."""
    return Run.create(run.recipe, "untrained", tmp_path)
