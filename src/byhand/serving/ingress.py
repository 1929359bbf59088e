"""The front of the service: OpenAI's routes over models that are elsewhere."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from typing import Any, Literal, Protocol

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response, StreamingResponse
from starlette.exceptions import HTTPException

from byhand.serving.answers import Event, Events, Kind, Telling, sse, streamed, whole
from byhand.serving.gate import Gate
from byhand.serving.metrics import CONTENT_TYPE, Metrics, Watch
from byhand.serving.refusals import Refused
from byhand.serving.schema import ChatRequest, CompletionRequest, PredictRequest

LOOK_SECONDS = 1.0
"""How long a model may take to say how it is, before it counts as loading."""


class Handle(Protocol):
    """A model, wherever it is. What it refuses it raises as `Refused`."""

    kind: Literal["language", "classifier"]

    async def describe(self) -> dict[str, Any]:
        """{"state": ready or failed, "why": what has happened to it, "created": when}"""

    def answer(self, wish: dict[str, Any]) -> AsyncGenerator[list[Event], None]:
        """The events of `byhand.serving.engine.Engine`, after {"prompt": tokens}."""

    async def predict(self, image: str) -> dict[str, Any]:
        """The classes of a picture."""


class Front:
    """The models, and how each was when it was last looked at."""

    def __init__(self, handles: Mapping[str, Handle]) -> None:
        self.handles = handles
        self._settled: dict[str, dict[str, Any]] = {}

    async def states(self) -> dict[str, dict[str, Any]]:
        """Of every model: ready, failed or loading."""
        found = await asyncio.gather(*(self._state(name) for name in self.handles))
        return dict(zip(self.handles, found, strict=True))

    async def _state(self, name: str) -> dict[str, Any]:
        if name not in self._settled:
            try:
                state = await asyncio.wait_for(self.handles[name].describe(), LOOK_SECONDS)
            except (TimeoutError, Refused):
                return {"state": "loading"}
            self._settled[name] = state
        return self._settled[name]

    def find(self, name: str, kind: str) -> Handle:
        """Raises      Refused where there is no such model of this kind"""
        handle = self.handles.get(name)
        if handle is None:
            known = ", ".join(self.handles)
            raise Refused(
                404,
                "model_not_found",
                f"no model is called {name!r:.80}; there is {known}",
                "model",
            )
        if handle.kind != kind:
            where = "/v1/predict" if kind == "language" else "/v1/chat/completions"
            raise Refused(
                400, "wrong_kind", f"{name} is a {handle.kind} model, for {where}", "model"
            )
        return handle


def make_app(handles: Mapping[str, Handle], keys: Sequence[bytes] = ()) -> Gate:
    """The application.

    handles     by the names of the models
    keys        API keys; none: nothing is asked for
    """
    front, metrics = Front(handles), Metrics()
    app = FastAPI(title="byhand", docs_url=None, redoc_url=None)
    _describe_errors(app)

    @app.get("/health")
    async def health() -> dict[str, str]:
        return {"status": "ok"}

    @app.get("/ready")
    async def ready() -> JSONResponse:
        states = await front.states()
        some = any(state["state"] == "ready" for state in states.values())
        said = {name: {k: s[k] for k in ("state", "why") if s.get(k)} for name, s in states.items()}
        return JSONResponse(
            {"status": "ready" if some and not gate.draining else "not ready", "models": said},
            200 if some and not gate.draining else 503,
        )

    @app.get("/metrics")
    async def text() -> Response:
        return Response(metrics.text(), media_type=CONTENT_TYPE)

    @app.get("/v1/models")
    async def models() -> dict[str, Any]:
        states = await front.states()
        there = [_model(n, s) for n, s in states.items() if s["state"] != "failed"]
        return {"object": "list", "data": there}

    @app.get("/v1/models/{name:path}")
    async def model(name: str) -> dict[str, Any]:
        if name not in front.handles:
            front.find(name, "")
        return _model(name, (await front.states())[name])

    @app.post("/v1/chat/completions")
    async def chat(asked: ChatRequest, request: Request) -> Response:
        return await _generated(front, "chat", asked, request)

    @app.post("/v1/completions")
    async def completions(asked: CompletionRequest, request: Request) -> Response:
        return await _generated(front, "text", asked, request)

    @app.post("/v1/predict")
    async def predict(asked: PredictRequest, request: Request) -> dict[str, Any]:
        handle = front.find(asked.model, "classifier")
        request.state.watch.ask(asked.model)
        return {"model": asked.model, **await handle.predict(asked.image)}

    gate = Gate(app, front, metrics, keys)
    return gate


def _model(name: str, state: dict[str, Any]) -> dict[str, Any]:
    created = state.get("created", 0)
    return {"id": name, "object": "model", "created": created, "owned_by": "byhand"}


async def _generated(
    front: Front, kind: Kind, asked: ChatRequest | CompletionRequest, request: Request
) -> Response:
    watch: Watch = request.state.watch
    handle = front.find(asked.model, "language")
    wish = asked.wish()
    telling = Telling(kind, asked.model, watch.request_id, wish["n"])
    watch.ask(asked.model)
    events = _events(handle.answer(wish), watch)
    # The first event tells whether there is an answer at all, and so which status it has.
    begun = _with_first(await anext(events), events)
    if not asked.stream:
        return JSONResponse(await whole(telling, begun))
    stream = _guarded(streamed(telling, begun, asked.with_usage), watch)
    return StreamingResponse(stream, media_type="text/event-stream")


async def _events(batches: AsyncGenerator[list[Event], None], watch: Watch) -> Events:
    """One by one.

    Raises      Refused for an event that is an error
    """
    async with aclosing(batches):
        async for batch in batches:
            for event in batch:
                if "error" in event:
                    status, code = event.get("status", 500), event.get("code", "failed")
                    raise Refused(status, code, event["error"], event.get("param"))
                watch.take(event)
                yield event


async def _with_first(first: Event, rest: Events) -> Events:
    async with aclosing(rest):
        yield first
        async for event in rest:
            yield event


async def _guarded(parts: AsyncGenerator[bytes, None], watch: Watch) -> AsyncGenerator[bytes, None]:
    """What happens after the response has begun is told within it."""
    async with aclosing(parts):
        try:
            async for part in parts:
                yield part
        except Refused as refused:
            watch.code = refused.code
            yield sse(refused.body())


def _describe_errors(app: FastAPI) -> None:
    """Every error in OpenAI's form."""

    def told(refused: Refused, request: Request) -> JSONResponse:
        request.state.watch.code = refused.code
        return JSONResponse(refused.body(), refused.status, refused.headers())

    @app.exception_handler(Refused)
    async def refuse(request: Request, error: Refused) -> JSONResponse:
        return told(error, request)

    @app.exception_handler(Exception)
    async def unexpected(request: Request, error: Exception) -> JSONResponse:
        return told(Refused(500, "failed", "something failed here; the log says what"), request)

    @app.exception_handler(RequestValidationError)
    async def invalid(request: Request, error: RequestValidationError) -> JSONResponse:
        first = error.errors()[0]
        where = [str(part) for part in first["loc"] if part != "body"]
        # Of a field that may be several things each one is a place of its own.
        param = ".".join(part for part in where if part[:1].islower() or part.isdigit())[:100]
        if first["type"] == "json_invalid":
            message, param = "the body is not JSON", ""
        elif first["type"] == "extra_forbidden":
            message = f"{param}: byhand does not know this field; leave it out"
        else:
            message = f"{param or 'the body'}: {first['msg']}"
        code = "unknown_field" if first["type"] == "extra_forbidden" else "invalid_request"
        return told(Refused(400, code, message, param or None), request)

    @app.exception_handler(HTTPException)
    async def http(request: Request, error: HTTPException) -> JSONResponse:
        codes = {404: "not_found", 405: "method_not_allowed"}
        messages = {
            404: f"there is no {request.url.path[:80]}",
            405: f"{request.url.path[:80]} does not take {request.method[:20]}",
        }
        code = codes.get(error.status_code, "invalid_request")
        message = messages.get(error.status_code, str(error.detail))
        answer = told(Refused(error.status_code, code, message), request)
        answer.headers.update(error.headers or {})
        return answer
