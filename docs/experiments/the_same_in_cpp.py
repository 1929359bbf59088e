"""How long do the engines take? NumPy, C++ and PyTorch on the same models, side by side.

Measures nothing itself: prints and draws benchmarks/results.json, which `make bench ONLY=mlp`
writes. For each workload and engine: the median time of a training step, or of the prediction of
one digit; how many times faster that is than PyTorch with as many threads; the share of the
machine's SGEMM rate; the peak memory of the process.
"""

from __future__ import annotations

import json
import re
import sys
from collections import defaultdict
from pathlib import Path
from typing import Any

from _shared import output_folder, publish
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, NullFormatter

from byhand.views.style import BLACK, BLUE, GREEN, GREY, ORANGE

RESULTS = Path(__file__).parents[2] / "benchmarks" / "results.json"
WORKLOAD = re.compile(r"(train|predict) \[[\d,]+\](?: batch \d+)?")
ENGINES = {
    "numpy": "NumPy",
    "native": "native (C++)",
    "pytorch": "PyTorch eager",
    "torch.compile": "torch.compile",
}
COLOURS = {"numpy": ORANGE, "torch.compile": GREEN, "native": BLUE}
"""From the top of a workload to its bottom; PyTorch eager is the line at 1."""

Row = dict[str, Any]
Findings = dict[str, dict[str, list[Row]]]
"""machine -> workload -> rows, one for each engine and number of threads."""


def measured(results: Path) -> Findings:
    """The rows of this benchmark, the smaller networks first, and training before prediction."""
    if not results.is_file():
        sys.exit(f"{results} is not there: make bench ONLY=mlp writes it (about five minutes)")
    rows = json.loads(results.read_text("utf-8"))
    found: Findings = defaultdict(lambda: defaultdict(list))
    for row in sorted((row for row in rows if WORKLOAD.fullmatch(row["workload"])), key=place):
        found[machine(row)][row["workload"]].append(row)
    return {name: dict(workloads) for name, workloads in found.items()}


def place(row: Row) -> tuple[Any, ...]:
    sizes = [int(number) for number in re.findall(r"\d+", row["workload"])]
    predicts = row["workload"].startswith("predict")
    return machine(row), predicts, sizes, list(ENGINES).index(row["engine"]), row["threads"]


def machine(row: Row) -> str:
    about = row["machine"]
    return f"{about['processor']}, {about['cores']} cores, {about['os']}"


def number(value: float | None, unit: str = "") -> str:
    if value is None:
        return "unknown"
    return (f"{value:,.0f}" if value >= 1000 else f"{value:.3g}") + unit


def report(found: Findings) -> list[str]:
    lines = []
    for name, workloads in found.items():
        about = next(iter(workloads.values()))[0]["machine"]
        versions = f"Python {about['python']}, NumPy {about['numpy']}, PyTorch {about['torch']}"
        heads = f"{'threads':>27}{'µs':>10}{'to PyTorch':>13}{'of SGEMM':>11}{'peak MiB':>11}"
        lines += ["", name, versions, "", heads]
        for workload, rows in workloads.items():
            lines += [workload, *map(line, rows)]
    return lines[1:]


def line(row: Row) -> str:
    share = row["share_of_sgemm_rate"]
    return (
        f"  {ENGINES[row['engine']]:18}{row['threads']:>7}"
        f"{number(1e6 * row['median_seconds']):>10}"
        f"{number(row['ratio_to_pytorch_eager'], ' x'):>13}"
        f"{number(None if share is None else 100 * share, ' %'):>11}"
        f"{row['peak_memory_mib']:>11}"
    )


def draw(found: Findings) -> Figure:
    threads = {
        name: sorted({row["threads"] for rows in workloads.values() for row in rows})
        for name, workloads in found.items()
    }
    figure = Figure(figsize=(8.4, 0.9 + 3.6 * len(found)), layout="constrained")
    panels = figure.subplots(
        len(found), max(map(len, threads.values())), sharex=True, squeeze=False
    )
    for (name, workloads), across in zip(found.items(), panels, strict=True):
        for axes in across[len(threads[name]) :]:
            axes.set_axis_off()
        for axes, count in zip(across, threads[name], strict=False):
            panel(axes, workloads, count)
            axes.set_title(f"{count} thread{'s' if count > 1 else ''}")
            axes.set_yticks([])
        labels = [workload.replace(" batch", "\nbatch") for workload in workloads]
        across[0].set_yticks(range(len(labels)), labels)
        across[0].set_ylabel(name, color=GREY, size=8)
    scale(panels)
    figure.legend(*panels[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=4)
    return figure


def panel(axes: Axes, workloads: dict[str, list[Row]], threads: int) -> None:
    """From PyTorch's time to that of every engine with so many threads, for each workload."""
    axes.axvline(1, color=BLACK, linewidth=1, label="PyTorch eager")
    for k, (engine, colour) in enumerate(COLOURS.items()):
        look = {"color": colour, "linewidth": 2.4, "markersize": 5}
        axes.plot([], [], "o-", label=ENGINES[engine], **look)
        for place, rows in enumerate(workloads.values()):
            y = place + 0.26 * (k - 1)
            for row in rows:
                ratio = row["ratio_to_pytorch_eager"]
                if (row["engine"], row["threads"]) == (engine, threads) and ratio is not None:
                    axes.plot([1, 1 / ratio], [y, y], "-o", markevery=[1], **look)
                    write_beside(axes, 1 / ratio, y)
    axes.set(xlabel="time, PyTorch eager = 1", xscale="log")
    axes.grid(axis="y", visible=False)
    axes.invert_yaxis()


def write_beside(axes: Axes, time: float, y: float) -> None:
    """A label on the side away from the line at 1."""
    text = f"{time:.2g}" if time > 0.95 else f"1/{number(float(f'{1 / time:.2g}'))}"
    side, align = (-1, "right") if time < 1 else (1, "left")
    offset = {"xytext": (6 * side, 0), "textcoords": "offset points"}
    axes.annotate(text, (time, y), **offset, ha=align, va="center", fontsize=8)


def scale(panels: Any) -> None:
    """The same axis of times everywhere, with room for a label at both ends."""
    low, high = panels[0, 0].get_xlim()
    low, high = low / 1.9, high * 1.9
    steps = (1, 3) if high < 2000 * low else (1,)
    ticks = [step * 10**k for k in range(5) for step in steps]
    both = [1 / t for t in ticks[1:]] + ticks
    for axes in panels.flat:
        axes.set_xlim(low, high)
        axes.xaxis.set_major_locator(FixedLocator([t for t in both if low <= t <= high]))
        axes.xaxis.set_major_formatter(lambda t, _: f"{t:g}" if t > 0.95 else f"1/{1 / t:.0f}")
        axes.xaxis.set_minor_formatter(NullFormatter())


def main(folder: Path, results: str = str(RESULTS)) -> Findings:
    found = measured(Path(results))
    publish("the_same_in_cpp", lambda: draw(found), report(found), folder)
    return found


if __name__ == "__main__":
    main(output_folder())
