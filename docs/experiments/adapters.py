"""SmolLM2 learns to answer as Shakespeare's people do, in adapters of 1.8 % of its numbers.

Trains the adapter in adapters/shakespeare, or goes on with it, or reads it where it is finished:
36 minutes in one thread of a machine that had other work. Prints the losses and an answer before
and after; draws the losses and how much each matrix was changed.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from _shared import output_folder, publish
from matplotlib.figure import Figure

from byhand.checkpoints.numbers import to_float32
from byhand.language import speeches
from byhand.language.adapters import Adapter
from byhand.language.finetune import Session
from byhand.language.finetune_folder import STATE, Progress, Row
from byhand.language.finetune_settings import MATRICES, Settings
from byhand.views.style import PALETTE, SPLITS

RUN = "adapters/shakespeare"
QUESTION = "What should I do when I am afraid of tomorrow?"
HOW: dict[str, Any] = {
    "model": "smollm2",
    "steps": 300,
    "batch_size": 4,
    "context": 128,
    "learning_rate": 5e-4,
    "sample": QUESTION,
}
"""As in byhand finetune --steps 300 …; rank 8 on every matrix."""


@dataclass(frozen=True)
class Findings:
    """changes: ‖s·B A‖ / ‖W‖ by matrix, layer after layer."""

    trained: int
    of: int
    progress: Progress
    changes: dict[str, list[float]]


class Silent:
    """A listener that says nothing."""

    def start(self, session: Session) -> None:
        pass

    def step(self, session: Session) -> None:
        pass

    def row(self, session: Session, row: Row) -> None:
        pass

    def end(self) -> None:
        pass


def learned(run: Path, how: dict[str, Any]) -> Session:
    """The adapter in this folder, trained to its end."""
    if (run / STATE).is_file():
        session = Session.resume(run)
    else:
        data = how.get("data") or str(speeches.shakespeare())
        session = Session.begin(Settings(**{**how, "data": data}), run)
        session.prepare()
    if not session.finished:
        session.fit(Silent())
        session.finish()
    return session


def changes(session: Session) -> dict[str, list[float]]:
    """How large what each adapter adds is beside the matrix that it adds to."""
    adapter, tensors = Adapter(session.folder.path), session.source.checkpoint.tensors
    found: dict[str, list[float]] = {name: [] for name in MATRICES}
    for name in sorted(adapter.names, key=lambda name: int(name.split(".")[2])):
        weight = to_float32(tensors[name].read(), tensors[name].dtype)
        added = adapter.scale * (adapter.up[name] @ adapter.down[name]).numpy()
        matrix = name.split(".")[-2].removesuffix("_proj")
        found[matrix].append(float(np.linalg.norm(added) / np.linalg.norm(weight)))
    return found


def report(found: Findings) -> list[str]:
    progress = found.progress
    rows, samples = progress.rows, progress.samples
    lines = [
        f"{found.trained:,} numbers learn beside {found.of:,} that do not",
        "",
        "nats per token of the answers",
        "  step   training   validation",
    ]
    for row in rows:
        loss = f"{row['loss']:.3f}" if "loss" in row else ""
        lines.append(f"  {row['step']:4}   {loss:>8}   {row['validation_loss']:10.3f}")
    lines += ["", f"asked: {samples['prompt'][-1]['content']}"]
    for when in ("before", "after"):
        lines += ["", f"{when}:", *(f"  {line}".rstrip() for line in samples[when].splitlines())]
    return lines


def draw(found: Findings) -> Figure:
    figure = Figure(figsize=(8, 3.2), layout="constrained")
    left, right = figure.subplots(1, 2)
    rows = found.progress.rows
    for name, key in (("training", "loss"), ("validation", "validation_loss")):
        there = [row for row in rows if key in row]
        steps, losses = ([row[k] for row in there] for k in ("step", key))
        left.plot(steps, losses, "o-", color=SPLITS[name], label=name, markersize=3)
    left.set(title="nats per token of an answer", xlabel="step")
    left.legend()
    for (name, sizes), colour in zip(found.changes.items(), PALETTE, strict=True):
        right.plot(sizes, color=colour, label=name, linewidth=1.2)
    right.set(title="‖s·BA‖ / ‖W‖", xlabel="layer", ylim=(0, None))
    right.legend(ncols=2)
    return figure


def main(folder: Path, run: str = RUN, how: dict[str, Any] = HOW) -> Findings:
    session = learned(Path(run), how)
    found = Findings(
        session.trained,
        session.source.checkpoint.parameters,
        session.progress,
        changes(session),
    )
    publish("adapters", lambda: draw(found), report(found), folder)
    return found


if __name__ == "__main__":
    main(output_folder())
