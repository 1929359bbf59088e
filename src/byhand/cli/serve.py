"""byhand serve: models behind OpenAI's HTTP interface, on Ray."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from byhand.cli.models import served_as
from byhand.cli.options import Address
from byhand.cli.progress import status
from byhand.cli.say import complain
from byhand.errors import InputError

Models = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="[MODEL|RUN]...",
        help="As `byhand chat` takes it, or a run; NAME=MODEL gives it another name.",
        show_default=False,
    ),
]
Replicas = Annotated[str, typer.Option(metavar="N|N..M", help="Of each model, as 2 or 1..4.")]
Cpus = Annotated[
    float | None,
    typer.Option(
        metavar="N", help="Processors of each; otherwise all, shared.", show_default=False
    ),
]
Gpus = Annotated[float, typer.Option(metavar="N", help="Graphics cards of each.")]
Slots = Annotated[int, typer.Option(metavar="N", help="Requests that a replica works on at once.")]
MaxQueue = Annotated[
    int, typer.Option(metavar="N", help="Requests that wait for a model; others get a 429.")
]
KeyFile = Annotated[
    Path | None,
    typer.Option("--api-key-file", help="One key on each line; otherwise no key is asked for."),
]
Context = Annotated[
    int | None,
    typer.Option(metavar="N", help="Tokens of prompt and answer; otherwise at most 4,096."),
]


def serve(
    models: Models = None,
    replicas: Replicas = "1",
    cpus_per_replica: Cpus = None,
    gpus_per_replica: Gpus = 0,
    slots: Slots = 8,
    max_queue: MaxQueue = 32,
    context: Context = None,
    api_key_file: KeyFile = None,
    host: Annotated[str, typer.Option(help="On which address of this machine.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65535, help="Where to listen.")] = 8000,
    address: Address = None,
    export: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Only write the config file that `serve deploy` takes."),
    ] = None,
) -> None:
    """Serve models with OpenAI's HTTP interface, until Ctrl-C or SIGTERM.

    /v1/chat/completions, /v1/completions, /v1/models, /v1/predict for a classifier of ours, and
    /health, /ready and /metrics. Without MODEL it is smollm2. On this machine alone, unless --host
    or --address says otherwise.
    """
    import os

    from byhand.serving.gate import read_keys
    from byhand.serving.kubernetes import in_yaml
    from byhand.serving.local import require, run
    from byhand.serving.planning import plan
    from byhand.serving.preflight import listening
    from byhand.serving.settings import Service, parse_replicas, serve_config
    from byhand.storage import write_text

    require()
    least, most = parse_replicas(replicas)
    if api_key_file is not None:
        read_keys(api_key_file)
    with status() as tell:
        tell("looking at the models")
        served = plan([served_as(model) for model in models or ["smollm2"]], slots, context)
    share = max(1, (os.cpu_count() or 1) // (len(served) * least))
    service = Service(
        models=served,
        replicas=(least, most),
        cpus=share if cpus_per_replica is None else cpus_per_replica,
        gpus=gpus_per_replica,
        slots=slots,
        max_queue=max_queue,
        context=context,
        address=host,
        port=port,
        api_key_file=None if api_key_file is None else str(api_key_file.resolve()),
    )
    if export is not None:
        write_text(export, in_yaml(serve_config(service)))
        print(f"wrote {export}; serve deploy {export} takes it")
        return
    found = listening(port, host)
    if address is None and found.verdict == "wrong":
        raise InputError(f"{found.found}; {found.advice.replace('--address', '--host')}")
    if host not in ("127.0.0.1", "localhost", "::1") and api_key_file is None:
        complain("warning", f"{host} is open to others and no key is asked for; see --api-key-file")
    run(service, address, lambda text: print(text, file=sys.stderr, flush=True))
