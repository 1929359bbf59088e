"""Training on pairs of sentences: nats per token, and nothing of the padding in anything."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from byhand import engines
from byhand.data import Dataset, Split, Words, task
from byhand.data.languages import size
from byhand.engines import Program
from byhand.errors import InputError
from byhand.layers import (
    PADDING,
    CrossAttention,
    Dense,
    Embedding,
    Encoder,
    LayerNorm,
    Residual,
    SelfAttention,
    Sequential,
    SinusoidalPositions,
)
from byhand.losses import SoftmaxCrossEntropy
from byhand.optimizers import Adam
from byhand.training import Recipe, Run, Trainer, read_recipe, trainer_for
from byhand.training.order import order_of_epoch
from byhand.training.session import data_of
from byhand.training.texts import frequency_loss

from .tiny import Ear, assert_same, go_on, history, start

RECIPE = """\
title = "Letters, the other way round"
loss = "softmax_cross_entropy"

[data]
pairs = "{pairs}"
longest = 7
vocabulary = 9

[model]
kind = "transformer"
width = 8
depth = 1
heads = 2

[optimizer]
name = "adam"
learning_rate = 0.01

[training]
epochs = 2
batch_size = 8
engine = "numpy"
"""


def pairs_recipe(folder: Path, *changes: str) -> Recipe:
    """A recipe that learns from pairs, with the file beside it."""
    rng = np.random.default_rng(0)
    said = [rng.integers(1, 6, size=rng.integers(1, 9)).astype(str) for _ in range(150)]
    lines = [f"{' '.join(row)}\t{' '.join(row[::-1])}\n" for row in said]
    (folder / "letters.tsv").write_text("".join(lines), "utf-8")
    path = folder / "letters.toml"
    path.write_text(RECIPE.format(pairs=folder / "letters.tsv"), "utf-8")
    return read_recipe(path, changes)


def program(data: Dataset, seed: int = 0, dtype: str = "float64") -> Program:
    assert data.languages is not None
    source, target = map(size, data.languages)
    model = Sequential(
        Encoder(
            Embedding(source, 8),
            SinusoidalPositions(8),
            Residual(SelfAttention(8, 2)),
            LayerNorm(8),
            name="encoder",
        ),
        Embedding(target, 8),
        SinusoidalPositions(8),
        Residual(SelfAttention(8, 2, causal=True)),
        Residual(LayerNorm(8), CrossAttention(8, 2)),
        Dense(8, target),
    )
    return engines.compile(
        model.initialize(seed, dtype), SoftmaxCrossEntropy(), Adam(0.02), seed=seed
    )


@pytest.fixture(scope="module")
def data() -> Dataset:
    return task("reverse", longest=5, symbols=3, examples=240)


def test_a_tiny_model_learns_a_task(data: Dataset) -> None:
    ear = Ear()
    trainer = Trainer(program(data), data, epochs=3, batch_size=16, listeners=(ear,))
    before = trainer.program.evaluate(data.test.inputs, data.test.targets).loss
    trainer.fit()
    losses = [row["validation_loss"] for row in ear.rows if row["kind"] == "epoch"]
    assert len(losses) == 3
    baseline = frequency_loss(data)
    assert baseline is not None
    assert losses[-1] < baseline < before
    assert not any("bits_per_character" in key for row in ear.rows for key in row)


def by_token(own: Program, split: Split) -> float:
    """−ln p of each token that is asked for, each pair by itself and without its padding."""
    said = []
    for ids, t in zip(split.inputs, split.targets, strict=True):
        n = max(np.count_nonzero(ids[0] != PADDING), np.count_nonzero(t != PADDING))
        p = own.predict(ids[None, :, :n])[0]
        said += [-math.log(p[k, token]) for k, token in enumerate(t) if token != PADDING]
    return float(np.mean(said))


def test_the_loss_is_in_nats_per_token(data: Dataset) -> None:
    own = program(data)
    found = own.evaluate(data.test.inputs, data.test.targets).loss
    assert found == pytest.approx(by_token(own, data.test), rel=1e-12)


def changed_behind(split: Split, content: int) -> Split:
    """The same pairs with a word of the target where nothing is asked for any more."""
    inputs = split.inputs.copy()
    inputs[:, 1][split.targets == PADDING] = content
    return Split(inputs, split.targets)


def widened(split: Split) -> Split:
    def wider(ids: Any) -> Any:
        return np.pad(ids, [(0, 0)] * (ids.ndim - 1) + [(0, 4)], constant_values=PADDING)

    return Split(wider(split.inputs), wider(split.targets))


@pytest.mark.parametrize("content", [0, 4])
def test_what_stands_in_the_padding_is_in_no_loss_and_no_gradient(
    data: Dataset, content: int
) -> None:
    part, own = data.train.first(32), program(data)
    assert (part.targets == PADDING).any()
    loss, gradients = own.gradients(part.inputs, part.targets)
    for other in (changed_behind(part, content), widened(part), widened(changed_behind(part, 0))):
        same, others = own.gradients(other.inputs, other.targets)
        assert same == pytest.approx(loss, rel=1e-14)
        for name, value in gradients.items():
            np.testing.assert_allclose(others[name], value, rtol=0, atol=1e-14, err_msg=name)
        evaluated = own.evaluate(other.inputs, other.targets)
        assert evaluated.loss == pytest.approx(
            own.evaluate(part.inputs, part.targets).loss, rel=1e-14
        )


def test_what_is_remembered_of_the_padding_is_not_looked_at(data: Dataset) -> None:
    own, part = program(data), data.test
    first = part.inputs.copy()
    first[:, 1, 1:] = PADDING
    _, states = own.predict_from(first, {})
    memory = states["encoder.memory"]
    padded = memory[..., -1] == 0
    np.testing.assert_array_equal(padded, part.inputs[:, 0] == PADDING)
    changed = memory.copy()
    changed[padded, :-1] = 1e3
    p, _ = own.predict_from(part.inputs, {"encoder.memory": memory})
    q, _ = own.predict_from(part.inputs, {"encoder.memory": changed})
    np.testing.assert_array_equal(p, q)


def test_batches_of_an_epoch_are_of_like_length(data: Dataset) -> None:
    order = order_of_epoch(data.train, 16, False, 0, 0)
    used = (data.train.inputs[order] != PADDING).sum(axis=-1).max(axis=-1).reshape(-1, 16)
    assert np.ptp(used, axis=1).mean() < 1
    assert sorted(order) == list(range(len(data.train)))


def test_the_loss_of_who_knows_how_often_tokens_occur(data: Dataset) -> None:
    assert data.languages is not None
    tokens = size(data.languages.target)
    n = [np.count_nonzero(data.train.targets == v) for v in range(tokens)]
    m = [np.count_nonzero(data.validation.targets == v) for v in range(tokens)]
    p = (np.array(n) + 1) / (sum(n) + tokens)
    assert frequency_loss(data) == pytest.approx(-np.dot(m, np.log(p)) / sum(m))
    # Longer padding says nothing more.
    parts = [widened(split) for split in (data.train, data.validation, data.test)]
    wide = Dataset("wide", *parts, (), languages=data.languages)
    assert frequency_loss(wide) == frequency_loss(data)


def test_a_recipe_of_pairs_keeps_its_languages(tmp_path: Path) -> None:
    recipe = pairs_recipe(tmp_path)
    trainer = start(recipe, tmp_path)
    trainer.fit()
    run = trainer.run
    assert run is not None
    assert run.languages is not None
    assert isinstance(run.languages.target, Words)
    assert sorted(run.languages.target.words) == ["1", "2", "3", "4", "5", "<unk>"]
    model: Any = run.recipe.model
    assert (model.source_vocabulary, model.target_vocabulary, model.longest) == (8, 8, 8)
    epochs = [row for row in run.metrics() if row["kind"] == "epoch"]
    assert len(epochs) == 2
    assert epochs[1]["validation_loss"] < epochs[0]["validation_loss"]
    # The ids are the run's own, whatever the file has become.
    (tmp_path / "letters.tsv").write_text("".join(f"{k} 2\t2 {k}\n" for k in range(60)), "utf-8")
    again = data_of(Run(run.folder))
    assert again.languages is not None
    assert (
        again.languages.target.encode("2 1").tolist() == run.languages.target.encode("2 1").tolist()
    )


def test_a_run_of_pairs_goes_on_bit_for_bit(tmp_path: Path) -> None:
    recipe = pairs_recipe(tmp_path)
    whole = start(recipe, tmp_path, name="whole")
    whole.fit()
    halved = start(recipe, tmp_path, name="halved")
    halved.fit(epochs=1)
    assert halved.run is not None
    assert whole.run is not None
    assert halved.epoch == 1
    resumed = go_on(halved.run)
    resumed.fit()
    assert_same(resumed.program, whole.program)
    assert history(halved.run) == history(whole.run)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (("data.limit=0",), "limit is at least 1, found 0"),
        (("data.longest=0",), "longest is at least 1, found 0"),
        (("data.pairs=3",), "letters.toml: data.pairs: expected a valid string, found 3"),
        (("data.steps=9",), "only a text has steps: leave it out"),
        (('data.tokens="letters"',), "tokens is one of words, bpe, characters; found 'letters'"),
        (('data.task="turn"',), "data.task: expected 'copy', 'reverse' or 'sort', found 'turn'"),
    ],
)
def test_recipes_that_cannot_be(tmp_path: Path, changes: tuple[str, ...], message: str) -> None:
    with pytest.raises(InputError) as error:
        pairs_recipe(tmp_path, *changes)
    assert message in str(error.value)


def test_a_model_for_something_else_is_refused(tmp_path: Path) -> None:
    recipe = pairs_recipe(tmp_path, 'model.kind="gpt"')
    with pytest.raises(InputError) as error:
        trainer_for(recipe)
    assert str(error.value) == (
        "letters: model.kind: letters is pairs of sentences, which takes seq2seq or transformer"
    )
