"""Four maps of what speaks for an answer, and two questions that they have to stand.

Erasing: the pixels that a map ranks first are made background. How far does the score fall?
Forgetting: the last layers are drawn anew, so that the network knows nothing. Does the map change?
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from _shared import convolutional, digits, output_folder, publish

from byhand.engines import Program
from byhand.layers import Sequential
from byhand.views import saliency
from byhand.views.saliency import Saliency
from byhand.views.subject import in_our_layers

STEPS, SHOWN, TESTS, SEEDS = 1000, 5, 100, 5
ERASED = 40  # of 784 pixels; a digit has about 100 that are brighter than half
FORGOTTEN = {"output": ("output",), "output, hidden1": ("output", "hidden1"), "all": None}


@dataclass(frozen=True)
class Findings:
    """erased: method -> accuracy and mean score without the pixels that it ranks first.
    forgotten: which layers -> method -> correlation[seed] of the maps before and after."""

    view: Saliency
    before: tuple[float, float]
    erased: dict[str, tuple[float, float]]
    forgotten: dict[str, dict[str, np.ndarray]]


def maps_of(program: Program, images: np.ndarray, units: np.ndarray) -> dict[str, np.ndarray]:
    """By method: [images, pixels] for the given units of the last layer, squares moved by 2."""
    model = in_our_layers(program)
    nowhere = np.zeros((len(images), 2), int)

    def ask(x: np.ndarray) -> np.ndarray:
        return program.activations(x)["output"]

    maps = saliency.all_maps(model.layers, ask, images, units, nowhere, squares=(7, 2))
    return {method: found.reshape(len(images), -1) for method, found in maps.items()}


def scores(program: Program, images: np.ndarray, units: np.ndarray) -> tuple[float, float]:
    """The share of images still answered with the unit, and its mean score."""
    y = program.activations(images)["output"]
    return float(np.mean(y.argmax(axis=1) == units)), float(y[np.arange(len(y)), units].mean())


def without(images: np.ndarray, ranks: np.ndarray) -> np.ndarray:
    """The images with the pixels of the highest ranks made background."""
    flat = images.reshape(len(images), -1).copy()
    first = np.argsort(-ranks, axis=1, kind="stable")[:, :ERASED]
    np.put_along_axis(flat, first, 0, axis=1)
    return flat.reshape(images.shape)


def forget(program: Program, names: tuple[str, ...] | None, seed: int) -> None:
    """Draw the parameters of these layers, or of all, anew."""
    fresh: Sequential = in_our_layers(program).initialize(100 + seed, np.float32)
    known = program.parameters()
    anew = {n for n in known if names is None or n.split(".")[0] in names}
    program.set_parameters({n: fresh.parameters[n] if n in anew else known[n] for n in known})


def measure(steps: int = STEPS, seeds: int = SEEDS) -> Findings:
    program, (_, test) = convolutional(steps), digits(0, TESTS)
    images = test.inputs
    units = program.predict(images).argmax(axis=1)
    about = "a small convolutional network that has learned from 10,000 digits"
    captions = [f"a {digit}" for digit in test.targets[:SHOWN]]
    view = saliency.maps_of(program, images[:SHOWN], captions, about, tuple("0123456789"))
    maps = maps_of(program, images, units)
    flat = images.reshape(TESTS, -1)
    ranks = {"ink at random": (flat > 0.5) + np.random.default_rng(0).random(flat.shape)} | maps
    erased = {name: scores(program, without(images, rank), units) for name, rank in ranks.items()}
    forgotten: dict[str, dict[str, np.ndarray]] = {}
    known = program.parameters()
    for which, names in FORGOTTEN.items():
        rows = []
        for seed in range(seeds):
            program.set_parameters(known)
            forget(program, names, seed)
            rows.append({m: alike(maps[m], x) for m, x in maps_of(program, images, units).items()})
        forgotten[which] = {method: np.array([row[method] for row in rows]) for method in maps}
    program.set_parameters(known)
    return Findings(view, scores(program, images, units), erased, forgotten)


def alike(a: np.ndarray, b: np.ndarray) -> float:
    """The mean over images of the correlation of the sizes of two maps, pixel by pixel."""
    a, b = np.abs(a), np.abs(b)
    a, b = (m - m.mean(axis=1, keepdims=True) for m in (a, b))
    products = (a * b).sum(axis=1)
    return float(np.mean(products / np.sqrt((a**2).sum(axis=1) * (b**2).sum(axis=1))))


def report(found: Findings) -> list[str]:
    lines = [f"{ERASED} pixels erased      still the answer   mean score"]
    rows = {"none": found.before} | found.erased
    lines += [f"{name:24}{100 * a:10.0f} %{s:14.2f}" for name, (a, s) in rows.items()]
    lines += ["", "drawn anew        " + "".join(f"{method:>13}" for method in saliency.TITLES)]
    for which, methods in found.forgotten.items():
        cells = "".join(f"{methods[method].mean():13.2f}" for method in saliency.TITLES)
        lines.append(f"{which:18}{cells}")
    return lines


def main(folder: Path, steps: int = STEPS, seeds: int = SEEDS) -> Findings:
    found = measure(steps, seeds)
    publish("saliency", lambda: saliency.draw(found.view), report(found), folder)
    return found


if __name__ == "__main__":
    main(output_folder())
