"""The load of the chapter on serving, on a service that answers at once."""

from __future__ import annotations

import importlib
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import uvicorn

from byhand.serving.ingress import make_app

from ..serving.calls import WORDS, Parrot

EXPERIMENTS = Path(__file__).parents[2] / "docs" / "experiments"


@contextmanager
def parrot(slots: int) -> Iterator[str]:
    """An ingress in this process, on loopback."""
    made = make_app({"smollm2": Parrot()})
    server = uvicorn.Server(uvicorn.Config(made, port=0, log_level="critical", lifespan="off"))
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        while not server.started:
            assert thread.is_alive()
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join()


def test_clients_are_counted_with_what_they_got(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: Any
) -> None:
    monkeypatch.syspath_prepend(EXPERIMENTS)
    experiment: Any = importlib.import_module("into_production")
    monkeypatch.setattr(experiment, "served", parrot)
    seen: list[tuple[int, int]] = []
    load = experiment.load

    async def counted(url: str, clients: int, numbers: Iterator[int]) -> tuple[float, float]:
        answers = await load(url, clients, numbers)
        assert 0 < answers[1] < experiment.QUESTIONS * len(WORDS) * clients / answers[0]
        seen.append((clients, round(answers[0])))
        return answers  # type: ignore[no-any-return]

    monkeypatch.setattr(experiment, "load", counted)
    found = experiment.main(tmp_path)
    assert [clients for clients, _ in seen] == [1, *experiment.CLIENTS] * 2
    assert found.rates.keys() == found.firsts.keys() == {8, 1}
    text = (tmp_path / "into_production.txt").read_text("utf-8")
    assert text == capsys.readouterr().out
    gain = found.rates[8][8] / found.rates[8][1]
    assert text.splitlines()[-1] == f"eight clients get {gain:.1f} times the tokens of one"
    assert (tmp_path / "into_production.svg").stat().st_size < 150_000
