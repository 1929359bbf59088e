"""Text as it is generated: piece after piece, until the model, a stop or a limit ends it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from byhand.errors import InputError

Finish = Literal["stop", "length"]


@dataclass(frozen=True)
class Usage:
    """Tokens of the prompt, of these those that the cache had already, and of the answer."""

    prompt: int
    cached: int
    answer: int

    @property
    def total(self) -> int:
        """What of the context is taken."""
        return self.prompt + self.answer


class Answer:
    """What a model says, as an iterator over pieces of text; none of them ends in the middle of a
    character.

    usage       so far
    finish      stop (the model or a stop string ended it) or length; None before its end
    tokens      the ids of the answer so far
    """

    def __init__(self, prompt: Sequence[int], cached: int) -> None:
        self.prompt, self.cached = prompt, cached
        self.tokens: list[int] = []
        self.finish: Finish | None = None
        self._pieces: Iterator[str] = iter(())

    @property
    def usage(self) -> Usage:
        return Usage(len(self.prompt), self.cached, len(self.tokens))

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        return next(self._pieces)

    def text(self) -> str:
        """All of what is still to come."""
        return "".join(self)

    def begin(self, pieces: Iterable[str], stops: Sequence[str]) -> Answer:
        """With the pieces that its tokens make, up to the first of the stop strings."""
        self._pieces = self._until(pieces, stops)
        return self

    def _until(self, pieces: Iterable[str], stops: Sequence[str]) -> Iterator[str]:
        until = Until(stops)
        for piece in pieces:
            if text := until.push(piece):
                yield text
            if until.ended:
                self.finish = "stop"
                return
        if until.held:
            yield until.held


class Until:
    """Text up to the first of the stop strings.

    held        what may be the beginning of one
    ended       whether one has come
    """

    def __init__(self, stops: Sequence[str]) -> None:
        self.stops, self.held, self.ended = stops, "", False

    def push(self, piece: str) -> str:
        """What is certain to belong to the text, once this piece has come."""
        text = self.held + piece
        found = [at for stop in self.stops if (at := text.find(stop)) >= 0]
        self.ended = bool(found)
        safe = min(found) if found else len(text) - _begun(text, self.stops)
        self.held = "" if found else text[safe:]
        return text[:safe]


def _begun(text: str, stops: Sequence[str]) -> int:
    """How many characters at the end may be the beginning of a stop string."""
    longest = max(map(len, stops), default=1) - 1
    for count in range(min(longest, len(text)), 0, -1):
        if any(stop.startswith(text[-count:]) for stop in stops):
            return count
    return 0


def check_stops(stops: str | Sequence[str]) -> list[str]:
    """The stop strings as a list.

    Raises      InputError for an empty one, which would end every answer
    """
    found = [stops] if isinstance(stops, str) else list(stops)
    if not all(isinstance(stop, str) and stop for stop in found):
        raise InputError("a stop is a text of one character or more; found an empty one")
    return found
