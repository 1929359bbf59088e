"""Serving a published model: `byhand serve` and `transformers serve`, in turn, on loopback.

    python benchmarks/serving.py

Both serve the same weights (bfloat16) with continuous batching, on all processors. Some clients ask
at once, each one question after the other, as a chat whose answers are streamed; the load is
bounded, so that a service that is slow is asked less. A round has 1, 4 and 8 clients for each. No
question is asked twice: they differ in their first words, and what they share is the system prompt
of the model's own template.

    rate            tokens of all answers / seconds from the first question to the last token
    gain            rate of eight clients / rate of one, within the round
    first token     from the question, with one client: questions that are answered with one token
    added by Ray    that, less what the same engine takes for the same questions, called within its
                    own process: the part of Ray and of HTTP
    memory          of all processes of the service, what they share counted once (PSS); and of
                    these what the replica, which has the model, does not take

Targets: a gain of 5, at most 30 ms and at most 1.0 GB. A missed target is a finding, not a failure.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
from _measure import Worker, WorkerError, busy, is_worker, serve

from byhand.data import fetch_file
from byhand.language.sources import find

MODEL = "smollm2-135m-instruct"
OURS, PEER = "byhand serve", "transformers serve"
CLIENTS = (1, 4, 8)
ROUNDS, QUESTIONS, TOKENS, FIRSTS = 3, 2, 64, 8
"""FIRSTS: questions of a round for the time to the first token. All of it takes four minutes."""
START_SECONDS, ANSWER_SECONDS = 180, 120
GAIN, ADDED_MS, MEMORY_GB = 5.0, 30.0, 1.0
TALK = "Number {}: tell me a long story about a fox, a river and this number."
NUMBERS = range(100, 1000)
"""Of the questions; each has three digits, and so as many tokens."""


@dataclass
class Asked:
    """One answer: when it was asked for, when its first token came, how many there were."""

    begun: float
    first: float
    tokens: int


class Service:
    """A service in processes of its own."""

    def __init__(self, name: str, command: Sequence[str], port: int, model: str) -> None:
        self.name, self.url, self.model = name, f"http://127.0.0.1:{port}", model
        self._log = tempfile.TemporaryFile("w+")  # noqa: SIM115  # open until close()
        self._process = subprocess.Popen(
            [sys.executable, *command, "--port", str(port)],
            stdout=self._log,
            stderr=self._log,
            start_new_session=True,
            env={**os.environ, "HF_HUB_OFFLINE": "1"},
        )

    def wait(self) -> None:
        """Until it answers.

        Raises      WorkerError where it ends, or does not come up in time
        """
        end = time.monotonic() + START_SECONDS
        while time.monotonic() < end:
            if self._process.poll() is not None:
                break
            try:
                if httpx.get(f"{self.url}/health", timeout=2).status_code == 200:
                    asyncio.run(load(self, iter(NUMBERS), 1, 1, 4))
                    return
            except httpx.HTTPError:
                time.sleep(0.5)
        self._log.seek(0)
        lines = self._log.read().strip().splitlines()
        raise WorkerError(lines[-1] if lines else "did not come up")

    def memory(self) -> dict[str, float]:
        """GB of each process, by its command; PSS."""
        found: dict[str, float] = {}
        for folder in Path("/proc").glob("[0-9]*"):
            try:
                session = (folder / "stat").read_text().rpartition(")")[2].split()[3]
                if int(session) != self._process.pid:
                    continue
                lines = (folder / "smaps_rollup").read_text().splitlines()
                command = (folder / "cmdline").read_text().replace("\0", " ").strip()
            except OSError:
                continue
            pss = next((line for line in lines if line.startswith("Pss:")), "Pss: 0 kB")
            found[f"{folder.name} {command[:80]}"] = int(pss.split()[1]) / 1e6
        return found

    def close(self) -> None:
        """End it, and whatever of it is left."""
        self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(20)
        except subprocess.TimeoutExpired:
            os.killpg(self._process.pid, signal.SIGKILL)
        self._log.close()


async def load(
    service: Any, numbers: Iterator[int], clients: int, questions: int, tokens: int
) -> list[Asked]:
    """The answers to so many clients, each with so many questions, one after the other.

    numbers     of the questions
    """
    limits = httpx.Limits(max_connections=clients)
    async with httpx.AsyncClient(timeout=ANSWER_SECONDS, limits=limits) as http:

        async def client() -> list[Asked]:
            return [await answer(http, service, next(numbers), tokens) for _ in range(questions)]

        found = await asyncio.gather(*(client() for _ in range(clients)))
    return [asked for each in found for asked in each]


async def answer(http: httpx.AsyncClient, service: Any, number: int, tokens: int) -> Asked:
    """One question; the tokens are those that the service counts, or else the parts of its stream.

    Raises      httpx.HTTPError; WorkerError where the stream tells of an error
    """
    body = {
        "model": service.model,
        "messages": [{"role": "user", "content": TALK.format(number)}],
        "max_tokens": tokens,
        "temperature": 0,
        "stream": True,
        "stream_options": {"include_usage": True},
    }
    begun, first, parts, counted = time.perf_counter(), 0.0, 0, 0
    async with http.stream("POST", f"{service.url}/v1/chat/completions", json=body) as response:
        response.raise_for_status()
        async for line in response.aiter_lines():
            data = line.removeprefix("data: ")
            if data in (line, "[DONE]"):
                continue
            part = json.loads(data)
            if "error" in part:
                raise WorkerError(str(part["error"]))
            counted = (part.get("usage") or {}).get("completion_tokens", counted)
            if any(choice["delta"].get("content") for choice in part.get("choices", [])):
                first = first or time.perf_counter()
                parts += 1
    return Asked(begun, first, counted or parts)


class Engine:
    """Our engine alone: what Ray and HTTP are around."""

    def __init__(self, threads: int) -> None:
        import torch

        from byhand.serving.engine import Engine as Batched
        from byhand.serving.planning import DTYPE

        torch.set_num_threads(threads)
        from byhand import language

        self.engine = Batched(language.load(MODEL, "cpu", DTYPE), 8)

    def first_token(self, number: int) -> float:
        """Seconds from the question to its first token."""
        import queue

        from byhand.language import Sampling
        from byhand.serving.engine import Wish

        events: queue.Queue[Any] = queue.Queue()
        begun = time.perf_counter()
        ids = self.engine.model.encode([{"role": "user", "content": TALK.format(number)}])
        self.engine.submit([Wish(ids, Sampling(0), 1)], events.put)
        events.get(timeout=ANSWER_SECONDS)
        return time.perf_counter() - begun


@dataclass
class Entrant:
    """A service, and what was found out about it; one number a round."""

    service: Any
    numbers: Iterator[int] = field(default_factory=lambda: iter(NUMBERS))
    rates: dict[int, list[float]] = field(default_factory=lambda: {n: [] for n in CLIENTS})
    firsts: list[float] = field(default_factory=list)
    total_gb: float = 0.0
    beside_gb: float = 0.0
    failure: str = ""

    def measure(self) -> None:
        for clients in CLIENTS:
            begun = time.perf_counter()
            found = asyncio.run(load(self.service, self.numbers, clients, QUESTIONS, TOKENS))
            seconds = time.perf_counter() - begun
            self.rates[clients].append(sum(asked.tokens for asked in found) / seconds)
        firsts = asyncio.run(load(self.service, self.numbers, 1, FIRSTS, 1))
        self.firsts.append(statistics.median(a.first - a.begun for a in firsts))

    def weigh(self) -> None:
        """The replica is the largest process."""
        sizes = sorted(self.service.memory().values())
        self.total_gb, self.beside_gb = sum(sizes), sum(sizes[:-1])

    @property
    def gain(self) -> float:
        """Of eight clients over one: the median over the rounds."""
        one, most = self.rates[CLIENTS[0]], self.rates[CLIENTS[-1]]
        return statistics.median(b / a for a, b in zip(one, most, strict=True))


def race(entrants: Sequence[Entrant], engine: Any, rounds: int) -> list[float]:
    """Measure all in turn; one that fails leaves the others alone. Seconds to the first token of
    the engine alone, one for each round.

    engine      asked for `first_token` of a question by its number
    """
    alone, numbers = [], iter(NUMBERS)
    for step in (*["measure"] * rounds, "weigh"):
        for entrant in entrants:
            if entrant.failure:
                continue
            try:
                getattr(entrant, step)()
            except (WorkerError, httpx.HTTPError) as error:
                entrant.failure = f"{type(error).__name__}: {error}"
        if step == "measure":
            found = [engine.ask("first_token", next(numbers)) for _ in range(FIRSTS)]
            alone.append(statistics.median(found))
    return alone


def table(entrants: Sequence[Entrant]) -> list[str]:
    head = "".join(f"{f'{n} client' + 's' * (n > 1):>12}" for n in CLIENTS)
    lines = [f"{'tok/s of':20}{head}{'gain':>8}{'first token':>14}{'memory':>10}"]
    for entrant in entrants:
        name = entrant.service.name
        if entrant.failure:
            lines.append(f"{name:20}  {entrant.failure}")
            continue
        rates = "".join(f"{statistics.median(entrant.rates[n]):>12.1f}" for n in CLIENTS)
        first = f"{1000 * statistics.median(entrant.firsts):.0f} ms"
        memory = f"{entrant.total_gb:.2f} GB"
        lines.append(f"{name:20}{rates}{f'{entrant.gain:.1f} x':>8}{first:>14}{memory:>10}")
    return lines


def verdicts(ours: Entrant, alone: Sequence[float]) -> list[str]:
    """Ray's part in the first token, and the targets, met or missed.

    alone       seconds to the first token without Ray and HTTP, one for each round
    """
    if ours.failure:
        return ["targets: nothing to compare"]
    added = 1000 * statistics.median(a - b for a, b in zip(ours.firsts, alone, strict=True))
    through, engine = (1000 * statistics.median(seconds) for seconds in (ours.firsts, alone))

    def said(what: str, met: bool) -> str:
        return f"target: {what}: {'met' if met else 'missed'}"

    return [
        f"first token: {through:.0f} ms through Ray and HTTP, {engine:.0f} ms from the engine",
        said(f"eight clients {GAIN:g} x one ({ours.gain:.1f} x)", ours.gain >= GAIN),
        said(
            f"Ray adds at most {ADDED_MS:g} ms to the first token ({added:.0f} ms)",
            added <= ADDED_MS,
        ),
        said(
            f"at most {MEMORY_GB:.1f} GB beside the replica ({ours.beside_gb:.2f} GB)",
            ours.beside_gb <= MEMORY_GB,
        ),
    ]


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def services() -> list[Service]:
    """Both, as their documentation says, with limits where they have none of their own."""
    folder = str(find(MODEL).checkpoint.path)
    cli = str(Path(sys.executable).with_name("transformers"))
    peer = [cli, "serve", folder, "--continuous-batching", "--attn-implementation", "sdpa"]
    peer += ["--cb-num-blocks", "256", "--cb-max-batch-tokens", "256", "--dtype", "bfloat16"]
    return [
        Service(OURS, ["-m", "byhand", "serve", f"model={folder}"], free_port(), "model"),
        Service(PEER, [*peer, "--device", "cpu"], free_port(), folder),
    ]


def main() -> None:
    threads = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    if (warning := busy()) is not None:
        print(f"warning: {warning}", file=sys.stderr)
    # Services are sessions of their own: without this they would outlive it.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    fetch_file(MODEL)
    find(MODEL)  # converted before anyone is measured
    entrants, engine = [Entrant(service) for service in services()], None
    try:
        for entrant in entrants:
            try:
                entrant.service.wait()
            except WorkerError as error:
                entrant.failure = str(error)
        engine = Worker(__file__, {"threads": threads}, threads or 1)
        engine.ask("first_token", NUMBERS[-1])
        alone = race(entrants, engine, ROUNDS)
    finally:
        for entrant in entrants:
            entrant.service.close()
        if engine is not None:
            engine.close()
    print(f"{MODEL}, {threads} processors, answers of {TOKENS} tokens")
    print("\n".join([*table(entrants), *verdicts(entrants[0], alone)]), flush=True)


if __name__ == "__main__":
    if is_worker():
        serve(lambda argument: Engine(argument["threads"]))
    else:
        main()
