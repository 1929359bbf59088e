"""The arithmetic of the benchmark of serving, with a service that answers at once."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))

import serving
from _measure import WorkerError


class Service:
    name, url, model = serving.OURS, "http://here", "m"

    def memory(self) -> dict[str, float]:
        return {"1 replica": 0.7, "2 proxy": 0.2, "3 raylet": 0.1}


class Alone:
    def ask(self, method: str, number: int) -> float:
        assert method == "first_token"
        return float(number)


def streaming(*parts: dict[str, Any]) -> Callable[[httpx.Request], httpx.Response]:
    lines = [f"data: {json.dumps(part)}\n\n" for part in parts]
    return lambda request: httpx.Response(200, text="".join([*lines, "data: [DONE]\n\n"]))


def asked(answer: Callable[[httpx.Request], httpx.Response]) -> serving.Asked:
    async def run() -> serving.Asked:
        async with httpx.AsyncClient(transport=httpx.MockTransport(answer)) as http:
            return await serving.answer(http, Service(), 3, 9)

    return asyncio.run(run())


def said(text: str) -> dict[str, Any]:
    return {"choices": [{"delta": {"content": text}}]}


def test_tokens_are_those_that_the_service_counts_or_else_the_parts() -> None:
    parts = [said(""), said("a"), said("b")]
    counted = asked(streaming(*parts, {"choices": [], "usage": {"completion_tokens": 7}}))
    assert counted.tokens == 7
    assert counted.first > counted.begun
    assert asked(streaming(*parts)).tokens == 2


def test_an_error_in_a_stream_is_one() -> None:
    with pytest.raises(WorkerError, match="no room"):
        asked(streaming(said("a"), {"error": {"message": "no room"}}))


def entrant(one: float, eight: float, first: float) -> serving.Entrant:
    made = serving.Entrant(Service())
    made.rates = {1: [one] * 3, 4: [2 * one] * 3, 8: [eight] * 3}
    made.firsts = [first] * 3
    made.weigh()
    return made


def test_the_table_and_the_targets() -> None:
    ours = entrant(20.0, 110.0, 0.125)
    broken = entrant(1.0, 1.0, 1.0)
    broken.failure = "ConnectError: gone"
    lines = serving.table([ours, broken])
    assert lines[1].split() == [
        *("byhand", "serve", "20.0", "40.0", "110.0", "5.5", "x", "125", "ms", "1.00", "GB"),
    ]
    assert lines[2].split() == ["byhand", "serve", "ConnectError:", "gone"]
    assert serving.verdicts(ours, [0.1] * 3) == [
        "first token: 125 ms through Ray and HTTP, 100 ms from the engine",
        "target: eight clients 5 x one (5.5 x): met",
        "target: Ray adds at most 30 ms to the first token (25 ms): met",
        "target: at most 1.0 GB beside the replica (0.30 GB): met",
    ]
    slow = entrant(20.0, 90.0, 0.125)
    assert [line.rpartition(": ")[2] for line in serving.verdicts(slow, [0.05] * 3)[1:]] == [
        "missed",
        "missed",
        "met",
    ]
    assert serving.verdicts(broken, [0.1] * 3) == ["targets: nothing to compare"]


def test_one_that_fails_leaves_the_other_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    numbers = []

    async def load(
        service: Any, each: Iterator[int], clients: int, *rest: int
    ) -> list[serving.Asked]:
        numbers.append(next(each))
        if service is bad.service:
            raise httpx.ConnectError("gone")
        return [serving.Asked(0.0, 0.5, 10)] * clients

    monkeypatch.setattr(serving, "load", load)
    good, bad = serving.Entrant(Service()), serving.Entrant(Service())
    assert serving.race([bad, good], Alone(), 2) == [103.5, 111.5]
    assert len(set(numbers[1:])) == len(numbers[1:]) == 8, "a question was asked twice"
    assert bad.failure == "ConnectError: gone"
    assert good.firsts == [0.5, 0.5]
    assert [len(rates) for rates in good.rates.values()] == [2, 2, 2]
    assert (good.total_gb, good.beside_gb) == (pytest.approx(1.0), pytest.approx(0.3))
