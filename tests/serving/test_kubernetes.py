from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from byhand.errors import InputError
from byhand.serving.kubernetes import Deployment, dockerfile, in_yaml, manifest
from byhand.serving.settings import Served, Service, serve_config

SCHEMA = Path(__file__).parents[3] / "shared/data/rayservice-schema.json"
"""KubeRay's custom resource definition, kept beside the repository where there is one."""

SMALL = Served("smollm2", "models/smollm2.gguf", memory=900_000_000)
DIGITS = Served("digits/first", "runs/mlp-mnist", "classifier", 400_000_000)
SERVICE = Service((SMALL, DIGITS), replicas=(1, 3), cpus=2, slots=4, max_queue=16)
DEPLOYMENT = Deployment("byhand", "registry.example/byhand:1", "2.60.0", secret="byhand-keys")


def ray_service(service: Service = SERVICE, deployment: Deployment = DEPLOYMENT) -> dict[str, Any]:
    return manifest(service, deployment)[-1]


def closed(schema: Any) -> Any:
    """The schema with every object closed to fields that it does not name: Kubernetes would drop
    them without a word, and with them a spelling mistake."""
    if isinstance(schema, list):
        return [closed(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    out = {key: closed(value) for key, value in schema.items()}
    free = schema.get("x-kubernetes-preserve-unknown-fields") or "additionalProperties" in schema
    if isinstance(schema.get("properties"), dict) and not free:
        out["additionalProperties"] = False
    return out


@pytest.mark.parametrize("secret", [None, "byhand-keys"])
@pytest.mark.parametrize("claim", [None, "weights"])
@pytest.mark.parametrize("gpus", [0, 1])
def test_the_manifest_is_one_that_kuberay_takes(
    gpus: float, claim: str | None, secret: str | None
) -> None:
    deployment = replace(DEPLOYMENT, volume_claim=claim, secret=secret)
    written = in_yaml(*manifest(replace(SERVICE, gpus=gpus), deployment))
    *others, found = yaml.safe_load_all(written)
    assert [each["kind"] for each in others] == (["Secret"] if secret else [])
    assert (found["apiVersion"], found["kind"]) == ("ray.io/v1", "RayService")
    if not SCHEMA.exists():
        pytest.skip(f"{SCHEMA.name} is not there, so only the structure was checked")
    schema = closed(json.loads(SCHEMA.read_text(encoding="utf-8"))["schema"])
    schema["properties"]["metadata"] = {"type": "object"}  # any object's, not described there
    jsonschema.Draft202012Validator(schema).validate(found)


def test_the_head_does_no_work_and_every_replica_has_a_pod_of_its_own() -> None:
    cluster = ray_service()["spec"]["rayClusterConfig"]
    assert cluster["rayVersion"] == "2.60.0"
    assert cluster["enableInTreeAutoscaling"] is True
    assert cluster["headGroupSpec"]["rayStartParams"]["num-cpus"] == "0"
    ingress, models = cluster["workerGroupSpecs"]
    assert [group["groupName"] for group in (ingress, models)] == ["ingress", "models"]
    assert (models["minReplicas"], models["maxReplicas"]) == (2, 6)
    config = yaml.safe_load(ray_service()["spec"]["serveConfigV2"])
    front, *replicas = config["applications"][0]["deployments"]
    for group, deployments in ((ingress, [front]), (models, replicas)):
        # The shell of the pod takes the outer quotes and the backslashes.
        offered = json.loads(json.loads(group["rayStartParams"]["resources"]))
        for each in deployments:
            assert each["ray_actor_options"]["resources"] == offered


def test_a_pod_asks_for_what_the_largest_replica_takes() -> None:
    _, models = ray_service()["spec"]["rayClusterConfig"]["workerGroupSpecs"]
    (container,) = models["template"]["spec"]["containers"]
    amounts = container["resources"]
    assert amounts["requests"] == amounts["limits"]
    assert amounts["limits"]["cpu"] == "2"
    asked = int(amounts["limits"]["memory"].removesuffix("Mi")) << 20
    assert asked >= SMALL.memory + 1_000_000_000
    assert asked - SMALL.memory - 1_000_000_000 < 1 << 20
    config = yaml.safe_load(ray_service()["spec"]["serveConfigV2"])
    small = config["applications"][0]["deployments"][1]
    assert small["ray_actor_options"]["memory"] == SMALL.memory
    assert (small["max_ongoing_requests"], small["max_queued_requests"]) == (4, 16)


def test_a_gpu_is_asked_for_where_a_replica_has_one() -> None:
    service = replace(SERVICE, gpus=1)
    _, models = ray_service(service)["spec"]["rayClusterConfig"]["workerGroupSpecs"]
    limits = models["template"]["spec"]["containers"][0]["resources"]["limits"]
    assert limits["nvidia.com/gpu"] == "1"
    assert "py311-gpu" in dockerfile(service, DEPLOYMENT, "byhand==0.1.0")


def test_serving_pods_live_as_long_as_the_proxy_answers() -> None:
    cluster = ray_service()["spec"]["rayClusterConfig"]
    for group in cluster["workerGroupSpecs"]:
        (container,) = group["template"]["spec"]["containers"]
        for probe in ("livenessProbe", "readinessProbe"):
            assert "/-/healthz" in container[probe]["exec"]["command"][-1]
    (head,) = cluster["headGroupSpec"]["template"]["spec"]["containers"]
    assert "gcs_healthz" in head["livenessProbe"]["exec"]["command"][-1]
    assert "/-/healthz" not in head["livenessProbe"]["exec"]["command"][-1]


def test_paths_are_those_inside_the_pods() -> None:
    config = yaml.safe_load(ray_service()["spec"]["serveConfigV2"])
    (application,) = config["applications"]
    settings = application["args"]
    assert [model["source"] for model in settings["models"]] == [
        "/models/smollm2",
        "/models/digits/first",
    ]
    assert settings["api_key_file"] == "/etc/byhand/api-keys/keys"
    assert config["http_options"] == {"host": "0.0.0.0", "port": 8000}
    assert application["import_path"] == "byhand.serving.application:build"


def test_models_are_in_the_image_or_on_a_volume() -> None:
    assert dockerfile(SERVICE, DEPLOYMENT, "byhand==0.1.0") == (
        "# docker build -t registry.example/byhand:1 . && docker push registry.example/byhand:1\n"
        "FROM rayproject/ray:2.60.0-py311-cpu\n"
        "# Ray stays at the version of the cluster.\n"
        'RUN pip install --no-cache-dir "byhand[language,serving]==0.1.0" "ray[serve]==2.60.0"\n'
        "ENV RAY_USAGE_STATS_ENABLED=0 HF_HUB_OFFLINE=1\n"
        "# The models, from beside this file.\n"
        "COPY models/smollm2 /models/smollm2\n"
        "COPY models/digits/first /models/digits/first\n"
    )
    on_volume = replace(DEPLOYMENT, volume_claim="weights")
    assert "COPY" not in dockerfile(SERVICE, on_volume, "byhand==0.1.0")
    _, models = ray_service(deployment=on_volume)["spec"]["rayClusterConfig"]["workerGroupSpecs"]
    spec = models["template"]["spec"]
    assert spec["volumes"][0]["persistentVolumeClaim"]["claimName"] == "weights"
    assert spec["containers"][0]["volumeMounts"][0] == {
        "name": "models",
        "mountPath": "/models",
        "readOnly": True,
    }


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (
            {"name": "By hand"},
            "a name in Kubernetes has at most 40 lower-case letters, digits and dashes; "
            "found 'By hand'",
        ),
        (
            {"image": "byhand"},
            "the image needs a tag that stays, as registry/byhand:1; found 'byhand'",
        ),
        (
            {"image": "byhand:latest"},
            "the image needs a tag that stays, as registry/byhand:1; found 'byhand:latest'",
        ),
    ],
)
def test_what_kubernetes_would_not_take(change: dict[str, str], text: str) -> None:
    with pytest.raises(InputError) as error:
        replace(DEPLOYMENT, **change)
    assert str(error.value) == text


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"models": ()}, "a service needs at least one model, found none"),
        (
            {"models": (SMALL, SMALL)},
            "two models are called smollm2: give one of them another name, as NAME=MODEL",
        ),
        (
            {"models": (SMALL, replace(SMALL, name="smollm2!"))},
            "two models are called Model-smollm2: give one of them another name, as NAME=MODEL",
        ),
        ({"replicas": (3, 2)}, "replicas are from 1 to 64, as 2 or 1..4; found 3..2"),
        (
            {"cpus": 0.0},
            "a replica needs processors: cpus or gpus above 0, found 0 and 0",
        ),
        ({"max_queue": 0}, "max_queue is at least 1, found 0"),
    ],
)
def test_services_that_cannot_be(change: dict[str, Any], text: str) -> None:
    with pytest.raises(InputError) as error:
        replace(SERVICE, **change)
    assert str(error.value) == text


def test_on_one_machine_the_processors_are_shared() -> None:
    config = serve_config(SERVICE)
    front, small, _ = config["applications"][0]["deployments"]
    assert front["ray_actor_options"] == {"num_cpus": 0.1}
    assert "resources" not in small["ray_actor_options"]
    assert config["http_options"] == {"host": "127.0.0.1", "port": 8000}
