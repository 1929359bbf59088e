"""Ray, on this machine or on a cluster: started, joined and left again."""

from __future__ import annotations

import importlib.util
import logging
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from byhand.errors import ByhandError, InputError

ANSWER_SECONDS = 5.0
"""How long an address may take to answer; Ray itself would try for minutes."""
SETTINGS = {
    "RAY_USAGE_STATS_ENABLED": "0",  # nobody is told
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",  # else it warns that this will be the default
    "RAY_AIR_NEW_OUTPUT": "0",  # whose silence is not silent
    "RAY_CHDIR_TO_TRIAL_DIR": "0",  # a path in a recipe is meant from where the command began
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",  # the run folders hold it all
    "TUNE_DISABLE_SIGINT_HANDLER": "1",  # Ctrl-C ends at once; every epoch is saved
    "TUNE_DISABLE_STRICT_METRIC_CHECKING": "1",  # a trial that failed has no score
}


@contextmanager
def cluster(address: str | None = None, processors: int = 1) -> Iterator[Any]:
    """The module `ray`, joined to the cluster at an address, or to one of this machine's processors
    that ends with the block. Where Ray runs in this process already, it is used and left running.

    address     of a cluster that this machine is part of: HOST:PORT, or auto to find it
    processors  that one worker needs
    Raises      InputError where Ray is not installed, nothing answers at the address, or no machine
                has as many processors; ByhandError where Ray does not start
    """
    require(address)
    os.environ.update(SETTINGS)
    import ray

    logging.getLogger("ray").setLevel(logging.CRITICAL)
    running = ray.is_initialized()
    if not running:
        _start(ray, address)
    try:
        _enough(ray, processors)
        yield ray
    finally:
        if not running:
            ray.shutdown()


def require(address: str | None = None) -> None:
    """Refuse at once what `cluster` would refuse of an address, as far as that can be seen.

    Raises      InputError where Ray is not installed, or nothing listens at the address
    """
    if importlib.util.find_spec("ray") is None:
        raise InputError("Ray is not installed: pip install 'byhand[distributed]'")
    if address is None or address == "auto":
        return
    host, colon, port = address.rpartition(":")
    if not (colon and host and port.isdigit()) or "/" in host:
        raise InputError(f"--address is auto or HOST:PORT of a Ray cluster; found {address!r}")
    try:
        socket.create_connection((host, int(port)), ANSWER_SECONDS).close()
    except (OSError, OverflowError) as error:
        raise InputError(_no_cluster(address, str(error))) from None


def _start(ray: Any, address: str | None) -> None:
    quiet: dict[str, Any] = {"logging_level": logging.CRITICAL, "log_to_driver": False}
    if address is None:
        try:
            ray.init("local", num_cpus=os.cpu_count(), include_dashboard=False, **quiet)
        except Exception as error:  # Ray has no narrower one for a start that takes too long
            raise ByhandError(
                f"Ray did not start on this machine: {_first_line(error)} "
                "Try again when the machine has less other work"
            ) from None
        return
    try:
        ray.init(address, **quiet)
    except (ConnectionError, RuntimeError, ValueError, ImportError) as error:
        raise InputError(_no_cluster(address, _first_line(error))) from None


def _first_line(error: Exception) -> str:
    return str(error).strip().split("\n")[0]


def _no_cluster(address: str, reason: str) -> str:
    return (
        f"no Ray cluster answers at {address} ({reason}); `ray start --head` begins one, "
        "and without --address this machine alone is used"
    )


def _enough(ray: Any, processors: int) -> None:
    alive = [node for node in ray.nodes() if node["Alive"]]
    most = int(max((node["Resources"].get("CPU", 0) for node in alive), default=0))
    if processors > most:
        raise InputError(
            f"a worker is to have {processors} processors, the largest machine here has {most}"
        )
