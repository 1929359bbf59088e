"""The tables of models of two sequences, and what they take from their data."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from byhand import data
from byhand.errors import InputError
from byhand.models import seq2seq, transformer
from byhand.training import Run, read_recipe, trainer_for
from byhand.training.session import compile_recipe, translation_model

RECIPE = """
title = "Letters again"
loss = "softmax_cross_entropy"
data = { task = "reverse", longest = 4, vocabulary = 3 }
optimizer = { name = "adam", learning_rate = 0.01 }
training = { epochs = 1, batch_size = 20, steps_per_epoch = 2, dtype = "float64" }
"""
OURS = data.task("reverse", longest=4, symbols=3, examples=40)
IDS = 3 + 2
"""The letters, <bos> and <eos>."""
TABLES: dict[str, tuple[str, Any]] = {
    "seq2seq": (
        'kind = "seq2seq", embedding = 3, hidden = 4, depth = 2, bidirectional = false, '
        'attention = "dot", dropout = 0.1',
        lambda: seq2seq(
            IDS,
            IDS,
            embedding=3,
            hidden=4,
            depth=2,
            bidirectional=False,
            attention="dot",
            dropout=0.1,
        ),
    ),
    "transformer": (
        'kind = "transformer", width = 4, depth = 1, heads = 2, positions = "learned", '
        'norm = "rms", place = "pre", feed_forward = "swiglu", dropout = 0.1',
        lambda: transformer(
            IDS,
            IDS,
            width=4,
            depth=1,
            heads=2,
            longest=5,
            positions="learned",
            norm="rms",
            place="pre",
            feed_forward="swiglu",
            dropout=0.1,
        ),
    ),
}
every_table = pytest.mark.parametrize("kind", TABLES)


def recipe(folder: Path, model: str, *changes: str) -> Any:
    (folder / "letters.toml").write_text(f"{RECIPE}model = {{ {model} }}\n", "utf-8")
    return read_recipe(folder / "letters.toml", changes)


@every_table
def test_the_model_of_a_table(tmp_path: Path, kind: str) -> None:
    table, make = TABLES[kind]
    program = compile_recipe(recipe(tmp_path, table), OURS)
    expected = make().initialize(0).parameters
    found = program.parameters()
    assert list(found) == list(expected)
    assert all(np.array_equal(found[name], value) for name, value in expected.items())


@every_table
def test_a_run_keeps_what_its_model_took_from_the_data(tmp_path: Path, kind: str) -> None:
    own = recipe(tmp_path, TABLES[kind][0])
    run = Run.create(own, root=tmp_path / "runs")
    trainer_for(own, run, dataset=OURS).fit()
    kept = run.recipe.model
    assert (kept.source_vocabulary, kept.target_vocabulary) == (IDS, IDS)
    assert getattr(kept, "longest", 5) == 5
    program, languages = translation_model(run)
    assert languages.source.encode("cab").tolist() == [2, 0, 1]
    best = run.parameters("best")
    assert all(np.array_equal(best[name], value) for name, value in program.parameters().items())
    # What is kept is what the same data has again.
    trainer_for(run.recipe, dataset=OURS)


@pytest.mark.parametrize(
    ("model", "changes", "message"),
    [
        (
            'kind = "seq2seq", source_vocabulary = 9',
            [],
            "letters: model.source_vocabulary: reverse has 5 ids, the model takes 9; leave it out "
            "to have it from the sentences",
        ),
        (
            'kind = "transformer", longest = 9',
            [],
            "letters: model.longest: with their ends the sentences of reverse have up to 5 ids, "
            "the model takes 9; leave it out",
        ),
        (
            'kind = "transformer"',
            ["loss=quadratic"],
            'letters: loss: transformer is trained with "softmax_cross_entropy", found "quadratic"',
        ),
        (
            'kind = "gpt"',
            [],
            "letters: model.kind: reverse is pairs of sentences, which takes seq2seq or "
            "transformer",
        ),
        (
            'kind = "seq2seq", hidden = 5',
            [],
            "letters: hidden is even, half of it for each direction; found 5",
        ),
    ],
)
def test_what_does_not_fit(tmp_path: Path, model: str, changes: list[str], message: str) -> None:
    with pytest.raises(InputError) as caught:
        compile_recipe(recipe(tmp_path, model, *changes), OURS)
    assert str(caught.value) == message


def test_numbers_are_no_pairs(tmp_path: Path) -> None:
    change = "data={ inputs = [[0.0]], targets = [[1.0]] }"
    own = recipe(tmp_path, 'kind = "seq2seq"', change)
    with pytest.raises(InputError) as caught:
        trainer_for(own)
    assert str(caught.value) == ("letters: model.kind: inline is no pairs, which takes mlp or cnn")
