from __future__ import annotations

import importlib.metadata
from pathlib import Path
from typing import Any

import yaml

from ..language.conftest import own_cache, tiny

__all__ = ["own_cache", "tiny"]


def test_deploy_writes_a_manifest_and_a_dockerfile(byhand: Any, tiny: Path, folder: Path) -> None:
    options = ["--image", "registry.example/byhand:1", "--secret", "keys", "--replicas", "1..2"]
    result = byhand("deploy", "kubernetes", f"small={tiny}", "-o", "out", *options)
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout.splitlines() == [
        f"small: 0.4 GB a replica, from {tiny.resolve()}",
        "put each model into out/models/NAME, as the Dockerfile says",
        "wrote out/Dockerfile and out/rayservice.yaml",
        "kubectl apply -f out/rayservice.yaml",
    ]
    ray = importlib.metadata.version("ray")
    assert f"FROM rayproject/ray:{ray}-py311-cpu" in (folder / "out/Dockerfile").read_text("utf-8")
    secret, service = yaml.safe_load_all((folder / "out/rayservice.yaml").read_text("utf-8"))
    assert (secret["kind"], service["kind"]) == ("Secret", "RayService")
    cluster = service["spec"]["rayClusterConfig"]
    assert cluster["rayVersion"] == ray
    config = yaml.safe_load(service["spec"]["serveConfigV2"])
    _, model = config["applications"][0]["deployments"]
    memory = model["ray_actor_options"]["memory"]
    _, group = cluster["workerGroupSpecs"]
    (container,) = group["template"]["spec"]["containers"]
    limit = int(container["resources"]["limits"]["memory"].removesuffix("Mi")) << 20
    assert memory > 400_000_000
    assert limit >= memory + 1_000_000_000


def test_an_image_without_a_tag(byhand: Any, tiny: Path) -> None:
    result = byhand("deploy", "kubernetes", str(tiny), "--image", "byhand")
    assert (result.exit_code, result.stderr) == (
        2,
        "error: the image needs a tag that stays, as registry/byhand:1; found 'byhand'\n",
    )
