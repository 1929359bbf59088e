"""byhand finetune: adapters for a published language model, learned from a person's own text."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from byhand.cli.errors import INTERRUPTED
from byhand.cli.options import ModelDevice, ModelName, Seed
from byhand.cli.progress import status, watched
from byhand.cli.say import duration, heading, print_facts, print_json
from byhand.errors import InputError

if TYPE_CHECKING:
    from byhand.language.finetune import Listener, Session
    from byhand.language.finetune_folder import Row

GB = 1e9


def finetune(
    model: ModelName = "smollm2",
    data: Annotated[
        str | None,
        typer.Option(
            metavar="FILE",
            help="A .txt, or JSON Lines with messages, prompt and completion, or text; or "
            "tiny-shakespeare or shakespeare-speeches.",
            show_default=False,
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="For the adapter; a new one.", show_default=False),
    ] = None,
    lora_rank: Annotated[
        int, typer.Option(metavar="R", help="Of the adapters; α is twice as large.")
    ] = 8,
    targets: Annotated[
        str, typer.Option(help="What gets adapters: q,k,v,o,gate,up,down, attn, mlp or all.")
    ] = "all",
    steps: Annotated[int | None, typer.Option(help="Batches to learn from.")] = None,
    epochs: Annotated[
        int | None, typer.Option(help="Passes over the data; 1 where --steps says nothing.")
    ] = None,
    learning_rate: Annotated[float, typer.Option(help="Of AdamW, at its highest.")] = 2e-4,
    batch_size: Annotated[int, typer.Option(help="Examples of a step.")] = 4,
    context: Annotated[
        int, typer.Option(metavar="N", help="Tokens of an example; the rest is cut.")
    ] = 256,
    dtype: Annotated[str, typer.Option(help="f32 or bf16: of the frozen weights.")] = "bf16",
    device: ModelDevice = "auto",
    seed: Seed = 0,
    sample: Annotated[
        str | None,
        typer.Option(
            metavar="TEXT",
            help="What the samples before and after begin with; otherwise of the data.",
            show_default=False,
        ),
    ] = None,
    resume: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER",
            help="Go on with one that was stopped or killed; all else is as it was.",
            show_default=False,
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Train adapters of low rank for a published language model.

    The folder is PEFT's, and a MODEL to byhand generate and chat. Ctrl-C saves everything.
    """
    with status(as_json) as tell:
        tell("reading")
        if resume is not None:
            if data is not None or out is not None:
                raise InputError("--resume has its data and its folder; leave --data and --out out")
            session = _resumed(resume)
        else:
            if data is None or out is None:
                missing = "--data" if data is None else "--out"
                raise InputError(f"{missing} is missing; see byhand finetune --help")
            from byhand.language.finetune import Session
            from byhand.language.finetune_settings import Settings, targets_named

            session = Session.begin(
                Settings(
                    model,
                    _data(data),
                    lora_rank,
                    targets_named(targets),
                    steps,
                    epochs,
                    learning_rate,
                    batch_size,
                    context,
                    dtype,
                    device,
                    seed,
                    sample,
                ),
                out,
            )
    with session.folder.locked():
        _train(session, as_json, new=resume is None)


def _data(name: str) -> str:
    """A file, or one that byhand fetches."""
    from byhand.data import fetch_file
    from byhand.data.files import TEXTS
    from byhand.language import speeches

    if name == speeches.NAME:
        return str(speeches.shakespeare())
    return str(fetch_file(name)) if name in TEXTS else name


def _resumed(path: Path) -> Session:
    from byhand.language.finetune import Session

    return Session.resume(path)


def _train(session: Session, as_json: bool, new: bool) -> None:
    from byhand.training.stopping import StopRequest

    folder = session.folder.path
    if session.finished:
        _say(f"{folder} is finished, there is nothing to resume", as_json)
    else:
        _say_facts(_plan(session), as_json)
        with status(as_json) as tell:
            if new:
                session.prepare(tell)
        before, expected = session.progress.rows[0], session.progress.expected["seconds"]
        _say(
            f"validation loss {before['validation_loss']:.4f} nats before; {duration(expected)} "
            "expected"
            if new
            else f"goes on from step {session.progress.step} of {session.total_steps}",
            as_json,
        )
        with StopRequest() as stop:
            ended = session.fit(_listener(as_json), lambda: stop.requested)
        if not ended:
            step = f"step {session.progress.step} of {session.total_steps}"
            resume = f"byhand finetune --resume {folder}"
            _say(f"stopped at {step}, everything is saved; go on with: {resume}", as_json)
            if as_json:
                print_json(_report(session))
            raise typer.Exit(INTERRUPTED)
        with status(as_json) as tell:
            session.finish(tell)
    if as_json:
        print_json(_report(session))
        return
    _show(session)


