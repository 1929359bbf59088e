"""One network by hand and by autograd: are they the same, and what does each cost?

A convolution, batch norm, SiLU and a dense layer learn 5,000 digits: by hand in NumPy, and in
PyTorch with the middle of the network written in operations, with PyTorch's own layers, and as a
`torch.autograd.Function` with its derivative by hand. Prints how far the parameters are from those
by hand after training, the lines of code, what is kept for the way back, the nodes of the graph,
and times; draws what is kept and the times. NumPy and PyTorch have one thread each.
"""

from __future__ import annotations

import ast
import inspect
import statistics
import textwrap
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import _step_by_autograd as autograd
import _step_by_hand as by_hand
import numpy as np
import torch
from _batch_norm_silu import BatchNormSiLU, example
from _shared import digits, output_folder, publish
from matplotlib.figure import Figure
from threadpoolctl import threadpool_limits

from byhand import check
from byhand.randomness import batch_order
from byhand.views.style import BLACK, BLUE, GREEN, ORANGE

CHANNELS, EXAMPLES, TEST, BATCH, RATE = 16, 5000, 2000, 32, 0.1
BATCHES = (1, 4, 16, 64, 256)
MIDDLES = {
    "in operations": autograd.in_operations,
    "built in": autograd.built_in,
    "own Function": autograd.own_function,
}
WAYS = ("by hand", *MIDDLES)
COLOURS = dict(zip(WAYS, (BLACK, ORANGE, BLUE, GREEN), strict=True))


@dataclass(frozen=True)
class Findings:
    """By way: accuracy on the test digits; apart, the relative distance of the parameters from
    those by hand; lines of forward and of backward; kept, bytes for BATCHES[-1] digits in float32,
    and the bytes of one array as large as z; nodes of the graph; seconds of a step by batch size.
    verdict: the doctor's, on the derivative of the own Function.
    recording: way -> seconds of a forward pass by batch size, without and with its recording."""

    accuracy: dict[str, float]
    apart: dict[str, float]
    lines: dict[str, tuple[int, int]]
    kept: dict[str, int]
    array: int
    nodes: dict[str, int]
    verdict: str
    step: dict[str, np.ndarray]
    recording: dict[str, np.ndarray]


def start(dtype: type = np.float64) -> by_hand.Parameters:
    rng = np.random.default_rng(0)
    n_hidden = 144 * CHANNELS
    return {
        "W1": (rng.standard_normal((25, CHANNELS)) / 5).astype(dtype),
        "gamma": np.ones(CHANNELS, dtype),
        "beta": np.zeros(CHANNELS, dtype),
        "W2": (rng.standard_normal((n_hidden, 10)) / np.sqrt(n_hidden)).astype(dtype),
        "b2": np.zeros(10, dtype),
    }


def as_in_pytorch(parameters: by_hand.Parameters) -> dict[str, torch.Tensor]:
    """The same numbers in PyTorch's order: channels before places."""
    W2 = parameters["W2"].reshape(144, CHANNELS, 10).swapaxes(0, 1).reshape(-1, 10)
    W1 = parameters["W1"].T.reshape(CHANNELS, 1, 5, 5)
    return {
        name: torch.tensor(value.copy(), requires_grad=True)
        for name, value in (parameters | {"W1": W1, "W2": W2}).items()
    }


def batch(count: int, dtype: type = np.float64) -> tuple[np.ndarray, np.ndarray]:
    train, _ = digits(EXAMPLES, TEST)
    return train.inputs[:count].reshape(-1, 28, 28).astype(dtype), train.targets[:count]


