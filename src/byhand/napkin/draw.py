"""Figures: memory stacked against context and batch, the roofline, sensitivities, the frontier.

`style` is the module that all of byhand's figures are drawn with: its `figure`, `STYLE` and
colours.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from types import ModuleType
from typing import TYPE_CHECKING, Any

from byhand.errors import InputError
from byhand.napkin.derivation import Derivation
from byhand.napkin.hardware import Device, device_of, devices
from byhand.napkin.inference import Setting, infer
from byhand.napkin.quantity import Quantity, terms
from byhand.napkin.solving import contexts
from byhand.napkin.tensors import Model
from byhand.napkin.training import Plan, train

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

POINTS = 16
LONGEST = 131_072
MOST_BATCH = 64
INPUTS = 8
FRONTIER = ("bf16", "q8_0", "q6_k", "q5_k_m", "q4_k_m", "q3_k_m", "q2_k")
At = Callable[[int | None, int | None], Derivation]


def inference(model: Model, setting: Setting, style: ModuleType) -> Figure:
    """Memory against context and batch, sensitivities, and on a known device the roofline."""

    def at(context: int | None, batch: int | None) -> Derivation:
        asked = setting if context is None else replace(setting, context=context)
        return infer(model, asked if batch is None else replace(asked, batch=batch))

    return _memory(model, at, setting.gpu, style)


def training(model: Model, plan: Plan, style: ModuleType) -> Figure:
    """Memory against context and batch, and sensitivities."""
    shown = replace(plan, tokens=None, mfu=None, device_hours=None, price=None)

    def at(context: int | None, batch: int | None) -> Derivation:
        asked = shown if context is None else replace(shown, context=context)
        return train(model, asked if batch is None else replace(asked, batch=batch))

    return _memory(model, at, plan.gpu, style)


def frontier(model: Model, setting: Setting, style: ModuleType) -> Figure:
    """The longest context that fits, for each device and quantisation."""
    import matplotlib

    fitting = [contexts(model, replace(setting, quantization=each)) for each in FRONTIER]
    found = {
        name: [each.within(device)[1] for each in fitting] for name, device in devices().items()
    }
    kept = {name: row for name, row in found.items() if any(row)}
    if not kept:
        raise InputError(f"{model.name}: it fits into none of the known devices; draw nothing")
    with matplotlib.rc_context(style.STYLE):
        headline = f"{model.name}: the longest context that fits one device"
        about = f"tokens; {setting.batch} at once, engine {setting.engine}; empty: does not fit"
        figure: Figure = style.figure(0.7 + 0.24 * len(kept), headline, about)
        _table(figure.subplots(), kept, model.context, style)
    return figure


def _memory(model: Model, at: At, gpu: str | None, style: ModuleType) -> Figure:
    import matplotlib

    found, device = at(None, None), device_of(gpu) if gpu else None
    roof = "prefill_seconds" in found and "decode_seconds_per_token" in found
    most = model.context or LONGEST
    tokens = sorted({1, *(max(1, most * k // POINTS) for k in range(1, POINTS + 1))})
    batches = [1, *range(4, MOST_BATCH + 1, 4)]
    with matplotlib.rc_context(style.STYLE):
        about = f"{found.title}; {found.binding}"
        figure: Figure = style.figure(6.0, f"{model.name}: memory", about)
        above, below = figure.subfigures(2, 1, squeeze=False)[:, 0]
        by_context, by_batch = above.subplots(1, 2)
        _stacked(by_context, tokens, [at(n, None) for n in tokens], device, style)
        _stacked(by_batch, batches, [at(None, n) for n in batches], device, style)
        by_context.set(xlabel="context in tokens", ylabel="GiB on each device")
        by_batch.set(xlabel="sequences at once")
        handles, labels = by_context.get_legend_handles_labels()
        above.legend(handles, labels, loc="outside upper left", ncols=3)
        lower = below.subplots(1, 2 if roof else 1, squeeze=False)[0]
        _sensitivities(lower[0], found, style)
        if roof:
            _roofline(lower[1], found, style)
    return figure


def _stacked(
    axes: Axes,
    at: Sequence[int],
    found: Sequence[Derivation],
    device: Device | None,
    style: ModuleType,
) -> None:
    sizes: dict[str, list[float]] = {}
    for k, derivation in enumerate(found):
        formula = derivation["peak_bytes"].formula
        assert formula is not None
        for term in terms(formula):
            name = next(term.inputs()).meaning
            sizes.setdefault(name, [0.0] * len(found))[k] += float(term.evaluate({}).value) / 2**30
    axes.stackplot(at, list(sizes.values()), labels=list(sizes), colors=style.PALETTE, linewidth=0)
    axes.set_xlim(at[0], at[-1])
    axes.locator_params(axis="x", nbins=5)
    axes.xaxis.set_major_formatter("{x:,.0f}")
    highest = float(found[-1]["peak_bytes"].value) / 2**30
    if device:
        size = float(device.memory.value) / 2**30
        axes.axhline(size, color=style.BLACK, linewidth=1, linestyle="--")
        axes.text(at[-1], size, device.name, ha="right", va="bottom")
        # Whatever is far above the device does not fit anyway.
        highest = max(1.2 * size, min(highest, 2 * size))
    axes.set_ylim(0, 1.05 * highest)


def _sensitivities(axes: Axes, found: Derivation, style: ModuleType) -> None:
    pairs = found.sensitivities[:INPUTS][::-1]
    names = [f"{style.plain(leaf.meaning.split(',')[0], 40)}  {leaf.symbol}" for leaf, _ in pairs]
    axes.margins(y=0.02)
    axes.barh(names, [x for _, x in pairs], color=style.BLUE)
    axes.tick_params(axis="y", length=0)
    axes.set(xlabel="% more of the peak for 1 % more of this")


def _roofline(axes: Axes, found: Derivation, style: ModuleType) -> None:
    """The reachable FLOP/s against FLOP per byte, with a step of decoding and the prefill on it."""
    inputs = {step.symbol: step for step in found.steps}
    top, slope = _value(inputs["F"]), _value(inputs["β"])
    step = _value(found["flops_per_token"]) * _value(inputs["B"])
    weights = _value(found["weight_bytes"])
    read = weights + (_value(found["kv_bytes"]) if "kv_bytes" in found else 0)
    points = {"decode": step / read, "prefill": step * _value(inputs["T"]) / weights}
    ridge = top / slope
    left, right = min(*points.values(), ridge) / 4, max(*points.values(), ridge) * 4
    roof = [slope * left / 1e12, top / 1e12, top / 1e12]
    axes.loglog([left, ridge, right], roof, color=style.GREY)
    for (name, x), color in zip(points.items(), (style.RED, style.GREEN), strict=True):
        y = min(top, slope * x) / 1e12
        axes.plot([x], [y], "o", color=color)
        axes.annotate(name, (x, y), (0, -14), textcoords="offset points", ha="center")
    axes.set(xlabel="FLOP per byte that is read", ylabel="TFLOP/s of a device")


def _value(quantity: Quantity) -> float:
    return float(quantity.value)


def _table(axes: Axes, rows: dict[str, list[int]], context: int | None, style: ModuleType) -> None:
    """Numbers on a blue that is the stronger the longer the context."""
    import numpy as np
    from matplotlib.colors import LinearSegmentedColormap

    axes.grid(visible=False)
    for side in axes.spines.values():
        side.set_visible(False)
    values: Any = np.array(list(rows.values()), dtype=float)
    strength = np.log2(values + 1) - np.log2(values.max() + 1)
    shades = LinearSegmentedColormap.from_list("frontier", ["white", style.SKY, style.BLUE])
    axes.imshow(strength, cmap=shades, aspect="auto", vmin=-8, vmax=0)
    for (row, column), value in np.ndenumerate(values):
        ink = "white" if strength[row, column] > -2 else style.BLACK
        text = f"{int(value):,}" if value else ""
        axes.text(column, row, text, ha="center", va="center", fontsize=7, color=ink)
    axes.set_xticks(range(len(FRONTIER)), FRONTIER)
    axes.set_yticks(range(len(rows)), list(rows))
    axes.tick_params(length=0)
    if context:
        axes.set_xlabel(f"at most {context:,}, the model's own context")
