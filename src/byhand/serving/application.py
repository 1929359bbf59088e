"""The service as a Ray Serve application: an ingress, and a deployment for each model."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Iterator
from contextlib import contextmanager
from typing import Any, Literal

from byhand.serving.answers import Event
from byhand.serving.classifier import ClassifierReplica
from byhand.serving.gate import Gate, read_keys
from byhand.serving.ingress import make_app
from byhand.serving.language import LanguageReplica
from byhand.serving.ports import keep_to_node
from byhand.serving.refusals import Refused, full, lost
from byhand.serving.settings import INGRESS, Served, Service, serve_config

DRAIN_SECONDS = 5.0
"""How long answers that have begun may take to end, once the service is told to."""
GRACE_SECONDS = 1.0


class RayHandle:
    """A model behind a handle of Ray Serve."""

    def __init__(self, served: Served, handle: Any) -> None:
        self.name = served.name
        self.kind: Literal["language", "classifier"] = served.kind
        self._handle = handle
        self._stream = handle.options(stream=True)

    async def describe(self) -> dict[str, Any]:
        """As the replica that is asked says."""
        with self._explained():
            said: dict[str, Any] = await self._handle.describe.remote()
        return said

    async def answer(self, wish: dict[str, Any]) -> AsyncGenerator[list[Event], None]:
        """As the replica says; closing this frees its slot there."""
        with self._explained():
            events = self._stream.answer.remote(wish)
            try:
                async for batch in events:
                    yield batch
            finally:
                events.cancel()

    async def predict(self, image: str) -> dict[str, Any]:
        """As the replica says."""
        with self._explained():
            said: dict[str, Any] = await self._handle.predict.remote(image)
        if "error" in said:
            raise Refused(said["status"], said["code"], said["error"], said.get("param"))
        return said

    @contextmanager
    def _explained(self) -> Iterator[None]:
        from ray.exceptions import RayActorError
        from ray.serve.exceptions import (
            BackPressureError,
            DeploymentUnavailableError,
            ReplicaUnavailableError,
        )

        try:
            yield
        except BackPressureError:
            raise full(self.name) from None
        except (RayActorError, DeploymentUnavailableError, ReplicaUnavailableError):
            raise lost(self.name) from None


class Ingress:
    """The routes, in a replica of their own.

    settings    the fields of `Service`, as JSON has them
    handles     of Ray Serve, by the names of the models
    """

    def __init__(self, settings: dict[str, Any], handles: dict[str, Any]) -> None:
        keep_to_node()
        service = from_json(settings)
        models = {model.name: RayHandle(model, handles[model.name]) for model in service.models}
        keys = read_keys(service.api_key_file) if service.api_key_file else ()
        self.gate = make_app(models, keys)
        self.gate.tells_id = False  # Ray's proxy puts it there

    def __serve_build_asgi_app__(self) -> Gate:
        return self.gate

    async def states(self) -> dict[str, dict[str, Any]]:
        """Of every model, how it is."""
        states: dict[str, dict[str, Any]] = await self.gate.front.states()
        return states

    async def drain(self) -> int:
        """Take no more requests, and wait for those that are open; how many are open still."""
        self.gate.draining = True
        end = time.monotonic() + DRAIN_SECONDS
        while self.gate.open and time.monotonic() < end:
            await asyncio.sleep(0.05)
        return self.gate.open


class Language(LanguageReplica):
    """One in a process of Ray's."""

    def __init__(self, *arguments: Any) -> None:
        keep_to_node()
        super().__init__(*arguments)


class Classifier(ClassifierReplica):
    """One in a process of Ray's."""

    def __init__(self, *arguments: Any) -> None:
        keep_to_node()
        super().__init__(*arguments)


def build(settings: dict[str, Any]) -> Any:
    """The application of a service: what Ray Serve's config file names.

    settings    the fields of `Service`, as JSON has them
    """
    from ray import serve

    service = from_json(settings)
    entries = {
        entry["name"]: entry for entry in serve_config(service)["applications"][0]["deployments"]
    }
    bound = {
        model.name: serve.deployment()(Language if model.kind == "language" else Classifier)
        .options(**entries[model.deployment], graceful_shutdown_timeout_s=GRACE_SECONDS)
        .bind(*_arguments(service, model))
        for model in service.models
    }
    front = serve.deployment()(serve.ingress()(Ingress)).options(
        **entries[INGRESS], graceful_shutdown_timeout_s=GRACE_SECONDS
    )
    return front.bind(settings, bound)


def from_json(settings: dict[str, Any]) -> Service:
    """A service from its fields as JSON has them."""
    models = tuple(Served(**model) for model in settings["models"])
    least, most = settings["replicas"]
    return Service(**{**settings, "models": models, "replicas": (least, most)})


def _arguments(service: Service, model: Served) -> tuple[Any, ...]:
    if model.kind == "classifier":
        return (model.source,)
    return (model.source, service.slots, service.context, max(1, int(service.cpus)))
