"""The whole stack: a service in processes of its own, and OpenAI's client."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import openai
import pytest

from byhand.data import fetch_file

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("ray")]
LOOPBACK = "0100007F"
"""127.0.0.1, in the order of its bytes on the machine."""
STORY = [{"role": "user", "content": "Tell a very long story."}]


class Service:
    """`byhand serve` on a port that was free."""

    def __init__(self, log: Path, *arguments: str) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        self.log = log
        with log.open("w") as out:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "byhand", "serve", *arguments, "--port", str(port)],
                stdout=out,
                stderr=out,
                # Its own group, of which nobody may be left.
                start_new_session=True,
                env={**os.environ, "OMP_NUM_THREADS": "1"},
            )
        self.url = f"http://127.0.0.1:{port}"
        self.client = openai.OpenAI(base_url=f"{self.url}/v1", api_key="x", max_retries=0)
        self.wait(lambda: "\nserving " in f"\n{self.said()}" or self.process.poll() is not None)

    def said(self) -> str:
        return self.log.read_text("utf-8")

    def metric(self, line: str) -> float:
        found = re.search(rf"^{re.escape(line)} (.*)$", httpx.get(f"{self.url}/metrics").text, re.M)
        return float(found[1]) if found else 0.0

    def members(self, name: str = "") -> list[int]:
        """Processes of its session, by a part of their names."""
        found = []
        for folder in Path("/proc").glob("[0-9]*"):
            try:
                state = (folder / "stat").read_text().rpartition(")")[2].split()
                command = (folder / "cmdline").read_text()
            except OSError:
                continue
            if int(state[3]) == self.process.pid and state[0] != "Z" and name in command:
                found.append(int(folder.name))
        return found

    def listening(self) -> set[str]:
        """Addresses at which its processes listen, in the kernel's words."""
        inodes = set()
        for member in self.members():
            for link in Path(f"/proc/{member}/fd").glob("*"):
                with contextlib.suppress(OSError):
                    inodes.add(str(link.readlink()))
        found = set()
        for table in ("tcp", "tcp6"):
            for line in Path(f"/proc/net/{table}").read_text("ascii").splitlines()[1:]:
                words = line.split()
                if words[3] == "0A" and f"socket:[{words[9]}]" in inodes:
                    found.add(words[1].partition(":")[0])
        return found

    def wait(self, there: Callable[[], bool], seconds: float = 120) -> None:
        end = time.monotonic() + seconds
        while not there():
            assert time.monotonic() < end, self.said()
            time.sleep(0.1)


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    log = tmp_path_factory.mktemp("service") / "log"
    model = fetch_file("smollm2-135m-instruct")
    started = Service(
        log, f"small={model}", "bad=nowhere", "--replicas", "2", "--cpus-per-replica", "0.5"
    )
    yield started
    started.process.kill()


def test_a_service_from_its_beginning_to_its_end(service: Service) -> None:
    """In one piece, because a service takes long to begin."""
    assert "bad could not be loaded: nowhere does not exist; expected a folder" in service.said()
    client = service.client
    _answers(client)
    # Those of IPv6 listen at ::ffff:127.0.0.1.
    assert all(address.endswith(LOOPBACK) for address in service.listening())
    assert service.listening()
    _hangs_up(service)
    _loses_a_replica(service)
    _ends(service)


def _answers(client: openai.OpenAI) -> None:
    assert [model.id for model in client.models.list()] == ["small"]
    ask: Any = {
        "model": "small",
        "messages": [{"role": "user", "content": "Name the capital of France."}],
        "max_tokens": 12,
        "temperature": 0,
    }
    whole = client.chat.completions.create(**ask)
    assert "Paris" in (whole.choices[0].message.content or "")
    chunks = list(client.chat.completions.create(**ask, stream=True))
    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    assert text == whole.choices[0].message.content
    with pytest.raises(
        openai.BadRequestError, match=r"context is 4,096 tokens; the prompt has 5,0"
    ):
        client.completions.create(model="small", prompt="a " * 5000)
    with pytest.raises(openai.APIStatusError, match="this model could not be loaded: nowhere"):
        client.completions.create(model="bad", prompt="a")


def _hangs_up(service: Service) -> None:
    stream = service.client.chat.completions.create(
        model="small", messages=STORY, max_tokens=2000, stream=True
    )
    next(iter(stream))
    running = 'byhand_requests_running{model="small"}'
    service.wait(lambda: service.metric(running) == 1)
    stream.close()
    service.wait(lambda: service.metric(running) == 0, 20)
    assert service.metric('byhand_errors_total{code="hung_up"}') == 1


def _loses_a_replica(service: Service) -> None:
    outcomes: list[str] = []

    def story() -> None:
        try:
            stream = service.client.chat.completions.create(
                model="small", messages=STORY, max_tokens=60, stream=True
            )
            outcomes.append(f"ok {sum(1 for _ in stream)}")
        except openai.APIError as error:
            outcomes.append(str(error))

    replicas = service.members("ServeReplica:byhand:Model-small")
    assert len(replicas) == 2
    threads = [threading.Thread(target=story) for _ in range(4)]
    for thread in threads:
        thread.start()
    running = 'byhand_requests_running{model="small"}'
    service.wait(lambda: service.metric(running) == 4)
    os.kill(replicas[0], signal.SIGKILL)
    answer = service.client.completions.create(model="small", prompt="a", max_tokens=2)
    assert answer.usage is not None
    for thread in threads:
        thread.join()
    lost = [text for text in outcomes if text.startswith("the replica of small")]
    assert all(text.endswith("send the request again") for text in lost)
    assert lost
    assert len(lost) + sum(text.startswith("ok") for text in outcomes) == 4

    def replaced() -> bool:
        there = service.members("ServeReplica:byhand:Model-small")
        return len(there) == 2 and replicas[0] not in there

    service.wait(replaced)


def _ends(service: Service) -> None:
    """An answer that has begun comes to its end, and then there is no process left."""
    stream = service.client.chat.completions.create(
        model="small", messages=STORY, max_tokens=20, temperature=0, stream=True
    )
    chunks = iter(stream)
    next(chunks)
    service.process.send_signal(signal.SIGTERM)
    assert [chunk.choices[0].finish_reason for chunk in chunks][-1] == "length"
    assert service.process.wait(30) == 0
    assert "ending: answers that have begun come to their end" in service.said()
    service.wait(lambda: not service.members(), 10)


def test_a_model_that_is_nowhere_ends_the_command(tmp_path: Path) -> None:
    service = Service(tmp_path / "log", "nowhere")
    assert service.process.wait(60) == 2
    assert service.said().startswith("error: nowhere does not exist; expected a folder")
