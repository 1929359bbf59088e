"""byhand generate: a published language model goes on with a text."""

from __future__ import annotations

import sys
from dataclasses import asdict
from typing import Annotated

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
from byhand.cli.say import print_json


def generate(
    model: ModelName = "smollm2",
    prompt: Annotated[
        str | None,
        typer.Option(help="The text to go on with; otherwise stdin.", show_default=False),
    ] = None,
    max_tokens: MaxTokens = 256,
    temperature: Temperature = None,
    top_k: TopK = None,
    top_p: TopP = None,
    seed: Seed = 0,
    stop: Stops = None,
    context: ContextLength = None,
    device: ModelDevice = "auto",
    dtype: ModelDtype = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Let a language model go on with a text: a published one, or a gpt run of ours that is a
    Llama. `byhand chat` lets it answer.

    The text appears as it is generated, without the prompt.
    """
    from byhand import language

    text = sys.stdin.read() if prompt is None else prompt
    with status(as_json) as tell:
        tell(f"loading {model}")
        loaded = language.load(opened_as(model), device, dtype, context, name=model)
    how = loaded.sampled(temperature, top_k, top_p)
    answer = loaded.generate(text, how, max_tokens, stop or (), seed)
    if as_json:
        said = answer.text()
        about = {"model": model, "dtype": loaded.dtype, "seed": seed, "sampling": asdict(how)}
        usage = {"prompt": answer.usage.prompt, "answer": answer.usage.answer}
        print_json(about | {"prompt": text, "text": said, "finish": answer.finish, "tokens": usage})
        return
    try:
        for piece in answer:
            print(piece, end="", flush=True)
    finally:
        # What comes next, be it the word that it was interrupted, has a line of its own.
        sys.stdout.write("\n")
