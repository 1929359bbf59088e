from __future__ import annotations

import json
import re
import shutil
import sys
from os import terminal_size
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from byhand import data, engines
from byhand.cli import app
from byhand.cli.translate import _show
from byhand.engines import ENGINES
from byhand.training import Run, read_recipe, trainer_for
from byhand.training.translation import Look

NOUNS = {
    "cat": "le chat",
    "dog": "le chien",
    "king": "le roi",
    "queen": "la reine",
    "girl": "la fille",
    "boy": "le garçon",
    "wolf": "le loup",
    "mouse": "la souris",
    "cow": "la vache",
    "child": "l'enfant",
}
VERBS = {"sees": "voit", "hears": "entend", "seeks": "cherche", "loves": "aime"}
PAIRS = [
    (f"The {a} {v} the {b}.", f"{NOUNS[a].capitalize()} {VERBS[v]} {NOUNS[b]}.")
    for a in NOUNS
    for v in VERBS
    for b in NOUNS
]
RECIPE = """
title = "Who sees whom"
loss = "softmax_cross_entropy"
data = { pairs = "pairs.tsv", longest = 8 }
optimizer = { name = "adam", learning_rate = 0.01 }
training = { epochs = 12, batch_size = 24 }
"""
MODELS = {
    "transformer": 'model = { kind = "transformer", width = 32, depth = 1, place = "pre" }',
    "plain": 'model = { kind = "seq2seq", embedding = 4, hidden = 4, attention = "none" }',
}


