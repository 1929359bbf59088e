"""Before any route: a request id, the key, the size of the body; and after it the log."""

from __future__ import annotations

import hmac
import json
import logging
import re
import uuid
from collections.abc import Awaitable, Callable, MutableMapping, Sequence
from pathlib import Path
from typing import Any

from byhand.errors import InputError
from byhand.serving.metrics import Metrics, Watch
from byhand.serving.refusals import Refused

logger = logging.getLogger(__name__)
Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]
MOST_BODY = 4 << 20
"""Bytes of a request."""
ID = re.compile(r"[A-Za-z0-9._-]{1,100}")
HUNG_UP = 499
"""In the log: the client went before the answer."""


def read_keys(path: str | Path) -> tuple[bytes, ...]:
    """The API keys in a file, one on each line; lines that begin with # are remarks.

    Raises      InputError where there is none, or no file
    """
    try:
        lines = Path(path).read_text("utf-8").splitlines()
    except OSError as error:
        raise InputError(
            f"the API keys are in {path}, which cannot be read: {error.strerror}"
        ) from None
    except UnicodeDecodeError:
        raise InputError(f"the API keys are in {path}, which is no text in UTF-8") from None
    keys = [line.strip() for line in lines if line.strip() and not line.startswith("#")]
    if not keys:
        raise InputError(f"{path} has no API key; write one on each line")
    return tuple(key.encode() for key in keys)


class Gate:
    """The application behind its gate.

    keys        of which a request under /v1/ has to bring one; none: it needs none
    open        requests that are being answered
    draining    whether no more are taken
    tells_id    whether responses carry the request's id
    """

    def __init__(self, app: App, front: Any, metrics: Metrics, keys: Sequence[bytes] = ()) -> None:
        self.app, self.front, self.metrics, self.keys = app, front, metrics, keys
        self.open = 0
        self.draining = False
        self.tells_id = True

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        headers = dict(scope["headers"])
        given = headers.get(b"x-request-id", b"").decode("latin-1")
        request_id = given if ID.fullmatch(given) else uuid.uuid4().hex
        watch = Watch(self.metrics, request_id, scope["method"], scope["path"])
        scope.setdefault("state", {})["watch"] = watch
        status, whole = HUNG_UP, False

        async def sent(message: MutableMapping[str, Any]) -> None:
            nonlocal status, whole
            if message["type"] == "http.response.start":
                status = message["status"]
            if message["type"] == "http.response.start" and self.tells_id:
                mark = (b"x-request-id", request_id.encode())
                message = {**message, "headers": [*message["headers"], mark]}
            await send(message)
            whole = message["type"] == "http.response.body" and not message.get("more_body")

        self.open += 1
        try:
            try:
                body = await self._admitted(scope, headers, receive)
            except Refused as refused:
                watch.code = refused.code
                await respond(refused, sent)
                return
            await self.app(scope, _again(body, receive), sent)
        except Exception:
            # The response said so, or has ended in its middle.
            logger.exception("request %s failed", request_id)
        finally:
            self.open -= 1
            if not whole:
                watch.code = watch.code or "hung_up"
            watch.end(status)

    async def _admitted(self, scope: Scope, headers: dict[bytes, bytes], receive: Receive) -> bytes:
        """The body."""
        if scope["path"].startswith("/v1/"):
            self._check_key(headers.get(b"authorization", b""))
            if self.draining:
                raise Refused(503, "shutting_down", "this service is being shut down")
        length = headers.get(b"content-length", b"")
        if length.isdigit() and int(length[:20]) > MOST_BODY:
            raise _too_large()
        body: bytes = b""
        while True:
            message = await receive()
            if message["type"] != "http.request":
                raise Refused(400, "incomplete_body", "the request ended before its body did")
            body += bytes(message.get("body", b""))
            if len(body) > MOST_BODY:
                raise _too_large()
            if not message.get("more_body"):
                return body

    def _check_key(self, authorization: bytes) -> None:
        if not self.keys:
            return
        scheme, _, given = authorization.partition(b" ")
        right = [hmac.compare_digest(given.strip(), key) for key in self.keys]
        if scheme.lower() != b"bearer" or not any(right):
            raise Refused(
                401,
                "invalid_api_key",
                "this service asks for an API key, as Authorization: Bearer KEY; "
                + ("found none" if not authorization else "the one that came is not known"),
            )


async def respond(refused: Refused, send: Send) -> None:
    """The refusal as a response."""
    content = json.dumps(refused.body()).encode()
    headers = {"content-type": "application/json", "content-length": str(len(content))}
    pairs = [(k.encode(), v.encode()) for k, v in {**headers, **refused.headers()}.items()]
    await send({"type": "http.response.start", "status": refused.status, "headers": pairs})
    await send({"type": "http.response.body", "body": content})


def _too_large() -> Refused:
    return Refused(
        413, "body_too_large", f"a request has at most {MOST_BODY:,} bytes; make it smaller"
    )


def _again(body: bytes, receive: Receive) -> Receive:
    """The body that was read, and then what the client does."""
    messages = [{"type": "http.request", "body": body, "more_body": False}]

    async def received() -> MutableMapping[str, Any]:
        return messages.pop() if messages else await receive()

    return received
