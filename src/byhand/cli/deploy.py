"""byhand deploy: what another machine needs to serve."""

from __future__ import annotations

import importlib.metadata
from pathlib import Path
from typing import Annotated

import typer

import byhand
from byhand.cli.models import served_as
from byhand.cli.progress import status
from byhand.cli.serve import Context, Cpus, Gpus, MaxQueue, Models, Replicas, Slots

app = typer.Typer(
    help="Write what another machine needs to serve models.",
    no_args_is_help=True,
    rich_markup_mode=None,
)


@app.callback()
def deploy() -> None:
    """Write what another machine needs to serve models."""


@app.command()
def kubernetes(
    models: Models = None,
    image: Annotated[
        str, typer.Option(help="The image with byhand and Ray, with a tag.")
    ] = f"byhand:{byhand.__version__}",
    name: Annotated[str, typer.Option(help="Of the RayService.")] = "byhand",
    output: Annotated[
        Path, typer.Option("--output", "-o", help="The folder for the files.")
    ] = Path("kubernetes"),
    replicas: Replicas = "1",
    cpus_per_replica: Cpus = 2,
    gpus_per_replica: Gpus = 0,
    slots: Slots = 8,
    max_queue: MaxQueue = 32,
    context: Context = None,
    volume_claim: Annotated[
        str | None,
        typer.Option(help="A PersistentVolumeClaim with the models; else they are in the image."),
    ] = None,
    secret: Annotated[
        str | None,
        typer.Option(help="A Secret for the API keys; without one no key is asked for."),
    ] = None,
) -> None:
    """Write a RayService for KubeRay and a Dockerfile.

    Requests and limits of memory are from the arithmetic with which byhand loads a model.
    """
    from byhand.serving.kubernetes import Deployment, dockerfile, in_yaml, manifest
    from byhand.serving.planning import plan
    from byhand.serving.settings import Service, parse_replicas
    from byhand.storage import write_text

    with status() as tell:
        tell("looking at the models")
        served = plan([served_as(model) for model in models or ["smollm2"]], slots, context)
    service = Service(
        models=served,
        replicas=parse_replicas(replicas),
        cpus=2 if cpus_per_replica is None else cpus_per_replica,
        gpus=gpus_per_replica,
        slots=slots,
        max_queue=max_queue,
        context=context,
    )
    ray = importlib.metadata.version("ray")
    deployment = Deployment(name, image, ray, volume_claim, secret)
    output.mkdir(parents=True, exist_ok=True)
    made = {
        "rayservice.yaml": in_yaml(*manifest(service, deployment)),
        "Dockerfile": dockerfile(service, deployment, f"byhand=={byhand.__version__}"),
    }
    for file, text in made.items():
        write_text(output / file, text)
    for model in service.models:
        print(f"{model.name}: {model.memory / 1e9:.1f} GB a replica, from {model.source}")
    if volume_claim is None:
        print(f"put each model into {output}/models/NAME, as the Dockerfile says")
    print(f"wrote {output / 'Dockerfile'} and {output / 'rayservice.yaml'}")
    print(f"kubectl apply -f {output / 'rayservice.yaml'}")
