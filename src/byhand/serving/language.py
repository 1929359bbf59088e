"""A replica with a language model: wishes in, events out."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import AsyncGenerator
from contextlib import suppress
from typing import Any

from byhand.errors import ByhandError, InputError
from byhand.language.generation import check_stops
from byhand.serving.answers import Event
from byhand.serving.planning import DTYPE

PAUSE = 0.02
"""Seconds from one part of a stream to the next, for each sequence that runs. A part costs
processors that the model computes on a few milliseconds, on its way through Ray and HTTP."""


class LanguageReplica:
    """One model and its engine.

    A model that cannot be loaded is not asked for again and again: the replica lives and says why.

    source      as `byhand.language.load` takes it
    slots       answers at once
    context     tokens of one; None: as many as the model usually has
    threads     of PyTorch
    """

    def __init__(self, source: str, slots: int, context: int | None, threads: int) -> None:
        import torch

        from byhand import language
        from byhand.serving.engine import Engine

        torch.set_num_threads(threads)
        self.why = ""
        self.created = int(time.time())
        try:
            self.engine = Engine(language.load(source, "auto", DTYPE, context), slots)
        except ByhandError as error:
            self.why = str(error)

    async def describe(self) -> dict[str, Any]:
        """How it is."""
        state = "failed" if self.why else "ready"
        return {"state": state, "why": self.why, "created": self.created}

    def check_health(self) -> None:
        """For Ray, which replaces a replica that raises."""
        if not self.why and not self.engine.alive:
            raise RuntimeError("the engine's thread has ended")

    async def answer(self, wish: dict[str, Any]) -> AsyncGenerator[list[Event], None]:
        """The tokens of the prompt, and then the engine's events, as many as there are at a time:
        the first and the last ones at once, those between not more often than `PAUSE` says. What is
        refused is an event, too: an error of Python would reach the ingress as text."""
        if self.why:
            yield [_refusal(503, "model_failed", f"this model could not be loaded: {self.why}")]
            return
        try:
            wishes = await asyncio.to_thread(self._wishes, wish)
        except InputError as error:
            code = "context_length_exceeded" if "context is" in str(error) else "invalid_request"
            yield [_refusal(400, code, str(error))]
            return
        queue: asyncio.Queue[Event] = asyncio.Queue()
        loop = asyncio.get_running_loop()
        left, told = len(wishes), 0.0
        ended = asyncio.Event()

        def emit(event: Event) -> None:
            loop.call_soon_threadsafe(queue.put_nowait, event)
            if "text" not in event:
                loop.call_soon_threadsafe(ended.set)

        cancelled = self.engine.submit(wishes, emit)
        try:
            yield [{"prompt": len(wishes[0].prompt)}]
            while left:
                events = [await queue.get()]
                pause = told + PAUSE * self.engine.load[0] - time.monotonic()
                if pause > 0:
                    with suppress(TimeoutError):
                        await asyncio.wait_for(ended.wait(), pause)
                while not queue.empty():
                    events.append(queue.get_nowait())
                left -= sum("finish" in event for event in events)
                told = time.monotonic()
                yield events
        finally:
            cancelled.set()

    def _wishes(self, wish: dict[str, Any]) -> list[Any]:
        from byhand.serving.engine import Wish

        model, prompt = self.engine.model, wish["prompt"]
        if prompt and isinstance(prompt[0], dict) and not model.chats:
            raise InputError(
                "this model has no chat template, so it goes on with a text and does not answer: "
                "ask /v1/completions"
            )
        if isinstance(prompt, list) and isinstance(prompt[0], int):
            words = model.checkpoint.config["vocab_size"]
            if not all(0 <= k < words for k in prompt):
                raise InputError(f"prompt: a token is a number from 0 to {words - 1:,}")
            ids, said = prompt, prompt
        else:
            ids = model.encode(prompt)
            said = ids if isinstance(prompt, str) else []
        most = self.engine.check(ids, wish["max_tokens"])
        sampling = model.sampled(wish["temperature"], None, wish["top_p"])
        seed = secrets.randbits(63) if wish["seed"] is None else wish["seed"] % 2**64
        return [
            Wish(
                ids,
                sampling,
                most,
                check_stops(wish["stop"]),
                (seed + index) % 2**64,
                wish["logprobs"],
                index,
                said,
            )
            for index in range(wish["n"])
        ]


def _refusal(status: int, code: str, message: str) -> Event:
    return {"error": message, "status": status, "code": code}
