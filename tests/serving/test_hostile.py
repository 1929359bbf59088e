"""Whatever a client sends, the answer is one in OpenAI's form, and never a 500."""

from __future__ import annotations

import asyncio
import json
import threading
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from byhand.language.model import Model
from byhand.serving.application import RayHandle
from byhand.serving.gate import Gate
from byhand.serving.ingress import make_app
from byhand.serving.language import LanguageReplica
from byhand.serving.metrics import log

from .calls import Answer, Judge, Parrot, call

CASES = 700
"""Of each of three tests."""
COMMON = settings(
    max_examples=CASES,
    deadline=None,
    database=None,
    derandomize=True,
    suppress_health_check=list(HealthCheck),
)
PATHS = ["/v1/chat/completions", "/v1/completions", "/v1/predict"]


class Quick:
    """An engine that says two words at once: what is tested is what comes before it."""

    load = (1, 0)

    def __init__(self, model: Model) -> None:
        self.model = model

    def check(self, ids: list[int], most: int | None) -> int:
        from byhand.serving.engine import Engine

        return Engine.check(self, ids, most)  # type: ignore[arg-type]

    def submit(self, wishes: list[Any], emit: Any) -> threading.Event:
        for wish in wishes:
            emit({"index": wish.index, "text": "hm", "count": 1, "batch": 1})
            emit({"index": wish.index, "finish": "stop"})
        return threading.Event()


class Direct(Parrot):
    """A replica without Ray between."""

    def __init__(self, model: Model) -> None:
        super().__init__()
        self.replica = LanguageReplica.__new__(LanguageReplica)
        self.replica.why, self.replica.engine = "", Quick(model)  # type: ignore[assignment]

    def answer(self, wish: dict[str, Any]) -> Any:
        return self.replica.answer(wish)


@pytest.fixture(scope="module")
def app(model: Model) -> Gate:
    return make_app({"m": Direct(model), "d": Judge()})


@pytest.fixture(scope="module")
def loop() -> Any:
    """One for all cases: to make one takes longer than to answer."""
    log().disabled = True
    made = asyncio.new_event_loop()
    yield made
    made.close()
    log().disabled = False


def check(answer: Answer) -> None:
    assert answer.status < 500
    if answer.status >= 400:
        error = answer.json["error"]
        assert set(error) == {"message", "type", "param", "code"}
        assert error["message"]
        assert "\n" not in error["message"]


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats()
    | st.text(max_size=8)
    | st.sampled_from(["m", "d", "user", "text", "\ud800", "\0", "{{", 10**400]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["role", "content", "type", "text", "x"]), inner)
    ),
    max_leaves=6,
)
MESSAGE = st.fixed_dictionaries(
    {
        "role": st.sampled_from(["system", "user", "assistant", "developer"]),
        "content": st.text(max_size=30),
    }
)
GOOD: dict[str, Any] = {
    "model": st.sampled_from(["m", "d"]),
    "messages": st.lists(MESSAGE, min_size=1, max_size=3),
    "prompt": st.text(max_size=30) | st.lists(st.integers(-5, 400), max_size=5),
    "image": st.text(max_size=10),
    "temperature": st.floats(0, 2),
    "top_p": st.floats(0, 1),
    "n": st.integers(1, 8),
    "max_tokens": st.integers(1, 600),
    "max_completion_tokens": st.integers(1, 600),
    "stop": st.text(max_size=3) | st.lists(st.text(max_size=3), max_size=5),
    "seed": st.integers(-(2**63), 2**63),
    "stream": st.booleans(),
    "stream_options": st.fixed_dictionaries({"include_usage": st.booleans()}),
    "logprobs": st.booleans() | st.integers(0, 6),
    "top_logprobs": st.integers(0, 21),
    "user": st.text(max_size=4),
}
NEEDED = {PATHS[0]: ("messages",), PATHS[1]: ("prompt",), PATHS[2]: ("image",)}


@st.composite
def bodies(draw: st.DrawFn) -> tuple[str, dict[str, Any]]:
    """A request that is nearly right."""
    path = draw(st.sampled_from(PATHS))
    names = ["model", *NEEDED[path], *draw(st.lists(st.sampled_from(sorted(GOOD)), max_size=4))]
    body = {name: draw(GOOD[name]) for name in names}
    for _ in range(draw(st.integers(0, 2))):
        body[draw(st.sampled_from(sorted(body)))] = draw(JSON)
    return path, body


@COMMON
@given(case=bodies())
def test_requests_that_are_nearly_right(app: Gate, loop: Any, case: tuple[str, Any]) -> None:
    path, body = case
    answer = loop.run_until_complete(call(app, path, json.dumps(body).encode()))
    check(answer)
    if answer.status == 200 and not body.get("stream"):
        assert answer.json["model"] == body["model"]


@COMMON
@given(
    path=st.sampled_from([*PATHS, "/v1/models", "/health"]),
    body=st.binary(max_size=60)
    | JSON.map(lambda value: json.dumps(value).encode())
    | st.sampled_from([b"[" * 100_000, b'{"model":' * 5000, b"1" * 10_000, b'{"n":' + b"9" * 9999]),
)
def test_bodies_of_any_kind(app: Gate, loop: Any, path: str, body: bytes) -> None:
    check(loop.run_until_complete(call(app, path, body)))


@COMMON
@given(
    path=st.text(st.characters(codec="utf-8"), max_size=20).map(lambda text: "/" + text)
    | st.text(max_size=10).map(lambda text: "/v1/models/" + text),
    method=st.sampled_from(["GET", "POST", "PUT", "DELETE", "HEAD", "OPTIONS", "BREW"]),
    headers=st.dictionaries(
        st.sampled_from(["x-request-id", "authorization", "content-length", "content-type"]),
        st.text(st.characters(max_codepoint=255), max_size=12),
    ),
)
def test_paths_methods_and_headers_of_any_kind(
    app: Gate, loop: Any, path: str, method: str, headers: dict[str, str]
) -> None:
    answer = loop.run_until_complete(call(app, path, b"{}", method, headers))
    if answer.body:
        check(answer)
    assert answer.status < 500


def test_the_handle_of_ray_has_what_the_ingress_asks_for() -> None:
    assert all(callable(getattr(RayHandle, name)) for name in ("describe", "answer", "predict"))
