"""Answers for many requests at once: a thread that steps all sequences, which join when a slot is
free and leave when they end or nobody wants them any longer."""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from byhand.errors import InputError
from byhand.language.generation import Until
from byhand.language.memory import PIECE
from byhand.language.model import Model
from byhand.randomness import stream
from byhand.sampling import Sampling
from byhand.serving.batching import Slots

logger = logging.getLogger(__name__)
Event = dict[str, Any]
Emit = Callable[[Event], None]


@dataclass
class Wish:
    """One answer that somebody wants.

    prompt      its tokens
    spell_after the tokens of which the answer is a continuation
    logprobs    None, or of how many alternatives the logarithms of probabilities are told
    """

    prompt: list[int]
    sampling: Sampling
    most: int
    stops: Sequence[str] = ()
    seed: int = 0
    logprobs: int | None = None
    index: int = 0
    spell_after: Sequence[int] = ()


@dataclass
class _Sequence:
    wish: Wish
    emit: Emit
    left: deque[int]
    random: Any
    until: Until
    cancelled: threading.Event
    fed: deque[int] = field(default_factory=deque)
    pieces: Iterator[str] = field(default_factory=lambda: iter(()))
    slot: int = -1
    last: int = 0
    count: int = 0
    noted: list[Event] = field(default_factory=list)


class Engine:
    """A model that works on several answers at once.

    emit's events, by the index of the answer:
        {"index", "text", "count", "batch", "logprobs"}     what one token or more added, and how
                                                            many sequences took part in the step
        {"index", "finish"}                                 its end: stop or length
        {"error"}                                           the end of all, with what happened
    """

    def __init__(self, model: Model, slots: int) -> None:
        self.model = model
        self._slots = Slots(model.decoder, slots, model.context)
        self._free = list(range(slots))
        self._waiting: deque[_Sequence] = deque()
        self._running: list[_Sequence] = []
        self._wake = threading.Condition()
        self._closed = False
        self._thread = threading.Thread(target=self._work, name="engine", daemon=True)
        self._thread.start()

    @property
    def alive(self) -> bool:
        """Whether the thread runs."""
        return self._thread.is_alive()

    @property
    def load(self) -> tuple[int, int]:
        """Sequences that run, and that wait."""
        return len(self._running), len(self._waiting)

    def check(self, ids: Sequence[int], most: int | None) -> int:
        """How many tokens an answer may have.

        Raises      InputError, with the numbers, where the context has no room for them
        """
        context = self.model.context
        if not ids:
            raise InputError("the prompt has no tokens; give a word or more")
        room = context - len(ids)
        if room < 1 or (most or 0) > room:
            wanted = "" if most is None else f" and {most:,} for the answer"
            raise InputError(
                f"this model's context is {context:,} tokens; the prompt has {len(ids):,}{wanted}: "
                "shorten it"
            )
        return room if most is None else most

    def submit(self, wishes: Sequence[Wish], emit: Emit) -> threading.Event:
        """Begin these answers; setting the event that comes back gives them up."""
        cancelled = threading.Event()
        for wish in wishes:
            random = stream(wish.seed, "sampling")
            sequence = _Sequence(
                wish, emit, deque(wish.prompt), random, Until(wish.stops), cancelled
            )
            spelled = self.model.tokenizer.spelled(_fed(sequence), after=wish.spell_after)
            sequence.pieces = iter(spelled)
            with self._wake:
                self._waiting.append(sequence)
                self._wake.notify()
        return cancelled

    def close(self) -> None:
        """End the thread; answers that are not finished are given up."""
        with self._wake:
            self._closed = True
            self._wake.notify()
        self._thread.join()

    def _work(self) -> None:
        while True:
            with self._wake:
                self._wake.wait_for(lambda: self._closed or self._waiting or self._running)
                if self._closed:
                    return
                self._admit()
            try:
                if self._running:
                    self._advance()
            except Exception as error:
                # Such as for want of memory: these answers end, and later ones begin.
                logger.exception("a step failed")
                for sequence in list(self._running):
                    self._slots.forget(sequence.slot)
                    self._leave(sequence, {"error": f"{type(error).__name__}: {error}"})

    def _admit(self) -> None:
        for sequence in [s for s in self._running if s.cancelled.is_set()]:
            self._leave(sequence, None)
        while self._waiting and self._free:
            sequence = self._waiting.popleft()
            if sequence.cancelled.is_set():
                continue
            sequence.slot = min(self._free)
            self._free.remove(sequence.slot)
            known = self._slots.begin(sequence.slot, sequence.wish.prompt)
            sequence.left = deque(sequence.wish.prompt[known:])
            self._running.append(sequence)

    def _advance(self) -> None:
        """One token of every answer that has begun, and of prompts at most a piece in all."""
        new, room = {}, PIECE
        for sequence in self._running:
            if not sequence.left:
                new[sequence.slot] = [sequence.last]
            elif room:
                count = min(room, len(sequence.left))
                new[sequence.slot] = [sequence.left.popleft() for _ in range(count)]
                room -= count
        found = self._slots.step(new)
        for sequence in list(self._running):
            if sequence.slot in found and not sequence.left:
                self._take(sequence, found[sequence.slot], len(new))

    def _take(self, sequence: _Sequence, scores: Tensor, batch: int) -> None:
        """The next token of an answer, and what follows from it."""
        wish = sequence.wish
        if wish.sampling.temperature == 0:
            token = int(scores.argmax())
        else:
            p = torch.softmax(scores, 0).cpu().numpy()
            token = wish.sampling.draw(p, sequence.random.random())
        if token in self.model.ends:
            self._end(sequence, "stop", batch)
            return
        sequence.last, sequence.count = token, sequence.count + 1
        if wish.logprobs is not None:
            sequence.noted.append(self._noted(scores, token, wish.logprobs))
        sequence.fed.append(token)
        text = sequence.until.push(next(sequence.pieces))
        self._say(sequence, text, batch)
        if sequence.until.ended:
            self._end(sequence, "stop", batch)
        elif sequence.count == wish.most:
            self._end(sequence, "length", batch)

    def _say(self, sequence: _Sequence, text: str, batch: int) -> None:
        event: Event = {
            "index": sequence.wish.index,
            "text": text,
            "count": sequence.count,
            "batch": batch,
        }
        if text and sequence.noted:
            event["logprobs"], sequence.noted = sequence.noted, []
        sequence.emit(event)

    def _end(self, sequence: _Sequence, finish: str, batch: int) -> None:
        if sequence.until.held or sequence.noted:
            held, sequence.until.held = sequence.until.held, ""
            self._say(sequence, held, batch)
        self._leave(sequence, {"index": sequence.wish.index, "finish": finish})

    def _leave(self, sequence: _Sequence, event: Event | None) -> None:
        self._running.remove(sequence)
        self._free.append(sequence.slot)
        if event is not None:
            sequence.emit(event)

    def _noted(self, scores: Tensor, token: int, count: int) -> Event:
        logs = torch.log_softmax(scores, 0)
        top = torch.topk(logs, count) if count else None
        words = self.model.tokenizer
        return {
            "token": words.decode([token]),
            "logprob": float(logs[token]),
            "top": []
            if top is None
            else [
                {"token": words.decode([k]), "logprob": p}
                for k, p in zip(top.indices.tolist(), top.values.tolist(), strict=True)
            ],
        }


def _fed(sequence: _Sequence) -> Iterator[int]:
    """The tokens of the answer; each is asked for once it is there."""
    while True:
        yield sequence.fed.popleft()
