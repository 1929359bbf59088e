"""What is served and how: one description, of which the local service, Ray Serve's config file and
the Kubernetes manifest are made."""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass
from typing import Any, Literal

from byhand.errors import InputError

MOST_REPLICAS = 64
SPARE = 256
"""Requests that the ingress takes beside those that models work on and that wait for them: to be
refused, or to be told how it is."""
INGRESS = "Ingress"
APPLICATION = "byhand.serving.application:build"


@dataclass(frozen=True)
class Served:
    """One model.

    name        by which requests ask for it
    source      a folder, a file, a hub name or a run
    kind        "language" answers with text, "classifier" is a run of ours that names a class
    memory      bytes that one replica takes, its cache and its libraries included
    """

    name: str
    source: str
    kind: Literal["language", "classifier"] = "language"
    memory: int = 0

    @property
    def deployment(self) -> str:
        """The name of its Ray Serve deployment, which also goes into metrics and logs."""
        return f"Model-{re.sub(r'[^A-Za-z0-9]+', '-', self.name).strip('-')}"


@dataclass(frozen=True)
class Service:
    """Models behind one address.

    models          at least one, of different names
    replicas        of each model, from and to: Ray Serve adds and removes them with the load
    cpus, gpus      of each replica
    slots           requests that a replica works on at once
    max_queue       requests that wait for one model before others are refused with 429
    context         tokens of a request, prompt and answer; None: what the model was made for
    address, port   where the ingress listens
    api_key_file    a file with one key on each line; None: no key is asked for
    Raises          InputError
    """

    models: tuple[Served, ...]
    replicas: tuple[int, int] = (1, 1)
    cpus: float = 1
    gpus: float = 0
    slots: int = 8
    max_queue: int = 32
    context: int | None = None
    address: str = "127.0.0.1"
    port: int = 8000
    api_key_file: str | None = None

    def __post_init__(self) -> None:
        if not self.models:
            raise InputError("a service needs at least one model, found none")
        for what in ("name", "deployment"):
            names = [getattr(model, what) for model in self.models]
            twice = next((name for name in names if names.count(name) > 1), None)
            if twice is not None:
                raise InputError(
                    f"two models are called {twice}: give one of them another name, as NAME=MODEL"
                )
        least, most = self.replicas
        if not 1 <= least <= most <= MOST_REPLICAS:
            raise InputError(
                f"replicas are from 1 to {MOST_REPLICAS}, as 2 or 1..4; found {least}..{most}"
            )
        if self.cpus < 0 or self.gpus < 0 or self.cpus + self.gpus == 0:
            raise InputError(
                f"a replica needs processors: cpus or gpus above 0, found {self.cpus:g} and "
                f"{self.gpus:g}"
            )
        for name in ("slots", "max_queue"):
            if (value := getattr(self, name)) < 1:
                raise InputError(f"{name} is at least 1, found {value}")


def serve_config(service: Service, *, own_pods: bool = False) -> dict[str, Any]:
    """Ray Serve's config file for a service, as `serve deploy` takes it.

    own_pods    whether the ingress and every replica have a node each, made for it, which offers
                one `ingress` or one `replica`; else they share what processors there are
    """
    least, most = service.replicas
    models = [
        {
            "name": model.deployment,
            "max_ongoing_requests": service.slots,
            "max_queued_requests": service.max_queue,
            "autoscaling_config": {
                "min_replicas": least,
                "max_replicas": most,
                "target_ongoing_requests": max(1, service.slots // 2),
            },
            "ray_actor_options": {
                "num_cpus": service.cpus,
                "num_gpus": service.gpus,
                "memory": model.memory,
                **({"resources": {"replica": 1}} if own_pods else {}),
            },
        }
        for model in service.models
    ]
    front = {
        "name": INGRESS,
        "num_replicas": 1,
        "max_ongoing_requests": SPARE
        + len(service.models) * (service.slots * most + service.max_queue),
        "ray_actor_options": (
            {"num_cpus": 0, "resources": {"ingress": 1}} if own_pods else {"num_cpus": 0.1}
        ),
    }
    return {
        "proxy_location": "EveryNode",
        "http_options": {"host": service.address, "port": service.port},
        "logging_config": {"encoding": "JSON"},
        "applications": [
            {
                "name": "byhand",
                "route_prefix": "/",
                "import_path": APPLICATION,
                "args": asdict(service),
                "deployments": [front, *models],
            }
        ],
    }


def parse_replicas(text: str) -> tuple[int, int]:
    """From and to, of 2 or 1..4.

    Raises      InputError
    """
    least, dots, most = text.partition("..")
    if not least.isascii() or not least.isdigit() or (dots and not most.isdigit()):
        raise InputError(f"replicas are a number or two, as 2 or 1..4; found {text!r}")
    return int(least), int(most if dots else least)
