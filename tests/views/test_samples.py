from __future__ import annotations

import shutil
from itertools import islice
from pathlib import Path

import numpy as np
import pytest

from byhand import engines
from byhand.engines import ENGINES
from byhand.sampling import Sampling
from byhand.training import Run
from byhand.training.sampling import continued, encoded
from byhand.views import Subject, samples
from byhand.views.samples import Samples, Score, first_lines, longest_copy, scored
from byhand.views.subject import DoesNotApply

TRAINING = "to be or not to be, that's the question"


def test_scores_of_texts() -> None:
    whole, half, nothing = scored([TRAINING, "to bee or not to be, x", "!!!"], TRAINING)
    assert whole == Score(1.0, 1.0, len(TRAINING))
    # "x" is the last word and may have been cut; of the others "bee" is none. What is copied are
    # the runs within "e or not to be, ".
    assert half == Score(5 / 6, 9 / 15, 16)
    assert nothing == Score(0.0, 0.0, 0)


def test_words_have_apostrophes_and_no_digits() -> None:
    assert samples.WORD.findall("that's 2nd 'quoted' naïve a_b") == [
        *("that's", "nd", "quoted", "naïve", "a", "b"),
    ]


@pytest.mark.parametrize(
    ("text", "longest"),
    [("", 0), ("xyz", 0), ("xto bex", 5), ("be or be, that", 9), ("question", 8)],
)
def test_the_longest_run_that_is_copied(text: str, longest: int) -> None:
    assert longest_copy(text, TRAINING) == longest


def test_the_longest_run_is_that_of_all_runs() -> None:
    random = np.random.default_rng(0)
    training, text = ("".join(random.choice(list("ab"), size)) for size in (200, 60))
    runs = {text[i:j] for i in range(60) for j in range(i + 1, 61)}
    assert longest_copy(text, training) == max(len(run) for run in runs if run in training)


def test_every_kept_epoch_writes_with_one_seed(text: Subject) -> None:
    program, vocabulary = text.program, text.vocabulary
    before = program.parameters()
    view = samples.compute(text, length=50)
    assert view.epochs == [0, 1, 2]
    assert len(view.texts) == len(view.scores) == 3
    for name, value in program.parameters().items():
        np.testing.assert_array_equal(value, before[name])
    for epoch, parameters in text.run.kept_parameters().items():
        program.set_parameters(parameters)
        ids = islice(continued(program, encoded(None, vocabulary), Sampling(), 0), 50)
        assert view.texts[epoch] == vocabulary.decode(list(ids))
    program.set_parameters(before)
    assert view.about.endswith("2 of 2 epochs; 50 characters each, temperature 1, seed 0")
    training = vocabulary.decode(text.dataset.train.inputs.reshape(-1))
    own = vocabulary.decode(text.dataset.validation.inputs.reshape(-1)[:50])
    assert [*view.scores, view.validation] == scored([*view.texts, own], training)


def test_a_run_that_kept_no_epochs(text_run: Run, tmp_path: Path) -> None:
    folder = tmp_path / text_run.name
    shutil.copytree(text_run.folder, folder)
    shutil.rmtree(folder / "epochs")
    with pytest.raises(DoesNotApply) as caught:
        samples.compute(Subject(Run(folder)))
    assert str(caught.value) == (
        "the parameters of each epoch are needed, and run text-lstm kept none (byhand train with "
        "--set training.keep_epochs=true keeps all)"
    )


@pytest.mark.parametrize("engine", ENGINES)
def test_every_engine_writes_the_same(text_run: Run, text: Subject, engine: str) -> None:
    if reason := engines.available(engine):
        pytest.skip(reason)
    found = samples.compute(Subject(text_run, engine=engine), length=60)
    assert found.texts == samples.compute(text, length=60).texts


def test_the_first_lines_of_a_sample(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(samples, "COLUMNS", 4)
    monkeypatch.setattr(samples, "LINES", 3)
    assert first_lines("\n \nabcdef\n\tx\n\ny") == ["abcd", "ef", "→x"]


def view_of(epochs: int) -> Samples:
    scores = [Score(0.1 * k, 0.05 * k, k) for k in range(epochs)]
    texts = [f"text {k}$" for k in range(epochs)]
    return Samples("title\nrun r", list(range(epochs)), texts, scores, Score(0.97, 0.5, 18))


def test_the_figure_says_what_it_shows() -> None:
    view = view_of(9)
    page = samples.draw(view)
    assert page.texts[0].get_text() == "What the network writes as it learns"
    assert view.words == (
        "epoch 8: 80 % of the words occur in the training text (of the validation text's 97 %), "
        "and 40 % of the runs of 8 characters (50 %); the longest copied run has 8 (18)"
    )
    shares, longest, *texts = page.axes
    assert shares.get_title(loc="left") == "Found in the training text (dotted: of validation)"
    assert [text.get_text() for text in shares.get_legend().get_texts()] == [
        *("words of the training text", "runs of 8 copied"),
    ]
    assert longest.get_ylabel() == "characters"
    assert [axes.get_title(loc="left").split(":")[0] for axes in texts] == [
        *("before training", "epoch 1", "epoch 3", "epoch 4", "epoch 6", "epoch 8"),
    ]
    assert texts[1].get_title(loc="left") == "epoch 1: 10 % words, 5 % copied, longest 1"
    assert texts[1].texts[0].get_text() == r"text 1\$"


def test_few_epochs_are_all_drawn() -> None:
    assert len(samples.draw(view_of(3)).axes) == 2 + 3
