"""SmolLM2 with 8.5 to 2.6 bits a weight in its matrices: what it loses, and where.

Ten types beside the original on the validation text of tiny Shakespeare, then one kind of matrix
after the other in q4_0. The published file is in q4_1 already, and its blocks, made again, are the
same blocks: so its neurons change places first, which leaves the function as it is. Prints both
tables; draws them. Five minutes in one thread.
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from _shared import output_folder, publish
from matplotlib.figure import Figure

from byhand import checkpoints
from byhand.checkpoints import Checkpoint
from byhand.checkpoints.conversion import write
from byhand.checkpoints.numbers import Array, to_float32
from byhand.language.bits import TOKENS, TYPES, Comparison, Row, measure, shakespeare, windows_of
from byhand.language.building import build
from byhand.language.sources import located
from byhand.language.tokenizer import Tokenizer
from byhand.views.style import PALETTE

MODEL = "smollm2"
PARTS = ("embed_tokens", *(f"{name}_proj" for name in ("q", "k", "v", "o", "gate", "up", "down")))


@dataclass(frozen=True)
class Findings:
    """published: the file as it is, original and q4_1; parts: the KL where that kind of matrix
    alone is in q4_0, and its share of the weights."""

    published: list[Row]
    rows: list[Row]
    parts: dict[str, tuple[float, float]]


def shuffled(checkpoint: Checkpoint) -> Checkpoint:
    """The same function with its neurons in another order, so that other weights are neighbours:
    those of the residual stream, which all layers share, and those inside each MLP."""
    random, config = np.random.default_rng(0), checkpoint.config
    stream = random.permutation(config["hidden_size"])
    inside = random.permutation(config["intermediate_size"])

    def moved(name: str, values: Array) -> Array:
        if values.ndim == 1:
            return values[stream]
        if name.endswith(("gate_proj.weight", "up_proj.weight")):
            return values[inside][:, stream]
        if name.endswith("down_proj.weight"):
            return values[stream][:, inside]
        return values[stream] if name.endswith("o_proj.weight") else values[:, stream]

    tensors = {
        name: replace(
            tensor,
            stored="F32",
            read=lambda n=name, t=tensor: moved(n, to_float32(t.read(), t.dtype)),
        )
        for name, tensor in checkpoint.tensors.items()
    }
    return replace(checkpoint, tensors=tensors)


def q4_0(values: Array) -> Array:
    """What q4_0 keeps of these numbers: in each 32, d is a float16 and q a whole number.

    value = d · q,  q in −8 … 7,  d = that number which is largest in size, over −8
    """
    blocks = values.reshape(-1, 32)
    largest = np.take_along_axis(blocks, np.abs(blocks).argmax(1)[:, None], 1)
    d = largest / -8
    inverse = np.divide(1, d, out=np.zeros_like(d), where=d != 0)
    q = np.floor(blocks * inverse + 8.5).clip(0, 15) - 8
    return (q * d.astype(np.float16)).astype(np.float32).reshape(values.shape)


def by_part(folder: Path, tokens: int) -> dict[str, tuple[float, float]]:
    """One kind of matrix in q4_0, everything else as it was: its KL and its share."""
    checkpoint, device = checkpoints.open(folder), torch.device("cpu")
    tokenizer = Tokenizer(checkpoint)
    ids = tokenizer.encode(shakespeare(), special=False)[:tokens]
    words, found = checkpoint.config["vocab_size"], {}
    with tempfile.TemporaryDirectory() as name:
        windows = list(windows_of(ids, tokenizer.encode("")))
        comparison = Comparison(windows, Path(name) / "original.npy", words)
        for part in (None, *PARTS):

            def change(name: str, weight: torch.Tensor, part: str | None = part) -> torch.Tensor:
                if name.split(".")[-2] != part:
                    return weight
                return torch.from_numpy(q4_0(weight.float().numpy()))

            decoder = build(checkpoint, 512, "f32", device, change)
            _, kl, _, _ = comparison.of(decoder, lambda text: None)
            sizes = [t.size for n, t in checkpoint.tensors.items() if n.split(".")[-2] == part]
            if part is not None:
                found[part] = (kl, sum(sizes) / checkpoint.parameters)
    return found


def report(found: Findings) -> list[str]:
    head = f"{'':10}{'size, MB':>9}{'bits':>7}{'perplexity':>12}{'KL':>9}{'KL, 99 %':>10}"
    lines = ["its neurons in another order", f"{head}{'same word':>11}", *map(_line, found.rows)]
    lines += ["", "as it is published", *map(_line, found.published)]
    lines += ["", "in q4_0, one kind of matrix alone", f"{'':14}{'weights':>9}{'KL':>9}"]
    for part, (kl, share) in found.parts.items():
        lines.append(f"{part:14}{100 * share:>7.1f} %{kl:>9.4f}")
    return lines


def _line(row: Row) -> str:
    return (
        f"{row.kind:10}{row.nbytes / 1e6:>9.1f}{row.bits:>7.2f}{row.perplexity:>12.2f}"
        f"{row.kl:>9.4f}{row.kl_99:>10.3f}{100 * row.top1:>9.1f} %"
    )


def draw(found: Findings) -> Figure:
    figure = Figure(figsize=(8, 3.4), layout="constrained")
    left, right = figure.subplots(1, 2)
    for row in found.rows[1:]:
        of_256 = row.kind.endswith("_k")
        left.plot(row.bits, row.kl, "o", color=PALETTE[of_256], markersize=4)
        place, side = ((-5, -3), "right") if of_256 else ((5, -2), "left")
        if row.kind.endswith("_0"):
            place, side = (3, 4), "left"
        left.annotate(
            row.kind, (row.bits, row.kl), place, textcoords="offset points", fontsize=8, ha=side
        )
    left.set(title="KL to the original, nats", xlabel="bits per weight", yscale="log")
    left.margins(x=0.2)
    names = list(found.parts)
    right.barh(names, [found.parts[name][0] for name in names], color=PALETTE[0])
    right.invert_yaxis()
    right.set(title="KL where this alone is in q4_0, nats")
    return figure


def main(
    folder: Path,
    model: str = MODEL,
    kinds: tuple[str, ...] = TYPES,
    tokens: int = TOKENS,
) -> Findings:
    path = located(model)
    options: dict[str, Any] = {"tokens": tokens, "speed": False}
    with tempfile.TemporaryDirectory() as name:
        other = Path(name) / "shuffled"
        write(shuffled(checkpoints.open(path)), other, dtype="bf16")
        found = Findings(
            published=list(measure(path, ("q4_1",), **options)),
            rows=list(measure(other, kinds, **options)),
            parts=by_part(other, tokens // 2),
        )
    publish("how_many_bits", lambda: draw(found), report(found), folder)
    return found


if __name__ == "__main__":
    main(output_folder())
