"""What a model's events become, in OpenAI's form."""

from __future__ import annotations

import json
import time
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any, Literal

Event = dict[str, Any]
Events = AsyncGenerator[Event, None]
Kind = Literal["chat", "text"]
OBJECTS = {
    ("chat", False): "chat.completion",
    ("chat", True): "chat.completion.chunk",
    ("text", False): "text_completion",
    ("text", True): "text_completion",
}
DONE = b"data: [DONE]\n\n"


@dataclass
class Telling:
    """One request's answers as they come.

    prompt      tokens of the prompt
    counts      tokens of each answer so far
    """

    kind: Kind
    model: str
    request_id: str
    n: int
    prompt: int = 0
    counts: dict[int, int] = field(default_factory=dict)
    created: int = field(default_factory=lambda: int(time.time()))

    def usage(self) -> dict[str, int]:
        """Of the prompt and of all answers."""
        answer = sum(self.counts.values())
        return {
            "prompt_tokens": self.prompt,
            "completion_tokens": answer,
            "total_tokens": self.prompt + answer,
        }

    def frame(self, choices: list[dict[str, Any]], streaming: bool) -> dict[str, Any]:
        """What stands around the choices."""
        short = "chatcmpl" if self.kind == "chat" else "cmpl"
        return {
            "id": f"{short}-{self.request_id}",
            "object": OBJECTS[self.kind, streaming],
            "created": self.created,
            "model": self.model,
            "choices": choices,
        }

    def take(self, event: Event) -> None:
        """Count what the event adds."""
        if "prompt" in event:
            self.prompt = event["prompt"]
        elif "count" in event:
            self.counts[event["index"]] = event["count"]

    def chunk(self, event: Event) -> dict[str, Any] | None:
        """The choice of a stream's next part; None where there is nothing to tell."""
        if "finish" in event:
            said: dict[str, Any] = {"delta": {}} if self.kind == "chat" else {"text": ""}
            return {**said, "index": event["index"], "finish_reason": event["finish"]}
        text = event.get("text", "")
        if not text and not event.get("logprobs"):
            return None
        said = {"delta": {"content": text}} if self.kind == "chat" else {"text": text}
        return {
            **said,
            "index": event["index"],
            "logprobs": self.logprobs(event.get("logprobs")),
            "finish_reason": None,
        }

    def logprobs(self, noted: list[Event] | None) -> dict[str, Any] | None:
        """In the form of the request's kind, which are two."""
        if not noted:
            return None
        if self.kind == "chat":
            return {
                "content": [{**_word(n), "top_logprobs": list(map(_word, n["top"]))} for n in noted]
            }
        return {
            "tokens": [n["token"] for n in noted],
            "token_logprobs": [n["logprob"] for n in noted],
            "top_logprobs": [{t["token"]: t["logprob"] for t in n["top"]} for n in noted],
        }


def _word(noted: Event) -> dict[str, Any]:
    token = noted["token"]
    return {"token": token, "logprob": noted["logprob"], "bytes": list(token.encode())}


async def whole(telling: Telling, events: Events) -> dict[str, Any]:
    """The response to a request that wants all at once."""
    texts = [""] * telling.n
    finishes: list[str | None] = [None] * telling.n
    noted: list[list[Event]] = [[] for _ in range(telling.n)]
    async with aclosing(events):
        async for event in events:
            telling.take(event)
            if "text" in event:
                texts[event["index"]] += event["text"]
                noted[event["index"]] += event.get("logprobs", [])
            elif "finish" in event:
                finishes[event["index"]] = event["finish"]
    choices = []
    for index, text in enumerate(texts):
        said: dict[str, Any] = (
            {"message": {"role": "assistant", "content": text}}
            if telling.kind == "chat"
            else {"text": text}
        )
        choices.append(
            {
                **said,
                "index": index,
                "logprobs": telling.logprobs(noted[index]),
                "finish_reason": finishes[index],
            }
        )
    return {**telling.frame(choices, False), "usage": telling.usage()}


async def streamed(
    telling: Telling, events: Events, with_usage: bool
) -> AsyncGenerator[bytes, None]:
    """Server-sent events, each with what has come, up to [DONE]."""
    if telling.kind == "chat":
        for index in range(telling.n):
            begin = {"index": index, "delta": {"role": "assistant", "content": ""}}
            yield sse(telling.frame([{**begin, "finish_reason": None}], True))
    # A client that has gone: the model is told at once, not when this is collected.
    async with aclosing(events):
        async for event in events:
            telling.take(event)
            choice = None if "prompt" in event else telling.chunk(event)
            if choice is not None:
                yield sse(telling.frame([choice], True))
    if with_usage:
        yield sse({**telling.frame([], True), "usage": telling.usage()})
    yield DONE


def sse(body: dict[str, Any]) -> bytes:
    """One server-sent event."""
    return b"data: " + json.dumps(body, ensure_ascii=False).encode() + b"\n\n"
