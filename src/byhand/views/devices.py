"""Where a GPU begins to win: the time of a training step on each device, and which is the fastest
for which batch size and width."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from byhand.training.devices import Fit, Timings, frontier, gpus
from byhand.views.style import PALETTE, figure, log_scale, styled

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


@styled
def draw(view: tuple[Timings, dict[str, Fit]]) -> Figure:
    """On the left the measured times beside what the fit says, on the right the fastest device of
    each size."""
    timings, fits = view
    there = gpus(timings.seconds)
    headline = "Where the GPU begins to win" if there else "What a training step costs on this CPU"
    about = f"{timings.title}\nwithout a GPU: PyTorch finds none here"
    new = figure(4.0, headline, timings.title if there else about)
    times, fastest = new.subplots(1, 2, width_ratios=(1.25, 1))
    _draw_times(times, timings, fits)
    _draw_fastest(fastest, timings, fits)
    new.legend(*times.get_legend_handles_labels(), loc="outside lower center", ncols=4)
    return new


def _draw_times(axes: Axes, timings: Timings, fits: dict[str, Fit]) -> None:
    work = np.array([size.work for size in timings.sizes])
    for (name, seconds), colour in zip(timings.seconds.items(), PALETTE, strict=False):
        axes.plot(work, 1e6 * seconds, "o", color=colour, markersize=4, label=name)
        fitted = [fits[name].seconds(s.work, s.parameters) for s in timings.sizes]
        axes.plot(work, 1e6 * np.array(fitted), "_", color=colour, markersize=11)
        overhead = fits[name].overhead
        if overhead > 0:
            axes.axhline(1e6 * overhead, color=colour, linewidth=0.8, linestyle=":")
    axes.set_xscale("log")
    log_scale(axes)
    axes.set(
        title="Time of a step (dash: fit, dotted: overhead)",
        xlabel="multiply-adds of a step",
        ylabel="µs",
    )


def _draw_fastest(axes: Axes, timings: Timings, fits: dict[str, Fit]) -> None:
    """A square for each size, in the colour of the fastest, with its lead over the next one; and
    for each GPU the line above which it wins."""
    names, colours = list(timings.seconds), dict(zip(timings.seconds, PALETTE, strict=False))
    axes.set(xscale="log", yscale="log")
    for k, size in enumerate(timings.sizes):
        times = {name: seconds[k] for name, seconds in timings.seconds.items()}
        first, *rest = sorted(names, key=times.__getitem__)
        place = size.factor, size.batch
        axes.plot(*place, "s", color=colours[first], markersize=26, alpha=0.35)
        if rest:
            ahead = times[rest[0]] / times[first]
            axes.text(*place, f"{ahead:.2g}×", ha="center", va="center", size=8)
    factors, batches = ({getattr(s, what) for s in timings.sizes} for what in ("factor", "batch"))
    axes.set_xlim(min(factors) / 2, max(factors) * 2)
    axes.set_ylim(min(batches) / 3, max(batches) * 3)
    for gpu in gpus(fits):
        begins = frontier(timings, fits, gpu)
        axes.plot(list(begins), list(begins.values()), color=colours[gpu], linestyle="--")
    axes.set_xticks(sorted(factors), [f"× {factor}" for factor in sorted(factors)])
    axes.set_yticks(sorted(batches), list(map(str, sorted(batches))))
    axes.minorticks_off()
    axes.grid(visible=False)
    axes.set(
        title=f"Fastest, and its lead{' (dashed: the fit)' if gpus(fits) else ''}",
        xlabel="width, of the recipe's",
        ylabel="batch size",
    )
