"""A RayService for KubeRay, and the image that it runs.

One head that runs no work, a group of pods for the ingress and one for the replicas of the models,
each pod of the latter as large as one replica needs.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from pathlib import PurePosixPath
from typing import Any

from byhand.errors import InputError
from byhand.serving.settings import Service, serve_config

PYTHON = "3.11"
KEYS = PurePosixPath("/etc/byhand/api-keys")
MODELS = PurePosixPath("/models")
RAY_MEMORY = 1_000_000_000
"""Bytes that a node of Ray takes beside its replica: its own processes and the object store."""
OBJECT_STORE = 200_000_000
HEAD_MEMORY = 4_000_000_000
INGRESS_MEMORY = 2_000_000_000
MIB = 1 << 20
LOOK = "wget --tries 1 -T 2 -q -O-"
NODE = f"{LOOK} http://localhost:52365/api/local_raylet_healthz | grep success"
HEAD = f"{NODE} && {LOOK} http://localhost:8265/api/gcs_healthz | grep success"
SERVES = f"{NODE} && {LOOK} http://localhost:8000/-/healthz | grep success"
"""The proxy answers too: a pod whose Serve has hung would otherwise count as alive."""


@dataclass(frozen=True)
class Deployment:
    """How a service runs on Kubernetes.

    name            of the RayService
    image           with byhand and Ray of this version inside
    ray_version     of the image, which has to be the cluster's
    volume_claim    a PersistentVolumeClaim with the models; None: they are inside the image
    secret          a Secret whose entry `keys` has the API keys; None: no key is asked for
    """

    name: str
    image: str
    ray_version: str
    volume_claim: str | None = None
    secret: str | None = None

    def __post_init__(self) -> None:
        plain = self.name.replace("-", "")
        if not (plain.isascii() and plain.isalnum() and plain.islower()) or len(self.name) > 40:
            raise InputError(
                f"a name in Kubernetes has at most 40 lower-case letters, digits and dashes; "
                f"found {self.name!r}"
            )
        if ":" not in self.image or self.image.endswith(":latest"):
            raise InputError(
                f"the image needs a tag that stays, as registry/byhand:1; found {self.image!r}"
            )


def manifest(service: Service, deployment: Deployment) -> list[dict[str, Any]]:
    """The Kubernetes objects, first to last: where keys are asked for the Secret to fill in, then
    the RayService. Paths of models and keys become those inside the pods."""
    inside = replace(
        service,
        models=tuple(replace(m, source=str(MODELS / m.name)) for m in service.models),
        address="0.0.0.0",
        port=8000,
        api_key_file=str(KEYS / "keys") if deployment.secret else None,
    )
    config = serve_config(inside, own_pods=True)
    least, most = service.replicas
    count = len(service.models)
    memory = max(model.memory for model in service.models) + RAY_MEMORY
    groups = [
        _group("ingress", (1, 1), "ingress", _pod(deployment, 1, INGRESS_MEMORY, 0, SERVES)),
        _group(
            "models",
            (count * least, count * most),
            "replica",
            _pod(deployment, service.cpus, memory, service.gpus, SERVES),
        ),
    ]
    head = {
        "rayStartParams": {"num-cpus": "0", "dashboard-host": "0.0.0.0"},
        "template": _pod(deployment, 1, HEAD_MEMORY, 0, HEAD, head=True),
    }
    objects: list[dict[str, Any]] = [
        {
            "apiVersion": "ray.io/v1",
            "kind": "RayService",
            "metadata": {"name": deployment.name},
            "spec": {
                "serveConfigV2": in_yaml(config),
                "rayClusterConfig": {
                    "rayVersion": deployment.ray_version,
                    "enableInTreeAutoscaling": least < most,
                    "headGroupSpec": head,
                    "workerGroupSpecs": groups,
                },
            },
        }
    ]
    if deployment.secret:
        objects.insert(0, _secret(deployment.secret))
    return objects


def in_yaml(*objects: Any) -> str:
    """The objects as YAML documents, keys in the order given and texts of several lines as such."""
    import yaml

    class Dumper(yaml.SafeDumper):  # type: ignore[misc]  # no types
        def ignore_aliases(self, data: Any) -> bool:
            return True

    def represent(dumper: Dumper, text: str) -> yaml.Node:
        style = "|" if "\n" in text else None
        return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)

    Dumper.add_representer(str, represent)
    text: str = yaml.dump_all(objects, Dumper=Dumper, sort_keys=False, width=100)
    return text


def dockerfile(service: Service, deployment: Deployment, byhand: str) -> str:
    """The image: Ray's own of the cluster's version, with byhand in it.

    byhand      what pip installs, as byhand==0.1.0
    """
    kind = "gpu" if service.gpus else "cpu"
    tag = f"{deployment.ray_version}-py{PYTHON.replace('.', '')}-{kind}"
    extras = byhand.replace("byhand", "byhand[language,serving]", 1)
    lines = [
        f"# docker build -t {deployment.image} . && docker push {deployment.image}",
        f"FROM rayproject/ray:{tag}",
        "# Ray stays at the version of the cluster.",
        f'RUN pip install --no-cache-dir "{extras}" "ray[serve]=={deployment.ray_version}"',
        "ENV RAY_USAGE_STATS_ENABLED=0 HF_HUB_OFFLINE=1",
    ]
    if deployment.volume_claim is None:
        lines.append("# The models, from beside this file.")
        lines += [f"COPY models/{model.name} {MODELS / model.name}" for model in service.models]
    return "\n".join(lines) + "\n"


def _group(
    name: str, replicas: tuple[int, int], offers: str, template: dict[str, Any]
) -> dict[str, Any]:
    """Pods that each offer one of a resource, which is what takes its place there asks for."""
    least, most = replicas
    return {
        "groupName": name,
        "replicas": least,
        "minReplicas": least,
        "maxReplicas": most,
        "rayStartParams": {
            "object-store-memory": str(OBJECT_STORE),
            # KubeRay hands it to a shell, which takes the outer quotes.
            "resources": f'"{{\\"{offers}\\": 1}}"',
        },
        "template": template,
    }


def _pod(
    deployment: Deployment, cpus: float, memory: int, gpus: float, health: str, head: bool = False
) -> dict[str, Any]:
    """One container, with as much as it asks for and no more."""
    amount: dict[str, str] = {
        "cpu": f"{max(cpus, 1):g}",
        "memory": f"{math.ceil(memory / MIB)}Mi",
    }
    if gpus:
        amount["nvidia.com/gpu"] = str(math.ceil(gpus))
    mounts, volumes = _volumes(deployment)
    container: dict[str, Any] = {
        "name": "ray-head" if head else "ray-worker",
        "image": deployment.image,
        "env": [{"name": "RAY_USAGE_STATS_ENABLED", "value": "0"}],
        "resources": {"requests": amount, "limits": dict(amount)},
        "readinessProbe": _probe(health, failures=10),
        # Loading a large model takes minutes, in which the proxy has not started yet.
        "livenessProbe": _probe(health, failures=120),
    }
    if head:
        container["ports"] = _ports({"gcs": 6379, "dashboard": 8265, "client": 10001})
    else:
        container["ports"] = _ports({"serve": 8000})
    spec: dict[str, Any] = {"containers": [container]}
    if volumes:
        container["volumeMounts"], spec["volumes"] = mounts, volumes
    return {"spec": spec}


def _volumes(deployment: Deployment) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    mounts, volumes = [], []
    if deployment.volume_claim:
        mounts.append({"name": "models", "mountPath": str(MODELS), "readOnly": True})
        claim = {"claimName": deployment.volume_claim, "readOnly": True}
        volumes.append({"name": "models", "persistentVolumeClaim": claim})
    if deployment.secret:
        mounts.append({"name": "api-keys", "mountPath": str(KEYS), "readOnly": True})
        volumes.append({"name": "api-keys", "secret": {"secretName": deployment.secret}})
    return mounts, volumes


def _probe(command: str, failures: int) -> dict[str, Any]:
    return {
        "exec": {"command": ["bash", "-c", command]},
        "initialDelaySeconds": 10,
        "periodSeconds": 5,
        "timeoutSeconds": 5,
        "failureThreshold": failures,
    }


def _ports(ports: dict[str, int]) -> list[dict[str, Any]]:
    return [{"name": name, "containerPort": port} for name, port in ports.items()]


def _secret(name: str) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": name},
        "stringData": {"keys": "put-one-key-on-each-line\n"},
    }
