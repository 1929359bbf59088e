from __future__ import annotations

import asyncio
import json
import logging
import re
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import httpx
import openai
import pytest
from openai import AsyncOpenAI

from byhand.errors import InputError
from byhand.serving import ingress
from byhand.serving.gate import MOST_BODY, Gate, read_keys
from byhand.serving.ingress import make_app
from byhand.serving.metrics import log
from byhand.serving.refusals import full, lost

from .calls import WORDS, Judge, Parrot, ask

TEXT = "".join(WORDS)
CHAT = {"model": "bird", "messages": [{"role": "user", "content": "hi"}]}
Clients = Callable[[Callable[[AsyncOpenAI], Awaitable[Any]]], Any]


@pytest.fixture
def parrot() -> Parrot:
    return Parrot()


@pytest.fixture
def app(parrot: Parrot) -> Gate:
    return make_app({"bird": parrot, "digits": Judge()})


@pytest.fixture
def client(app: Gate) -> Clients:
    """OpenAI's own client, its transport the application itself."""

    def run(use: Callable[[AsyncOpenAI], Awaitable[Any]]) -> Any:
        async def inside() -> Any:
            transport = httpx.ASGITransport(app)
            async with httpx.AsyncClient(transport=transport) as http:
                return await use(
                    AsyncOpenAI(
                        base_url="http://here/v1", api_key="k", http_client=http, max_retries=0
                    )
                )

        return asyncio.run(inside())

    return run


def test_openais_client_lists_the_models(client: Clients) -> None:
    async def use(client: AsyncOpenAI) -> Any:
        return [model async for model in client.models.list()], await client.models.retrieve("bird")

    found, one = client(use)
    assert [model.id for model in found] == ["bird", "digits"]
    assert (one.id, one.created, one.owned_by) == ("bird", 7, "byhand")


def test_openais_client_gets_answers(client: Clients, parrot: Parrot) -> None:
    async def use(client: AsyncOpenAI) -> Any:
        return await client.chat.completions.create(
            model="bird",
            messages=[
                {"role": "developer", "content": "be short"},
                {"role": "user", "content": [{"type": "text", "text": "hi"}]},
            ],
            n=2,
            stop=["."],
            seed=3,
            temperature=0.5,
            top_p=0.9,
            max_completion_tokens=9,
            logprobs=True,
            top_logprobs=2,
            user="me",
        )

    answer = client(use)
    assert [choice.message.content for choice in answer.choices] == [TEXT, TEXT]
    assert [choice.finish_reason for choice in answer.choices] == ["length", "length"]
    assert (answer.usage.prompt_tokens, answer.usage.completion_tokens) == (5, 2 * len(WORDS))
    assert answer.usage.total_tokens == 5 + 2 * len(WORDS)
    first = answer.choices[0].logprobs.content[0]
    assert (first.token, first.bytes, len(first.top_logprobs)) == ("the ", list(b"the "), 2)
    assert parrot.wishes == [
        {
            "prompt": [
                {"role": "system", "content": "be short"},
                {"role": "user", "content": "hi"},
            ],
            "max_tokens": 9,
            "logprobs": 2,
            "temperature": 0.5,
            "top_p": 0.9,
            "n": 2,
            "stop": ["."],
            "seed": 3,
        }
    ]


def test_openais_client_gets_a_stream_with_usage(client: Clients) -> None:
    async def use(client: AsyncOpenAI) -> Any:
        stream = await client.chat.completions.create(
            model="bird",
            messages=[{"role": "user", "content": "hi"}],
            stream=True,
            stream_options={"include_usage": True},
        )
        return [chunk async for chunk in stream]

    *chunks, last = client(use)
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks) == TEXT
    assert chunks[0].choices[0].delta.role == "assistant"
    assert chunks[-1].choices[0].finish_reason == "length"
    assert {chunk.object for chunk in chunks} == {"chat.completion.chunk"}
    assert len({chunk.id for chunk in chunks}) == 1
    assert (last.choices, last.usage.total_tokens) == ([], 5 + len(WORDS))


def test_openais_client_goes_on_with_a_text(client: Clients, parrot: Parrot) -> None:
    async def use(client: AsyncOpenAI) -> Any:
        whole = await client.completions.create(model="bird", prompt="once", logprobs=1)
        stream = await client.completions.create(model="bird", prompt=[3, 4], stream=True)
        return whole, [chunk async for chunk in stream]

    whole, chunks = client(use)
    assert whole.choices[0].text == TEXT
    assert whole.choices[0].logprobs.top_logprobs[0] == {"the ": -0.5}
    assert "".join(chunk.choices[0].text for chunk in chunks) == TEXT
    assert [wish["max_tokens"] for wish in parrot.wishes] == [16, 16]
    assert [wish["prompt"] for wish in parrot.wishes] == ["once", [3, 4]]


