"""Several answers at once are the answers that each would have had alone."""

from __future__ import annotations

import queue
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from byhand import language
from byhand.errors import InputError
from byhand.language import Sampling
from byhand.language.decoder import Cache
from byhand.language.model import Model
from byhand.serving.batching import Slots
from byhand.serving.engine import Engine, Wish

from ..checkpoints import models

PROMPTS = ("the quick brown fox", "a lazy dog", "12345 we'll see", "x")


@pytest.fixture
def engine(model: Model) -> Iterator[Engine]:
    made = Engine(model, 3)
    yield made
    made.close()


def answered(engine: Engine, wishes: list[Wish]) -> list[dict[str, Any]]:
    """All events until each answer has ended."""
    events: queue.Queue[dict[str, Any]] = queue.Queue()
    engine.submit(wishes, events.put)
    found, left = [], len(wishes)
    while left:
        found.append(events.get(timeout=30))
        left -= "finish" in found[-1] or "error" in found[-1]
    return found


def texts(events: list[dict[str, Any]], count: int) -> list[str]:
    return ["".join(e.get("text", "") for e in events if e["index"] == k) for k in range(count)]


@pytest.mark.parametrize("name", ["llama", "qwen3", "gemma3"])
def test_a_batch_gives_the_logits_of_each_alone(name: str, tmp_path: Path) -> None:
    decoder = language.load(models.folder(tmp_path, name), "cpu", "f32").decoder
    slots = Slots(decoder, 4, 64)
    sequences = {0: list(range(3, 20)), 1: [40], 3: list(range(50, 61))}
    found = slots.step(sequences)
    for step in range(14):  # beyond Gemma's window of eight
        for slot, ids in sequences.items():
            alone = decoder.logits(ids, Cache(decoder, 64))
            torch.testing.assert_close(found[slot], alone, rtol=1e-4, atol=1e-4)
            ids.append(100 + 7 * step + slot)
        if step == 6:
            # One joins while the others go on, and its prompt comes in two pieces.
            sequences[2] = [9, 8, 7, 6, 5, 4, 3, 9, 8, 7]
            slots.step({2: sequences[2][:6]})
            found = slots.step({2: sequences[2][6:], **{k: [sequences[k][-1]] for k in (0, 1, 3)}})
        else:
            found = slots.step({slot: [ids[-1]] for slot, ids in sequences.items()})


@pytest.mark.parametrize(
    ("name", "before", "known"),
    [
        ("llama", 30, 20),
        # Gemma's window is eight: what was there has been written over.
        ("gemma3", 30, 0),
    ],
)
def test_a_beginning_that_is_known_is_not_read_again(
    name: str, before: int, known: int, tmp_path: Path
) -> None:
    decoder = language.load(models.folder(tmp_path, name), "cpu", "f32").decoder
    slots = Slots(decoder, 3, 64)
    first = list(range(3, 3 + before))
    slots.step({0: first})
    # The first goes on while the second begins as it did.
    second = [*first[:20], 90, 91]
    assert slots.begin(2, second) == known
    found = slots.step({0: [77], 2: second[known:]})
    for slot, ids in {0: [*first, 77], 2: second}.items():
        alone = decoder.logits(ids, Cache(decoder, 64))
        torch.testing.assert_close(found[slot], alone, rtol=1e-4, atol=1e-4)


