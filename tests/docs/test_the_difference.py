"""The chapter on the difference, with models that have hardly begun to learn."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from byhand.models import seq2seq, transformer

EXPERIMENTS = Path(__file__).parents[2] / "docs" / "experiments"
NOUNS = {"cat": "chat", "dog": "chien", "wolf": "loup", "king": "roi", "horse": "cheval"}
COLOURS = {"red": "rouge", "black": "noir", "white": "blanc", "green": "vert"}
PAIRS = [
    f"The {a} {n} sees the {b} {m}.\tLe {NOUNS[n]} {COLOURS[a]} voit le {NOUNS[m]} {COLOURS[b]}."
    for a in COLOURS
    for n in NOUNS
    for b in COLOURS
    for m in NOUNS
]


@pytest.fixture
def experiment(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(EXPERIMENTS)
    return importlib.import_module("the_difference")


def test_multiplications_are_those_of_every_matrix(experiment: Any) -> None:
    source, target = np.array([3]), np.array([2])
    attends = transformer(5, 7, width=4, depth=1, heads=2).initialize(0)
    encoder = 4 * 16 * 3 + 2 * 3 * 3 * 4 + 2 * 64 * 3
    itself, memory = 4 * 16 * 2 + 2 * 2 * 2 * 4, 2 * 16 * 2 + 2 * 16 * 3 + 2 * 2 * 3 * 4
    decoder = itself + memory + 2 * 64 * 2 + 4 * 7 * 2
    assert experiment.multiplications(attends, source, target) == encoder + decoder
    recurs = seq2seq(5, 7, embedding=2, hidden=4).initialize(0)
    encoder = 2 * 3 * (2 * 2 + 2 * 2) * 3
    looks = 16 * 2 + 16 * 3 + 2 * 3 * (4 + 4)
    decoder = 3 * (6 * 4 + 4 * 4) * 2 + looks + 8 * 4 * 2 + 4 * 7 * 2
    assert experiment.multiplications(recurs, source, target) == encoder + decoder


@pytest.mark.slow
def test_three_models_are_trained_and_beside_each_other(
    experiment: Any, tmp_path: Path, capsys: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "pairs.tsv").write_text("\n".join(PAIRS), "utf-8")
    monkeypatch.setattr(experiment, "EDGES", (0, 4, 8))
    for name, fewer in {"ROUNDS": 1, "STEPS": 2, "TEXTS": 6, "ALONE": 2, "RESAMPLED": 9}.items():
        monkeypatch.setattr(experiment, name, fewer)
    how: dict[str, Any] = {
        "runs": str(tmp_path / "runs"),
        "seeds": dict.fromkeys(experiment.SEEDS, 1) | {"translate-attention": 2},
        "changes": [
            f"data.pairs={tmp_path / 'pairs.tsv'}",
            "training.engine=numpy",
            "training.epochs=2",
            "training.steps_per_epoch=5",
            "training.batch_size=24",
        ],
        "long": 9,
    }
    found = experiment.main(tmp_path, **how)
    text = (tmp_path / "the_difference.txt").read_text("utf-8")
    assert text == capsys.readouterr().out
    plain, attention, attends = found.models.values()
    assert (plain.look, len(plain.bleu), len(attention.bleu)) == (None, 1, 2)
    for each in (attention, attends):
        np.testing.assert_allclose(each.look.p.sum(axis=1), 1, rtol=1e-5)
    # All sources have seven words, a full stop and an end.
    assert found.sentences[0] == 0
    assert found.sentences[1] == found.read > 5
    for each in (plain, attention, attends):
        assert np.isnan(each.by_length[:, 0]).all()
        np.testing.assert_array_equal(each.by_length[:, 1], each.bleu)
    # Along a recurrence the gradient falls with every word, and over attention it does not.
    assert np.all(np.diff(attention.reach["before"]) < 0)
    assert attention.reach["before"][-1] < 0.2
    assert attends.reach["before"][-1] > 0.7
    # What is finished is read, and nothing is trained again.
    monkeypatch.delattr("_shared.trainer_for")
    assert experiment.main(tmp_path, **how).models["translate-plain"].losses == plain.losses
