from __future__ import annotations

import os
import socket
from pathlib import Path
from typing import Any

import pytest
import yaml

from byhand.errors import InputError
from byhand.serving import local
from byhand.serving.settings import Served, Service

from ..language.conftest import own_cache, tiny

__all__ = ["own_cache", "tiny"]


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> list[Service]:
    """What would be served."""
    found: list[Service] = []
    monkeypatch.setattr(local, "run", lambda service, address, say: found.append(service))
    return found


def test_serve_describes_the_service(
    byhand: Any, served: list[Service], tiny: Path, folder: Path
) -> None:
    (folder / "keys").write_text("secret\n", "utf-8")
    arguments = ["serve", f"a={tiny}", str(tiny), "--replicas", "1..3", "--cpus-per-replica", "0.5"]
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    result = byhand(*arguments, "--port", str(port), "--api-key-file", "keys")
    assert (result.exit_code, result.stderr) == (0, "")
    (service,) = served
    assert [model.name for model in service.models] == ["a", tiny.name]
    assert {model.source for model in service.models} == {str(tiny.resolve())}
    assert (service.replicas, service.cpus, service.slots) == ((1, 3), 0.5, 8)
    assert (service.address, service.port) == ("127.0.0.1", port)
    assert service.api_key_file == str(folder / "keys")
    # The cache of eight answers: 2 (K, V) · 2 layers · 2 heads · 16 numbers · 2 bytes a token.
    assert service.models[0].memory > 400_000_000 + 8 * 512 * 2 * 2 * 2 * 16 * 2


def test_serve_writes_a_config_file(byhand: Any, tiny: Path, folder: Path) -> None:
    result = byhand("serve", str(tiny), "--export", "serve.yaml", "--replicas", "2")
    assert result.stdout == "wrote serve.yaml; serve deploy serve.yaml takes it\n"
    config = yaml.safe_load((folder / "serve.yaml").read_text("utf-8"))
    (application,) = config["applications"]
    assert application["import_path"] == "byhand.serving.application:build"
    front, model = application["deployments"]
    # Beside one that waits or is worked on there is room for many that are refused.
    assert front["max_ongoing_requests"] > 2 * 8 + 32 + 100
    assert (front["name"], model["name"]) == ("Ingress", f"Model-{tiny.name}")
    assert model["autoscaling_config"]["min_replicas"] == 2


# Ray's own use of pydantic.
@pytest.mark.filterwarnings("ignore::pydantic.warnings.PydanticDeprecatedSince20")
def test_ray_takes_what_is_written(tiny: Path, byhand: Any, folder: Path) -> None:
    from ray.serve._private.api import call_user_app_builder_with_args_if_necessary as built
    from ray.serve._private.build_app import build_app
    from ray.serve.schema import ServeDeploySchema

    from byhand.serving.application import build

    byhand("serve", str(tiny), "--export", "serve.yaml")
    config = yaml.safe_load((folder / "serve.yaml").read_text("utf-8"))
    assert ServeDeploySchema.model_validate(config).applications[0].name == "byhand"
    (application,) = config["applications"]
    made = build_app(built(build, application["args"]), name="byhand").deployments
    assert {each.name for each in made} == {d["name"] for d in application["deployments"]}


def test_what_cannot_be_served(byhand: Any, served: list[Service], tiny: Path) -> None:
    cases = {
        ("--replicas", "many"): "replicas are a number or two, as 2 or 1..4; found 'many'",
        ("--replicas", "3..2"): "replicas are from 1 to 64, as 2 or 1..4; found 3..2",
        ("--api-key-file", "no"): (
            "the API keys are in no, which cannot be read: No such file or directory"
        ),
        ("--slots", "0"): "slots is at least 1, found 0",
    }
    for option, text in cases.items():
        result = byhand("serve", str(tiny), *option)
        assert (result.exit_code, result.stderr) == (2, f"error: {text}\n")
    result = byhand("serve", "=x")
    assert result.stderr == "error: a model is given as NAME=MODEL or as MODEL, found '=x'\n"
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        result = byhand("serve", str(tiny), "--port", str(port))
    assert result.exit_code == 2
    assert result.stderr == (
        f"error: 127.0.0.1:{port} cannot be taken: Address already in use; "
        "choose another --port or --host\n"
    )
    assert served == []


def test_more_processors_than_there_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "cpu_count", lambda: 2)
    service = Service((Served("a", "x"),), replicas=(3, 3), cpus=1)
    with pytest.raises(InputError) as error:
        local.check_processors(service)
    assert str(error.value) == (
        "1 x 3 replicas of 1 processors are 3, and this machine has 2; give each fewer with "
        "--cpus-per-replica"
    )


def test_an_open_address_without_a_key_is_warned_of(
    byhand: Any, served: list[Service], tiny: Path
) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    result = byhand("serve", str(tiny), "--host", "0.0.0.0", "--port", str(port))
    assert result.stderr == (
        "warning: 0.0.0.0 is open to others and no key is asked for; see --api-key-file\n"
    )
    assert served[0].address == "0.0.0.0"


def test_a_cluster_that_is_nowhere_is_said_at_once(byhand: Any, tiny: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    result = byhand("serve", str(tiny), "--address", f"127.0.0.1:{port}")
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr == (
        f"error: no Ray cluster is at 127.0.0.1:{port} (Connection refused); start one with ray "
        "start --head, or leave --address out to serve on this machine\n"
    )


@pytest.mark.parametrize("elsewhere", [False, True], ids=["on loopback", "in a network"])
def test_a_cluster_on_loopback_is_looked_for_there(
    monkeypatch: pytest.MonkeyPatch, elsewhere: bool
) -> None:
    """Ray takes 127.0.0.1 for this machine's address in a network, unless it is told not to."""
    variable = "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"
    monkeypatch.setenv(variable, "as it was")
    with socket.socket() as cluster:
        cluster.bind(("127.0.0.1", 0))
        cluster.listen()
        port = cluster.getsockname()[1]
        # 127.0.0.2 stands for the address in a network: nobody listens there.
        own = "127.0.0.1" if elsewhere else "127.0.0.2"
        monkeypatch.setattr(local, "_own_address", lambda: own)
        local._look_for(f"127.0.0.1:{port}")
    assert os.environ[variable] == ("as it was" if elsewhere else "0")