@pytest.mark.parametrize(
    ("change", "status", "code", "param", "message"),
    [
        (
            {"model": "cat"},
            404,
            "model_not_found",
            "model",
            "no model is called 'cat'; there is bird, digits",
        ),
        (
            {"model": "digits"},
            400,
            "wrong_kind",
            "model",
            "digits is a classifier model, for /v1/predict",
        ),
        (
            {"tools": []},
            400,
            "unknown_field",
            "tools",
            "tools: byhand does not know this field; leave it out",
        ),
        (
            {"messages": "hi"},
            400,
            "invalid_request",
            "messages",
            "messages: Input should be a valid list",
        ),
        (
            {"messages": []},
            400,
            "invalid_request",
            "messages",
            "messages: List should have at least 1 item after validation, not 0",
        ),
        (
            {"temperature": 3},
            400,
            "invalid_request",
            "temperature",
            "temperature: Input should be less than or equal to 2",
        ),
        (
            {"n": 100},
            400,
            "invalid_request",
            "n",
            "n: Input should be less than or equal to 8",
        ),
        (
            {"presence_penalty": 1},
            400,
            "invalid_request",
            "presence_penalty",
            "presence_penalty: Input should be less than or equal to 0",
        ),
    ],
)
def test_refusals_are_in_openais_form(
    app: Gate, change: dict[str, Any], status: int, code: str, param: str, message: str
) -> None:
    answer = ask(app, "/v1/chat/completions", {**CHAT, **change})
    assert answer.status == status
    error = answer.json["error"]
    assert (error["code"], error["param"], error["message"]) == (code, param, message)
    assert error["type"] == ("not_found_error" if status == 404 else "invalid_request_error")


def test_bodies_that_are_no_request(app: Gate) -> None:
    answer = ask(app, "/v1/chat/completions", b"{")
    assert (answer.status, answer.json["error"]["message"]) == (400, "the body is not JSON")
    answer = ask(app, "/v1/chat/completions", b" " * (MOST_BODY + 1))
    assert (answer.status, answer.json["error"]["code"]) == (413, "body_too_large")
    declared = {"content-length": str(MOST_BODY + 1)}
    assert ask(app, "/v1/chat/completions", b"{}", headers=declared).status == 413
    assert ask(app, "/v1/nothing").json["error"]["message"] == "there is no /v1/nothing"
    answer = ask(app, "/v1/models", {}, method="DELETE")
    assert (answer.status, answer.json["error"]["code"]) == (405, "method_not_allowed")
    assert answer.json["error"]["message"] == "/v1/models does not take DELETE"


def test_a_full_queue_says_when_to_come_again(app: Gate, parrot: Parrot) -> None:
    parrot.refused = full("bird")
    answer = ask(app, "/v1/chat/completions", CHAT)
    assert (answer.status, answer.headers["retry-after"]) == (429, "1")
    assert answer.json["error"] == {
        "message": "as many requests wait for bird as may; come again in 1 s",
        "type": "rate_limit_error",
        "param": None,
        "code": "queue_full",
    }


def test_a_replica_that_is_lost_in_a_stream_is_told_in_it(
    app: Gate, parrot: Parrot, client: Clients
) -> None:
    parrot.breaks = lost("bird")
    text = ask(app, "/v1/chat/completions", {**CHAT, "stream": True}).body.decode()
    assert "another takes its place; send the request again" in text
    assert "[DONE]" not in text

    async def use(client: AsyncOpenAI) -> Any:
        stream = await client.completions.create(model="bird", prompt="x", stream=True)
        return [chunk async for chunk in stream]

    with pytest.raises(openai.APIError, match="the replica of bird that worked on this request"):
        client(use)
    answer = ask(app, "/v1/chat/completions", CHAT)
    assert (answer.status, answer.json["error"]["code"]) == (503, "replica_lost")


def test_what_nobody_expected_is_a_500_without_its_text(
    app: Gate, parrot: Parrot, caplog: pytest.LogCaptureFixture
) -> None:
    parrot.breaks = RuntimeError("a secret path")
    answer = ask(app, "/v1/chat/completions", CHAT)
    assert (answer.status, answer.json["error"]["code"]) == (500, "failed")
    assert answer.json["error"]["message"] == "something failed here; the log says what"
    assert "a secret path" in caplog.text


def test_a_client_that_hangs_up_ends_its_answer(app: Gate, parrot: Parrot) -> None:
    # The beginnings of eight answers come first, and then their words.
    ask(app, "/v1/chat/completions", {**CHAT, "n": 8, "stream": True}, most_messages=11)
    assert parrot.closed == 1
    assert app.open == 0
    text = ask(app, "/metrics").body.decode()
    assert 'byhand_requests_running{model="bird"} 0.0' in text
    assert 'byhand_errors_total{code="hung_up"} 1.0' in text


