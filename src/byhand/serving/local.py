"""The service on this machine, where Ray begins and ends with it; or on a cluster that there is."""

from __future__ import annotations

import importlib
import importlib.util
import logging
import os
import secrets
import signal
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from typing import Any

from byhand.errors import ByhandError, InputError
from byhand.serving.settings import Service, serve_config

NAME = "byhand"
LOOPBACK = ("127.0.0.1", "localhost")
NEEDED = ("ray", "fastapi", "prometheus_client", "uvicorn")
LOGS = {"encoding": "JSON", "enable_access_log": False}
OBJECT_STORE = 100_000_000
"""Bytes; nothing large goes through it."""
SETTINGS = {
    "RAY_USAGE_STATS_ENABLED": "0",  # nobody is told
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",  # else it warns that this will be the default
}
# Despite its name it decides on every system whether a node is at 127.0.0.1, or listens beyond this
# machine and is looked for there.
ON_LOOPBACK = {"RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0"}
ALONE = {**ON_LOOPBACK, "RAY_AUTH_MODE": "token"}
LOOK_SECONDS = 5.0
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
    else:
        _look_for(address)
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
            _bring_token()
            ray.init(address, **quiet)
    except Exception as error:  # Ray has no narrower one
        reason = str(error).strip().splitlines()[0]
        if address is None:
            raise ByhandError(f"Ray did not start: {reason}") from None
        raise ByhandError(
            f"{reason}; where the cluster asks for a token, RAY_AUTH_TOKEN has to be that of its "
            "head, and Ray's and Python's versions have to be the same on both"
        ) from None
    try:
        yield
    finally:
        ray.shutdown()


def _look_for(address: str) -> None:
    """Ray itself would look for a minute where nothing is.

    Raises      ByhandError where nobody listens at HOST:PORT
    """
    host, _, port = address.rpartition(":")
    if not port.isdigit() or "/" in host:
        return  # auto, or a form that Ray knows
    reason = _unreachable(host, int(port))
    if reason is not None:
        raise ByhandError(
            f"no Ray cluster is at {address} ({reason}); start one with ray start --head, or leave "
            "--address out to serve on this machine"
        )
    # Unless it is told otherwise Ray takes this machine's address in a network for 127.0.0.1.
    if host in LOOPBACK and _unreachable(_own_address(), int(port)) is not None:
        os.environ.update(ON_LOOPBACK)


def _bring_token() -> None:
    """A cluster that was started where there is a token, in RAY_AUTH_TOKEN or in Ray's file, asks
    for it. Unlike `ray start`, ray.init looks for one only where it is given no address."""
    setup: Any = importlib.import_module("ray._private.authentication.authentication_token_setup")
    setup.maybe_enable_token_auth_if_token_available(warn_if_disabled=False)


def _unreachable(host: str, port: int) -> str | None:
    try:
        socket.create_connection((host, port), LOOK_SECONDS).close()
    except OSError as error:
        return error.strerror or str(error)
    return None


def _own_address() -> str:
    """Of this machine in its network; nothing is sent."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asked:
        try:
            asked.connect(("192.0.2.1", 9))  # kept for documentation: nobody's
        except OSError:
            return LOOPBACK[0]
        return str(asked.getsockname()[0])


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
