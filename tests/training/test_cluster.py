"""What is refused before Ray starts; what Ray does is tested with sweeps."""

from __future__ import annotations

import importlib.util
import socket

import pytest

from byhand.errors import ByhandError, InputError
from byhand.training.cluster import cluster


def refused(address: str | None) -> str:
    with pytest.raises(InputError) as error, cluster(address):
        pass
    return str(error.value)


def test_without_ray(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert refused(None) == "Ray is not installed: pip install 'byhand[distributed]'"


@pytest.mark.parametrize("address", ["nowhere", "host:port", ":6379", "ray://host:1"])
def test_what_is_no_address(address: str) -> None:
    assert refused(address) == (
        f"--address is auto or HOST:PORT of a Ray cluster; found {address!r}"
    )


def test_an_address_at_which_nothing_listens() -> None:
    with socket.socket() as free:
        # Bound and not listening, so no other process is there either.
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
        text = refused(address)
    assert text.startswith(f"no Ray cluster answers at {address} (")
    assert text.endswith(
        "); `ray start --head` begins one, and without --address this machine alone is used"
    )
    assert "refused" in text


def test_ray_does_not_start(monkeypatch: pytest.MonkeyPatch) -> None:
    import ray

    def late(*arguments: object, **options: object) -> None:
        raise Exception("The current node timed out during startup.\nmore")

    monkeypatch.setattr(ray, "is_initialized", lambda: False)
    monkeypatch.setattr(ray, "init", late)
    monkeypatch.setattr(ray, "shutdown", lambda: None)
    with pytest.raises(ByhandError) as error, cluster():
        pass
    assert str(error.value) == (
        "Ray did not start on this machine: The current node timed out during startup. "
        "Try again when the machine has less other work"
    )


def test_there_is_no_cluster_to_find(monkeypatch: pytest.MonkeyPatch) -> None:
    import ray

    def none(*arguments: object, **options: object) -> None:
        raise ConnectionError("Could not find any running Ray instance.")

    monkeypatch.setattr(ray, "is_initialized", lambda: False)
    monkeypatch.setattr(ray, "init", none)
    assert refused("auto") == (
        "no Ray cluster answers at auto (Could not find any running Ray instance.); "
        "`ray start --head` begins one, and without --address this machine alone is used"
    )
