"""The service on this machine, where Ray begins and ends with it; or on a cluster that there is."""

from __future__ import annotations

import importlib.util
import logging
import os
import secrets
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from typing import Any

from byhand.errors import ByhandError, InputError
from byhand.serving.settings import Service, serve_config

NAME = "byhand"
NEEDED = ("ray", "fastapi", "prometheus_client", "uvicorn")
LOGS = {"encoding": "JSON", "enable_access_log": False}
OBJECT_STORE = 100_000_000
"""Bytes; nothing large goes through it."""
SETTINGS = {
    "RAY_USAGE_STATS_ENABLED": "0",  # nobody is told
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",  # else it warns that this will be the default
}
ALONE = {
    # Despite its name it decides on every system whether a node listens beyond this machine.
    "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",
    "RAY_AUTH_MODE": "token",
}
Say = Callable[[str], None]


def require() -> None:
    """Raises      InputError where a library is missing"""
    for name in NEEDED:
        if importlib.util.find_spec(name) is None:
            raise InputError(f"serving needs {name}: pip install 'byhand[serving]'")


def check_processors(service: Service) -> None:
    """Refuse what would wait for processors that this machine does not have.

    Raises      InputError, with the numbers
    """
    have = os.cpu_count() or 1
    wanted = len(service.models) * service.replicas[0] * service.cpus
    if wanted > have:
        raise InputError(
            f"{len(service.models)} x {service.replicas[0]} replicas of {service.cpus:g} "
            f"processors are {wanted:g}, and this machine has {have}; give each fewer with "
            "--cpus-per-replica"
        )


def run(service: Service, address: str | None, say: Say) -> None:
    """Serve until SIGTERM or Ctrl-C; answers that have begun end first.

    address     of a Ray cluster: HOST:PORT, or auto to find it; None: this machine alone
    say         takes lines about what is going on

    Raises      InputError where something is missing; ByhandError where no model could be loaded
    """
    require()
    if address is None:
        check_processors(service)
    with ending() as rearm, _ray(address):
        from ray import serve

        from byhand.serving.application import build

        # Ray has put its own handler in the place of ours.
        rearm()
        config = serve_config(service)
        handle = None
        try:
            serve.start(
                proxy_location="HeadOnly" if address is None else config["proxy_location"],
                http_options=config["http_options"],
                logging_config=LOGS,
            )
            application = build(asdict(service))
            started = serve.run(application, name=NAME, route_prefix="/", logging_config=LOGS)
            _tell(service, _states(started), say)
            handle = started
            while True:
                signal.pause()
        except Ended:
            if handle is not None:
                say("ending: answers that have begun come to their end")
                left = handle.drain.remote().result(timeout_s=8)
                if left:
                    say(f"{left} answers were cut off")
        finally:
            # On this machine alone the end of Ray is the end of all.
            if address is not None:
                serve.delete(NAME)


class Ended(BaseException):
    """Somebody wants it to end."""


@contextmanager
def ending() -> Iterator[Callable[[], None]]:
    """Within the block the first SIGTERM, SIGINT or SIGHUP raises Ended, and later ones do nothing.
    What comes sets the handlers again, where somebody has put others there."""
    come = False

    def handler(number: int, frame: Any) -> None:
        nonlocal come
        first, come = not come, True
        if first:
            raise Ended

    def arm() -> None:
        for number in before:
            signal.signal(number, handler)

    numbers = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
    before = {number: signal.getsignal(number) for number in numbers}
    arm()
    try:
        yield arm
    except Ended:
        pass
    finally:
        for number, old in before.items():
            signal.signal(number, old)


@contextmanager
def _ray(address: str | None) -> Iterator[None]:
    os.environ.update(SETTINGS)
    if address is None:
        # Of this service and in no file: its processes inherit it, and others have none.
        os.environ.update(ALONE, RAY_AUTH_TOKEN=secrets.token_hex(32))
    import ray

    logging.getLogger("ray").setLevel(logging.CRITICAL)
    # It tells its own progress; replicas have their files.
    logging.getLogger("ray.serve").addFilter(_nothing)
    quiet: dict[str, Any] = {"logging_level": logging.CRITICAL, "log_to_driver": False}
    try:
        if address is None:
            ray.init(
                "local",
                # One more than there are, for the parts that do little: the ingress, the proxy.
                num_cpus=(os.cpu_count() or 1) + 1,
                include_dashboard=False,
                object_store_memory=OBJECT_STORE,
                **quiet,
            )
        else:
            ray.init(address, **quiet)
    except Exception as error:  # Ray has no narrower one
        raise ByhandError(f"Ray did not start: {str(error).strip().splitlines()[0]}") from None
    try:
        yield
    finally:
        ray.shutdown()


def _nothing(record: logging.LogRecord) -> bool:
    return False


def _states(handle: Any) -> dict[str, dict[str, Any]]:
    """How the models are, once none is being loaded."""
    while True:
        states: dict[str, dict[str, Any]] = handle.states.remote().result(timeout_s=60)
        if all(state["state"] != "loading" for state in states.values()):
            return states
        time.sleep(0.2)


def _tell(service: Service, states: dict[str, dict[str, Any]], say: Say) -> None:
    """Raises      ByhandError where no model is ready"""
    failed = {name: state["why"] for name, state in states.items() if state["state"] == "failed"}
    if len(failed) == len(states):
        raise ByhandError("; ".join(failed.values()))
    for name, why in failed.items():
        say(f"{name} could not be loaded: {why}")
    names = ", ".join(name for name in states if name not in failed)
    say(f"serving {names} at http://{service.address}:{service.port}/v1; Ctrl-C ends it")