def test_of_the_same_prompt_the_last_token_is_read_again(
    engine: Engine, model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = model.encode(" ".join(PROMPTS))
    taken: list[dict[int, int]] = []
    step = engine._slots.step

    def counted(new: dict[int, list[int]]) -> dict[int, torch.Tensor]:
        taken.append({slot: len(part) for slot, part in new.items()})
        return step(new)

    monkeypatch.setattr(engine._slots, "step", counted)
    events = [answered(engine, [Wish(ids, Sampling(0), 4, spell_after=ids)]) for _ in range(2)]
    assert texts(events[0], 1) == texts(events[1], 1)
    assert [part for part in taken if part != {0: 1}] == [{0: len(ids)}]


def test_answers_at_once_are_those_of_each_alone(engine: Engine, model: Model) -> None:
    how = Sampling(0.8, top_p=0.9)
    alone = [model.generate(text, how, 30, seed=k).text() for k, text in enumerate(PROMPTS)]
    ids = [model.encode(text) for text in PROMPTS]
    wishes = [
        Wish(ids[k], how, 30, seed=k, index=k, spell_after=ids[k]) for k in range(len(PROMPTS))
    ]
    events = answered(engine, wishes)
    assert texts(events, len(PROMPTS)) == alone
    # Three slots for four, so that one waits.
    assert max(event.get("batch", 0) for event in events) == 3
    assert engine.load == (0, 0)


def test_a_stop_ends_one_and_not_the_others(engine: Engine, model: Model) -> None:
    ids = model.encode(PROMPTS[0])
    whole = model.generate(PROMPTS[0], Sampling(0), 20).text()
    stop = whole[5:8]
    wishes = [Wish(ids, Sampling(0), 20, [stop] * k, index=k, spell_after=ids) for k in (0, 1)]
    events = answered(engine, wishes)
    assert texts(events, 2) == [whole, whole[: whole.index(stop)]]
    finishes = {event["index"]: event["finish"] for event in events if "finish" in event}
    assert finishes[1] == "stop"


def test_logprobs_are_of_the_tokens_that_were_taken(
    engine: Engine, model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(model, "ends", frozenset())
    ids = model.encode(PROMPTS[0])
    events = answered(engine, [Wish(ids, Sampling(0), 6, logprobs=2)])
    noted = [each for event in events for each in event.get("logprobs", [])]
    scores = torch.log_softmax(model.logits(ids)[-1], 0)
    best, second = torch.topk(scores, 2).values.tolist()
    assert len(noted) == 6
    assert noted[0]["logprob"] == pytest.approx(best, rel=1e-4)
    assert [top["logprob"] for top in noted[0]["top"]] == pytest.approx([best, second], rel=1e-4)


def test_an_answer_that_nobody_wants_frees_its_slot(
    model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = Engine(model, 1)
    try:
        events: queue.Queue[dict[str, Any]] = queue.Queue()
        ids = model.encode(PROMPTS[0])
        long = Wish(ids, Sampling(1), 400, seed=1)
        monkeypatch.setattr(model, "ends", frozenset())
        cancel = engine.submit([long], events.put)
        events.get(timeout=30)
        cancel.set()
        after = answered(engine, [Wish(ids, Sampling(0), 3)])
        assert [event["finish"] for event in after if "finish" in event] == ["length"]
        assert not any("finish" in event for event in events.queue)
    finally:
        engine.close()


def test_a_step_that_fails_is_told_and_later_ones_begin(
    engine: Engine, model: Model, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    ids = model.encode(PROMPTS[0])
    with monkeypatch.context() as patch:

        def broken(new: object) -> object:
            raise MemoryError("no room")

        patch.setattr(engine._slots, "step", broken)
        events = answered(engine, [Wish(ids, Sampling(0), 3)])
        assert events == [{"error": "MemoryError: no room"}]
    assert "a step failed" in caplog.text
    assert "finish" in answered(engine, [Wish(ids, Sampling(0), 3)])[-1]
    assert engine.alive


def test_what_the_context_has_no_room_for(engine: Engine) -> None:
    assert engine.check([1, 2], None) == 510
    with pytest.raises(InputError) as error:
        engine.check([1] * 512, None)
    assert str(error.value) == (
        "this model's context is 512 tokens; the prompt has 512: shorten it"
    )
    with pytest.raises(InputError) as error:
        engine.check([1] * 10, 503)
    assert str(error.value) == (
        "this model's context is 512 tokens; the prompt has 10 and 503 for the answer: shorten it"
    )
    with pytest.raises(InputError, match="the prompt has no tokens; give a word or more"):
        engine.check([], None)
