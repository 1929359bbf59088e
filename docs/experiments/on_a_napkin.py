"""Llama-2-7B on a laptop of 32 GiB, and Llama-2-70B fine-tuned: what takes the memory.

Prints and draws the terms of each peak, as byhand.napkin works them out.
"""

from __future__ import annotations

from pathlib import Path

from _shared import output_folder, publish
from matplotlib.figure import Figure

from byhand.napkin import Derivation, load
from byhand.napkin.inference import Setting, infer
from byhand.napkin.quantity import terms
from byhand.napkin.training import Plan, train
from byhand.views.style import BLACK, PALETTE

GiB = 2**30
LAPTOP = 32
ADAPTERS = {"lora_rank": 16, "targets": "all"}
FORMATS = {
    "float32": {"dtype": "f32"},
    "float16": {"dtype": "f16"},
    "Q8_0": {"quantization": "q8_0"},
    "Q4_K_M": {"quantization": "q4_k_m"},
}
Terms = dict[str, dict[str, float]]


def parts(derivation: Derivation) -> dict[str, float]:
    """The terms of the peak in GiB, by what they are."""
    formula = derivation["peak_bytes"].formula
    found = {next(each.inputs()).meaning: each.evaluate({}).value for each in terms(formula)}
    return {name.split(" on each")[0]: float(size) / GiB for name, size in found.items()}


def measure() -> tuple[Terms, Terms]:
    """GiB by term: of inference with the 7B in four formats, of four ways to fine-tune the 70B."""
    small, large = load("Llama-2-7B"), load("Llama-2-70B")
    laptop = {
        name: parts(infer(small, Setting(context=4096, engine="llama.cpp", **how)))
        for name, how in FORMATS.items()
    }
    # A .pth file is read whole before its tensors are copied into the model.
    laptop["float32"] |= {"checkpoint being read": 2 * small.parameters / GiB}
    common = {"context": 2048, "recompute": "full"}
    ways = {
        "all of it, one device": Plan(**common),
        "all of it, ZeRO-3 over 16": Plan(zero=3, devices=16, **common),
        "adapters, bf16": Plan(**ADAPTERS, **common),
        "adapters, NF4": Plan(quantization="nf4", **ADAPTERS, **common),
    }
    return laptop, {name: parts(train(large, plan)) for name, plan in ways.items()}


def report(laptop: Terms, tuning: Terms) -> list[str]:
    lines = []
    for title, table in (
        ("Llama-2-7B, 4,096 tokens, llama.cpp", laptop),
        ("Llama-2-70B, fine-tuned, 2,048 tokens, GiB on each device", tuning),
    ):
        lines.append(f"{title:58}     peak, GiB")
        for name, found in table.items():
            lines.append(f"  {name:26}{'':30}{sum(found.values()):14,.1f}")
            lines += [f"    {term:50}{size:18,.1f}" for term, size in found.items() if size > 0.05]
    return lines


def draw(laptop: Terms, tuning: Terms) -> Figure:
    figure = Figure(figsize=(7.2, 5.2), layout="constrained")
    above, below = figure.subplots(2, 1)
    limits = ((LAPTOP, "32 GiB"), (80e9 / GiB, "80 GB"))
    for axes, table, (limit, name) in zip((above, below), (laptop, tuning), limits, strict=True):
        names = list(dict.fromkeys(term for found in table.values() for term in found))
        left = [0.0] * len(table)
        for term, colour in zip(names, PALETTE, strict=False):
            sizes = [found.get(term, 0.0) for found in table.values()]
            axes.barh(list(table), sizes, left=left, color=colour, label=term.split(",")[0])
            left = [a + b for a, b in zip(left, sizes, strict=True)]
        axes.axvline(limit, color=BLACK, linewidth=1, linestyle="--")
        axes.text(limit, 0.04, f" {name}", transform=axes.get_xaxis_transform())
        axes.invert_yaxis()
        axes.legend(fontsize=8, bbox_to_anchor=(1, 0.5), loc="center left")
        axes.set_xlabel("GiB")
    whole = sum(next(iter(tuning.values())).values())
    below.set_xlim(0, 4 * 80e9 / GiB)
    below.text(below.get_xlim()[1], 0, f"to {whole:,.0f} ", color="white", ha="right", va="center")
    above.set_title("Llama-2-7B, 4,096 tokens")
    below.set_title("Llama-2-70B fine-tuned")
    return figure


def main(folder: Path) -> tuple[Terms, Terms]:
    laptop, tuning = measure()
    lines = report(laptop, tuning)
    publish("on_a_napkin", lambda: draw(laptop, tuning), lines, folder)
    return laptop, tuning


if __name__ == "__main__":
    main(output_folder())
