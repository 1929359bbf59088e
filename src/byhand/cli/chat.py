"""byhand chat: a conversation with a published language model."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

import typer

from byhand.cli.models import opened_as
from byhand.cli.options import (
    ContextLength,
    MaxTokens,
    ModelDevice,
    ModelDtype,
    ModelName,
    Seed,
    Stops,
    Temperature,
    TopK,
    TopP,
)
from byhand.cli.progress import status
from byhand.cli.say import complain
from byhand.errors import InputError

if TYPE_CHECKING:
    from byhand.language.generation import Answer
    from byhand.language.model import Model

EXIT, NEW = "/exit", "/new"
HELP = f"Ctrl-C stops an answer, {NEW} begins a new conversation, Ctrl-D or {EXIT} ends."


def chat(
    model: ModelName = "smollm2",
    system: Annotated[
        str | None, typer.Option(help="What the model is to be.", show_default=False)
    ] = None,
    max_tokens: MaxTokens = None,
    temperature: Temperature = None,
    top_k: TopK = None,
    top_p: TopP = None,
    seed: Seed = 0,
    stop: Stops = None,
    context: ContextLength = None,
    device: ModelDevice = "auto",
    dtype: ModelDtype = None,
) -> None:
    """Talk with a published language model.

    Ctrl-C stops an answer, /new begins a new conversation, Ctrl-D or /exit ends. Where stdin is no
    terminal, each of its lines is a message.
    """
    from byhand import language

    with status() as tell:
        tell(f"loading {model}")
        loaded = language.load(opened_as(model), device, dtype, context, name=model)
    if not loaded.chats:
        loaded.encode([{"role": "user", "content": ""}])  # says what to do instead
    how = loaded.sampled(temperature, top_k, top_p)
    beginning = [] if system is None else [{"role": "system", "content": system}]
    history = list(beginning)
    person = sys.stdin.isatty()
    if person:
        print(HELP, file=sys.stderr)
    for message in _messages(person):
        if message == NEW:
            history = list(beginning)
            continue
        asked = [*history, {"role": "user", "content": message}]
        try:
            answer = loaded.generate(asked, how, max_tokens, stop or (), seed)
            said = _answered(answer)
            history = [*asked, {"role": "assistant", "content": said}]
            print(_taken(loaded, answer), file=sys.stderr, flush=True)
        except InputError as error:
            if not person:
                raise
            complain("error", f"{error}; {NEW} begins a new conversation")
        except KeyboardInterrupt:
            # It came just before or after the answer.
            if not person:
                raise
            print(file=sys.stderr)


def _messages(person: bool) -> Iterator[str]:
    """What is typed, or the lines of stdin, up to the end or /exit; nothing for an empty line."""
    while True:
        try:
            line = input("> " if person else "").strip()
        except EOFError:
            if person:
                print(file=sys.stderr)
            return
        except KeyboardInterrupt:
            if not person:
                raise
            print(file=sys.stderr)
            continue
        if line == EXIT:
            return
        if line:
            yield line


def _answered(answer: Answer) -> str:
    """Print the answer as it comes; Ctrl-C ends it, and what there is of it counts."""
    said = []
    try:
        for piece in answer:
            said.append(piece)
            print(piece, end="", flush=True)
    except KeyboardInterrupt:
        pass
    print(flush=True)
    return "".join(said)


def _taken(model: Model, answer: Answer) -> str:
    """Of the context, and why the answer ended where the model did not end it."""
    why = {"stop": "", "length": ", cut off", None: ", stopped"}[answer.finish]
    return f"[{answer.usage.total:,} of {model.context:,} tokens{why}]"
