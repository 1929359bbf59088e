"""byhand resume: a run goes on where it stands."""

from __future__ import annotations

from typing import Annotated

import typer

from byhand.cli.options import Amp, Compile, Device, Engine, RunName, Threads
from byhand.errors import ByhandError


def resume(
    run: RunName,
    engine: Engine = None,
    threads: Threads = None,
    device: Device = None,
    compile: Compile = None,
    amp: Amp = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Go on with a run that was stopped or killed, on its own engine or on another."""
    from byhand.cli.fit import leave_if_stopped, listeners, say, show_end
    from byhand.training import Run, trainer_for
    from byhand.training.session import recipe_of

    found = Run.open(run)
    status = found.status
    if status == "failed":
        reason = found.rows("failed")[-1]["message"]
        raise ByhandError(f"run {found.name} failed and would fail again: {reason}")
    if status == "finished":
        say(f"run {found.name} is finished, there is nothing to resume", as_json)
    else:
        with found.locked():
            told = listeners(as_json, (found.folder / "tensorboard").is_dir())
            options = {"threads": threads, "device": device, "compile": compile, "amp": amp}
            trainer = trainer_for(recipe_of(found, engine, **options), found, told)
            trainer.resume()
            steps = f"step {trainer.position.step} of {trainer.total_steps}"
            say(f"run {found.name} goes on from {steps}", as_json)
            result = trainer.fit()
        leave_if_stopped(found, trainer, result, as_json)
    show_end(found, as_json)
