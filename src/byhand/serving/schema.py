"""What a request may say, in OpenAI's form.

A field that would change the answer and that byhand does not know is refused rather than ignored.

Source      https://platform.openai.com/docs/api-reference: chat, completions
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StrictBool, StrictFloat, StrictInt, StrictStr

MOST_ANSWERS = 8
MOST_STOPS = 4
MOST_ALTERNATIVES = 20
Number = StrictInt | StrictFloat
Stop = Annotated[StrictStr, Field(min_length=1, max_length=200)]
Nothing = Annotated[Number, Field(ge=0, le=0)]
"""A penalty: there is none but 0."""


class Body(BaseModel):
    """A JSON object with these fields and no others."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)


class TextPart(Body):
    """A part of a message."""

    type: Literal["text"]
    text: StrictStr


class Message(Body):
    """One turn of a conversation; a developer is what a system was called before."""

    role: Literal["system", "developer", "user", "assistant"]
    content: StrictStr | Annotated[list[TextPart], Field(min_length=1)]
    name: StrictStr | None = None

    def plain(self) -> dict[str, str]:
        """As a chat template takes it."""
        role = "system" if self.role == "developer" else self.role
        if isinstance(self.content, str):
            return {"role": role, "content": self.content}
        return {"role": role, "content": "".join(part.text for part in self.content)}


class StreamOptions(Body):
    """Of a stream."""

    include_usage: StrictBool = False


class Asked(Body):
    """What both kinds of request have in common."""

    model: StrictStr
    temperature: Annotated[Number, Field(ge=0, le=2)] | None = None
    top_p: Annotated[Number, Field(gt=0, le=1)] | None = None
    n: Annotated[StrictInt, Field(ge=1, le=MOST_ANSWERS)] | None = None
    stop: Stop | Annotated[list[Stop], Field(max_length=MOST_STOPS)] | None = None
    seed: Annotated[StrictInt, Field(ge=-(2**63), lt=2**63)] | None = None
    stream: StrictBool | None = None
    stream_options: StreamOptions | None = None
    max_tokens: Annotated[StrictInt, Field(ge=1, lt=2**31)] | None = None
    presence_penalty: Nothing | None = None
    frequency_penalty: Nothing | None = None
    # They say nothing about the answer.
    user: StrictStr | None = None
    metadata: dict[str, Any] | None = None

    @property
    def stops(self) -> list[str]:
        """As a list."""
        return [self.stop] if isinstance(self.stop, str) else list(self.stop or ())

    @property
    def with_usage(self) -> bool:
        """Whether a stream ends with the counts of tokens."""
        return self.stream_options is not None and self.stream_options.include_usage


class ChatRequest(Asked):
    """POST /v1/chat/completions"""

    messages: Annotated[list[Message], Field(min_length=1)]
    max_completion_tokens: Annotated[StrictInt, Field(ge=1, lt=2**31)] | None = None
    logprobs: StrictBool | None = None
    top_logprobs: Annotated[StrictInt, Field(ge=0, le=MOST_ALTERNATIVES)] | None = None
    store: StrictBool | None = None

    def wish(self) -> dict[str, Any]:
        """For the model."""
        alternatives = (self.top_logprobs or 0) if self.logprobs else None
        return {
            "prompt": [message.plain() for message in self.messages],
            "max_tokens": self.max_completion_tokens or self.max_tokens,
            "logprobs": alternatives,
            **_common(self),
        }


class CompletionRequest(Asked):
    """POST /v1/completions"""

    prompt: StrictStr | Annotated[list[StrictInt], Field(min_length=1)]
    logprobs: Annotated[StrictInt, Field(ge=0, le=5)] | None = None

    def wish(self) -> dict[str, Any]:
        """For the model; without max_tokens OpenAI's answer has 16."""
        return {
            "prompt": self.prompt,
            "max_tokens": self.max_tokens or 16,
            "logprobs": self.logprobs,
            **_common(self),
        }


class PredictRequest(Body):
    """POST /v1/predict: a picture for a classifier.

    image       a PNG or JPEG file in base64, also as a data: URL
    """

    model: StrictStr
    image: Annotated[StrictStr, Field(min_length=1)]


def _common(asked: Asked) -> dict[str, Any]:
    return {
        "temperature": asked.temperature,
        "top_p": asked.top_p,
        "n": asked.n or 1,
        "stop": asked.stops,
        "seed": asked.seed,
    }