def learned(steps: int) -> dict[str, tuple[Any, float]]:
    """By way: the parameters after training in float64, and the accuracy on the test digits, with
    the statistics of these digits in batch norm."""
    x, t = batch(EXAMPLES)
    _, test = digits(EXAMPLES, TEST)
    xs, ts = test.inputs.reshape(-1, 28, 28).astype(np.float64), test.targets
    epochs = -(-steps * BATCH // EXAMPLES)
    order = np.concatenate([batch_order(0, epoch, EXAMPLES) for epoch in range(epochs)])
    batches = order[: steps * BATCH].reshape(steps, BATCH)

    p = start()
    for rows in batches:
        _, cache = by_hand.forward(p, x[rows], t[rows])
        gradients = by_hand.backward(p, x[rows], t[rows], cache)
        p = {name: w - RATE * gradients[name] for name, w in p.items()}
    _, (*_, log_s) = by_hand.forward(p, xs, ts)
    found = {"by hand": (as_in_pytorch(p), float((log_s.argmax(axis=1) == ts).mean()))}

    images, labels = torch.tensor(x)[:, None], torch.tensor(t)
    for way, middle in MIDDLES.items():
        q = as_in_pytorch(start())
        for rows in batches:
            slopes = autograd.gradients(q, images[rows], labels[rows], middle)
            q = {name: (w - RATE * slopes[name]).detach().requires_grad_() for name, w in q.items()}
        with torch.no_grad():
            scores = autograd.scores(q, torch.tensor(xs)[:, None], middle)
        found[way] = (q, float((scores.argmax(1).numpy() == ts).mean()))
    return found


def apart(found: dict[str, torch.Tensor], expected: dict[str, torch.Tensor]) -> float:
    """‖w − w by hand‖ / ‖w by hand‖ over all parameters."""
    with torch.no_grad():
        off = sum(float((found[name] - w).square().sum()) for name, w in expected.items())
        return float((off / sum(float(w.square().sum()) for w in expected.values())) ** 0.5)


def code_lines(*functions: Callable[..., Any]) -> int:
    """Lines of the bodies that hold code: neither empty, nor comment, nor docstring."""
    count = 0
    for function in functions:
        (node,) = ast.parse(textwrap.dedent(inspect.getsource(function))).body
        assert isinstance(node, ast.FunctionDef)
        body = node.body[1:] if ast.get_docstring(node) else node.body
        count += len({n for each in body for n in range(each.lineno, each.end_lineno + 1)})
    return count


def lines_by_way() -> dict[str, tuple[int, int]]:
    """Of forward and of backward; what both use counts as forward."""
    ours = (by_hand.columns, by_hand.activation, by_hand.forward)
    around = (autograd.scores, autograd.forward)
    found = {"by hand": (code_lines(*ours), code_lines(by_hand.backward))}
    call = code_lines(autograd.gradients)
    for way, middle in MIDDLES.items():
        found[way] = (code_lines(*around, middle), call)
    forward, backward = found["own Function"]
    found["own Function"] = (
        forward + code_lines(BatchNormSiLU.forward),
        backward + code_lines(BatchNormSiLU.backward),
    )
    return found


def kept_by_hand(p: by_hand.Parameters, x: np.ndarray, t: np.ndarray) -> int:
    """Bytes in the cache."""
    return sum(array.nbytes for array in by_hand.forward(p, x, t)[1])


def kept_by_autograd(run: Callable[[], torch.Tensor], known: Sequence[torch.Tensor]) -> int:
    """Bytes that are kept for backward, each once, without what was there before."""
    saved: dict[int, torch.Tensor] = {}

    def pack(tensor: torch.Tensor) -> torch.Tensor:
        saved[tensor.untyped_storage().data_ptr()] = tensor  # held, or its place is used again
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        loss = run()
    there = {tensor.untyped_storage().data_ptr() for tensor in known}
    assert loss.requires_grad
    return sum(v.untyped_storage().nbytes() for place, v in saved.items() if place not in there)


def nodes(loss: torch.Tensor) -> int:
    """Operations that backward goes through, without those that hand a gradient over."""
    found, waiting = set(), [loss.grad_fn]
    while waiting:
        node = waiting.pop()
        if node is not None and node not in found:
            found.add(node)
            waiting += [source for source, _ in node.next_functions]
    return sum(node.name() != "torch::autograd::AccumulateGrad" for node in found)


def medians(calls: dict[Any, Callable[[], Any]], rounds: int) -> dict[Any, float]:
    """Processor seconds of each call, in which other work on the machine does not count: the median
    of so many rounds, each in another order."""
    turns, order = list(calls.items()), np.random.default_rng(0)
    seconds: dict[Any, list[float]] = {name: [] for name in calls}
    for call in calls.values():
        call()
    for _ in range(rounds):
        for place in order.permutation(len(turns)):
            name, call = turns[place]
            begin = time.thread_time()
            call()
            seconds[name].append(time.thread_time() - begin)
    return {name: statistics.median(found) for name, found in seconds.items()}


def times(count: int, rounds: int) -> tuple[dict[str, float], dict[str, tuple[float, float]]]:
    """Of a batch in float32: seconds of a step by way, of a forward pass without and with its
    recording."""
    x, t = batch(count, np.float32)
    p, q = start(np.float32), as_in_pytorch(start(np.float32))
    images, labels = torch.tensor(x)[:, None], torch.tensor(t)

    def step_by_hand() -> None:
        by_hand.backward(p, x, t, by_hand.forward(p, x, t)[1])

    def unrecorded(middle: autograd.Middle) -> None:
        with torch.no_grad():
            autograd.forward(q, images, labels, middle)

    calls: dict[Any, Callable[[], Any]] = {("by hand", "step"): step_by_hand}
    for way, middle in MIDDLES.items():
        calls |= {
            (way, "step"): lambda m=middle: autograd.gradients(q, images, labels, m),
            (way, "off"): lambda m=middle: unrecorded(m),
            (way, "on"): lambda m=middle: autograd.forward(q, images, labels, m),
        }
    found = medians(calls, rounds)
    steps = {way: found[way, "step"] for way in WAYS}
    return steps, {way: (found[way, "off"], found[way, "on"]) for way in MIDDLES}


def measure(rounds: int, steps: int) -> Findings:
    trained = learned(steps)
    x, t = batch(BATCHES[-1], np.float32)
    p, q = start(np.float32), as_in_pytorch(start(np.float32))
    images, labels = torch.tensor(x)[:, None], torch.tensor(t)
    known = [*q.values(), images, labels]
    kept, graph = {"by hand": kept_by_hand(p, x, t)}, {"by hand": 0}
    for way, middle in MIDDLES.items():
        kept[way] = kept_by_autograd(lambda m=middle: autograd.forward(q, images, labels, m), known)
        graph[way] = nodes(autograd.forward(q, images, labels, middle))
    # Small batches are soon done, and vary more.
    timed = [times(count, rounds * min(5, BATCHES[-1] // count)) for count in BATCHES]
    expected, _ = trained["by hand"]
    return Findings(
        {way: accuracy for way, (_, accuracy) in trained.items()},
        {way: apart(found, expected) for way, (found, _) in trained.items()},
        lines_by_way(),
        kept,
        BATCHES[-1] * 144 * CHANNELS * 4,
        graph,
        check(
            BatchNormSiLU.forward, BatchNormSiLU.backward, example(np.random.default_rng(0))
        ).verdict,
        {way: np.array([steps[way] for steps, _ in timed]) for way in WAYS},
        {way: np.array([recording[way] for _, recording in timed]) for way in MIDDLES},
    )


def report(found: Findings) -> list[str]:
    def line(name: str, values: dict[str, str]) -> str:
        return f"{name:38}" + "".join(f"{values.get(way, ''):>15}" for way in WAYS)

    lines = [
        line("", {way: way for way in WAYS}),
        line("accuracy", {way: f"{100 * a:.2f} %" for way, a in found.accuracy.items()}),
        line("parameters apart", {way: f"{found.apart[way]:.1e}" for way in MIDDLES}),
        line("says byhand check", {"own Function": found.verdict}),
        line("lines, forward", {way: str(a) for way, (a, _) in found.lines.items()}),
        line("lines, backward", {way: str(b) for way, (_, b) in found.lines.items()}),
        line("nodes of the graph", {way: str(found.nodes[way]) for way in MIDDLES}),
        line("kept for backward, MiB", {w: f"{k / 2**20:.1f}" for w, k in found.kept.items()}),
        line(
            "  in arrays as large as z",
            {w: f"{k / found.array:.2f}" for w, k in found.kept.items()},
        ),
        "",
        "a batch's step: ms, and ratios to that",
    ]
    hand = found.step["by hand"]
    for place, count in enumerate(BATCHES):
        ratios = {way: f"{found.step[way][place] / hand[place]:.2f}" for way in MIDDLES}
        lines.append(line(f"{count:>6}", {"by hand": f"{1e3 * hand[place]:.2f} ms"} | ratios))
    lines += ["", "time of a forward pass, recorded to not"]
    for place, count in enumerate(BATCHES):
        ratios = {way: f"{s[place, 1] / s[place, 0]:.2f}" for way, s in found.recording.items()}
        lines.append(line(f"{count:>6}", ratios))
    return lines


def draw(found: Findings) -> Figure:
    figure = Figure(figsize=(8.0, 3.6), layout="constrained")
    left, right = figure.subplots(1, 2)
    arrays = [found.kept[way] / found.array for way in WAYS]
    bars = left.barh(WAYS, arrays, color=[COLOURS[way] for way in WAYS])
    left.bar_label(bars, fmt="{:.2f}", padding=3)
    left.invert_yaxis()
    left.set(xlabel="in arrays as large as z", xlim=(0, 1.15 * max(arrays)))
    left.set_title("What is kept for the way back")
    for way, seconds in found.step.items():
        ratio = seconds / found.step["by hand"]
        right.plot(BATCHES, ratio, color=COLOURS[way], marker=".", label=way)
    right.set(xlabel="digits in a batch", ylabel="to that by hand in NumPy", xscale="log")
    right.set_xticks(BATCHES, [str(count) for count in BATCHES])
    right.minorticks_off()
    right.set_ylim(bottom=0)
    right.set_title("Time of a step")
    right.legend()
    return figure


def main(folder: Path, rounds: int = 40, steps: int = 300) -> Findings:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    with threadpool_limits(1):
        found = measure(rounds, steps)
    torch.set_num_threads(threads)
    publish("where_the_line_is", lambda: draw(found), report(found), folder)
    return found


if __name__ == "__main__":
    main(output_folder())
