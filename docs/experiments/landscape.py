"""What a picture of the loss shows, and what it only seems to show.

A small ReLU network and its twin, which computes the same with ten times the weights in one layer
and a tenth in the next: the loss along a random direction, as it is drawn and normalised filter by
filter. Then the path of training on the plane of its first two principal components, beside a
random walk in as many dimensions on its own.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from _shared import digits, learn, output_folder, publish
from matplotlib.figure import Figure

from byhand import SGD, SoftmaxCrossEntropy, engines
from byhand.engines import Program
from byhand.initializers import He
from byhand.models import mlp
from byhand.views.landscape import contours, filter_normalised, surface
from byhand.views.path import Plane, along, principal_plane
from byhand.views.style import BLUE, ORANGE

EXAMPLES, FEW, BATCH, STEPS, EVERY, RATE = 2000, 500, 20, 1500, 100, 0.1
STRETCH, DRAWS = 10, 5
LINE = np.linspace(-1, 1, 21)
Parameters = dict[str, np.ndarray]


@dataclass(frozen=True)
class Findings:
    """lines: (direction, network) -> loss[draw, place]. path and walk: their planes. a, b, loss:
    the surface on the path's plane. lengths: the distances of the path's points from its end."""

    lines: dict[tuple[str, str], np.ndarray]
    path: Plane
    walk: Plane
    a: np.ndarray
    b: np.ndarray
    loss: np.ndarray
    lengths: np.ndarray


def stretched(theta: Parameters) -> Parameters:
    """The twin: ReLU(10 z) = 10 ReLU(z), and the next layer divides by 10."""
    more = {name: STRETCH * theta[name] for name in ("hidden1.W", "hidden1.b")}
    return theta | more | {"output.W": theta["output.W"] / STRETCH}


def as_drawn(theta: Parameters, random: np.random.Generator) -> Parameters:
    """A random direction that is as long as all parameters together."""
    direction = {name: random.standard_normal(value.shape) for name, value in theta.items()}
    scale = np.linalg.norm(flat(theta)) / np.linalg.norm(flat(direction))
    return {name: scale * value for name, value in direction.items()}


def flat(theta: Parameters) -> np.ndarray:
    return np.concatenate([value.ravel() for value in theta.values()], dtype=np.float64)


def along_directions(program: Program) -> dict[tuple[str, str], np.ndarray]:
    split = digits(EXAMPLES)[0].first(FEW)
    theta = program.parameters()
    networks = {"network": theta, "its twin": stretched(theta)}
    found = {}
    for name, own in networks.items():
        for kind in ("as drawn", "filter by filter"):
            lines = []
            for seed in range(DRAWS):
                random = np.random.default_rng(seed)
                if kind == "as drawn":
                    u = as_drawn(own, random)
                else:
                    u = filter_normalised(program.description.model, own, random)
                lines.append(surface(program, split, own, u, u, LINE, np.zeros(1))[0])
            found[kind, name] = np.array(lines)
    return found


def measure() -> Findings:
    split, _ = digits(EXAMPLES)
    model = mlp([784, 30, 10], activation="relu", weights=He()).initialize(0, np.float32)
    program = engines.compile(model, SoftmaxCrossEntropy(), SGD(RATE))
    looks = learn(program, split, BATCH, 0, STEPS, EVERY)
    points = np.array([flat(program.parameters()) for _ in looks])
    end = program.parameters()
    plane = principal_plane(points)
    u, v = (unflat(direction, end) for direction in plane.directions)
    reach = np.ptp(plane.points, axis=0) / 4
    low, high = plane.points.min(axis=0) - reach, plane.points.max(axis=0) + reach
    a, b = (np.linspace(low[k], high[k], 21) for k in range(2))
    loss = surface(program, split.first(FEW), end, u, v, a, b)
    steps = np.random.default_rng(0).standard_normal(points.shape, np.float32)
    return Findings(
        along_directions(program),
        plane,
        principal_plane(steps.cumsum(axis=0)),
        a,
        b,
        loss,
        np.linalg.norm(points - points[-1], axis=1),
    )


def unflat(vector: np.ndarray, like: Parameters) -> Parameters:
    pieces = np.split(vector, np.cumsum([value.size for value in like.values()])[:-1])
    return {name: p.reshape(like[name].shape) for name, p in zip(like, pieces, strict=True)}


def report(found: Findings) -> list[str]:
    lines = [f"mean loss along {DRAWS} directions    at 0.5 away    at the parameters"]
    half = np.isclose(abs(LINE), 0.5)
    for (kind, name), loss in found.lines.items():
        middle = loss[:, len(LINE) // 2].mean()
        lines.append(f"{kind:17} {name:10}{loss[:, half].mean():17.3f}{middle:21.3f}")
    lines += ["", "variance, %                 first    second    all others"]
    for name, plane in (("training", found.path), ("a random walk", found.walk)):
        first, second = 100 * plane.explained
        lines.append(f"{name:24}{first:9.1f}{second:10.1f}{100 - first - second:14.1f}")
    lines += ["", "step            distance from the end    beside the plane"]
    for k in (0, 1, len(found.lengths) // 2, len(found.lengths) - 2):
        beside = found.path.beside[k]
        lines.append(f"{EVERY * k:<16}{found.lengths[k]:21.2f}{beside:20.2f}")
    return lines


def draw(found: Findings) -> Figure:
    figure = Figure(figsize=(8.4, 7.2), layout="constrained")
    (left, right), (path, walk) = figure.subplots(2, 2)
    for axes, kind in ((left, "as drawn"), (right, "filter by filter")):
        looks = (("network", BLUE, "-", 3.5), ("its twin", ORANGE, "--", 1.6))
        for name, colour, line, width in looks:
            loss = found.lines[kind, name].T
            axes.semilogy(LINE, loss, line, color=colour, lw=width, alpha=0.6)
            axes.plot([], [], line, color=colour, lw=width, label=name)
        axes.set(xlabel="a", ylabel="loss L(θ + a u)")
        axes.minorticks_off()
        axes.legend(loc="upper center")
    left.set_title("Five random directions, as they were drawn")
    right.set_title("The same, normalised filter by filter")
    right.sharey(left)
    contours(path, found.a, found.b, found.loss)
    last = EVERY * (len(found.path.points) - 1)
    along(path, found.path.points, [EVERY * k for k in range(len(found.path.points))])
    path.texts[-1].set_text(f"step {last}")
    path.set_title("Training")
    walk.plot(*found.walk.points.T, "o-", ms=4, color=ORANGE)
    walk.set_title("A random walk")
    for axes, plane in ((path, found.path), (walk, found.walk)):
        axes.set_aspect("auto")
        first, second = 100 * plane.explained
        axes.set_xlabel(f"first component, {first:.0f} % of the variance")
        axes.set_ylabel(f"second, {second:.0f} %")
    return figure


def main(folder: Path) -> Findings:
    found = measure()
    publish("landscape", lambda: draw(found), report(found), folder)
    return found


if __name__ == "__main__":
    main(output_folder())