@pytest.fixture(scope="module")
def once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with pairs and recipes, and runs of them, of which one has learnt."""
    root = tmp_path_factory.mktemp("pairs")
    (root / "pairs.tsv").write_text("\n".join(map("\t".join, PAIRS)), "utf-8")
    for name, model in MODELS.items():
        (root / f"{name}.toml").write_text(RECIPE + model, "utf-8")
        changes = [f'data.pairs="{root / "pairs.tsv"}"', "data.longest=8"]
        if name == "plain":
            changes.append("training.epochs=1")
        recipe = read_recipe(root / f"{name}.toml", changes)
        trainer_for(recipe, Run.create(recipe, root=root / "runs", name=name)).fit()
    return root


@pytest.fixture
def trained(once: Path, folder: Path) -> Path:
    shutil.copytree(once, folder, dirs_exist_ok=True)
    return folder


def test_translate(byhand: Any, trained: Path) -> None:
    result = byhand("translate", "transformer", "The queen hears the wolf.")
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout == "la reine entend le loup.\n"


def test_the_pairs_themselves_are_not_needed(byhand: Any, trained: Path, once: Path) -> None:
    config = trained / "runs" / "transformer" / "config.toml"
    config.write_text(config.read_text("utf-8").replace(str(once), "nowhere"), "utf-8")
    result = byhand("translate", "transformer", "the child loves the mouse.")
    assert (result.exit_code, result.stdout) == (0, "l'enfant aime la souris.\n")


def test_several_sentences_or_the_lines_of_stdin(byhand: Any, trained: Path) -> None:
    sentences = ["the boy sees the cow.", "the king.", "the cat seeks the dog."]
    result = byhand("translate", "transformer", *sentences, "--beam", "2")
    lines = result.stdout.splitlines()
    assert len(lines) == 3
    assert (lines[0], lines[2]) == ("le garçon voit la vache.", "le chat cherche le chien.")
    piped = CliRunner().invoke(
        app, ["translate", "transformer", "--beam", "2"], input="\r\n".join(sentences) + "\n"
    )
    assert piped.stdout == result.stdout


def test_a_greedy_search_and_as_json(byhand: Any, trained: Path) -> None:
    arguments = ("translate", "transformer", "the girl seeks the king.", "--json")
    (found,) = json.loads(byhand(*arguments, "--beam", "1").stdout)
    assert list(found) == ["source", "translation", "log_probability", "ended", "unknown"]
    assert (found["translation"], found["ended"]) == ("la fille cherche le roi.", True)
    assert found["unknown"] == []
    assert -0.5 < found["log_probability"] < 0
    (wider,) = json.loads(byhand(*arguments).stdout)
    assert wider["log_probability"] == pytest.approx(found["log_probability"], abs=1e-5)


def test_words_that_the_run_does_not_know(byhand: Any, trained: Path) -> None:
    arguments = ("translate", "transformer", "the zebra sees the okapi.")
    result = byhand(*arguments)
    assert result.exit_code == 0
    assert result.stderr == "warning: not in the vocabulary, read as <unk>: zebra, okapi\n"
    (found,) = json.loads(byhand(*arguments, "--json").stdout)
    assert found["unknown"] == ["zebra", "okapi"]


def test_what_does_not_end(byhand: Any, trained: Path) -> None:
    run = Run.open("transformer")
    parameters = run.parameters("best")
    parameters["output.b"][-1] = -1000  # the end has the last id
    run.save_parameters("best", parameters, epoch=1)
    result = byhand("translate", "transformer", "the cat sees the dog.")
    assert result.exit_code == 0
    assert result.stdout.startswith("le chat voit le chien.")
    assert result.stderr == "warning: cut off after 9 tokens, without an end\n"


def test_what_each_word_has_looked_at(byhand: Any, trained: Path) -> None:
    arguments = ("translate", "transformer", "the dog loves the cow.", "--attention")
    result = byhand(*arguments)
    assert result.stderr == ""
    first, blank, title, header, *rows = result.stdout.splitlines()
    assert (first, blank) == ("le chien aime la vache.", "")
    assert title == "cross_attention1.crossattention1, the mean of its 4 heads"
    assert header.split() == ["the", "dog", "loves", "the", "cow", ".", "<eos>"]
    assert [row.split()[0] for row in rows] == ["le", "chien", "aime", "la", "vache", ".", "<eos>"]
    for row in rows:
        assert sum(map(int, re.findall(r"\d+", row))) == pytest.approx(100, abs=4)
    (found,) = json.loads(byhand(*arguments, "--json").stdout)
    look = found["attention"]
    assert list(look) == ["layer", "read", "wrote", "p"]
    assert all(sum(row) == pytest.approx(1, abs=1e-5) for row in look["p"])
    share = look["p"][1][1]
    assert share == max(look["p"][1])  # chien has looked at dog
    assert f"{round(100 * share)}" in rows[1]


def test_what_was_looked_at_in_a_narrow_terminal(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    look = Look("attention", 1, ("the", "cats", "."), ("chats", "!"), np.eye(3)[1:] * 0.996)
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    monkeypatch.setattr("byhand.cli.translate.get_terminal_size", lambda: terminal_size((20, 24)))
    _show(look)
    lines = capsys.readouterr().out.splitlines()
    assert lines[2:] == [
        "            c",
        "        t   a",
        "        h   t",
        "        e   s   .",
        "chats     100",
        "!             100",
    ]


@pytest.mark.parametrize("engine", ENGINES)
def test_every_engine_translates(byhand: Any, trained: Path, engine: str) -> None:
    if missing := engines.available(engine):
        pytest.skip(missing)
    arguments = ("the mouse hears the girl.", "--attention", "--json", "--engine")
    result = byhand("translate", "transformer", *arguments, engine)
    (found,) = json.loads(result.stdout)
    (as_written,) = json.loads(byhand("translate", "transformer", *arguments, "numpy").stdout)
    assert found["translation"] == "la souris entend la fille."
    assert found["log_probability"] == pytest.approx(as_written["log_probability"], abs=1e-4)
    assert np.allclose(found["attention"]["p"], as_written["attention"]["p"], atol=1e-4)


def test_the_held_out_sentences(byhand: Any, trained: Path) -> None:
    result = byhand("translate", "transformer", "--test", "--beam", "2")
    assert result.exit_code == 0
    lines = [re.split("  +", line) for line in result.stdout.splitlines()]
    facts = dict(lines)
    names = ["sentences", "unknown words", "BLEU", "chrF", "as it stands there", "loss", "speed"]
    assert list(facts) == names
    count = int(facts["sentences"].split()[0])
    assert 5 <= count <= 60
    assert facts["sentences"] == f"{count} of the test split"
    assert facts["unknown words"] == "0 in their sources"
    assert re.fullmatch(
        r"(100|\d\d)\.\d\d \(nrefs:1\|case:lc\|eff:no\|tok:13a\|smooth:exp\|version:\S+\)",
        facts["BLEU"],
    )
    assert re.fullmatch(r"(100|\d\d)\.\d\d \(nrefs:1\|case:lc\|eff:yes\|.*\)", facts["chrF"])
    assert float(facts["loss"].removesuffix(" nats per token")) < 0.3
    assert re.fullmatch(r"[\d,]+ tokens per second with a beam of 2", facts["speed"])

    found = json.loads(
        byhand("translate", "transformer", "--test", "--limit", "4", "--json").stdout
    )
    keys = ["sentences", "unknown", "beam", "scores", "same", "loss", "tokens_per_second"]
    assert list(found) == keys
    assert (found["sentences"], found["beam"]) == (4, 4)
    assert found["same"] in (0, 0.25, 0.5, 0.75, 1)
    assert set(found["scores"]) == {"BLEU", "chrF"}


def test_a_task_has_no_words_to_score(byhand: Any, folder: Path) -> None:
    recipe = RECIPE.replace(
        'data = { pairs = "pairs.tsv", longest = 8 }',
        'data = { task = "copy", longest = 3, vocabulary = 3 }',
    ).replace("epochs = 12", "epochs = 1")
    (folder / "copy.toml").write_text(recipe + MODELS["transformer"], "utf-8")
    own, few = (
        read_recipe(folder / "copy.toml"),
        data.task("copy", longest=3, symbols=3, examples=3000),
    )
    trainer_for(own, Run.create(own, name="copy"), dataset=few).fit()
    found = json.loads(byhand("translate", "copy", "--test", "--limit", "50", "--json").stdout)
    assert found["scores"] == {}
    assert found["same"] > 0.5


@pytest.mark.usefixtures("trained")
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["transformer", "the cat.", "--beam", "0"],
            "beam is how many beginnings are gone on with, at least 1; found 0: 1 always takes the "
            "likeliest word",
        ),
        (["transformer", "the cat.", "  "], "sentence 2 is empty: give a word or more"),
        (
            ["transformer", "the cat sees the dog and the dog sees it."],
            "sentence 1 has 11 words, and run transformer was trained on at most 8: divide it",
        ),
        (
            ["plain", "the cat.", "--attention"],
            "run plain has no attention to the source to show: leave --attention out",
        ),
        (
            ["transformer", "the cat.", "--test"],
            "--test translates the test split: give it or sentences, not both",
        ),
        (
            ["transformer", "--attention", "--test"],
            "--test translates the test split: give it or --attention, not both",
        ),
        (
            ["transformer", "the cat.", "--limit", "3"],
            "--limit is of the test split: give --test with it",
        ),
        (["transformer"], "nothing to translate: give a sentence, or lines on stdin"),
        (
            ["points", "the cat."],
            "run points was not trained on pairs of sentences, so it cannot translate: train a "
            'recipe with a model of kind "seq2seq" or "transformer"',
        ),
    ],
)
def test_bad_input(byhand: Any, arguments: list[str], message: str) -> None:
    if arguments[0] == "points":
        byhand("train", "points.toml", "--name", "points")
    result = byhand("translate", *arguments)
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr == f"error: {message}\n"


def test_bleu_without_its_package(
    byhand: Any, trained: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "sacrebleu.metrics.bleu", None)
    result = byhand("translate", "transformer", "--test")
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr == "error: BLEU needs the package sacrebleu: pip install 'byhand[text]'\n"
