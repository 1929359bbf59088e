"""A Llama from an empty file, and what each form of it that is served does to its answers.

Trains the recipe mine.toml in runs/mine, or goes on with it, or reads it where it is finished. The
logits of the layers as they are written are the measure; beside them stand transformers with the
exported folder, byhand's decoder with eight bits, and two quantised GGUF files. Prints the losses
and the differences; draws both. The training took 13 minutes in one thread of a machine that had
other work, all else takes seconds.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from _shared import output_folder, publish, trained
from matplotlib.figure import Figure
from numpy.typing import NDArray

from byhand import checkpoints
from byhand.export import export_huggingface
from byhand.language.building import build
from byhand.language.decoder import Cache
from byhand.training import read_recipe
from byhand.training.session import data_of, language_model
from byhand.views.style import PALETTE, SPLITS
from byhand.views.subject import in_our_layers

Array = NDArray[Any]
RECIPE = Path(__file__).with_name("mine.toml")
RUN = "runs/mine"
WINDOWS = 16
TRANSFORMERS, EIGHT, Q8, Q4 = "transformers, float32", "byhand, int8", "GGUF, q8_0", "GGUF, q4_0"


@dataclass(frozen=True)
class Form:
    """One form of the model beside ours: |z − z of ours| of every logit, the mean of the KL in
    nats, and the share of places where both find the same token likeliest."""

    apart: Array
    kl: float
    same: float


@dataclass(frozen=True)
class Findings:
    """losses: of training and validation, after each epoch, by step."""

    steps: list[int]
    losses: dict[str, list[float]]
    forms: dict[str, Form]


def forms_of(folder: Path, windows: Array) -> Iterator[tuple[str, Array]]:
    """By name the logits[window, time, token] of each form, made in this folder."""
    import transformers

    theirs = transformers.AutoModelForCausalLM.from_pretrained(folder / "hf")
    with torch.inference_mode():
        yield TRANSFORMERS, theirs(torch.from_numpy(windows)).logits.numpy()
    yield EIGHT, decoded(folder / "hf", "int8", windows)
    for name in (Q8, Q4):
        path = folder / f"{name[-4:]}.gguf"
        checkpoints.quantize(folder / "hf", path, name[-4:])
        yield name, decoded(path, "f32", windows)


def decoded(path: Path, dtype: str, windows: Array) -> Array:
    """As byhand generate computes it."""
    time = windows.shape[1]
    decoder = build(checkpoints.open(path), time, dtype, torch.device("cpu"))
    logits: Callable[..., torch.Tensor] = partial(decoder.logits, every=True)
    return np.stack([logits(ids.tolist(), Cache(decoder, time)).float().numpy() for ids in windows])


def beside(ours: Array, theirs: Array) -> Form:
    logits = (z.astype(np.float64) for z in (ours, theirs))
    p, q = (z - np.logaddexp.reduce(z, axis=-1, keepdims=True) for z in logits)
    kl = (np.exp(p) * (p - q)).sum(-1).mean()
    same = (ours.argmax(-1) == theirs.argmax(-1)).mean()
    return Form(np.abs(theirs - ours).ravel(), float(kl), float(same))


def report(found: Findings) -> list[str]:
    lines = ["nats per token", "  step   training   validation"]
    for row in zip(found.steps, *found.losses.values(), strict=True):
        lines.append("  {:4}   {:8.3f}   {:10.3f}".format(*row))
    lines += ["", f"{'beside our layers':24}{'|Δz|, median':>14}{'KL, nats':>12}{'same token':>13}"]
    for name, form in found.forms.items():
        middle = f"{np.median(form.apart):.1e}"
        lines.append(f"{name:24}{middle:>14}{form.kl:>12.1e}{100 * form.same:>11.1f} %")
    return lines


def draw(found: Findings) -> Figure:
    figure = Figure(figsize=(8, 3.2), layout="constrained")
    left, right = figure.subplots(1, 2)
    for name, losses in found.losses.items():
        left.plot(found.steps, losses, "o-", color=SPLITS[name], label=name, markersize=3)
    left.set(title="nats per token", xlabel="step")
    left.legend()
    bins = np.logspace(-9, 1, 81)
    for (name, form), colour in zip(found.forms.items(), PALETTE, strict=False):
        counts, _ = np.histogram(form.apart, bins)
        right.stairs(counts / counts.sum(), bins, color=colour, label=name, linewidth=1.2)
    right.set(title="|Δz| of all logits beside our layers", xscale="log", xlabel="|Δz|", yticks=[])
    right.set_ylim(0, 1.35 * right.get_ylim()[1])  # room for the names
    right.legend(loc="upper center", ncols=2, fontsize=8)
    return figure


def main(folder: Path, run: str = RUN, changes: Sequence[str] = ()) -> Findings:
    learned = trained(read_recipe(RECIPE, changes), Path(run))
    epochs = [row for row in learned.metrics() if row["kind"] == "epoch"]
    windows = data_of(learned).validation.inputs[:WINDOWS]
    program, _ = language_model(learned, "numpy")
    ours, _ = in_our_layers(program).forward(windows)
    with tempfile.TemporaryDirectory() as name:
        export_huggingface(learned, Path(name, "hf"))
        forms = {form: beside(ours, z) for form, z in forms_of(Path(name), windows)}
    losses = {"training": "train_loss", "validation": "validation_loss"}
    found = Findings(
        [row["step"] for row in epochs],
        {name: [row[key] for row in epochs] for name, key in losses.items()},
        forms,
    )
    publish("your_own_language_model", lambda: draw(found), report(found), folder)
    return found


if __name__ == "__main__":
    main(output_folder())
