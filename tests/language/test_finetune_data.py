"""What there is to learn from: which tokens count, what is kept apart, which lines are refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from byhand import checkpoints
from byhand.errors import InputError
from byhand.language import speeches
from byhand.language.finetune_data import IGNORED, Example, read
from byhand.language.finetune_model import collated
from byhand.language.tokenizer import Tokenizer

END = 2
FOX = {"text": "the quick brown fox"}


@pytest.fixture(scope="module")
def tokenizer(tiny: Path) -> Tokenizer:
    return Tokenizer(checkpoints.open(tiny))


def lines(path: Path, *rows: Any) -> Path:
    path.write_text("\n".join(r if isinstance(r, str) else json.dumps(r) for r in rows), "utf-8")
    return path


def counted(example: Example, tokenizer: Tokenizer) -> list[str]:
    """The stretches of tokens that the loss counts, as text with its special words."""
    found, before = [], False
    for token, label in zip(example.ids, example.labels, strict=True):
        assert label in (token, IGNORED)
        if label != IGNORED:
            if not before:
                found.append("")
            found[-1] += "<end>" if token == END else tokenizer.decode([int(token)])
        before = label != IGNORED
    return found


def first(path: Path, tokenizer: Tokenizer, row: Any) -> Example:
    return read(lines(path / "data.jsonl", row, FOX), tokenizer, 256).train[0]


def test_of_a_conversation_the_assistants_words_count(tmp_path: Path, tokenizer: Tokenizer) -> None:
    said = [
        {"role": "system", "content": "be quick"},
        {"role": "user", "content": "the fox?"},
        {"role": "assistant", "content": "over the dog"},
        {"role": "user", "content": "it's lazy?"},
        {"role": "assistant", "content": "we'll see"},
    ]
    found = first(tmp_path, tokenizer, {"messages": said})
    # The template of these tests begins an answer with who gives it, and ends it with a word.
    assert counted(found, tokenizer) == [
        "assistant: over the dog<end>",
        "assistant: we'll see<end>",
    ]
    whole = tokenizer.encode(tokenizer.prompt(said, answering=False), special=False)
    assert found.ids.tolist() == whole


def test_an_answer_begins_where_the_prompt_for_it_ends(smollm2: Path, tmp_path: Path) -> None:
    smol = Tokenizer(checkpoints.open(smollm2))
    said = [{"role": "user", "content": "Who?"}, {"role": "assistant", "content": "I, my lord."}]
    found = first(tmp_path, smol, {"messages": said})
    prompt = smol.encode(smol.prompt(said[:1]), special=False)
    assert (found.labels[: len(prompt)] == IGNORED).all()
    answer = found.ids[len(prompt) :].tolist()
    assert found.labels[len(prompt) :].tolist() == answer
    assert answer == smol.encode("I, my lord.<|im_end|>\n", special=False)


def test_of_a_prompt_with_its_completion_the_completion_counts(
    tmp_path: Path, tokenizer: Tokenizer
) -> None:
    found = first(tmp_path, tokenizer, {"prompt": "the quick", "completion": " brown fox"})
    assert counted(found, tokenizer) == [" brown fox<end>"]
    assert found.ids.tolist() == [*tokenizer.encode("the quick brown fox"), END]
    text = first(tmp_path, tokenizer, FOX)
    assert text.labels.tolist() == text.ids.tolist() == found.ids.tolist()


def test_a_text_is_cut_into_windows_that_predict_each_token_once(
    tmp_path: Path, tokenizer: Tokenizer
) -> None:
    path = tmp_path / "plays.txt"
    content = "".join(f"the lazy dog {k}, it's 2026\n" for k in range(200))
    path.write_text(content, "utf-8")
    data = read(path, tokenizer, 32)
    cut = len(content) - len(content) // 10
    for part, windows in ((content[:cut], data.train), (content[cut:], data.validation)):
        ids = tokenizer.encode(part, special=False)
        assert [len(w.ids) for w in windows] == [32] * len(windows)
        predicted = [k for w in windows for k in w.labels[1:].tolist()]
        assert predicted == ids[1 : len(predicted) + 1]
        assert len(ids) - len(predicted) <= 32
    assert isinstance(data.opening, str)
    assert data.opening == tokenizer.decode(tokenizer.encode(content[cut:], special=False)[:16])
    assert str(data) == (
        f"{len(data.train)} windows of 32 tokens to learn from, {len(data.validation)} to check"
    )


def test_every_tenth_line_is_to_validate_on(tmp_path: Path, tokenizer: Tokenizer) -> None:
    rows = [{"prompt": f"fox {k}", "completion": " dog"} for k in range(25)]
    data = read(lines(tmp_path / "data.jsonl", *rows, ""), tokenizer, 64)
    assert (len(data.train), len(data.validation), data.opening) == (23, 2, "fox 9")
    held = [tokenizer.decode(example.ids.tolist()) for example in data.validation]
    assert held == ["fox 9 dog", "fox 19 dog"]
    few = read(lines(tmp_path / "few.jsonl", *rows[:3]), tokenizer, 64)
    assert (len(few.train), few.opening) == (2, "fox 2")
    many = read(lines(tmp_path / "many.jsonl", *rows * 40), tokenizer, 64)
    assert (len(many.train), len(many.validation)) == (900, 64)


def test_long_examples_are_cut_and_those_without_an_answer_left_out(
    tmp_path: Path, tokenizer: Tokenizer
) -> None:
    long = "the quick brown fox " * 9
    rows = [FOX, {"prompt": "fox", "completion": long}, {"prompt": long, "completion": "dog"}, FOX]
    data = read(lines(tmp_path / "data.jsonl", *rows), tokenizer, 24)
    assert [len(example.ids) for example in data.train] == [len(data.validation[0].ids), 24]
    assert (data.cut, data.left_out) == (1, 1)
    assert str(data).endswith(
        "; 1 were cut at the context; 1 left out, with nothing to learn within the context"
    )
    with pytest.raises(InputError, match=r"has 1 examples within 24 tokens; expected two or more$"):
        read(lines(tmp_path / "data.jsonl", rows[2], FOX), tokenizer, 24)


def test_what_fills_up_a_batch_does_not_count() -> None:
    one = np.arange(3)
    ids, labels = collated([Example(one, one), Example(np.arange(5), np.full(5, IGNORED))])
    assert ids.tolist() == [[0, 1, 2, *[0] * 13], [0, 1, 2, 3, 4, *[0] * 11]]
    assert labels.tolist() == [[0, 1, 2, *[IGNORED] * 13], [IGNORED] * 16]


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("{", ", line 2 is no JSON (Expecting property name enclosed in double quotes: line 1"),
        ("[1]", ', line 2: expected an object with "messages", with "prompt" and "completion", or'),
        ({"words": ""}, ' or with "text", found {"words": ""}'),
        ({"text": "a", "prompt": "b"}, ', line 2: expected an object with "messages", with'),
        ({"text": 3}, ", line 2: text is a text, found 3"),
        ({"prompt": "a"}, ", line 2: completion is a text, found None"),
        ({"messages": []}, ", line 2: a conversation is a list of messages, and there is none in"),
        ({"messages": [{"role": "user"}]}, ', line 2: a message is {"role": "user", "content": "'),
        (
            {"messages": [{"role": "user", "content": "fox"}]},
            ", line 2: nothing is said by the assistant, so there is nothing to learn",
        ),
    ],
)
def test_a_bad_line_is_named(tmp_path: Path, tokenizer: Tokenizer, row: Any, message: str) -> None:
    path = lines(tmp_path / "data.jsonl", FOX, row)
    with pytest.raises(InputError) as refused:
        read(path, tokenizer, 64)
    assert str(refused.value).startswith(str(path))
    assert message in str(refused.value)


def test_files_that_are_refused(tmp_path: Path, tokenizer: Tokenizer) -> None:
    def refusal(name: str, content: bytes | None) -> str:
        if content is not None:
            (tmp_path / name).write_bytes(content)
        with pytest.raises(InputError) as refused:
            read(tmp_path / name, tokenizer, 64)
        return str(refused.value).removeprefix(f"{tmp_path / name}")

    nothing = " does not exist; expected a text, or JSON Lines in .jsonl"
    assert refusal("nothing.txt", None) == nothing
    assert refusal("latin.txt", b"a\xe4") == " is not in UTF-8 (byte 1); convert it"
    one = refusal("list.json", b"[]")
    assert one == ": expected JSON Lines, one object a line, in a file named .jsonl"
    assert refusal("one.jsonl", b'{"text": "fox"}') == " has 1 examples; expected two or more"
    assert refusal("short.txt", b"the fox") == (
        " has 2 tokens to learn from and 0 to validate on, and a window has 64: give a longer text "
        "or a smaller --context"
    )


def test_a_model_that_does_not_chat_learns_no_conversations(
    tmp_path: Path, tokenizer: Tokenizer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tokenizer, "chat_template", None)
    said = {"messages": [{"role": "assistant", "content": "fox"}]}
    with pytest.raises(InputError, match=r"data.jsonl, line 1: .* has no chat template"):
        read(lines(tmp_path / "data.jsonl", said, FOX), tokenizer, 64)


def test_each_speech_answers_the_one_before(tiny_shakespeare: Path) -> None:
    text = "A:\nWho is it there?\n\nB:\nIt is I,\nmy lord.\n\nA:\nNo.\n\nB:\nAs you will have it."
    assert list(speeches.conversations(text)) == [
        {
            "messages": [
                {"role": "user", "content": "Who is it there?"},
                {"role": "assistant", "content": "It is I,\nmy lord."},
            ]
        }
    ]
    rows = list(speeches.conversations(tiny_shakespeare.read_text("utf-8")))
    assert len(rows) > 3000