def test_keys(parrot: Parrot, tmp_path: Path) -> None:
    (tmp_path / "keys").write_text("# ours\nfirst\n\nsecond\n", "utf-8")
    app = make_app({"bird": parrot}, read_keys(tmp_path / "keys"))
    answer = ask(app, "/v1/models")
    assert (answer.status, answer.headers["www-authenticate"]) == (401, "Bearer")
    assert answer.json["error"]["message"] == (
        "this service asks for an API key, as Authorization: Bearer KEY; found none"
    )
    wrong = ask(app, "/v1/models", headers={"authorization": "Bearer third"})
    assert wrong.json["error"]["code"] == "invalid_api_key"
    assert wrong.json["error"]["message"].endswith("; the one that came is not known")
    for key in ("first", "second"):
        assert ask(app, "/v1/models", headers={"authorization": f"Bearer {key}"}).status == 200
    assert ask(app, "/v1/chat/completions", CHAT).status == 401
    assert parrot.wishes == []
    assert [ask(app, path).status for path in ("/health", "/ready", "/metrics")] == [200] * 3


def test_key_files_that_hold_none(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="which cannot be read: No such file or directory"):
        read_keys(tmp_path / "none")
    (tmp_path / "empty").write_text("# nothing\n", "utf-8")
    with pytest.raises(InputError, match="has no API key; write one on each line"):
        read_keys(tmp_path / "empty")


def test_ready_says_how_each_model_is(monkeypatch: pytest.MonkeyPatch, parrot: Parrot) -> None:
    monkeypatch.setattr(ingress, "LOOK_SECONDS", 0.01)
    failed = Parrot({"state": "failed", "why": "no tokenizer"})
    slow = Parrot({"state": "loading"})
    answer = ask(make_app({"bird": parrot, "bad": failed, "slow": slow}), "/ready")
    assert answer.status == 200
    assert answer.json["models"] == {
        "bird": {"state": "ready"},
        "bad": {"state": "failed", "why": "no tokenizer"},
        "slow": {"state": "loading"},
    }
    assert ask(make_app({"bad": failed, "slow": slow}), "/ready").status == 503


def test_a_service_that_ends_takes_no_more(app: Gate) -> None:
    app.draining = True
    answer = ask(app, "/v1/chat/completions", CHAT)
    assert (answer.status, answer.json["error"]["code"]) == (503, "shutting_down")
    assert ask(app, "/ready").status == 503
    assert ask(app, "/health").status == 200


def test_metrics_and_the_log_tell_of_each_request(
    app: Gate, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines: list[str] = []

    class Kept(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            lines.append(record.getMessage())

    monkeypatch.setattr(log(), "handlers", [Kept()])
    answer = ask(app, "/v1/chat/completions", CHAT, headers={"X-Request-ID": "mine-1"})
    assert answer.headers["x-request-id"] == "mine-1"
    ask(app, "/v1/chat/completions", {**CHAT, "n": 0}, headers={"X-Request-ID": "a\tb"})
    first, second = map(json.loads, lines)
    assert first["request_id"] == "mine-1"
    assert (first["status"], first["prompt_tokens"], first["answer_tokens"]) == (200, 5, 4)
    assert first["first_token_seconds"] <= first["seconds"]
    assert re.fullmatch("[0-9a-f]{32}", second["request_id"])
    assert (second["status"], second["code"]) == (400, "invalid_request")
    answer = ask(app, "/metrics")
    assert answer.headers["content-type"].startswith("application/openmetrics-text")
    text = answer.body.decode()
    assert text.endswith("# EOF\n")
    for line in (
        'byhand_requests_total{model="bird",status="200"} 1.0',
        'byhand_errors_total{code="invalid_request"} 1.0',
        'byhand_tokens_total{kind="answer",model="bird"} 4.0',
        'byhand_requests_waiting{model="bird"} 0.0',
        'byhand_requests_running{model="bird"} 0.0',
        'byhand_batch_size_sum{model="bird"} 8.0',
        'byhand_time_to_first_token_seconds_count{model="bird"} 1.0',
        'byhand_tokens_per_second_count{model="bird"} 1.0',
    ):
        assert line in text


def test_a_classifier_names_classes(app: Gate) -> None:
    answer = ask(app, "/v1/predict", {"model": "digits", "image": "aGk="})
    assert answer.json == {
        "model": "digits",
        "classes": [{"class": "7", "output": 0.9}],
        "notes": [],
    }
    answer = ask(app, "/v1/predict", {"model": "bird", "image": "aGk="})
    assert answer.json["error"]["message"] == ("bird is a language model, for /v1/chat/completions")
