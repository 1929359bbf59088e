"""What is refused, in OpenAI's form: {"error": {"message", "type", "param", "code"}}."""

from __future__ import annotations

from typing import Any

TYPES = {401: "authentication_error", 404: "not_found_error", 429: "rate_limit_error"}
RETRY_SECONDS = 1


class Refused(Exception):
    """A request that is not answered.

    status      of HTTP
    code        a word for programs
    param       the field that is wrong
    """

    def __init__(self, status: int, code: str, message: str, param: str | None = None) -> None:
        super().__init__(message)
        self.status, self.code, self.param = status, code, param

    def body(self) -> dict[str, Any]:
        """The JSON object."""
        usual = "invalid_request_error" if self.status < 500 else "server_error"
        kind = TYPES.get(self.status, usual)
        return {
            "error": {
                "message": str(self),
                "type": kind,
                "param": self.param,
                "code": self.code,
            }
        }

    def headers(self) -> dict[str, str]:
        """When to come again, where that helps; how to say who one is."""
        if self.status in (429, 503):
            return {"retry-after": str(RETRY_SECONDS)}
        return {"www-authenticate": "Bearer"} if self.status == 401 else {}


def full(model: str) -> Refused:
    """Too many wait."""
    return Refused(
        429,
        "queue_full",
        f"as many requests wait for {model} as may; come again in {RETRY_SECONDS} s",
    )


def lost(model: str) -> Refused:
    """The replica has ended."""
    return Refused(
        503,
        "replica_lost",
        f"the replica of {model} that worked on this request has ended, and another takes its "
        "place; send the request again",
    )
