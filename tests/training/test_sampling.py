from __future__ import annotations

from itertools import islice
from typing import Any

import numpy as np
import pytest

from byhand import engines
from byhand.data import BytePairs, Characters
from byhand.engines import ENGINES, Program
from byhand.errors import InputError
from byhand.initializers import StandardNormal
from byhand.losses import SoftmaxCrossEntropy
from byhand.models import char_rnn, gpt
from byhand.optimizers import SGD
from byhand.randomness import stream
from byhand.sampling import Sampling
from byhand.training import sampling
from byhand.training.sampling import after, continued, encoded, spelled

ABC = Characters("abc\n")
FLAGS = "naïve façade 🏴‍☠️ 日本語 naïve façade"


def program(engine: str = "numpy", **options: Any) -> Program:
    model = char_rnn(len(ABC), hidden=[5, 4], weights=StandardNormal(), **options)
    return engines.compile(model.initialize(3), SoftmaxCrossEntropy(), SGD(0.1), engine=engine)


@pytest.mark.parametrize(
    ("prompt", "ids"), [("ab", [1, 2]), ("\n", [0]), (None, [0]), ("c" * 5, [3] * 5)]
)
def test_the_ids_of_a_prompt(prompt: str | None, ids: list[int]) -> None:
    np.testing.assert_array_equal(encoded(prompt, ABC), ids)


def test_without_lines_the_first_token_is_where_it_begins() -> None:
    np.testing.assert_array_equal(encoded(None, Characters("xyz")), [0])


@pytest.mark.parametrize(
    ("prompt", "message"),
    [
        (
            "",
            "the prompt is empty, and the network goes on from something: give a character or "
            "more, or leave --prompt out to begin a line",
        ),
        (
            "ab\nba?",
            "the prompt: the character '?' (U+003F) at line 2, column 3 is not one of the 4 in "
            "the vocabulary; leave it out",
        ),
    ],
)
def test_a_prompt_that_cannot_be_read(prompt: str, message: str) -> None:
    with pytest.raises(InputError) as caught:
        encoded(prompt, ABC)
    assert str(caught.value) == message


def test_after_a_prompt_comes_what_predict_says_of_its_last_step(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    prompt, compiled = np.array([1, 2, 3, 0, 2, 2, 1]), program()
    expected = compiled.predict(prompt[None])[0, -1]
    np.testing.assert_allclose(after(compiled, prompt)[0], expected, rtol=1e-12)
    monkeypatch.setattr(sampling, "PIECE", 3)
    np.testing.assert_allclose(after(compiled, prompt)[0], expected, rtol=1e-12)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("cell", ["rnn", "gru", "lstm"])
def test_one_seed_is_one_text_on_every_engine(engine: str, cell: str) -> None:
    if reason := engines.available(engine):
        pytest.skip(reason)
    prompt = encoded("ab", ABC)
    texts = [
        list(islice(continued(program(name, cell=cell), prompt, Sampling(), 7), 60))
        for name in ("numpy", engine)
    ]
    assert texts[0] == texts[1]


def test_every_token_is_drawn_after_all_those_before_it() -> None:
    compiled, prompt, how = program(), encoded("ab", ABC), Sampling(0.7, top_k=3)
    found = list(islice(continued(compiled, prompt, how, 5), 30))
    read, random = list(prompt), stream(5, "sampling")
    for token in found:
        p = compiled.predict(np.array([read]))[0, -1]
        assert token == how.draw(p, random.random())
        read.append(token)
    assert len(set(found)) > 1
    assert found != list(islice(continued(compiled, prompt, how, 6), 30))


def test_writing_leaves_the_program_as_it_was() -> None:
    compiled = engines.compile(
        program().description.model, SoftmaxCrossEntropy(), SGD(0.1), carry_state=True
    )
    ids = np.array([[1, 2, 3, 0]])
    compiled.train(ids, ids, np.arange(1), 1, 0, [0.1])
    before = {**compiled.parameters(), **compiled.recurrent_state()}
    list(islice(continued(compiled, encoded("ab", ABC), Sampling(), 5), 10))
    for name, value in {**compiled.parameters(), **compiled.recurrent_state()}.items():
        np.testing.assert_array_equal(value, before[name])


def test_characters_are_spelled_one_by_one() -> None:
    assert list(spelled([1, 2, 0, 3], ABC)) == ["a", "b", "\n", "c"]


def test_a_character_of_several_tokens_comes_whole() -> None:
    pairs = BytePairs.learn("nothing of the kind", 256)
    ids = pairs.encode(FLAGS)
    pieces = list(spelled(ids, pairs))
    assert "".join(pieces) == FLAGS
    assert len(pieces) == len(ids) == len(FLAGS.encode())
    assert not any("\ufffd" in piece for piece in pieces)
    # ï has two bytes: nothing comes with the first of them.
    assert pieces[:5] == ["n", "a", "", "ï", "v"]


def test_learnt_pieces_are_spelled_as_they_are() -> None:
    pairs = BytePairs.learn(FLAGS * 20, 300)
    ids = pairs.encode(FLAGS)
    assert len(ids) < len(FLAGS.encode())
    assert "".join(spelled(ids, pairs)) == FLAGS


def test_bytes_that_are_no_character_do_not_stop_what_follows() -> None:
    pairs = BytePairs.learn("a", 256)
    first, second = pairs.encode("ï").tolist()
    (a,) = pairs.encode("a").tolist()
    # Twice the second byte of ï, then a letter, then a first byte that nothing completes.
    assert list(spelled([second, second, a, first], pairs)) == [
        "",
        "\ufffd",
        "\ufffda",
        "",
        "\ufffd",
    ]
    assert list(spelled([], pairs)) == []


def transformer(positions: str, engine: str = "numpy") -> Program:
    model = gpt(len(ABC), width=8, heads=2, depth=1, context=6, positions=positions)
    model = model.initialize(3)
    return engines.compile(model, SoftmaxCrossEntropy(), SGD(0.1), engine=engine)


@pytest.mark.parametrize("positions", ["learned", "rotary"])
def test_when_its_context_is_full_it_begins_again_with_half(positions: str) -> None:
    compiled, how = transformer(positions), Sampling(0.7)
    found = list(islice(continued(compiled, encoded("ab", ABC), how, 5, context=6), 30))
    read, random = [1, 2], stream(5, "sampling")
    for token in found:
        p = compiled.predict(np.array([read]))[0, -1]
        assert token == how.draw(p, random.random())
        read.append(token)
        if len(read) > 6:
            read = read[-3:]


def test_of_a_prompt_longer_than_the_context_the_end_is_read() -> None:
    compiled, prompt = transformer("learned"), encoded("abcabcabca", ABC)
    expected = compiled.predict(prompt[None, -6:])[0, -1]
    np.testing.assert_allclose(after(compiled, prompt, 6)[0], expected, rtol=1e-12)
    token = next(continued(compiled, prompt, Sampling(0.0), 5, context=6))
    assert token == expected.argmax()
