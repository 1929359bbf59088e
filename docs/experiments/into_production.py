"""What batches are for: tokens a second of a service, and the time to the first one.

Serves SmolLM2 with `byhand serve` on loopback twice, for eight requests at once and for one, and
lets 1, 2, 4, 8 and 16 clients ask it at once, each one question after the other. Prints and draws
the tokens of all answers a second and the seconds to the first token. About three minutes.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import signal
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
from _shared import output_folder, publish
from matplotlib.figure import Figure

from byhand.views.style import BLACK, BLUE

MODEL = "smollm2"
CLIENTS = (1, 2, 4, 8, 16)
SLOTS = (8, 1)
QUESTIONS, TOKENS = 2, 32
QUESTION = "Number {}: tell me a long story about a fox, a river and this number."
START_SECONDS, ANSWER_SECONDS = 180.0, 180.0
COLOURS = dict(zip(SLOTS, (BLUE, BLACK), strict=True))


@dataclass(frozen=True)
class Findings:
    """By requests that the replica works on at once, and then by clients: rates, tokens of all
    answers a second; firsts, the median of the seconds to the first token."""

    rates: dict[int, dict[int, float]]
    firsts: dict[int, dict[int, float]]


@contextmanager
def served(slots: int) -> Iterator[str]:
    """The URL of a service, for as long as it is needed."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    how = ["--slots", str(slots), "--max-queue", "64", "--port", str(port)]
    process = subprocess.Popen(
        [sys.executable, "-m", "byhand", "serve", MODEL, *how],
        stderr=subprocess.DEVNULL,
        start_new_session=True,
        env=os.environ | {"HF_HUB_OFFLINE": "1"},
    )
    url = f"http://127.0.0.1:{port}"
    try:
        end = time.monotonic() + START_SECONDS
        while not ready(url):
            if process.poll() is not None or time.monotonic() > end:
                raise SystemExit(f"byhand serve {MODEL} {' '.join(how)} did not come up")
            time.sleep(0.5)
        yield url
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait()


def ready(url: str) -> bool:
    try:
        return httpx.get(f"{url}/ready", timeout=2).status_code == 200
    except httpx.HTTPError:
        return False


async def asked(http: httpx.AsyncClient, url: str, number: int) -> tuple[float, int]:
    """Seconds to the first token of an answer, and how many tokens there were."""
    body = {
        "model": MODEL,
        "messages": [{"role": "user", "content": QUESTION.format(number)}],
        "max_tokens": TOKENS,
        "temperature": 0,
        "stream": True,
        "stream_options": {"include_usage": True},
    }
    begun, first, tokens = time.perf_counter(), 0.0, 0
    async with http.stream("POST", f"{url}/v1/chat/completions", json=body) as response:
        response.raise_for_status()
        async for line in response.aiter_lines():
            data = line.removeprefix("data: ")
            if data in (line, "[DONE]"):
                continue
            part: dict[str, Any] = json.loads(data)
            tokens = (part.get("usage") or {}).get("completion_tokens", tokens)
            said = any(choice["delta"].get("content") for choice in part["choices"])
            if said and not first:
                first = time.perf_counter() - begun
    return first, tokens


async def load(url: str, clients: int, numbers: Iterator[int]) -> tuple[float, float]:
    """Tokens a second of so many clients at once, and the median of the times to the first.

    numbers     of the questions, so that none of them is asked twice
    """
    limits = httpx.Limits(max_connections=clients)
    async with httpx.AsyncClient(timeout=ANSWER_SECONDS, limits=limits) as http:

        async def client() -> list[tuple[float, int]]:
            return [await asked(http, url, next(numbers)) for _ in range(QUESTIONS)]

        begun = time.perf_counter()
        each = await asyncio.gather(*(client() for _ in range(clients)))
        seconds = time.perf_counter() - begun
    answers = [answer for one in each for answer in one]
    return sum(n for _, n in answers) / seconds, statistics.median(first for first, _ in answers)


def measured() -> Findings:
    rates: dict[int, dict[int, float]] = {slots: {} for slots in SLOTS}
    firsts: dict[int, dict[int, float]] = {slots: {} for slots in SLOTS}
    for slots in SLOTS:
        with served(slots) as url:
            numbers = itertools.count(100)
            asyncio.run(load(url, 1, numbers))  # the first of all takes longer
            for clients in CLIENTS:
                found = asyncio.run(load(url, clients, numbers))
                rates[slots][clients], firsts[slots][clients] = found
    return Findings(rates, firsts)


def report(found: Findings) -> list[str]:
    heads = [f"{slots} at once" for slots in SLOTS]
    both = "".join(f"{head:>13}" for head in heads)
    lines = [f"{'':9}{'tokens a second':>26}{'seconds to the first':>26}", f"clients  {both}{both}"]
    for clients in CLIENTS:
        rates = "".join(f"{found.rates[slots][clients]:13.1f}" for slots in SLOTS)
        firsts = "".join(f"{found.firsts[slots][clients]:13.2f}" for slots in SLOTS)
        lines.append(f"{clients:7}  {rates}{firsts}")
    eight, one = (found.rates[SLOTS[0]][clients] for clients in (8, 1))
    return [*lines, "", f"eight clients get {eight / one:.1f} times the tokens of one"]


def draw(found: Findings) -> Figure:
    figure = Figure(figsize=(8, 3.2), layout="constrained")
    left, right = figure.subplots(1, 2)
    for slots in SLOTS:
        name = f"{slots} at once" if slots > 1 else "one at a time"
        for axes, values in ((left, found.rates[slots]), (right, found.firsts[slots])):
            axes.plot(*zip(*values.items(), strict=True), "o-", color=COLOURS[slots], label=name)
    for axes, title in ((left, "tokens a second"), (right, "seconds to the first token")):
        axes.set_xscale("log", base=2)
        axes.set_xticks(CLIENTS, [str(clients) for clients in CLIENTS])
        axes.set(title=title, xlabel="clients at once", ylim=(0, None))
    left.legend()
    return figure


def main(folder: Path) -> Findings:
    found = measured()
    publish("into_production", lambda: draw(found), report(found), folder)
    return found


if __name__ == "__main__":
    main(output_folder())