def _plan(session: Session) -> list[tuple[str, str]]:
    settings, need = session.settings, session.need
    targets = ", ".join(name.removesuffix("_proj") for name in settings.targets)
    total = session.source.checkpoint.parameters
    trained = session.trained
    return [
        ("model", f"{settings.model}, {settings.dtype}"),
        ("adapters", f"rank {settings.rank} on {targets}"),
        ("trained", f"{trained:,} numbers beside {total:,} ({100 * trained / total:.1f} %)"),
        ("data", f"{settings.data}: {session.data}"),
        ("training", f"{session.total_steps:,} steps of {settings.batch_size} examples"),
        ("memory", f"{need.total / GB:.1f} GB expected ({need}), {session.free / GB:.1f} free"),
    ]


def _show(session: Session) -> None:
    progress, folder = session.progress, session.folder.path
    expected, rows = progress.expected, progress.rows
    lowest = min(rows, key=lambda row: float(row["validation_loss"]))
    facts = [
        (
            "validation",
            f"{rows[0]['validation_loss']:.4f} nats per token before, "
            f"{rows[-1]['validation_loss']:.4f} after",
        ),
        ("time", f"{duration(progress.seconds)}, expected {duration(expected['seconds'])}"),
        (
            "memory",
            f"{progress.peak_bytes / GB:.1f} GB at most, expected {expected['bytes'] / GB:.1f}",
        ),
    ]
    if lowest is not rows[-1]:
        facts.append(
            ("warning", f"the validation loss was lowest at step {lowest['step']}: train less long")
        )
    print_facts(facts)
    for name in ("before", "after"):
        heading(name)
        print(_spelled(progress.samples["prompt"], progress.samples[name]))
    print()
    print_facts(
        [
            ("adapter", str(folder)),
            ("next", f"byhand chat {folder}" if session.chats else f"byhand generate {folder}"),
            ("", f"byhand weights merge {session.settings.model} {folder} TO_PATH"),
        ]
    )


def _spelled(prompt: Any, said: str) -> str:
    """A text that goes on, or the last question and its answer."""
    if isinstance(prompt, str):
        return f"{prompt}│{said}"
    return f"> {prompt[-1]['content']}\n{said}"


def _report(session: Session) -> dict[str, Any]:
    progress = session.progress
    return {
        "folder": str(session.folder.path),
        "settings": asdict(session.settings),
        "trained": session.trained,
        "finished": session.finished,
        "step": progress.step,
        "steps": session.total_steps,
        "seconds": progress.seconds,
        "peak_bytes": progress.peak_bytes,
        "expected": progress.expected,
        "rows": progress.rows,
        "samples": progress.samples,
    }


def _say(text: str, as_json: bool) -> None:
    print(text, file=sys.stderr if as_json else sys.stdout, flush=True)


def _say_facts(facts: list[tuple[str, str]], as_json: bool) -> None:
    if not as_json:
        print_facts(facts)


def _listener(as_json: bool) -> Listener:
    if watched(as_json):
        return Bar()
    return Lines(lambda text: _say(text, as_json))


class Lines:
    """One plain line per validation."""

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say = say

    def start(self, session: Session) -> None:
        pass

    def step(self, session: Session) -> None:
        pass

    def row(self, session: Session, row: Row) -> None:
        self._say(_line(session, row))

    def end(self) -> None:
        pass


class Bar:
    """A bar over all steps; validations scroll by above it."""

    def start(self, session: Session) -> None:
        from byhand.cli.progress import bar

        self._progress = bar()
        self._task = self._progress.add_task("", total=session.total_steps, numbers="")
        self.step(session)
        self._progress.start()

    def step(self, session: Session) -> None:
        progress = session.progress
        steps = progress.loss_steps
        loss = f"loss {progress.loss_sum / steps:.4f}" if steps else ""
        self._progress.update(
            self._task,
            description=f"step {progress.step}/{session.total_steps}",
            completed=progress.step,
            numbers=loss,
        )

    def row(self, session: Session, row: Row) -> None:
        self._progress.console.print(_line(session, row), soft_wrap=True)

    def end(self) -> None:
        self._progress.stop()


def _line(session: Session, row: Row) -> str:
    total = session.total_steps
    return (
        f"step {row['step']:{len(str(total))}}/{total}  loss {row['loss']:.4f}  "
        f"validation {row['validation_loss']:.4f}  {duration(row['seconds'])}"
    )
