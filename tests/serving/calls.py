"""Requests to the ingress without a network, and models that stand in for those behind it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import Any, Literal

from byhand.serving.gate import Gate
from byhand.serving.refusals import Refused

WORDS = ("the ", "quick ", "fox", "…")


class Parrot:
    """Answers every wish with `WORDS`, and remembers the wishes."""

    kind: Literal["language", "classifier"] = "language"

    def __init__(self, state: dict[str, Any] | None = None) -> None:
        self.state = state or {"state": "ready", "why": "", "created": 7}
        self.wishes: list[dict[str, Any]] = []
        self.closed = 0
        self.refused: Refused | None = None
        self.breaks: Exception | None = None

    async def describe(self) -> dict[str, Any]:
        if self.state["state"] == "loading":
            await asyncio.sleep(60)
        return self.state

    async def answer(self, wish: dict[str, Any]) -> AsyncGenerator[list[dict[str, Any]], None]:
        self.wishes.append(wish)
        if self.refused is not None:
            raise self.refused
        try:
            yield [{"prompt": 5}]
            for index in range(wish["n"]):
                for count, word in enumerate(WORDS, 1):
                    event = {"index": index, "text": word, "count": count, "batch": 2}
                    if wish["logprobs"] is not None:
                        top = [{"token": word, "logprob": -0.5}] * wish["logprobs"]
                        noted = {"token": word, "logprob": -0.5, "top": top}
                        event["logprobs"] = [noted]
                    yield [event]
                    if self.breaks is not None:
                        raise self.breaks
                yield [{"index": index, "finish": "length"}]
        finally:
            self.closed += 1

    async def predict(self, image: str) -> dict[str, Any]:
        return {"classes": [{"class": "7", "output": 0.9}], "notes": []}


class Judge(Parrot):
    """A classifier."""

    kind: Literal["language", "classifier"] = "classifier"


@dataclass
class Answer:
    """A response."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


async def call(
    app: Gate,
    path: str,
    body: Any = None,
    method: str | None = None,
    headers: dict[str, str] | None = None,
    most_messages: int | None = None,
) -> Answer:
    """One request; the client hangs up after so many messages of the response.

    body    bytes as they are, anything else as JSON; without one it is a GET
    """
    sent: list[Any] = []
    gone = asyncio.Event()
    content = (
        body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
    )
    parts = [{"type": "http.request", "body": content, "more_body": False}]

    async def receive() -> Any:
        if parts:
            return parts.pop()
        await gone.wait()
        return {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        sent.append(message)
        if most_messages is not None and len(sent) >= most_messages:
            gone.set()
        await asyncio.sleep(0)

    pairs = {"content-type": "application/json", **(headers or {})}
    scope = {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": method or ("GET" if body is None else "POST"),
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(errors="replace"),
        "query_string": b"",
        "root_path": "",
        "headers": [(k.lower().encode(), v.encode("latin-1")) for k, v in pairs.items()],
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 8000),
    }
    await app(scope, receive, send)
    begins = [message for message in sent if message["type"] == "http.response.start"]
    assert len(begins) == 1
    given = {k.decode(): v.decode() for k, v in begins[0]["headers"]}
    return Answer(begins[0]["status"], given, b"".join(m.get("body", b"") for m in sent[1:]))


def ask(*arguments: Any, **options: Any) -> Answer:
    """The same from a test."""
    return asyncio.run(call(*arguments, **options))
